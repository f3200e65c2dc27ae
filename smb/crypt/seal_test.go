package crypt

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	crand "crypto/rand"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var ciphers = []uint16{CipherAES128CCM, CipherAES128GCM, CipherAES256CCM, CipherAES256GCM}

// referenceCCM is RFC 3610 word for word, for any sizes: slow, and checked
// against the vectors of the RFC below.
func referenceCCM(t testing.TB, key, nonce, aad, text []byte, tagLen int) (sealed, tag []byte) {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	l := 15 - len(nonce)
	var x, b [16]byte
	b[0] = byte((tagLen-2)/2<<3 | (l - 1))
	if len(aad) > 0 {
		b[0] |= 0x40
	}
	copy(b[1:], nonce)
	for i, n := 15, len(text); i > 15-l; i, n = i-1, n>>8 {
		b[i] = byte(n)
	}
	mix := func(data []byte) {
		for len(data) > 0 {
			n := subtle.XORBytes(x[:], x[:], data)
			block.Encrypt(x[:], x[:])
			data = data[n:]
		}
	}
	mix(b[:])
	if len(aad) > 0 {
		mix(pad(append(binary.BigEndian.AppendUint16(nil, uint16(len(aad))), aad...)))
	}
	mix(pad(text))
	stream := func(i int) []byte {
		var a, s [16]byte
		a[0] = byte(l - 1)
		copy(a[1:], nonce)
		for at, n := 15, i; at > 15-l; at, n = at-1, n>>8 {
			a[at] = byte(n)
		}
		block.Encrypt(s[:], a[:])
		return s[:]
	}
	tag = make([]byte, tagLen)
	subtle.XORBytes(tag, x[:tagLen], stream(0)[:tagLen])
	sealed = append([]byte(nil), text...)
	for i := 0; i*16 < len(sealed); i++ {
		subtle.XORBytes(sealed[i*16:], sealed[i*16:], stream(i+1))
	}
	return sealed, tag
}

func pad(b []byte) []byte {
	b = append([]byte(nil), b...)
	for len(b)%16 != 0 {
		b = append(b, 0)
	}
	return b
}

// TestReferenceCCM: NIST SP 800-38C examples 1 and 3, RFC 3610 packet vector 1.
func TestReferenceCCM(t *testing.T) {
	for _, c := range []struct {
		key, nonce, aad, text, sealed, tag string
	}{
		{"404142434445464748494a4b4c4d4e4f", "10111213141516", "0001020304050607",
			"20212223", "7162015b", "4dac255d"},
		{"404142434445464748494a4b4c4d4e4f", "101112131415161718191a1b", "000102030405060708090a0b0c0d0e0f10111213",
			"202122232425262728292a2b2c2d2e2f3031323334353637",
			"e3b201a9f5b71a7a9b1ceaeccd97e70b6176aad9a4428aa5", "484392fbc1b09951"},
		{"c0c1c2c3c4c5c6c7c8c9cacbcccdcecf", "00000003020100a0a1a2a3a4a5", "0001020304050607",
			"08090a0b0c0d0e0f101112131415161718191a1b1c1d1e",
			"588c979a61c663d2f066d0c2c0f989806d5f6b61dac384", "17e8d12cfdf926e0"},
	} {
		sealed, tag := referenceCCM(t, unhex(t, c.key), unhex(t, c.nonce), unhex(t, c.aad), unhex(t, c.text), len(c.tag)/2)
		if hex.EncodeToString(sealed) != c.sealed || hex.EncodeToString(tag) != c.tag {
			t.Errorf("got %x %x, want %s %s", sealed, tag, c.sealed, c.tag)
		}
	}
}

// TestCCMAgainstReference: all lengths around the block and scratch sizes.
func TestCCMAgainstReference(t *testing.T) {
	lengths := []int{4095, 4096, 4097, 4112, 8191, 10_000}
	for n := range 300 {
		lengths = append(lengths, n)
	}
	for _, keyLen := range []int{16, 32} {
		key := fill(keyLen, 1)
		c, err := newCCM(key)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range lengths {
			nonce, aad, text := fill(11, 2), fill(32, 3), fill(n, 4)
			want, wantTag := referenceCCM(t, key, nonce, aad, text, 16)
			got, gotTag := append([]byte(nil), text...), make([]byte, 16)
			c.seal(gotTag, nonce, aad, got)
			if !bytes.Equal(want, got) || !bytes.Equal(wantTag, gotTag) {
				t.Fatalf("%d bytes: differs from RFC 3610", n)
			}
			if !c.open(gotTag, nonce, aad, got) || !bytes.Equal(text, got) {
				t.Fatalf("%d bytes: does not open", n)
			}
		}
	}
}

