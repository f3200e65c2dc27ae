//go:build linux

package localfs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
	"time"

	"lessor/vfs"
)

// The names under which Samba keeps what POSIX has no room for.
const (
	dosAttribName = "user.DOSATTRIB"
	reparseName   = "user.SmbReparse"
	ntaclName     = "security.NTACL"
	ownACLName    = "user.lessor.NTACL"
	eaPrefix      = "user."
	streamPrefix  = "user.DosStream."
	streamSuffix  = ":$DATA"
)

// Names in the form of the system calls.
var (
	xDOSAttrib = newXname(dosAttribName)
	xReparse   = newXname(reparseName)
	xNTACL     = newXname(ntaclName)
	xOwnACL    = newXname(ownACLName)
)

// errBadLayout says that a stored value is in no layout known here.
var errBadLayout = errors.New("stored attribute has an unknown layout")

// dosInfo is what user.DOSATTRIB tells.
type dosInfo struct {
	attrs   uint32
	birth   int64 // 100 ns since 1601, 0 if not stored
	hasAttr bool
	// reparsed says that user.SmbReparse counts, and reparse is what it has, if it was
	// read.
	reparsed bool
	reparse  string
}

// Bits of the field that says which others are valid.
const (
	dosValidAttr  = 0x01
	dosValidBirth = 0x10
)

// dosInfoSize is the size of the version 5 layout, the one written here: an
// empty string and padding, the version twice, then the fields.
//
//	0  empty string, padding to 2
//	2  version u16; 4 the same as union selector u16, padding to 4
//	8  valid fields u32; 12 attributes u32; 16 birth u64
const dosInfoSize = 24

// Attributes that a client sees and does not set: that of a directory is stored
// though it says nothing new, that of a reparse point because Samba looks for one of
// those nowhere else.
const (
	fileAttributeDirectory = 0x10
	fileAttributeReparse   = 0x400
)

// appendTo writes the version 5 layout.
func (d dosInfo) appendTo(b []byte, dir bool) []byte {
	valid := uint32(0)
	attrs := d.attrs & vfs.DOSMask
	if d.hasAttr {
		valid |= dosValidAttr
	}
	if dir {
		attrs |= fileAttributeDirectory
	}
	if d.reparsed {
		attrs |= fileAttributeReparse
	}
	if d.birth != 0 {
		valid |= dosValidBirth
	}
	b = append(b, 0, 0, 5, 0, 5, 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, valid)
	b = binary.LittleEndian.AppendUint32(b, attrs)
	return binary.LittleEndian.AppendUint64(b, uint64(d.birth))
}

// dosLayouts tells where each version has its fields; -1 means not there. All
// but version 1 have the field of valid bits at offset 8.
var dosLayouts = map[uint16]struct{ size, valid, attrs, birth int }{
	1: {size: 48, valid: -1, attrs: 8, birth: 32},
	2: {size: 60, valid: -1, attrs: 12, birth: 36},
	3: {size: 52, valid: 8, attrs: 12, birth: 36},
	4: {size: 32, valid: 8, attrs: 12, birth: 24},
	5: {size: dosInfoSize, valid: 8, attrs: 12, birth: 16},
}

// parseDOSAttrib reads any version, and the bare hexadecimal text of old.
func parseDOSAttrib(b []byte) (dosInfo, error) {
	end := bytes.IndexByte(b, 0)
	if end > 0 || end < 0 && len(b) > 0 {
		return parseDOSText(b, end)
	}
	if len(b) < 8 {
		return dosInfo{}, errBadLayout
	}
	version := binary.LittleEndian.Uint16(b[2:])
	l, ok := dosLayouts[version]
	if !ok || len(b) < l.size || binary.LittleEndian.Uint16(b[4:]) != version {
		return dosInfo{}, errBadLayout
	}
	valid := uint32(dosValidAttr | dosValidBirth)
	if l.valid >= 0 {
		valid = binary.LittleEndian.Uint32(b[l.valid:])
	}
	var d dosInfo
	if valid&dosValidAttr != 0 {
		d.hasAttr = true
		attrs := binary.LittleEndian.Uint32(b[l.attrs:])
		d.attrs, d.reparsed = attrs&vfs.DOSMask, attrs&fileAttributeReparse != 0
	}
	if valid&dosValidBirth != 0 {
		d.birth = int64(binary.LittleEndian.Uint64(b[l.birth:]))
	}
	// An all-ones or negative time is one that was never set.
	if d.birth < 0 {
		d.birth = 0
	}
	return d, nil
}

// parseDOSText reads attribute bits written as text such as "0x22".
func parseDOSText(b []byte, end int) (dosInfo, error) {
	if end < 0 {
		end = len(b)
	}
	v, err := strconv.ParseUint(strings.TrimPrefix(string(b[:end]), "0x"), 16, 32)
	if err != nil {
		return dosInfo{}, errBadLayout
	}
	return dosInfo{attrs: uint32(v) & vfs.DOSMask, hasAttr: true, reparsed: v&fileAttributeReparse != 0}, nil
}

// ntEpoch is how far 1601-01-01 lies before the Unix epoch, in seconds.
const ntEpoch = 11644473600

// toNT converts a time to 100 ns since 1601, at least 1 so that it counts as
// set, and at most what the format holds.
func toNT(t time.Time) int64 {
	sec := t.Unix() + ntEpoch
	if sec < 0 {
		return 1
	}
	if sec > (1<<63-1)/10_000_000-1 {
		return 1<<63 - 1
	}
	return max(1, sec*10_000_000+int64(t.Nanosecond()/100))
}

