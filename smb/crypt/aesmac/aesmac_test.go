package aesmac

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
)

var modes = map[Mode]string{MAC: "mac", Seal: "seal", Open: "open"}

func newKey(t testing.TB, key []byte) *Key {
	t.Helper()
	k := New(key)
	if k == nil {
		t.Skip("there is no assembly for this processor, or it is not allowed")
	}
	return k
}

func noise(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func block(r *rand.Rand) [BlockSize]byte { return [BlockSize]byte(noise(r, BlockSize)) }

// standard does to a stream with the standard library's AES what Run does.
func standard(t testing.TB, key []byte, mode Mode, s *Stream) {
	t.Helper()
	c, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	for len(s.Text) > 0 {
		text := s.Text[:BlockSize]
		s.Text = s.Text[BlockSize:]
		var mask [BlockSize]byte
		if mode != MAC {
			n := binary.LittleEndian.Uint32(s.Counter[12:])
			copy(mask[:12], s.Counter[:])
			binary.BigEndian.PutUint32(mask[12:], n)
			c.Encrypt(mask[:], mask[:])
			binary.LittleEndian.PutUint32(s.Counter[12:], n+1)
		}
		if mode == Open {
			subtle.XORBytes(text, text, mask[:])
		}
		subtle.XORBytes(s.MAC[:], s.MAC[:], text)
		c.Encrypt(s.MAC[:], s.MAC[:])
		if mode == Seal {
			subtle.XORBytes(text, text, mask[:])
		}
	}
}

// lengths are numbers of blocks.
func lengths() []int {
	var l []int
	for n := range 2*piece/BlockSize + 19 {
		l = append(l, n)
	}
	return append(l, stretch/BlockSize-1, stretch/BlockSize, stretch/BlockSize+1, 3*stretch/BlockSize+5)
}

// TestRun: every length gives what the standard library gives, at any alignment, and
// nothing beside the text is written.
func TestRun(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{16, 32} {
		for mode, name := range modes {
			for _, n := range lengths() {
				key, mac, counter := noise(r, size), block(r), block(r)
				k := newKey(t, key)
				if n%3 == 0 { // the counter begins again at zero
					binary.LittleEndian.PutUint32(counter[12:], -uint32(n/2))
				}
				at := int(r.Uint32() % 64)
				got := noise(r, at+n*BlockSize+64)
				want := bytes.Clone(got)
				s := Stream{MAC: mac, Counter: counter, Text: want[at : at+n*BlockSize]}
				standard(t, key, mode, &s)
				k.Run(mode, &mac, &counter, got[at:at+n*BlockSize])
				if mac != s.MAC || counter != s.Counter || !bytes.Equal(got, want) {
					t.Fatalf("AES-%d, %s: %d blocks at %d differ", size*8, name, n, at)
				}
			}
		}
	}
}

// TestMACAlone: with the mode MAC there need not be a counter.
func TestMACAlone(t *testing.T) {
	key := make([]byte, 16)
	k := newKey(t, key)
	text := noise(rand.New(rand.NewPCG(3, 4)), 160)
	var mac [BlockSize]byte
	k.Run(MAC, &mac, nil, text)
	s := Stream{Text: text}
	standard(t, key, MAC, &s)
	if mac != s.MAC {
		t.Error("differs")
	}
}

// messages makes n streams, and the same ones as they are in the end.
func messages(t testing.TB, r *rand.Rand, key []byte, mode Mode, n, most int) (streams, want []*Stream, texts, ends [][]byte) {
	t.Helper()
	for range n {
		text := noise(r, int(r.Uint32N(uint32(most+1)))*BlockSize)
		end := bytes.Clone(text)
		s := &Stream{MAC: block(r), Counter: block(r), Text: text}
		w := &Stream{MAC: s.MAC, Counter: s.Counter, Text: end}
		standard(t, key, mode, w)
		streams, want, texts, ends = append(streams, s), append(want, w), append(texts, text), append(ends, end)
	}
	return streams, want, texts, ends
}

// TestTogether: any number of messages of different lengths.
func TestTogether(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, size := range []int{16, 32} {
		for mode, name := range modes {
			for n := range 3 * Lanes {
				for _, most := range []int{0, 3, 40, 700} {
					key := noise(r, size)
					k := newKey(t, key)
					streams, want, texts, ends := messages(t, r, key, mode, n, most)
					k.Together(mode, streams)
					for i, s := range streams {
						counts := mode == MAC || s.Counter == want[i].Counter
						if s.MAC != want[i].MAC || !counts || len(s.Text) != 0 || !bytes.Equal(texts[i], ends[i]) {
							t.Fatalf("AES-%d, %s: message %d of %d differs", size*8, name, i, n)
						}
					}
				}
			}
		}
	}
}

// TestCrew: goroutines that come when they like.
func TestCrew(t *testing.T) {
	for mode, name := range modes {
		t.Run(name, func(t *testing.T) {
			key := make([]byte, 16)
			k := newKey(t, key)
			c := NewCrew(k, mode)
			var wg sync.WaitGroup
			for g := range 3 * Lanes {
				wg.Go(func() {
					r := rand.New(rand.NewPCG(7, uint64(g)))
					streams, want, texts, ends := messages(t, r, key, mode, 20, 2000)
					for i, s := range streams {
						c.Run(&s.MAC, &s.Counter, s.Text)
						counts := mode == MAC || s.Counter == want[i].Counter
						if s.MAC != want[i].MAC || !counts || !bytes.Equal(texts[i], ends[i]) {
							t.Errorf("goroutine %d: message %d differs", g, i)
						}
					}
				})
			}
			wg.Wait()
			if c.busy || len(c.team) != 0 || len(c.come) != 0 || len(c.free) > 3*Lanes {
				t.Error("the crew does not rest")
			}
			for _, m := range c.free {
				if m.Text != nil || len(m.up) != 0 {
					t.Error("a message is kept")
				}
			}
		})
	}
}

// TestCrewJoins: whoever comes while another one works goes along, and works on when that
// one is done.
func TestCrewJoins(t *testing.T) {
	key := make([]byte, 32)
	k := newKey(t, key)
	c := NewCrew(k, Seal)
	r := rand.New(rand.NewPCG(8, 9))
	var streams, want []*Stream
	var members []*member
	// The first ones are the shortest, and one too many for the first team come.
	for i := range Lanes + 2 {
		text := noise(r, (i+1)*3*piece)
		s := &Stream{MAC: block(r), Counter: block(r), Text: text}
		w := &Stream{MAC: s.MAC, Counter: s.Counter, Text: bytes.Clone(text)}
		standard(t, key, Seal, w)
		streams, want = append(streams, s), append(want, w)
		m, works := c.join(&s.MAC, &s.Counter, s.Text)
		if works != (i == 0) {
			t.Fatalf("message %d: works: %v", i, works)
		}
		members = append(members, m)
	}
	for i, m := range members {
		if i > 0 {
			<-m.up // nothing is done that was not promised, so this does not wait
		}
		if len(m.Text) == 0 {
			t.Fatalf("message %d is done too early", i)
		}
		c.work(m)
		if m.MAC != want[i].MAC || m.Counter != want[i].Counter {
			t.Fatalf("message %d differs", i)
		}
		for j, other := range members[i+1:] {
			if moved := len(other.Text) < len(streams[i+1+j].Text); moved != (i+1+j < Lanes+i) {
				t.Errorf("after message %d: message %d went along: %v", i, i+1+j, moved)
			}
		}
	}
	if c.busy {
		t.Error("nobody works, but somebody seems to")
	}
}

func TestMisuse(t *testing.T) {
	k := newKey(t, make([]byte, 16))
	for _, n := range []int{0, 15, 17, 24, 33} {
		if New(make([]byte, n)) != nil {
			t.Errorf("a key of %d bytes is taken", n)
		}
	}
	panics := func(what string, f func()) {
		t.Helper()
		defer func() {
			if recover() == nil {
				t.Error(what, "takes half a block")
			}
		}()
		f()
	}
	var mac [BlockSize]byte
	panics("Run", func() { k.Run(MAC, &mac, nil, make([]byte, 24)) })
	panics("Together", func() { k.Together(MAC, []*Stream{{Text: make([]byte, 24)}}) })
	panics("Crew", func() { NewCrew(k, MAC).Run(&mac, nil, make([]byte, 24)) })
}

func TestAllocations(t *testing.T) {
	k := newKey(t, make([]byte, 16))
	crew := NewCrew(k, Seal)
	text := make([]byte, 10_000*BlockSize)
	if n := testing.AllocsPerRun(20, func() {
		var mac, counter [BlockSize]byte
		k.Run(Seal, &mac, &counter, text)
		crew.Run(&mac, &counter, text)
		k.Run(Open, &mac, &counter, text)
		k.Run(MAC, &mac, nil, text)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzTogether(f *testing.F) {
	f.Add(make([]byte, 16), byte(1), uint64(3), byte(9), make([]byte, 700))
	f.Add(make([]byte, 32), byte(2), uint64(4), byte(2), make([]byte, 300))
	f.Fuzz(func(t *testing.T, key []byte, mode byte, seed uint64, n byte, text []byte) {
		if len(key) != 16 && len(key) != 32 {
			t.Skip()
		}
		k, m := newKey(t, key), Mode(mode%3)
		r := rand.New(rand.NewPCG(seed, 1))
		var streams, want []*Stream
		var texts, ends [][]byte
		for range n % 20 {
			p := bytes.Clone(text[:r.IntN(len(text)/BlockSize+1)*BlockSize])
			s := &Stream{MAC: block(r), Counter: block(r), Text: p}
			w := &Stream{MAC: s.MAC, Counter: s.Counter, Text: bytes.Clone(p)}
			streams, want, texts, ends = append(streams, s), append(want, w), append(texts, p), append(ends, w.Text)
			standard(t, key, m, w)
		}
		k.Together(m, streams)
		for i, s := range streams {
			if s.MAC != want[i].MAC || !bytes.Equal(texts[i], ends[i]) {
				t.Fatalf("message %d differs", i)
			}
		}
	})
}

// BenchmarkRun gives also what a block costs; the bound of a chain is the latency of
// AESENC times the rounds.
func BenchmarkRun(b *testing.B) {
	for _, size := range []int{16, 32} {
		for _, mode := range []Mode{MAC, Seal, Open} {
			for _, n := range []int{128, 64 << 10, 1 << 20} {
				b.Run(fmt.Sprintf("AES%d/%s/%d", size*8, modes[mode], n), func(b *testing.B) {
					k := newKey(b, make([]byte, size))
					var mac, counter [BlockSize]byte
					text := make([]byte, n)
					b.SetBytes(int64(n))
					for b.Loop() {
						k.Run(mode, &mac, &counter, text)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n/BlockSize), "ns/block")
				})
			}
		}
	}
}

// BenchmarkStandard is the way of the standard library: CBC, whose output nobody wants.
func BenchmarkStandard(b *testing.B) {
	for _, size := range []int{16, 32} {
		b.Run(fmt.Sprintf("AES%d", size*8), func(b *testing.B) {
			c, err := aes.NewCipher(make([]byte, size))
			if err != nil {
				b.Fatal(err)
			}
			cbc := cipher.NewCBCEncrypter(c, make([]byte, BlockSize))
			text, out := make([]byte, 4096), make([]byte, 4096)
			b.SetBytes(4096)
			for b.Loop() {
				cbc.CryptBlocks(out, text)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(4096/BlockSize), "ns/block")
		})
	}
}

func BenchmarkTogether(b *testing.B) {
	for _, mode := range []Mode{MAC, Seal, Open} {
		for _, n := range []int{1, 2, 4, 8} {
			b.Run(fmt.Sprintf("%s/%dx1M", modes[mode], n), func(b *testing.B) {
				k := newKey(b, make([]byte, 16))
				texts := make([][]byte, n)
				for i := range texts {
					texts[i] = make([]byte, 1<<20)
				}
				b.SetBytes(int64(n << 20))
				for b.Loop() {
					streams := make([]*Stream, n)
					for i := range streams {
						streams[i] = &Stream{Text: texts[i]}
					}
					k.Together(mode, streams)
				}
			})
		}
	}
}

// BenchmarkCrew is goroutines that each do one message after another.
func BenchmarkCrew(b *testing.B) {
	for _, n := range []int{1, 2, 4, 8} {
		b.Run(fmt.Sprintf("%dx1M", n), func(b *testing.B) {
			c := NewCrew(newKey(b, make([]byte, 16)), MAC)
			b.SetBytes(int64(n << 20))
			var wg sync.WaitGroup
			for range n {
				wg.Go(func() {
					text := make([]byte, 1<<20)
					var mac [BlockSize]byte
					for range b.N {
						c.Run(&mac, nil, text)
					}
				})
			}
			wg.Wait()
		})
	}
}
