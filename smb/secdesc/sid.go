package secdesc

import (
	"encoding/binary"
	"errors"
	"strconv"
	"strings"
)

// Decoding errors.
var (
	// ErrTruncated: a structure names bytes that lie outside of the buffer.
	ErrTruncated = errors.New("secdesc: truncated")
	// ErrMalformed: a revision, a count or a size breaks MS-DTYP 2.4.
	ErrMalformed = errors.New("secdesc: malformed")
	// ErrTooLarge: an ACL or ACE does not fit its 16-bit size field.
	ErrTooLarge = errors.New("secdesc: larger than 64 KiB")
)

// MaxSubAuthorities is the number of sub-authorities that a SID holds at most
// (MS-DTYP 2.4.2).
const MaxSubAuthorities = 15

// SID is a security identifier (MS-DTYP 2.4.2). It is comparable: two SIDs are
// the same principal if and only if they are ==. The zero value is no SID at
// all, which in a descriptor means an absent owner or group.
type SID struct {
	revision uint8
	n        uint8
	auth     [6]byte
	sub      [MaxSubAuthorities]uint32
}

// NewSID makes a SID of revision 1 from a 48-bit authority and up to 15
// sub-authorities. More of them, or a wider authority, yield the zero SID.
func NewSID(authority uint64, sub ...uint32) SID {
	if len(sub) > MaxSubAuthorities || authority >= 1<<48 {
		return SID{}
	}
	s := SID{revision: 1, n: uint8(len(sub))}
	for i := range s.auth {
		s.auth[i] = byte(authority >> (8 * (5 - i)))
	}
	copy(s.sub[:], sub)
	return s
}

// IsZero reports whether s is no SID.
func (s SID) IsZero() bool { return s == SID{} }

// Authority is the 48-bit identifier authority.
func (s SID) Authority() uint64 {
	var v uint64
	for _, b := range s.auth {
		v = v<<8 | uint64(b)
	}
	return v
}

// Count is the number of sub-authorities, 0 to 15.
func (s SID) Count() int { return int(s.n) }

// Sub is the i-th sub-authority, or 0 if there is none.
func (s SID) Sub(i int) uint32 {
	if i < 0 || i >= int(s.n) {
		return 0
	}
	return s.sub[i]
}

// RID is the last sub-authority, or 0 if there is none.
func (s SID) RID() uint32 { return s.Sub(int(s.n) - 1) }

// WithRID appends one sub-authority, as a domain or machine SID becomes that
// of an account. A SID that is full yields the zero SID.
func (s SID) WithRID(rid uint32) SID {
	if s.IsZero() || s.n >= MaxSubAuthorities {
		return SID{}
	}
	s.sub[s.n] = rid
	s.n++
	return s
}

// Domain is s without its last sub-authority; a SID without any yields the
// zero SID.
func (s SID) Domain() SID {
	if s.n == 0 {
		return SID{}
	}
	s.n--
	s.sub[s.n] = 0
	return s
}

// Len is the encoded length in bytes, 0 for the zero SID.
func (s SID) Len() int {
	if s.IsZero() {
		return 0
	}
	return 8 + 4*int(s.n)
}

// Append appends the packet form of s (MS-DTYP 2.4.2.2); nothing for the zero
// SID.
func (s SID) Append(b []byte) []byte {
	if s.IsZero() {
		return b
	}
	b = append(b, s.revision, s.n)
	b = append(b, s.auth[:]...)
	for _, v := range s.sub[:s.n] {
		b = binary.LittleEndian.AppendUint32(b, v)
	}
	return b
}

// DecodeSID reads a SID at the start of b and returns how many bytes it took.
func DecodeSID(b []byte) (SID, int, error) {
	if len(b) < 8 {
		return SID{}, 0, ErrTruncated
	}
	s := SID{revision: b[0], n: b[1]}
	if s.revision != 1 || s.n > MaxSubAuthorities {
		return SID{}, 0, ErrMalformed
	}
	size := 8 + 4*int(s.n)
	if len(b) < size {
		return SID{}, 0, ErrTruncated
	}
	copy(s.auth[:], b[2:8])
	for i := range s.sub[:s.n] {
		s.sub[i] = binary.LittleEndian.Uint32(b[8+4*i:])
	}
	return s, size, nil
}

// String is the form S-1-5-32-544 (MS-DTYP 2.4.2.1); an authority of 2^32 or
// more is written in hexadecimal. The zero SID is the empty string.
func (s SID) String() string {
	if s.IsZero() {
		return ""
	}
	var buf [64]byte
	b := append(buf[:0], "S-1-"...)
	if a := s.Authority(); a < 1<<32 {
		b = strconv.AppendUint(b, a, 10)
	} else {
		b = append(b, "0x"...)
		h := strconv.FormatUint(a, 16)
		for range 12 - len(h) {
			b = append(b, '0')
		}
		b = append(b, h...)
	}
	for _, v := range s.sub[:s.n] {
		b = append(b, '-')
		b = strconv.AppendUint(b, uint64(v), 10)
	}
	return string(b)
}

// ParseSID reads the string form of a SID; letter case does not matter. Only
// revision 1 exists.
func ParseSID(text string) (SID, error) {
	parts := strings.Split(text, "-")
	if len(parts) < 3 || len(parts) > 3+MaxSubAuthorities ||
		!strings.EqualFold(parts[0], "S") || parts[1] != "1" {
		return SID{}, ErrMalformed
	}
	digits, base := parts[2], 10
	if len(digits) > 2 && (digits[:2] == "0x" || digits[:2] == "0X") {
		digits, base = digits[2:], 16
	}
	authority, err := strconv.ParseUint(digits, base, 48)
	if err != nil {
		return SID{}, ErrMalformed
	}
	s := NewSID(authority)
	for _, p := range parts[3:] {
		v, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return SID{}, ErrMalformed
		}
		s.sub[s.n] = uint32(v)
		s.n++
	}
	return s, nil
}

// MarshalText writes the string form, so that a SID can stand in configuration
// and in JSON.
func (s SID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the string form; an empty text is the zero SID.
func (s *SID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = SID{}
		return nil
	}
	v, err := ParseSID(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}
