package aesgcm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"math/rand/v2"
	"testing"
)

// pair returns this GCM, without the path for small messages, and the standard
// library's with the same key.
func pair(t testing.TB, key []byte) (ours, theirs cipher.AEAD) {
	t.Helper()
	ours = wide(key)
	if ours == nil {
		t.Skip("this processor has no assembly")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return ours, theirs
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func lengths() []int {
	var l []int
	for n := range 2*group + 33 {
		l = append(l, n)
	}
	return append(l, piece-1, piece, piece+1, piece+group, 3*piece+17, 1<<20, 1<<20+5)
}

// TestSameAsStandard: every length of text and of additional data gives what the
// standard library gives, and opens what it sealed.
func TestSameAsStandard(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{16, 32} {
		for _, n := range lengths() {
			ours, theirs := pair(t, noise(r, size))
			nonce := noise(r, nonceSize)
			for _, m := range [][2]int{{n, 0}, {0, n}, {n, 52}, {33, n}} {
				text, aad := noise(r, m[0]), noise(r, m[1])
				want := theirs.Seal(nil, nonce, text, aad)
				if got := ours.Seal(nil, nonce, text, aad); !bytes.Equal(got, want) {
					t.Fatalf("AES-%d: seal of %d bytes with %d of data differs", size*8, m[0], m[1])
				}
				got, err := ours.Open(nil, nonce, want, aad)
				if err != nil || !bytes.Equal(got, text) {
					t.Fatalf("AES-%d: open of %d bytes with %d of data: %v", size*8, m[0], m[1], err)
				}
			}
		}
	}
}

// TestInPlace: as SMB uses it, at any alignment, and nothing outside is touched.
func TestInPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ours, theirs := pair(t, noise(r, 16))
	for _, n := range lengths()[:600] {
		at := int(r.Uint32() % 64)
		buf := noise(r, at+n+tagSize+64)
		before := bytes.Clone(buf)
		nonce, aad := noise(r, nonceSize), noise(r, 32)
		want := theirs.Seal(nil, nonce, before[at:at+n], aad)
		text := buf[at : at+n]
		sealed := ours.Seal(text[:0], nonce, text, aad)
		if !bytes.Equal(sealed, want) {
			t.Fatalf("%d bytes at %d differ", n, at)
		}
		if !bytes.Equal(buf[:at], before[:at]) || !bytes.Equal(buf[at+n+tagSize:], before[at+n+tagSize:]) {
			t.Fatalf("%d bytes at %d: something beside was written", n, at)
		}
		if got, err := ours.Open(sealed[:0], nonce, sealed, aad); err != nil || !bytes.Equal(got, before[at:at+n]) {
			t.Fatalf("%d bytes at %d: %v", n, at, err)
		}
		if !bytes.Equal(buf[at+n+tagSize:], before[at+n+tagSize:]) {
			t.Fatalf("%d bytes at %d: opening wrote behind", n, at)
		}
	}
}

// TestDetached: a tag that lies elsewhere does the same, in place, and a wrong one leaves nothing.
func TestDetached(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, n := range lengths() {
		if n < Least {
			continue
		}
		key := noise(r, 16)
		ours := New(key)
		if ours == nil {
			t.Skip("this processor has no assembly")
		}
		_, theirs := pair(t, key)
		nonce, aad, text := noise(r, nonceSize), noise(r, 32), noise(r, n)
		sealed := theirs.Seal(nil, nonce, text, aad)
		tag := bytes.Clone(sealed[n:])
		buf := append(bytes.Clone(sealed[:n]), 0xa5)
		if !ours.OpenDetached(buf[:n], nonce, tag, aad) || !bytes.Equal(buf[:n], text) || buf[n] != 0xa5 {
			t.Fatalf("%d bytes do not open", n)
		}
		tag[n%tagSize] ^= 1
		copy(buf, sealed[:n])
		if ours.OpenDetached(buf[:n], nonce, tag, aad) || !bytes.Equal(buf[:n], make([]byte, n)) {
			t.Fatalf("%d bytes open with a wrong tag, or something of them came out", n)
		}
	}
}

// TestTampered: no changed bit is accepted, and no byte of such a message comes out.
func TestTampered(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	ours, _ := pair(t, noise(r, 32))
	for _, n := range []int{0, 1, 15, 16, 17, 255, 256, 257, 600} {
		nonce, aad := noise(r, nonceSize), noise(r, 40)
		sealed := ours.Seal(nil, nonce, noise(r, n), aad)
		out := make([]byte, n)
		for bit := range 8 * len(sealed) {
			sealed[bit/8] ^= 1 << (bit % 8)
			if got, err := ours.Open(out[:0], nonce, sealed, aad); err == nil || got != nil {
				t.Fatalf("%d bytes: bit %d may be changed", n, bit)
			}
			if !bytes.Equal(out, make([]byte, n)) {
				t.Fatalf("%d bytes: something of it came out", n)
			}
			sealed[bit/8] ^= 1 << (bit % 8)
		}
		for bit := range 8 * len(aad) {
			aad[bit/8] ^= 1 << (bit % 8)
			if _, err := ours.Open(out[:0], nonce, sealed, aad); err == nil {
				t.Fatalf("%d bytes: bit %d of the data may be changed", n, bit)
			}
			aad[bit/8] ^= 1 << (bit % 8)
		}
		for short := range min(tagSize, len(sealed)) {
			if _, err := ours.Open(nil, nonce, sealed[:short], aad); err == nil {
				t.Fatal("a part of a tag is accepted")
			}
		}
	}
}

func TestMisuse(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	ours, _ := pair(t, noise(r, 16))
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error(what, "is taken")
			}
		}()
		f()
	}
	buf := make([]byte, 200)
	nonce := make([]byte, nonceSize)
	panics("a short nonce", func() { ours.Seal(nil, nonce[1:], buf, nil) })
	panics("an overlap", func() { ours.Seal(buf[1:1], nonce, buf[:100], nil) })
	panics("an overlap", func() { _, _ = ours.Open(buf[1:1], nonce, buf[:100], nil) })
	for _, n := range []int{0, 15, 17, 24, 33} {
		if New(make([]byte, n)) != nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
	if got := ours.Seal([]byte("head"), nonce, buf[:5], nil); string(got[:4]) != "head" || len(got) != 4+5+tagSize {
		t.Error("what stands before is gone")
	}
}