// TestSealSamples: the sealed WRITE requests and responses of Microsoft's
// "Encryption in SMB 3.0: a protocol perspective" and "SMB 3.1.1 encryption in
// Windows 10", with the keys derived from the session keys given there.
func TestSealSamples(t *testing.T) {
	keys300 := DeriveKeys(0x0300, unhex(t, "B4546771B515F766A86735532DD6C4F0"), nil, CipherAES128CCM)
	keys311 := DeriveKeys(0x0311, unhex(t, "419FDDF34C1E001909D362AE7FB6AF79"), unhex(t,
		"B23F3CBFD69487D9832B79B1594A367CDD950909B774C3A4C412B4FCEA9EDDDBA7DB256BA2EA30E9"+
			"77F11F9B113247578E0E915C6D2A513B8F2FCA5707DC8770"), CipherAES128GCM)
	for _, c := range []struct {
		name          string
		cipher        uint16
		key           []byte
		wantKey       string
		session       uint64
		sealed, plain string
	}{
		{
			"3.0 request", CipherAES128CCM, keys300.ServerIn, "261b72350558f2e9dcf613070383edbf", 0x8E40014000011,
			"FD534D4281A286535415445DAE393921E44FA42E66E69A111892584FB5ED524A744DA3EE87000000000001001100001400E40800" +
				"25C8FEE16605A437832D1CD52DA9F4645333482A175FE5384563F45FCDAFAEF38BC62BA4D5C62897996625A44C29BE56" +
				"58DE2E6117585779E7B59FFD971278D08580D7FA899E410E910EABF5AA1DB43050B33B49182637759AC15D84BFCDF5B6" +
				"B238993C0F4CF4D6012023F6C627297075D84B7803912D0A9639634453595EF3E33FFE4E7AC2AB",
			"FE534D4240000100000000000900400008000000000000000400000000000000FFFE0000010000001100001400E40800" +
				"000000000000000000000000000000003100700017000000000000000000000015010000390000020100000039020000" +
				"00000000000000007000000000000000536D623320656E6372797074696F6E2074657374696E67",
		},
		{
			"3.0 response", CipherAES128CCM, keys300.ServerOut, "8fe2b57ec34d2db5b1a9727f526bbdb5", 0x8E40014000011,
			"FD534D42A6015530A18F6D9AFFE22AFAE8E66484860000000000000011000014" +
				"00E4080050000000000001001100001400E40800DBF46435C5F14169293CE079" +
				"E344479BF670227E49873F458672C3098DAC467DD5809F369D67409166515787" +
				"1483E01F7BECD02064EAC3E235F913668BBC2F097980D4B378F1993EFF6E60D177309E5B",
			"FE534D4240000100000000000900210009000000000000000400000000000000" +
				"FFFE0000010000001100001400E4080000000000000000000000000000000000" +
				"11000000170000000000000000000000",
		},
		{
			"3.1.1 request", CipherAES128GCM, keys311.ServerIn, "a2f5e80e5d59103034f32e52f698e5ec", 0x100000000025,
			"FD534D42BD73D97D2BC9001BCAFAC0FDFF5FEEBCC7D6822D269CAF48904C664C0000000087000000" +
				"0000010025000000001000006ECDD2A7AFC7B47763057A041B8FD4DAFFE990B70C9E09D36C084E02" +
				"D14EF247F8BDE38ACF6256F8B1D3B56F77FBDEB312FEA5E92CBCC1ED8FB2EBBFAA75E49A4A394BB4" +
				"4576545567C24D4C014D47C9FBDFDAFD2C4F9B72F8D256452620A299F48E29E53D6B61D1C13A19E9" +
				"1AF013F00D17E3ABC2FC3D36C8C1B6B93973253852DBD442E46EE8",
			"FE534D4240000100000000000900010008000000000000000500000000000000FFFE000001000000" +
				"25000000001000000000000000000000000000000000000031007000170000000000000000000000" +
				"0600000004000000010000000400000000000000000000007000000000000000536D623320656E63" +
				"72797074696F6E2074657374696E67",
		},
		{
			"3.1.1 response", CipherAES128GCM, keys311.ServerOut, "748c50868c90f302962a5c35f5f9a8bf", 0x100000000025,
			"FD534D42ACBE1CB7ED343ADF1725EF144D90D4B0E06831DD2E8EB7B4000000000000000050000000" +
				"00000100250000000010000026BBBF949983A6C1C796559D0F2C510CB651D1F7B6AC8DED32A2A0B8" +
				"F2D793A815C6F6B848D69767A215841A42D400AE6DDB5F0B44173A014973321FDD7950DA6179159B" +
				"82E03C9E18A050FF0EA1C967",
			"FE534D4240000100000000000900010001000000000000000500000000000000FFFE000001000000" +
				"25000000001000000000000000000000000000000000000011000000170000000000000000000000",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hex.EncodeToString(c.key); got != c.wantKey {
				t.Fatalf("key %s, want %s", got, c.wantKey)
			}
			s, err := NewSealer(c.cipher, c.key)
			if err != nil {
				t.Fatal(err)
			}
			buf := unhex(t, c.sealed)
			if id, ok := TransformSession(buf); !ok || id != c.session {
				t.Errorf("session %#x, want %#x", id, c.session)
			}
			plain, err := s.OpenInPlace(buf)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(unhex(t, c.plain), plain); d != "" {
				t.Errorf("plaintext (-want +got):\n%s", d)
			}
		})
	}
}

