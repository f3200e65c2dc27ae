package secdesc

import "encoding/binary"

// Control bits of a descriptor (MS-DTYP 2.4.6).
const (
	OwnerDefaulted     uint16 = 0x0001
	GroupDefaulted     uint16 = 0x0002
	DACLPresent        uint16 = 0x0004
	DACLDefaulted      uint16 = 0x0008
	SACLPresent        uint16 = 0x0010
	SACLDefaulted      uint16 = 0x0020
	DACLTrusted        uint16 = 0x0040
	ServerSecurity     uint16 = 0x0080
	DACLAutoInheritReq uint16 = 0x0100 // asks for DACLAutoInherited; never stored
	SACLAutoInheritReq uint16 = 0x0200
	DACLAutoInherited  uint16 = 0x0400
	SACLAutoInherited  uint16 = 0x0800
	DACLProtected      uint16 = 0x1000 // takes no entries from the parent
	SACLProtected      uint16 = 0x2000
	RMControlValid     uint16 = 0x4000
	SelfRelative       uint16 = 0x8000

	daclBits = DACLPresent | DACLDefaulted | DACLTrusted | DACLAutoInheritReq | DACLAutoInherited | DACLProtected
	saclBits = SACLPresent | SACLDefaulted | SACLAutoInheritReq | SACLAutoInherited | SACLProtected
)

const descriptorHeaderSize = 20

// MaxDescriptorSize is the largest encoded descriptor in bytes.
const MaxDescriptorSize = descriptorHeaderSize + 2*(8+4*MaxSubAuthorities) + 2*MaxACLSize

// Descriptor is a security descriptor (MS-DTYP 2.4.6).
//
// A nil DACL means that everybody may do everything, whether Control says
// DACLPresent (a NULL DACL) or not; a DACL without entries means that nobody
// may. A nil SACL audits nothing.
type Descriptor struct {
	Control   uint16
	RMControl uint8 // resource manager control, meaningful with RMControlValid
	Owner     SID   // zero if absent
	Group     SID   // zero if absent
	SACL      *ACL
	DACL      *ACL
}

// Clone is a deep copy; nil stays nil.
func (d *Descriptor) Clone() *Descriptor {
	if d == nil {
		return nil
	}
	c := *d
	c.SACL, c.DACL = d.SACL.Clone(), d.DACL.Clone()
	return &c
}

// Len is the encoded length in bytes: what a QUERY_INFO of it needs.
func (d *Descriptor) Len() int {
	return descriptorHeaderSize + d.Owner.Len() + d.Group.Len() + d.SACL.Len() + d.DACL.Len()
}

// Append appends the self-relative form: header, owner, group, SACL, DACL. The
// bits SelfRelative, DACLPresent and SACLPresent follow from the content,
// except that DACLPresent with a nil DACL stays, as that is a NULL DACL. The
// error is ErrTooLarge, with b as it was.
func (d *Descriptor) Append(b []byte) ([]byte, error) {
	start := len(b)
	control := d.Control | SelfRelative
	if d.DACL != nil {
		control |= DACLPresent
	}
	if d.SACL != nil {
		control |= SACLPresent
	}
	b = append(b, 1, d.RMControl)
	b = binary.LittleEndian.AppendUint16(b, control)
	off := descriptorHeaderSize
	for _, n := range [...]int{d.Owner.Len(), d.Group.Len(), d.SACL.Len(), d.DACL.Len()} {
		if n == 0 {
			b = binary.LittleEndian.AppendUint32(b, 0)
			continue
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(off))
		off += n
	}
	b = d.Owner.Append(b)
	b = d.Group.Append(b)
	b, err := d.SACL.Append(b)
	if err != nil {
		return b[:start], err
	}
	b, err = d.DACL.Append(b)
	if err != nil {
		return b[:start], err
	}
	return b, nil
}

// Decode reads a self-relative descriptor that fills b; its parts may stand in
// any order, and bytes that no part names are ignored. The result does not
// alias b.
func Decode(b []byte) (*Descriptor, error) {
	if len(b) < descriptorHeaderSize {
		return nil, ErrTruncated
	}
	if b[0] != 1 {
		return nil, ErrMalformed
	}
	d := &Descriptor{Control: binary.LittleEndian.Uint16(b[2:]), RMControl: b[1]}
	for i, sid := range [...]*SID{&d.Owner, &d.Group} {
		part, err := partAt(b, 4+4*i)
		if err != nil {
			return nil, err
		}
		if part == nil {
			continue
		}
		if *sid, _, err = DecodeSID(part); err != nil {
			return nil, err
		}
	}
	acls := [...]struct {
		acl     **ACL
		present uint16
	}{{&d.SACL, SACLPresent}, {&d.DACL, DACLPresent}}
	for i, a := range acls {
		part, err := partAt(b, 12+4*i)
		if err != nil {
			return nil, err
		}
		if part == nil || d.Control&a.present == 0 {
			continue
		}
		if *a.acl, err = DecodeACL(part); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// partAt is the rest of b from the offset that stands at field, nil if that
// offset is 0.
func partAt(b []byte, field int) ([]byte, error) {
	off := binary.LittleEndian.Uint32(b[field:])
	switch {
	case off == 0:
		return nil, nil
	case off < descriptorHeaderSize:
		return nil, ErrMalformed
	case uint64(off) > uint64(len(b)):
		return nil, ErrTruncated
	default:
		return b[off:], nil
	}
}