// TestSmall: messages around the length from which on the assembly is used.
func TestSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	key := noise(r, 16)
	_, theirs := pair(t, key)
	ours := New(key)
	if ours == nil {
		t.Skip("validated cryptography alone is wanted")
	}
	if ours.NonceSize() != theirs.NonceSize() || ours.Overhead() != theirs.Overhead() {
		t.Error("sizes differ")
	}
	for n := range 1100 {
		text, nonce, aad := noise(r, n), noise(r, nonceSize), noise(r, n%40)
		sealed := theirs.Seal(nil, nonce, text, aad)
		if !bytes.Equal(ours.Seal(nil, nonce, text, aad), sealed) {
			t.Fatalf("%d bytes differ", n)
		}
		if got, err := ours.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(got, text) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestAllocations(t *testing.T) {
	ours, _ := pair(t, make([]byte, 16))
	buf, nonce, aad := make([]byte, 1000, 1000+tagSize), make([]byte, nonceSize), make([]byte, 32)
	if n := testing.AllocsPerRun(100, func() {
		sealed := ours.Seal(buf[:0], nonce, buf, aad)
		if _, err := ours.Open(sealed[:0], nonce, sealed, aad); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzSameAsStandard(f *testing.F) {
	f.Add(make([]byte, 16), make([]byte, 12), []byte("text"), []byte("data"))
	f.Add(make([]byte, 32), make([]byte, 12), make([]byte, 700), make([]byte, 300))
	f.Fuzz(func(t *testing.T, key, nonce, text, aad []byte) {
		if len(key) != 16 && len(key) != 32 || len(nonce) != nonceSize {
			t.Skip()
		}
		ours, theirs := pair(t, key)
		sealed := theirs.Seal(nil, nonce, text, aad)
		if !bytes.Equal(ours.Seal(nil, nonce, text, aad), sealed) {
			t.Fatal("sealing differs")
		}
		if got, err := ours.Open(nil, nonce, sealed, aad); err != nil || !bytes.Equal(got, text) {
			t.Fatal("opening differs")
		}
	})
}

func bench(b *testing.B, text, aad int, of func(ours, theirs cipher.AEAD) cipher.AEAD) {
	a := of(pair(b, make([]byte, 16)))
	buf, nonce, data := make([]byte, text, text+tagSize), make([]byte, nonceSize), make([]byte, aad)
	b.SetBytes(int64(text + aad))
	b.ReportAllocs()
	for b.Loop() {
		a.Seal(buf[:0], nonce, buf, data)
	}
}

func BenchmarkSeal(b *testing.B) {
	ours := func(o, _ cipher.AEAD) cipher.AEAD { return o }
	theirs := func(_, t cipher.AEAD) cipher.AEAD { return t }
	for _, c := range []struct {
		name      string
		text, aad int
	}{{"GCM1M", 1 << 20, 32}, {"GCM64K", 64 << 10, 32}, {"GCM200", 200, 32}, {"GMAC1M", 0, 1 << 20}, {"GMAC64K", 0, 64 << 10}, {"GMAC124", 0, 124}} {
		b.Run(c.name+"/ours", func(b *testing.B) { bench(b, c.text, c.aad, ours) })
		b.Run(c.name+"/standard", func(b *testing.B) { bench(b, c.text, c.aad, theirs) })
	}
}