// fromNT converts 100 ns since 1601 to a time.
func fromNT(nt int64) time.Time {
	return time.Unix(nt/10_000_000-ntEpoch, nt%10_000_000*100)
}

// sdHeader is the size of the fixed part of a descriptor, and sdOffsets where
// in it the offsets of owner, group, SACL and DACL stand (MS-DTYP 2.4.6). On
// disk they count from the beginning of the whole value, not of the descriptor.
const sdHeader = 20

var sdOffsets = [...]int{4, 8, 12, 16}

// validSD reports whether b begins as a descriptor does and its offsets lie
// within it, so that it can be stored.
func validSD(b []byte) bool {
	if len(b) < sdHeader || len(b) > maxXattr-aclStateWrap || b[0] != 1 {
		return false
	}
	for _, at := range sdOffsets {
		off := binary.LittleEndian.Uint32(b[at:])
		if off != 0 && (off < sdHeader || uint64(off) > uint64(len(b))) {
			return false
		}
	}
	return true
}

// aclWrap is the size of the version 1 wrapper.
const aclWrap = 8

// wrapACL puts a self-relative descriptor, a valid one, into the
// version 1 wrapper: version and union selector, both u16, the mark of a
// pointer, the descriptor. Samba takes a version 1 value as it is, while one of
// version 4 has a hash over the POSIX ACL and is dropped when the ACL does not
// match it.
func wrapACL(sd []byte) []byte {
	b := make([]byte, 0, aclWrap+len(sd))
	b = append(b, 1, 0, 1, 0, 0, 0, 2, 0)
	b = append(b, sd...)
	for _, at := range sdOffsets {
		field := b[aclWrap+at:]
		if off := binary.LittleEndian.Uint32(field); off != 0 {
			binary.LittleEndian.PutUint32(field, off+aclWrap)
		}
	}
	return b
}

// rebaseSD makes the offsets of the descriptor at b[at:] count from its own
// beginning and returns it; it changes b.
func rebaseSD(b []byte, at int) ([]byte, error) {
	// The revision of every descriptor is 1.
	if len(b) < at+sdHeader || b[at] != 1 {
		return nil, errBadLayout
	}
	sd := b[at:]
	for _, field := range sdOffsets {
		off := binary.LittleEndian.Uint32(sd[field:])
		if off == 0 {
			continue
		}
		if uint64(off) < uint64(at+sdHeader) || uint64(off) > uint64(len(b)) {
			return nil, errBadLayout
		}
		binary.LittleEndian.PutUint32(sd[field:], off-uint32(at))
	}
	return sd, nil
}

// wrapACLState puts a self-relative descriptor, a valid one, into the version 4
// wrapper, with a hash over what local programs can change (see aclState). The other
// hash, over the descriptor that Samba would make of the POSIX ACL, is left empty:
// Samba looks at it only if the first one is another.
//
//	0  version u16, twice; 4 pointer u32; 8 pointer to the descriptor u32
//	12 kind of hash u16; 14 hash of 64
//	78 "posix_acl", NUL, padding to 88; 88 time u64; 96 hash of 64; 160 descriptor
func wrapACLState(sd []byte, state [sha256.Size]byte, now time.Time) []byte {
	le := binary.LittleEndian
	b := make([]byte, 0, aclStateWrap+len(sd))
	b = append(b, 4, 0, 4, 0, 0, 0, 2, 0, 4, 0, 2, 0)
	b = le.AppendUint16(b, aclHashSHA256)
	b = append(b, make([]byte, 64)...)
	b = append(append(b, aclStateName...), 0)
	b = le.AppendUint64(align(b, 4), uint64(toNT(now)))
	b = append(b, state[:]...)
	b = append(b, make([]byte, 64-len(state))...)
	b = append(b, sd...)
	for _, at := range sdOffsets {
		field := b[aclStateWrap+at:]
		if off := le.Uint32(field); off != 0 {
			le.PutUint32(field, off+aclStateWrap)
		}
	}
	return b
}

const (
	aclStateWrap  = 160
	aclStateName  = "posix_acl"
	aclHashSHA256 = 1
)

// unwrapACL returns the descriptor in a wrapper of version 1 to 4, and the hash of
// aclState that it was stored with, nil if it has none. It changes b and returns
// parts of it.
func unwrapACL(b []byte) (sd, state []byte, err error) {
	if len(b) < 8 {
		return nil, nil, errBadLayout
	}
	version := binary.LittleEndian.Uint16(b)
	if binary.LittleEndian.Uint16(b[2:]) != version {
		return nil, nil, errBadLayout
	}
	at := aclWrap
	switch version {
	case 1:
	case 2: // pointer to the pair, pointer to the descriptor, hash of 16
		at = 12 + 16
	case 3: // ..., hash type u16, hash of 64
		at = 12 + 2 + 64
	case 4: // ..., description, time u64 aligned to 4, another hash of 64
		at = 12 + 2 + 64
		if at > len(b) {
			return nil, nil, errBadLayout
		}
		end := bytes.IndexByte(b[at:], 0)
		if end < 0 {
			return nil, nil, errBadLayout
		}
		named := string(b[at:at+end]) == aclStateName && binary.LittleEndian.Uint16(b[12:]) == aclHashSHA256
		at = align4(at+end+1) + 8 + 64
		if named && at <= len(b) {
			state = b[at-64 : at-64+sha256.Size]
		}
	default:
		return nil, nil, errBadLayout
	}
	sd, err = rebaseSD(b, align4(at))
	return sd, state, err
}

// align4 rounds up to a multiple of 4.
func align4(n int) int { return (n + 3) &^ 3 }
