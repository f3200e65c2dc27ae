//go:build amd64 && !purego

package aeskey

import (
	"encoding/hex"
	"testing"

	"golang.org/x/sys/cpu"
)

// TestExpand: the last round keys of FIPS 197 appendix A.
func TestExpand(t *testing.T) {
	if !cpu.X86.HasAES || !cpu.X86.HasAVX {
		t.Skip("this processor lacks the instructions")
	}
	for _, c := range []struct {
		key    string
		rounds int
		last   string
	}{
		{"2b7e151628aed2a6abf7158809cf4f3c", 10, "d014f9a8c9ee2589e13f0cc8b6630ca6"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", 12, "e98ba06f448c773c8ecc720401002202"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", 14, "fe4890d1e6188d0b046df344706c631e"},
	} {
		key, err := hex.DecodeString(c.key)
		if err != nil {
			t.Fatal(err)
		}
		var s Schedule
		if got := s.Expand(key); got != c.rounds {
			t.Errorf("AES-%d: %d rounds, want %d", 8*len(key), got, c.rounds)
		}
		if got := hex.EncodeToString(s[c.rounds][:]); got != c.last {
			t.Errorf("AES-%d: last round key %s, want %s", 8*len(key), got, c.last)
		}
		for i, k := range s[c.rounds+1:] {
			if k != [16]byte{} {
				t.Errorf("AES-%d: something behind the last round key, %d", 8*len(key), i)
			}
		}
	}
}