// withRoom returns a copy of b with the given spare capacity, which holds 0xA5.
func withRoom(b []byte, room int) []byte {
	out := append(make([]byte, 0, len(b)+room), b...)
	for i := range out[len(b):cap(out)] {
		out[:cap(out)][len(b)+i] = 0xa5
	}
	return out[: len(b) : len(b)+room]
}

// TestSealRoundTrip: all ciphers and lengths, with and without room behind the
// message; what is behind the message stays as it was.
func TestSealRoundTrip(t *testing.T) {
	for _, id := range ciphers {
		s, err := NewSealer(id, fill(CipherKeySize(id), uint64(id)))
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{0, 1, 15, 16, 17, 64, 127, 128, 129, 143, 144, 1000, 70_000} {
			for _, room := range []int{0, 5, TailRoom, 100} {
				text := fill(n, uint64(n))
				buf := withRoom(append(make([]byte, TransformHeaderSize), text...), room)
				if err := s.SealInPlace(buf, 0x1122334455667788); err != nil {
					t.Fatal(err)
				}
				if n >= 16 && bytes.Contains(buf, text) {
					t.Fatalf("%s: plaintext in the sealed message", CipherName(id))
				}
				if sid, ok := TransformSession(buf); !ok || sid != 0x1122334455667788 {
					t.Errorf("%s: session id %#x", CipherName(id), sid)
				}
				for _, openRoom := range []int{0, TailRoom, room} {
					cp := withRoom(buf, openRoom)
					got, err := s.OpenInPlace(cp)
					if err != nil {
						t.Fatalf("%s, %d bytes, room %d then %d: %v", CipherName(id), n, room, openRoom, err)
					}
					if !bytes.Equal(text, got) {
						t.Fatalf("%s, %d bytes: round trip differs", CipherName(id), n)
					}
					checkRoom(t, cp)
				}
				checkRoom(t, buf)
			}
		}
	}
}

func checkRoom(t *testing.T, b []byte) {
	t.Helper()
	for i, c := range b[len(b):cap(b)] {
		if c != 0xa5 {
			t.Fatalf("byte %d behind the message changed", i)
		}
	}
}

// TestSealTamper: every flipped bit of the tag, the covered header and the text
// is noticed; the protocol id is checked as such.
func TestSealTamper(t *testing.T) {
	for _, size := range []int{150, 530} { // below and above what our own GCM takes
		testSealTamper(t, size)
	}
}

func testSealTamper(t *testing.T, size int) {
	t.Helper()
	for _, id := range ciphers {
		s, err := NewSealer(id, fill(CipherKeySize(id), 9))
		if err != nil {
			t.Fatal(err)
		}
		sealed := append(make([]byte, TransformHeaderSize), fill(size, 3)...)
		if err := s.SealInPlace(sealed, 5); err != nil {
			t.Fatal(err)
		}
		for i := range sealed {
			for _, room := range []int{0, TailRoom} {
				buf := withRoom(sealed, room)
				buf[i] ^= 0x10
				if _, err := s.OpenInPlace(buf); !errors.Is(err, ErrTampered) && !errors.Is(err, ErrMalformed) {
					t.Errorf("%s: byte %d flipped: %v", CipherName(id), i, err)
				}
				checkRoom(t, buf)
			}
		}
		for n := range sealed {
			if _, err := s.OpenInPlace(withRoom(sealed[:n], 0)); !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: cut to %d: %v", CipherName(id), n, err)
			}
		}
		other, err := NewSealer(id, fill(CipherKeySize(id), 10))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.OpenInPlace(withRoom(sealed, 0)); !errors.Is(err, ErrTampered) {
			t.Errorf("%s: other key: %v", CipherName(id), err)
		}
	}
}

