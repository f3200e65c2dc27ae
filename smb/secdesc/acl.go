package secdesc

import "encoding/binary"

// ACEType is the kind of an access control entry (MS-DTYP 2.4.4.1).
type ACEType uint8

// Kinds of entries. Those not listed are kept as they came and grant nothing.
const (
	AccessAllowed               ACEType = 0x00
	AccessDenied                ACEType = 0x01
	SystemAudit                 ACEType = 0x02
	SystemAlarm                 ACEType = 0x03
	AccessAllowedObject         ACEType = 0x05
	AccessDeniedObject          ACEType = 0x06
	SystemAuditObject           ACEType = 0x07
	SystemAlarmObject           ACEType = 0x08
	AccessAllowedCallback       ACEType = 0x09
	AccessDeniedCallback        ACEType = 0x0a
	AccessAllowedCallbackObject ACEType = 0x0b
	AccessDeniedCallbackObject  ACEType = 0x0c
	SystemAuditCallback         ACEType = 0x0d
	SystemMandatoryLabel        ACEType = 0x11
	SystemResourceAttribute     ACEType = 0x12
	SystemScopedPolicy          ACEType = 0x13
)

// ACEFlags say how an entry is inherited and audited (MS-DTYP 2.4.4.1).
type ACEFlags uint8

// Flags of an entry.
const (
	ObjectInherit      ACEFlags = 0x01 // files in the directory get it
	ContainerInherit   ACEFlags = 0x02 // directories in the directory get it
	NoPropagateInherit ACEFlags = 0x04 // and pass it no further
	InheritOnly        ACEFlags = 0x08 // does not count on the directory itself
	InheritedACE       ACEFlags = 0x10 // came from the parent
	SuccessfulAccess   ACEFlags = 0x40 // audit success
	FailedAccess       ACEFlags = 0x80 // audit failure

	inheritanceFlags = ObjectInherit | ContainerInherit | NoPropagateInherit | InheritOnly
)

// Revisions of an ACL (MS-DTYP 2.4.5).
const (
	aclRevision       = 2
	aclRevisionObject = 4
)

// MaxACLSize is the largest encoded ACL in bytes, its header included.
const MaxACLSize = 0xffff &^ 3

const (
	aclHeaderSize = 8
	aceHeaderSize = 4
	// minACESize is the smallest useful entry, with a SID without
	// sub-authorities; it bounds what a count may make us allocate.
	minACESize = 16
)

// ACE is one access control entry (MS-DTYP 2.4.4).
//
// For entries with the plain layout, Mask and SID are decoded and Data holds
// what follows the SID (the condition of a callback entry, the attribute of a
// resource entry). For object entries and unknown types the layout is not
// taken apart: Mask and SID are zero and Data is everything after the header.
type ACE struct {
	Type  ACEType
	Flags ACEFlags
	Mask  uint32
	SID   SID
	Data  []byte
}

// plain reports whether entries of type t are header, mask, SID and data.
func (t ACEType) plain() bool {
	switch t {
	case AccessAllowed, AccessDenied, SystemAudit, SystemAlarm,
		AccessAllowedCallback, AccessDeniedCallback, SystemAuditCallback,
		SystemMandatoryLabel, SystemResourceAttribute, SystemScopedPolicy:
		return true
	default:
		return false
	}
}

// object reports whether entries of type t need ACL revision 4.
func (t ACEType) object() bool {
	switch t {
	case AccessAllowedObject, AccessDeniedObject, SystemAuditObject, SystemAlarmObject,
		AccessAllowedCallbackObject, AccessDeniedCallbackObject:
		return true
	default:
		return false
	}
}

// Allow is a plain entry that grants mask to sid.
func Allow(sid SID, mask uint32, flags ACEFlags) ACE {
	return ACE{Type: AccessAllowed, Flags: flags, Mask: mask, SID: sid}
}

// Deny is a plain entry that denies mask to sid.
func Deny(sid SID, mask uint32, flags ACEFlags) ACE {
	return ACE{Type: AccessDenied, Flags: flags, Mask: mask, SID: sid}
}

// Len is the encoded length in bytes, a multiple of 4.
func (e *ACE) Len() int {
	n := aceHeaderSize + (len(e.Data)+3)&^3
	if e.Type.plain() {
		n += 4 + e.SID.Len()
	}
	return n
}

// mapped is the mask with generic rights resolved.
func (e *ACE) mapped() uint32 { return MapGeneric(e.Mask) }

// trustee is whom an entry is about and which rights it names, also for
// object entries; ok is false if that cannot be told.
func (e *ACE) trustee() (sid SID, mask uint32, ok bool) {
	if e.Type.plain() {
		return e.SID, e.mapped(), true
	}
	if !e.Type.object() || len(e.Data) < 8 {
		return SID{}, 0, false
	}
	// MS-DTYP 2.4.4.3: mask, flags, and a GUID for each of two flags.
	mask = MapGeneric(binary.LittleEndian.Uint32(e.Data))
	flags := binary.LittleEndian.Uint32(e.Data[4:])
	off := 8
	for _, bit := range [...]uint32{1, 2} {
		if flags&bit != 0 {
			off += 16
		}
	}
	if off > len(e.Data) {
		return SID{}, 0, false
	}
	sid, _, err := DecodeSID(e.Data[off:])
	return sid, mask, err == nil
}

