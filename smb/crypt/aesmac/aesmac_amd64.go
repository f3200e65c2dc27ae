//go:build amd64 && !purego

package aesmac

import (
	"crypto/fips140"
	"encoding/binary"

	"golang.org/x/sys/cpu"

	"lessor/smb/crypt/aeskey"
)

// supported says whether the processor has all instructions that are used.
var supported = cpu.X86.HasAES && cpu.X86.HasAVX

// chain takes n blocks, one at least, into the MAC.
//
//go:noescape
func chain(keys *aeskey.Schedule, rounds int, mac *[BlockSize]byte, p *byte, n int)

// chain4 takes n blocks, one at least, at each of the first four pointers into the MAC
// with the same number.
//
//go:noescape
func chain4(keys *aeskey.Schedule, rounds int, macs *[Lanes][BlockSize]byte, p *[Lanes]*byte, n int)

// chain8 is chain4 for all eight.
//
//go:noescape
func chain8(keys *aeskey.Schedule, rounds int, macs *[Lanes][BlockSize]byte, p *[Lanes]*byte, n int)

// seal takes n blocks, one at least, into the MAC and encrypts them in counter mode. The
// last 4 bytes of ctr are a little-endian number.
//
//go:noescape
func seal(keys *aeskey.Schedule, rounds int, mac, ctr *[BlockSize]byte, p *byte, n int)

// open decrypts n blocks, one at least, and takes them into the MAC.
//
//go:noescape
func open(keys *aeskey.Schedule, rounds int, mac, ctr *[BlockSize]byte, p *byte, n int)

// ctr8 is counter mode alone on n times eight blocks.
//
//go:noescape
func ctr8(keys *aeskey.Schedule, rounds int, ctr *[BlockSize]byte, p *byte, n int)

// Key is an AES key, expanded. It is immutable, and may be used by many goroutines at
// once.
type Key struct {
	keys   aeskey.Schedule
	rounds int
}

// New takes a key of 16 or 32 bytes. It returns nil if the processor lacks the
// instructions, the key has another length, or the program is to use validated
// cryptography alone (GODEBUG=fips140=on).
func New(key []byte) *Key {
	if !supported || len(key) != 16 && len(key) != 32 || fips140.Enabled() {
		return nil
	}
	k := &Key{}
	k.rounds = k.keys.Expand(key)
	return k
}

// Run takes text, whole blocks, into the MAC and does with it what mode says. For the
// counter see [Stream]; with the mode MAC it may be nil. Nothing is allocated.
func (k *Key) Run(mode Mode, mac, counter *[BlockSize]byte, text []byte) {
	check(text)
	for len(text) > 0 {
		n := min(len(text), stretch)
		switch mode {
		case MAC:
			chain(&k.keys, k.rounds, mac, &text[0], n/BlockSize)
		case Seal:
			seal(&k.keys, k.rounds, mac, counter, &text[0], n/BlockSize)
		case Open:
			open(&k.keys, k.rounds, mac, counter, &text[0], n/BlockSize)
		}
		text = text[n:]
	}
}

// Together is Run for messages of any number and length; MAC, Counter and Text of each go
// on, Text to its end. They must be different messages.
func (k *Key) Together(mode Mode, streams []*Stream) {
	for _, s := range streams {
		check(s.Text)
	}
	var at [Lanes]*Stream
	n := 0
	for {
		for i := 0; i < n; {
			if len(at[i].Text) > 0 {
				i++
				continue
			}
			n--
			at[i] = at[n]
		}
		for n < Lanes && len(streams) > 0 {
			if len(streams[0].Text) > 0 {
				at[n] = streams[0]
				n++
			}
			streams = streams[1:]
		}
		if n == 0 {
			return
		}
		k.step(mode, at[:n])
	}
}

// step does the next piece of up to Lanes streams, each of which has something left.
func (k *Key) step(mode Mode, streams []*Stream) {
	n := piece
	for _, s := range streams {
		n = min(n, len(s.Text))
	}
	if len(streams) == 1 {
		s := streams[0]
		k.Run(mode, &s.MAC, &s.Counter, s.Text[:n])
		s.Text = s.Text[n:]
		return
	}
	if mode == Open {
		k.crypt(streams, n)
	}
	var macs [Lanes][BlockSize]byte
	var p [Lanes]*byte
	for i := range p {
		// Whoever there is no stream for goes along with the first, for nothing.
		p[i] = &streams[0].Text[0]
		if i < len(streams) {
			p[i], macs[i] = &streams[i].Text[0], streams[i].MAC
		}
	}
	if len(streams) <= 4 {
		chain4(&k.keys, k.rounds, &macs, &p, n/BlockSize)
	} else {
		chain8(&k.keys, k.rounds, &macs, &p, n/BlockSize)
	}
	if mode == Seal {
		k.crypt(streams, n)
	}
	for i, s := range streams {
		s.MAC = macs[i]
		s.Text = s.Text[n:]
	}
}

// crypt is counter mode on n bytes of each stream.
func (k *Key) crypt(streams []*Stream, n int) {
	for _, s := range streams {
		text := s.Text[:n]
		if m := n / wide; m > 0 {
			ctr8(&k.keys, k.rounds, &s.Counter, &text[0], m)
			text = text[m*wide:]
		}
		if len(text) == 0 {
			continue
		}
		var buf [wide]byte
		copy(buf[:], text)
		c := s.Counter
		ctr8(&k.keys, k.rounds, &c, &buf[0], 1)
		copy(text, buf[:])
		// More of the message may follow.
		last := s.Counter[BlockSize-4:]
		binary.LittleEndian.PutUint32(last, binary.LittleEndian.Uint32(last)+uint32(len(text)/BlockSize))
	}
}
