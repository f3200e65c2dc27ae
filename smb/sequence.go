package smb

import (
	"sync/atomic"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// channelSequence is the state of MS-SMB2 3.3.5.2.10 of an open: it keeps a
// request that was sent before a channel was lost from being carried out after
// the client has given it up. In one word, so that a request costs two atomic
// operations:
//
//	bits 48..63  Open.ChannelSequence
//	bits 24..47  Open.OutstandingPreRequestCount
//	bits  0..23  Open.OutstandingRequestCount
type channelSequence struct{ word atomic.Uint64 }

const (
	seqCountBits = 24
	seqCountMask = 1<<seqCountBits - 1
	seqShift     = 48
)

// enter checks a request. counted says that leave must be called when it is
// done; ok is false if a command that changes something must be refused.
func (s *channelSequence) enter(seq uint16, replay bool) (counted, ok bool) {
	for {
		old := s.word.Load()
		now := old
		switch d := seq - uint16(old>>seqShift); {
		case d == 0:
		case d <= 0x7fff:
			// A newer one: all that is outstanding is from before it.
			pre := old>>seqCountBits&seqCountMask + old&seqCountMask
			now = uint64(seq)<<seqShift | pre<<seqCountBits
		default:
			return false, false
		}
		counted = !replay || now>>seqCountBits&seqCountMask == 0
		if counted {
			now++
		}
		if s.word.CompareAndSwap(old, now) {
			return counted, counted
		}
	}
}

// leave says that a counted request is done. A client that goes all the way around
// while a request is outstanding meets its number again, although the request was
// counted as one from before; therefore a count that is zero is never the one, and
// the sum of both stays that of the requests (MS-SMB2 3.3.4.1.8 does not think of it).
func (s *channelSequence) leave(seq uint16) {
	for {
		old := s.word.Load()
		now := old
		here, before := old&seqCountMask, old>>seqCountBits&seqCountMask
		switch {
		case here != 0 && (before == 0 || uint16(old>>seqShift) == seq):
			now--
		case before != 0:
			now -= 1 << seqCountBits
		}
		if s.word.CompareAndSwap(old, now) {
			return
		}
	}
}

// changesThings reports whether a command is refused when it comes late
// (MS-SMB2 3.3.5.2.10).
func changesThings(c wire.Command) bool {
	return c == wire.CmdWrite || c == wire.CmdSetInfo || c == wire.CmdIoctl
}

// verifySequence checks the channel sequence of a message with the FileId of o,
// and counts it until the message is done (MS-SMB2 3.3.5.2.10). o is the last
// one that was kept.
func (r *request) verifySequence(o *open) error {
	if r.conn.dialect() < wire.Dialect300 {
		return nil
	}
	counted, ok := o.sequence.enter(r.hdr.ChannelSequence(), r.hdr.Flags&wire.FlagReplay != 0)
	if counted {
		r.counted |= 1 << (r.numOpens - 1)
	}
	if !ok && changesThings(r.hdr.Command) {
		return ntstatus.FileNotAvailable
	}
	return nil
}
