package crypt

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
)

// fastLengths are all around the blocks, and some around what is done in pieces or beside
// other messages.
func fastLengths() []int {
	l := []int{4095, 4096, 4097, 10_000, crewMin - 1, crewMin, crewMin + 1, crewMin + 17, 64<<10 + 15, 300_001}
	for n := range 400 {
		l = append(l, n)
	}
	return l
}

// TestCMACFast: the assembly gives what the standard library gives.
func TestCMACFast(t *testing.T) {
	for _, n := range fastLengths() {
		key := fill(16, uint64(n))
		fast, err := newCMAC(key)
		if err != nil {
			t.Fatal(err)
		}
		if fast.fast == nil {
			t.Skip("there is no assembly for this processor, or it is not allowed")
		}
		slow, err := newStandardCMAC(key)
		if err != nil {
			t.Fatal(err)
		}
		head, tail := [headerSize]byte(fill(headerSize, 1)), fill(n, 2)
		for _, h := range []*[headerSize]byte{nil, &head} {
			var got, want [16]byte
			fast.sum(&got, h, tail)
			slow.sum(&want, h, tail)
			if got != want {
				t.Fatalf("%d bytes, head: %v: %x, want %x", n, h != nil, got, want)
			}
		}
	}
}

// compareCCM seals and opens with both implementations.
func compareCCM(t *testing.T, key, nonce, aad, text []byte) {
	t.Helper()
	fast := newFastCCM(key)
	if fast == nil {
		t.Skip("there is no assembly for this processor, or it is not allowed")
	}
	slow, err := newStandardCCM(key)
	if err != nil {
		t.Fatal(err)
	}
	got, want := bytes.Clone(text), bytes.Clone(text)
	var gotTag, wantTag [tagSize]byte
	fast.seal(gotTag[:], nonce, aad, got)
	slow.seal(wantTag[:], nonce, aad, want)
	if gotTag != wantTag || !bytes.Equal(got, want) {
		t.Fatalf("AES-%d, %d bytes: sealing differs", 8*len(key), len(text))
	}
	if !fast.open(wantTag[:], nonce, aad, got) || !bytes.Equal(got, text) {
		t.Fatalf("AES-%d, %d bytes: does not open", 8*len(key), len(text))
	}
	copy(got, want)
	wantTag[len(text)%tagSize] ^= 4
	if fast.open(wantTag[:], nonce, aad, got) {
		t.Fatalf("AES-%d, %d bytes: opens with a wrong tag", 8*len(key), len(text))
	}
	if !bytes.Equal(got, make([]byte, len(text))) {
		t.Fatalf("AES-%d, %d bytes: something of it came out", 8*len(key), len(text))
	}
}

// TestCCMFast: the assembly gives what the standard library gives, and nothing of a
// message with a wrong tag.
func TestCCMFast(t *testing.T) {
	for _, keyLen := range []int{16, 32} {
		for _, n := range fastLengths() {
			compareCCM(t, fill(keyLen, uint64(n)), fill(ccmNonceSize, 1), fill(ccmAADSize, 2), fill(n, 3))
		}
	}
}

// TestLongTogether: long messages that are signed and sealed at the same time.
func TestLongTogether(t *testing.T) {
	type pair struct {
		name    string
		protect func(buf []byte)
		check   func(buf []byte) ([]byte, bool)
	}
	var pairs []pair
	for _, alg := range signingAlgs {
		s, err := NewSigner(alg, fill(16, 1))
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, pair{SigningName(alg), s.Sign, func(buf []byte) ([]byte, bool) {
			return buf[headerSize:], s.Verify(buf)
		}})
	}
	for _, id := range ciphers {
		s, err := NewSealer(id, fill(CipherKeySize(id), 1))
		if err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, pair{CipherName(id), func(buf []byte) { _ = s.SealInPlace(buf, 1) }, func(buf []byte) ([]byte, bool) {
			text, err := s.OpenInPlace(buf)
			if err != nil {
				return nil, false
			}
			return text[headerSize-TransformHeaderSize:], true
		}})
	}
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			var wg sync.WaitGroup
			for g := range 12 {
				wg.Go(func() {
					for i := range 6 {
						msg := fill(40_000+i*9001+g*137, uint64(g*1000+i))
						buf := withRoom(msg, TailRoom)
						p.protect(buf)
						bad := withRoom(buf, TailRoom)
						bad[20_000+i] ^= 1
						if text, ok := p.check(buf); !ok || !bytes.Equal(text, msg[headerSize:]) {
							t.Errorf("goroutine %d: message %d is refused", g, i)
						}
						if _, ok := p.check(bad); ok {
							t.Errorf("goroutine %d: message %d may be changed", g, i)
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

func FuzzFast(f *testing.F) {
	f.Add(make([]byte, 16), make([]byte, ccmNonceSize), make([]byte, ccmAADSize), []byte("text"))
	f.Add(make([]byte, 32), make([]byte, ccmNonceSize), make([]byte, ccmAADSize), make([]byte, 333))
	f.Fuzz(func(t *testing.T, key, nonce, aad, text []byte) {
		if len(key) != 16 && len(key) != 32 || len(nonce) != ccmNonceSize || len(aad) != ccmAADSize {
			t.Skip()
		}
		compareCCM(t, key, nonce, aad, text)
		fast, err := newCMAC(key)
		if err != nil {
			t.Fatal(err)
		}
		slow, err := newStandardCMAC(key)
		if err != nil {
			t.Fatal(err)
		}
		var got, want [16]byte
		fast.sum(&got, nil, text)
		slow.sum(&want, nil, text)
		if got != want {
			t.Fatal("CMAC differs")
		}
	})
}

// BenchmarkSignTogether is goroutines that sign one message after another, as the
// replies to READs are when the next request does not wait for them.
func BenchmarkSignTogether(b *testing.B) {
	for _, alg := range []uint16{SigningAESCMAC, SigningAESGMAC} {
		for _, n := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/%dx1M", SigningName(alg), n), func(b *testing.B) {
				s, err := NewSigner(alg, fill(16, 1))
				if err != nil {
					b.Fatal(err)
				}
				benchTogether(b, n, s.Sign)
			})
		}
	}
}

func BenchmarkSealTogether(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("AES-128-CCM/%dx1M", n), func(b *testing.B) {
			s, err := NewSealer(CipherAES128CCM, fill(16, 1))
			if err != nil {
				b.Fatal(err)
			}
			benchTogether(b, n, func(msg []byte) { _ = s.SealInPlace(msg, 1) })
		})
	}
}

func benchTogether(b *testing.B, n int, do func(msg []byte)) {
	b.SetBytes(int64(n << 20))
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			msg := make([]byte, 1<<20)
			for range b.N {
				do(msg)
			}
		})
	}
	wg.Wait()
}
