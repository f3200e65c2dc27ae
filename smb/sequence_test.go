package smb

import (
	"testing"

	"pgregory.net/rapid"

	"lessor/smb/wire"
)

// sequenceModel is MS-SMB2 3.3.5.2.10 and 3.3.4.1.8 as they are written.
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
	if seq == m.sequence {
		m.outstanding--
	} else {
		m.preOutstanding--
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
					int(word>>seqCountBits&seqCountMask) != m.preOutstanding {
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
