//go:build amd64 && !purego

package aeskey

import (
	"encoding/binary"
	"math/bits"
)

// MaxRounds is the number of rounds of AES-256.
const MaxRounds = 14

// Schedule is the round keys of one key; those of AES-128 are followed by zeros.
type Schedule [MaxRounds + 1][16]byte

// subWord is the S-box of AES on four bytes.
//
//go:noescape
func subWord(w uint32) uint32

// Expand fills in the schedule of a key of 16, 24 or 32 bytes and returns the number of
// rounds: 10, 12 or 14. The processor must have AES-NI and AVX.
func (s *Schedule) Expand(key []byte) (rounds int) {
	var w [4 * (MaxRounds + 1)]uint32
	n := len(key) / 4
	rounds = n + 6
	for i := range n {
		w[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	rcon := uint32(1)
	for i := n; i < 4*(rounds+1); i++ {
		t := w[i-1]
		switch i % n {
		case 0:
			t = subWord(bits.RotateLeft32(t, -8)) ^ rcon
			rcon = rcon<<1 ^ rcon>>7*0x11b
		case 4:
			if n > 6 { // n is no secret, unlike the words
				t = subWord(t)
			}
		}
		w[i] = w[i-n] ^ t
	}
	for i, v := range w {
		binary.LittleEndian.PutUint32(s[i/4][i%4*4:], v)
	}
	return rounds
}