func (e *ACE) append(b []byte) []byte {
	b = append(b, byte(e.Type), byte(e.Flags))
	b = binary.LittleEndian.AppendUint16(b, uint16(e.Len()))
	if e.Type.plain() {
		b = binary.LittleEndian.AppendUint32(b, e.Mask)
		b = e.SID.Append(b)
	}
	b = append(b, e.Data...)
	for range -len(e.Data) & 3 {
		b = append(b, 0)
	}
	return b
}

// decodeACE reads the entry at the start of b and returns its size.
func decodeACE(b []byte) (ACE, int, error) {
	if len(b) < aceHeaderSize {
		return ACE{}, 0, ErrTruncated
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	if size < aceHeaderSize || size%4 != 0 {
		return ACE{}, 0, ErrMalformed
	}
	if size > len(b) {
		return ACE{}, 0, ErrTruncated
	}
	e := ACE{Type: ACEType(b[0]), Flags: ACEFlags(b[1])}
	body := b[aceHeaderSize:size]
	if e.Type.plain() {
		if len(body) < 4 {
			return ACE{}, 0, ErrTruncated
		}
		e.Mask = binary.LittleEndian.Uint32(body)
		sid, n, err := DecodeSID(body[4:])
		if err != nil {
			return ACE{}, 0, err
		}
		e.SID, body = sid, body[4+n:]
	}
	if len(body) > 0 {
		e.Data = append([]byte(nil), body...)
	}
	return e, size, nil
}

// ACL is an access control list (MS-DTYP 2.4.5). Its entries stay in the
// order in which they were sent, canonical or not, as that order is what the
// access check obeys.
type ACL struct {
	// Revision is 2, or 4 if object entries may occur; 0 lets Append choose.
	Revision uint8
	ACEs     []ACE
}

// NewACL is a list of the given entries, never nil.
func NewACL(aces ...ACE) *ACL { return &ACL{Revision: aclRevision, ACEs: aces} }

// Clone is a deep copy; nil stays nil.
func (a *ACL) Clone() *ACL {
	if a == nil {
		return nil
	}
	c := &ACL{Revision: a.Revision, ACEs: make([]ACE, len(a.ACEs))}
	copy(c.ACEs, a.ACEs)
	for i := range c.ACEs {
		if d := c.ACEs[i].Data; d != nil {
			c.ACEs[i].Data = append([]byte(nil), d...)
		}
	}
	return c
}

// Audits reports whether a SACL has any entry that only PrivSecurity may set: all but
// those for which a SACL is just the place (see saclParts).
func (a *ACL) Audits() bool {
	if a == nil {
		return false
	}
	for i := range a.ACEs {
		switch a.ACEs[i].Type {
		case SystemMandatoryLabel, SystemResourceAttribute:
		default:
			return true
		}
	}
	return false
}

// Len is the encoded length in bytes, 0 for nil.
func (a *ACL) Len() int {
	if a == nil {
		return 0
	}
	n := aclHeaderSize
	for i := range a.ACEs {
		n += a.ACEs[i].Len()
	}
	return n
}

// Append appends the list; ErrTooLarge if it exceeds MaxACLSize. A nil list
// appends nothing.
func (a *ACL) Append(b []byte) ([]byte, error) {
	if a == nil {
		return b, nil
	}
	size := a.Len()
	if size > MaxACLSize {
		return b, ErrTooLarge
	}
	revision := a.Revision
	if revision == 0 {
		revision = aclRevision
	}
	for i := range a.ACEs {
		if a.ACEs[i].Type.object() {
			revision = aclRevisionObject
		}
	}
	b = append(b, revision, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(a.ACEs)))
	b = append(b, 0, 0)
	for i := range a.ACEs {
		b = a.ACEs[i].append(b)
	}
	return b, nil
}

// DecodeACL reads the list at the start of b. Bytes between the last entry and
// AclSize are passed over: Windows leaves free space there.
func DecodeACL(b []byte) (*ACL, error) {
	if len(b) < aclHeaderSize {
		return nil, ErrTruncated
	}
	size := int(binary.LittleEndian.Uint16(b[2:]))
	count := int(binary.LittleEndian.Uint16(b[4:]))
	// Revision 3 was that of compound entries; NT 4 still wrote it.
	if b[0] < aclRevision || b[0] > aclRevisionObject || size < aclHeaderSize {
		return nil, ErrMalformed
	}
	if size > len(b) {
		return nil, ErrTruncated
	}
	rest := b[aclHeaderSize:size]
	a := &ACL{Revision: b[0], ACEs: make([]ACE, 0, min(count, len(rest)/minACESize))}
	for range count {
		e, n, err := decodeACE(rest)
		if err != nil {
			return nil, err
		}
		a.ACEs = append(a.ACEs, e)
		rest = rest[n:]
	}
	return a, nil
}
