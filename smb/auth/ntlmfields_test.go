package auth

import (
	"encoding/binary"
	"errors"
	"testing"
)

// What AUTHENTICATE says about its fields beside the place where they are (MS-NLMP
// 2.2.1.3): MaxLen is ignored, as is what overlaps, but with a MIC nothing may be
// changed at all; a field in the fixed part, or behind the message, is malformed.
func TestOddFields(t *testing.T) {
	n := newNTLM(t, nil)
	field := func(token []byte, i int) []byte { return token[12+8*i : 20+8*i] }
	const lm, nt, domain, user, workstation, key = 0, 1, 2, 3, 4, 5
	for _, c := range []struct {
		name  string
		spoil func(token []byte)
		want  error // without a MIC; nil: he comes in as alice
	}{
		{"as it is", func([]byte) {}, nil},
		{"MaxLen zero", func(b []byte) {
			for i := range 6 {
				binary.LittleEndian.PutUint16(field(b, i)[2:], 0)
			}
		}, nil},
		{"MaxLen 0xffff", func(b []byte) {
			for i := range 6 {
				binary.LittleEndian.PutUint16(field(b, i)[2:], 0xffff)
			}
		}, nil},
		{"LM on NT", func(b []byte) { copy(field(b, lm), field(b, nt)) }, nil},
		{"workstation on user", func(b []byte) { copy(field(b, workstation), field(b, user)) }, nil},
		{"user on NT", func(b []byte) { copy(field(b, user)[4:], field(b, nt)[4:]) }, ErrLogonFailure},
		{"user on domain", func(b []byte) { copy(field(b, user), field(b, domain)) }, ErrLogonFailure},
		{"domain on user", func(b []byte) { copy(field(b, domain), field(b, user)) }, ErrLogonFailure},
		{"NT without a byte", func(b []byte) { field(b, nt)[0]-- }, ErrLogonFailure},
		{"user of odd length", func(b []byte) { field(b, user)[0]-- }, ErrMalformed},
		{"user in the header", func(b []byte) { binary.LittleEndian.PutUint32(field(b, user)[4:], 12) }, ErrMalformed},
		{"NT in the fixed part", func(b []byte) { binary.LittleEndian.PutUint32(field(b, nt)[4:], 63) }, ErrMalformed},
		{"NT one behind the end", func(b []byte) {
			binary.LittleEndian.PutUint32(field(b, nt)[4:], uint32(len(b))-uint32(binary.LittleEndian.Uint16(field(b, nt)))+1)
		}, ErrMalformed},
		{"key of no length", func(b []byte) { binary.LittleEndian.PutUint16(field(b, key), 0) }, ErrMalformed},
		{"key of fifteen bytes", func(b []byte) { binary.LittleEndian.PutUint16(field(b, key), 15) }, ErrMalformed},
		{"offset and length wrap", func(b []byte) {
			binary.LittleEndian.PutUint16(field(b, nt), 0xffff)
			binary.LittleEndian.PutUint32(field(b, nt)[4:], 0xffffffff)
		}, ErrMalformed},
	} {
		for _, noMIC := range []bool{true, false} {
			in := &NTLMInitiator{User: "alice", Domain: "D", Password: "sesame", Workstation: "PC", noMIC: noMIC}
			x, token := handMade(t, n, in)
			c.spoil(token)
			_, id, err := step(t, x, token)
			switch {
			case c.name == "as it is" || noMIC && c.want == nil:
				if err != nil || id == nil || id.User != "alice" {
					t.Errorf("%s, no MIC %v: %v", c.name, noMIC, err)
				}
			case id != nil || err == nil:
				t.Errorf("%s, no MIC %v: authenticated", c.name, noMIC)
			case noMIC && !errors.Is(err, c.want):
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
		}
	}
}
