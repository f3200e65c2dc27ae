package locking

import (
	"fmt"
	"time"
)

// OplockLevel is what an open asks for or holds.
type OplockLevel uint8

// The levels, in no particular order of strength: OplockLease stands apart.
const (
	OplockNone OplockLevel = iota
	OplockII
	OplockExclusive
	OplockBatch
	OplockLease
)

// String names the level for humans.
func (l OplockLevel) String() string {
	switch l {
	case OplockNone:
		return "none"
	case OplockII:
		return "level II"
	case OplockExclusive:
		return "exclusive"
	case OplockBatch:
		return "batch"
	case OplockLease:
		return "lease"
	}
	return fmt.Sprintf("OplockLevel(%d)", uint8(l))
}

// state is the set of rights that an oplock level stands for.
func (l OplockLevel) state() LeaseState {
	switch l {
	case OplockII:
		return LeaseRead
	case OplockExclusive:
		return LeaseRW
	case OplockBatch:
		return LeaseRWH
	}
	return LeaseNone
}

// oplockOf is the strongest oplock level within a set of rights.
func oplockOf(s LeaseState) OplockLevel {
	switch {
	case s == LeaseRWH:
		return OplockBatch
	case s == LeaseRW:
		return OplockExclusive
	case s&LeaseRead != 0:
		return OplockII
	}
	return OplockNone
}

// Client is where breaks go: all connections of one ClientGuid.
type Client interface {
	// ID is the ClientGuid; it never changes.
	ID() ClientID
	// Break hands a notification over. It is called while the state of the
	// file is locked, so it must only enqueue and must not call back into
	// this package. False means that no connection can take it: the break is
	// then settled at once, as if it had timed out.
	Break(Break) bool
}

// Break is one oplock or lease break notification (MS-SMB2 2.2.23).
type Break struct {
	// Lease tells a lease break from an oplock break.
	Lease bool
	// Owner is the holder. OpenID and SessionID say where an oplock break
	// goes; for a lease they are only a hint.
	Owner Owner

	// Level is the new level of an oplock: OplockII or OplockNone.
	Level OplockLevel

	// LeaseKey, From and To describe a lease break. For oplocks From and To
	// are the equivalent rights.
	LeaseKey LeaseKey
	From, To LeaseState
	// Epoch is the new epoch of a version 2 lease and 0 for version 1.
	Epoch uint16
	// AckRequired: the holder must acknowledge.
	AckRequired bool
}

// BreakEnd says how a break that needed an acknowledgement ended.
type BreakEnd uint8

// The ends of a break.
const (
	BreakAcked BreakEnd = iota
	BreakTimedOut
	BreakClosed
	BreakUndeliverable
)

// String names the end; it is fit for a metric label.
func (e BreakEnd) String() string {
	switch e {
	case BreakAcked:
		return "acked"
	case BreakTimedOut:
		return "timed_out"
	case BreakClosed:
		return "closed"
	case BreakUndeliverable:
		return "undeliverable"
	}
	return "unknown"
}

// DurableEnd says how the wait of a disconnected durable open for its client ended.
type DurableEnd uint8

// The ends of the wait.
const (
	DurableReclaimed DurableEnd = iota
	// DurableExpired: its time was up.
	DurableExpired
	// DurablePushedOut: another open needed what it cached, or the store lost it.
	DurablePushedOut
	// DurableClosed: the server closed it, by CloseDisconnected.
	DurableClosed
)

// String names the end; it is fit for a metric label.
func (e DurableEnd) String() string {
	switch e {
	case DurableReclaimed:
		return "reclaimed"
	case DurableExpired:
		return "expired"
	case DurablePushedOut:
		return "pushed_out"
	case DurableClosed:
		return "closed"
	}
	return "unknown"
}

// Observer counts what happens. Its methods are called under locks: they must
// only count.
type Observer interface {
	// Granted is called once per successful open that asked for caching.
	Granted(level OplockLevel, state LeaseState)
	// BreakSent is called for each notification handed to a client.
	BreakSent(lease bool, from, to LeaseState)
	// BreakEnded is called once for each break that needed an
	// acknowledgement, with the time since its notification.
	BreakEnded(lease bool, how BreakEnd, took time.Duration)
	// DurableEnded is called once for each open that waits for its client no more.
	DurableEnded(how DurableEnd)
	// Committed is called after each transaction of the store with its
	// number of changes and its duration.
	Committed(changes int, took time.Duration, err error)
}

// nopObserver is the Observer of those who want none.
type nopObserver struct{}

func (nopObserver) Granted(OplockLevel, LeaseState)          {}
func (nopObserver) BreakSent(bool, LeaseState, LeaseState)   {}
func (nopObserver) BreakEnded(bool, BreakEnd, time.Duration) {}
func (nopObserver) DurableEnded(DurableEnd)                  {}
func (nopObserver) Committed(int, time.Duration, error)      {}
