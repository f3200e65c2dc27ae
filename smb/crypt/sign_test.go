package crypt

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("bad hex: %v", err)
	}
	return b
}

// fill returns n bytes that depend on seed only.
func fill(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestCMACVectors: RFC 4493 section 4.
func TestCMACVectors(t *testing.T) {
	c, err := newCMAC(unhex(t, "2b7e151628aed2a6abf7158809cf4f3c"))
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.EncodeToString(c.k1[:]); got != "fbeed618357133667c85e08f7236a8de" {
		t.Errorf("K1 = %s", got)
	}
	if got := hex.EncodeToString(c.k2[:]); got != "f7ddac306ae266ccf90bc11ee46d513b" {
		t.Errorf("K2 = %s", got)
	}
	msg := unhex(t, "6bc1bee22e409f96e93d7e117393172a"+"ae2d8a571e03ac9c9eb76fac45af8e51"+
		"30c81c46a35ce411e5fbc1191a0a52ef"+"f69f2445df4f9b17ad2b417be66c3710")
	for n, want := range map[int]string{
		0:  "bb1d6929e95937287fa37d129b756746",
		16: "070a16b46b4d4144f79bdd9dd04a287c",
		40: "dfa66747de9ae63030ca32611497c827",
		64: "51f0bebf7e3b9d92fc49741779363cfe",
	} {
		var tag [16]byte
		c.sum(&tag, nil, msg[:n])
		if got := hex.EncodeToString(tag[:]); got != want {
			t.Errorf("CMAC of %d bytes = %s, want %s", n, got, want)
		}
	}
	var tag [16]byte
	c.sum(&tag, (*[headerSize]byte)(msg), nil)
	if got := hex.EncodeToString(tag[:]); got != "51f0bebf7e3b9d92fc49741779363cfe" {
		t.Errorf("CMAC of a head alone = %s", got)
	}
}

// TestCMACSplit: the MAC does not depend on where the head ends, and long
// messages cross the scratch size.
func TestCMACSplit(t *testing.T) {
	c, err := newCMAC(fill(16, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{64, 65, 79, 80, 81, 4096, 4159, 4160, 4161, 8192 + 64, 100_003} {
		msg := fill(n, uint64(n))
		var whole, split [16]byte
		c.sum(&whole, nil, msg)
		c.sum(&split, (*[headerSize]byte)(msg), msg[headerSize:])
		if whole != split {
			t.Errorf("%d bytes: %x and %x", n, whole, split)
		}
	}
}

// TestSignSample: the last SESSION_SETUP response of the 3.1.1 example in
// Microsoft's "SMB 2 and SMB 3 security in Windows 10".
func TestSignSample(t *testing.T) {
	s, err := NewSigner(SigningAESCMAC, unhex(t, "73FE7A9A77BEF0BDE49C650D8CCB5F76"))
	if err != nil {
		t.Fatal(err)
	}
	msg := unhex(t, "FE534D4240000100000000000100800009000000000000000300000000000000FFFE000000000000"+
		"1900000000100000EBE146DA120BA25FC3376A49DFE31BC10900000048001D00A11B3019A0030A01"+
		"00A3120410010000003B453CDC3524164200000000")
	if !s.Verify(msg) {
		t.Error("signature of the sample refused")
	}
	want := append([]byte(nil), msg...)
	copy(msg[offSignature:headerSize], fill(16, 1))
	s.Sign(msg)
	if d := cmp.Diff(want, msg); d != "" {
		t.Errorf("signed sample (-want +got):\n%s", d)
	}
}

func TestHMACSignature(t *testing.T) {
	key := fill(16, 7)
	s, err := NewSigner(SigningHMACSHA256, key)
	if err != nil {
		t.Fatal(err)
	}
	msg := fill(200, 8)
	s.Sign(msg)
	zeroed := append([]byte(nil), msg...)
	clear(zeroed[48:64])
	mac := hmac.New(sha256.New, key)
	mac.Write(zeroed)
	if d := cmp.Diff(mac.Sum(nil)[:16], msg[48:64]); d != "" {
		t.Errorf("signature (-want +got):\n%s", d)
	}
}

// TestGMACNonce: MS-SMB2 3.1.4.1: message id, then role and CANCEL.
func TestGMACNonce(t *testing.T) {
	msg := make([]byte, headerSize)
	binary.LittleEndian.PutUint64(msg[24:], 0x0102030405060708)
	for _, c := range []struct {
		command uint16
		flags   uint32
		want    byte
	}{{8, 0, 0}, {8, 0xfffffffe, 0}, {8, 1, 1}, {12, 0, 2}, {12, 9, 3}} {
		binary.LittleEndian.PutUint16(msg[12:], c.command)
		binary.LittleEndian.PutUint32(msg[16:], c.flags)
		var got [12]byte
		gmacNonce(&got, msg)
		want := [12]byte{8, 7, 6, 5, 4, 3, 2, 1, c.want}
		if got != want {
			t.Errorf("command %d flags %#x: nonce %x, want %x", c.command, c.flags, got, want)
		}
	}
}

var signingAlgs = []uint16{SigningHMACSHA256, SigningAESCMAC, SigningAESGMAC}

// TestSignTamper: every flipped byte of a signed message is noticed, and Verify
// leaves the message as it was.
func TestSignTamper(t *testing.T) {
	for _, alg := range signingAlgs {
		t.Run(SigningName(alg), func(t *testing.T) {
			s, err := NewSigner(alg, fill(16, uint64(alg)))
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []int{64, 65, 112, 200} {
				msg := fill(n, uint64(n))
				s.Sign(msg)
				if !s.Verify(msg) {
					t.Fatalf("%d bytes: own signature refused", n)
				}
				for i := range msg {
					msg[i] ^= 1
					before := append([]byte(nil), msg...)
					if s.Verify(msg) {
						t.Errorf("%d bytes: byte %d flipped, not noticed", n, i)
					}
					if !cmp.Equal(before, msg) {
						t.Fatalf("%d bytes: Verify changed the message", n)
					}
					msg[i] ^= 1
				}
				if s.Verify(msg[:n-1]) {
					t.Errorf("%d bytes: cut message accepted", n)
				}
			}
		})
	}
}

func TestSignErrors(t *testing.T) {
	if _, err := NewSigner(3, make([]byte, 16)); !errors.Is(err, ErrAlgorithm) {
		t.Errorf("algorithm 3: %v", err)
	}
	for _, alg := range signingAlgs {
		for _, n := range []int{0, 15, 17, 32} {
			if _, err := NewSigner(alg, make([]byte, n)); !errors.Is(err, ErrKeySize) {
				t.Errorf("%s with %d bytes: %v", SigningName(alg), n, err)
			}
		}
		s, err := NewSigner(alg, make([]byte, 16))
		if err != nil {
			t.Fatal(err)
		}
		for n := range headerSize {
			s.Sign(make([]byte, n))
			if s.Verify(make([]byte, n)) {
				t.Errorf("%s: %d bytes verified", SigningName(alg), n)
			}
		}
	}
}

func TestSignAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop entries at random under the race detector")
	}
	for _, alg := range signingAlgs {
		s, err := NewSigner(alg, fill(16, 1))
		if err != nil {
			t.Fatal(err)
		}
		msg := fill(9000, 2)
		if n := testing.AllocsPerRun(200, func() {
			s.Sign(msg)
			if !s.Verify(msg) {
				t.Error("refused")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations per message", SigningName(alg), n)
		}
	}
}

func TestSignConcurrent(t *testing.T) {
	for _, alg := range signingAlgs {
		s, err := NewSigner(alg, fill(16, 1))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 50 {
					msg := fill(64+i*7, uint64(g*1000+i))
					s.Sign(msg)
					if !s.Verify(msg) {
						t.Errorf("%s: goroutine %d message %d refused", SigningName(alg), g, i)
					}
				}
			})
		}
		wg.Wait()
	}
}

func BenchmarkSign(b *testing.B) {
	for _, alg := range signingAlgs {
		for _, n := range []int{128, 65536, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", SigningName(alg), n), func(b *testing.B) {
				s, err := NewSigner(alg, fill(16, 1))
				if err != nil {
					b.Fatal(err)
				}
				msg := fill(n, 2)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					s.Sign(msg)
				}
			})
		}
	}
}