// TestOpenWithoutOurs: where the standard library has to do it, messages of any length open the
// same way, with and without room behind them.
func TestOpenWithoutOurs(t *testing.T) {
	for _, id := range ciphers {
		key := fill(CipherKeySize(id), 9)
		s, err := NewSealer(id, key)
		if err != nil {
			t.Fatal(err)
		}
		if s.gcm == nil {
			continue
		}
		block, err := aes.NewCipher(key)
		if err != nil {
			t.Fatal(err)
		}
		standard, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range []int{1, 511, 512, 513, 100_000} {
			text := fill(n, 8)
			sealed := append(make([]byte, TransformHeaderSize), text...)
			if err := s.SealInPlace(sealed, 5); err != nil {
				t.Fatal(err)
			}
			for _, opener := range []*Sealer{s, {gcm: standard}} {
				for _, room := range []int{0, TailRoom - 1, TailRoom} {
					buf := withRoom(sealed, room)
					got, err := opener.OpenInPlace(buf)
					if err != nil || !bytes.Equal(got, text) {
						t.Fatalf("%s, %d bytes, room %d, ours %v: %v", CipherName(id), n, room, opener == s, err)
					}
					checkRoom(t, buf)
				}
			}
		}
	}
}

func TestSealNonces(t *testing.T) {
	for _, id := range ciphers {
		s, err := NewSealer(id, fill(CipherKeySize(id), 9))
		if err != nil {
			t.Fatal(err)
		}
		s.counter.Store(^uint64(0) - 500) // the wrap is no special case
		seen := map[[16]byte]bool{}
		for range 1000 {
			buf := make([]byte, 80)
			if err := s.SealInPlace(buf, 1); err != nil {
				t.Fatal(err)
			}
			seen[[16]byte(buf[transformAAD:])] = true
		}
		if len(seen) != 1000 {
			t.Errorf("%s: %d nonces in 1000 messages", CipherName(id), len(seen))
		}
	}
}

func TestSealErrors(t *testing.T) {
	for _, id := range []uint16{0, 5, 0xffff} {
		if _, err := NewSealer(id, make([]byte, 16)); !errors.Is(err, ErrAlgorithm) {
			t.Errorf("cipher %d: %v", id, err)
		}
	}
	for _, id := range ciphers {
		if _, err := NewSealer(id, make([]byte, 24)); !errors.Is(err, ErrKeySize) {
			t.Errorf("%s with 24 bytes: %v", CipherName(id), err)
		}
		s, err := NewSealer(id, make([]byte, CipherKeySize(id)))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SealInPlace(make([]byte, 51), 1); !errors.Is(err, ErrMalformed) {
			t.Errorf("51 bytes: %v", err)
		}
	}
	if _, ok := TransformSession([]byte("\xfdSMB")); ok {
		t.Error("session id of 4 bytes")
	}
	if _, ok := TransformSession(append([]byte("\xfeSMB"), make([]byte, 60)...)); ok {
		t.Error("session id of a plain message")
	}
}

func TestSealAllocs(t *testing.T) {
	if raceEnabled {
		t.Skip("pools drop entries at random under the race detector")
	}
	for _, id := range ciphers {
		s, err := NewSealer(id, fill(CipherKeySize(id), 1))
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []int{0, TailRoom} {
			text := fill(TransformHeaderSize+5000, 2)
			buf := withRoom(text, room)
			if n := testing.AllocsPerRun(200, func() {
				copy(buf, text)
				if err := s.SealInPlace(buf, 1); err != nil {
					t.Error(err)
				}
				if _, err := s.OpenInPlace(buf); err != nil {
					t.Error(err)
				}
			}); n != 0 {
				t.Errorf("%s, room %d: %v allocations per message", CipherName(id), room, n)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(uint16(1), []byte("\xfdSMB"))
	f.Add(uint16(2), make([]byte, 60))
	f.Fuzz(func(t *testing.T, id uint16, buf []byte) {
		id = id%4 + 1
		key := make([]byte, CipherKeySize(id))
		_, _ = crand.Read(key) // a fixed key would let the fuzzer find sealed messages
		s, err := NewSealer(id, key)
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := s.OpenInPlace(append([]byte(nil), buf...)); err == nil {
			t.Fatalf("opened %x to %x", buf, plain)
		}
		if len(buf) >= TransformHeaderSize {
			buf = append([]byte(nil), buf...)
			text := append([]byte(nil), buf[TransformHeaderSize:]...)
			if err := s.SealInPlace(buf, 1); err != nil {
				t.Fatal(err)
			}
			plain, err := s.OpenInPlace(buf)
			if err != nil || !bytes.Equal(plain, text) {
				t.Fatalf("round trip: %v", err)
			}
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	for _, id := range ciphers {
		for _, n := range []int{128, 65536, 1 << 20} {
			b.Run(fmt.Sprintf("%s/%d", CipherName(id), n), func(b *testing.B) {
				s, err := NewSealer(id, fill(CipherKeySize(id), 1))
				if err != nil {
					b.Fatal(err)
				}
				buf := withRoom(make([]byte, TransformHeaderSize+n), TailRoom)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					if err := s.SealInPlace(buf, 1); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
