package smb

import (
	"testing"

	"pgregory.net/rapid"

	"lessor/smb/wire"
)

// sequenceModel is MS-SMB2 3.3.5.2.10 and 3.3.4.1.8 as they are written, but that no
// count goes below zero when a client goes all the way around.
type sequenceModel struct {
	sequence                    uint16
	outstanding, preOutstanding int
}

func (m *sequenceModel) enter(seq uint16, replay bool) (counted, ok bool) {
	switch {
	case seq == m.sequence:
	case seq-m.sequence <= 0x7fff:
		m.preOutstanding += m.outstanding
		m.outstanding = 0
		m.sequence = seq
	default:
		return false, false
	}
	if !replay || m.preOutstanding == 0 {
		m.outstanding++
		return true, true
	}
	return false, false
}

func (m *sequenceModel) leave(seq uint16) {
	if m.outstanding > 0 && seq == m.sequence || m.preOutstanding == 0 {
		m.outstanding--
	} else {
		m.preOutstanding--
	}
}

// A request that is outstanding while its client goes all the way around is taken from
// those that came before, and a late one is refused until then.
func TestChannelSequenceWraps(t *testing.T) {
	for _, steps := range [][]uint16{{0, 0x7fff, 0xfffe, 0}, {5, 0x8004, 0x8005, 4, 5}, {1, 2, 0x8001, 0}} {
		var s channelSequence
		for _, seq := range steps {
			if counted, ok := s.enter(seq, false); !counted || !ok {
				t.Fatalf("%v: %d was not taken: %#x", steps, seq, s.word.Load())
			}
		}
		last := steps[len(steps)-1]
		s.leave(last) // the new one
		if s.word.Load()&seqCountMask != 0 {
			t.Errorf("%v: %#x", steps, s.word.Load())
		}
		for i, seq := range steps[:len(steps)-1] {
			if counted, ok := s.enter(last, true); counted || ok {
				t.Errorf("%v: a replay is taken with %d outstanding", steps, len(steps)-1-i)
			}
			s.leave(seq)
		}
		if word := s.word.Load(); word != uint64(last)<<seqShift {
			t.Errorf("%v: %#x is left", steps, word)
		}
		if counted, ok := s.enter(last, true); !counted || !ok {
			t.Errorf("%v: a replay is refused with nothing outstanding", steps)
		}
	}
}

func TestChannelSequenceModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s channelSequence
		var m sequenceModel
		var inside []uint16
		base := rapid.Uint16().Draw(t, "base")
		near := rapid.Custom(func(t *rapid.T) uint16 { return base + uint16(rapid.IntRange(-3, 3).Draw(t, "near")) })
		any := rapid.OneOf(near, rapid.Uint16())
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				seq, replay := any.Draw(t, "seq"), rapid.Bool().Draw(t, "replay")
				counted, ok := s.enter(seq, replay)
				wantCounted, wantOK := m.enter(seq, replay)
				if counted != wantCounted || ok != wantOK {
					t.Fatalf("enter(%d, %v) = %v, %v, want %v, %v", seq, replay, counted, ok, wantCounted, wantOK)
				}
				if counted {
					inside = append(inside, seq)
				}
			},
			"leave": func(t *rapid.T) {
				if len(inside) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(inside)-1).Draw(t, "which")
				s.leave(inside[i])
				m.leave(inside[i])
				inside = append(inside[:i], inside[i+1:]...)
			},
			"": func(t *rapid.T) {
				word := s.word.Load()
				if uint16(word>>seqShift) != m.sequence || int(word&seqCountMask) != m.outstanding ||
					int(word>>seqCountBits&seqCountMask) != m.preOutstanding || m.outstanding+m.preOutstanding != len(inside) {
					t.Fatalf("%#x, want %+v", word, m)
				}
			},
		})
	})
}

// Only what changes something is refused.
func TestChangesThings(t *testing.T) {
	for c := range wire.Command(wire.NumCommands) {
		want := c == wire.CmdWrite || c == wire.CmdSetInfo || c == wire.CmdIoctl
		if changesThings(c) != want {
			t.Errorf("%v: %v", c, !want)
		}
	}
}
