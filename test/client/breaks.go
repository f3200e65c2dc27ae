package client

import (
	"context"
	"fmt"

	"lessor/smb/wire"
)

// Break is the notification that a lease or an oplock is reduced. Exactly one of
// Lease and Oplock is set.
type Break struct {
	Lease  *wire.LeaseBreakNotification
	Oplock *wire.OplockBreakNotification
	// Header is that of the notification, and Sealed says whether it came sealed.
	Header wire.Header
	Sealed bool
	// Arrival is as in Response.
	Arrival uint64
}

// AckRequired says whether the server waits for an acknowledgement. For an oplock
// it depends on what the client had: a break from level II needs none (MS-SMB2
// 3.3.4.6), which only the caller knows.
func (b *Break) AckRequired() bool {
	return b.Lease == nil || b.Lease.Flags&wire.LeaseBreakAckRequired != 0
}

// String is what a test wants to see in a failure.
func (b *Break) String() string {
	if b.Lease != nil {
		return fmt.Sprintf("break of lease %v from %s to %s, epoch %d, ack %v", b.Lease.LeaseKey,
			LeaseString(b.Lease.CurrentLeaseState), LeaseString(b.Lease.NewLeaseState), b.Lease.NewEpoch, b.AckRequired())
	}
	return fmt.Sprintf("break of oplock on %x to %#x", b.Oplock.FileID, b.Oplock.OplockLevel)
}

// Breaks are the notifications in the order of their arrival; the channel is closed
// when the connection has ended. More than a thousand unread ones end it.
// With Options.OnBreak nothing comes here.
func (c *Conn) Breaks() <-chan *Break { return c.breaks }

// NextBreak waits for the next break.
func (c *Conn) NextBreak(ctx context.Context) (*Break, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	select {
	case b, ok := <-c.breaks:
		if !ok {
			return nil, c.Err()
		}
		return b, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("client: no break: %w", ctx.Err())
	}
}

// NoBreak fails if a break is waiting to be read. It sends an ECHO first: as the
// server keeps the order of what it sends, a break that it sent before now has
// come once the reply is here.
func (c *Conn) NoBreak(ctx context.Context) error {
	if err := c.Echo(ctx); err != nil {
		return err
	}
	select {
	case b, ok := <-c.breaks:
		if !ok {
			return c.Err()
		}
		return fmt.Errorf("client: unexpected %v", b)
	default:
		return nil
	}
}

func (c *Conn) deliverBreak(m *message) error {
	h := &m.header
	if h.Command != wire.CmdOplockBreak {
		return violation("unsolicited %v", h.Command)
	}
	b := &Break{Header: *h, Sealed: m.sealed, Arrival: m.arrival}
	var err error
	if wire.IsLeaseBreakNotification(m.bytes) {
		b.Lease = new(wire.LeaseBreakNotification)
		err = b.Lease.Decode(m.bytes)
	} else {
		b.Oplock = new(wire.OplockBreakNotification)
		err = b.Oplock.Decode(m.bytes)
	}
	if err != nil {
		return fmt.Errorf("%w: break: %w", ErrProtocol, err)
	}
	if c.opts.OnBreak != nil {
		c.opts.OnBreak(b)
		return nil
	}
	select {
	case c.breaks <- b:
		return nil
	default:
		return fmt.Errorf("client: %d breaks were not read", breakQueue)
	}
}

// AckLease acknowledges the break of a lease and keeps state.
func (s *Session) AckLease(ctx context.Context, key wire.GUID, state wire.LeaseState) error {
	_, err := s.StartAckLease(key, state).Wait(ctx)
	return err
}

// StartAckLease is AckLease without waiting.
func (s *Session) StartAckLease(key wire.GUID, state wire.LeaseState) *Call[wire.LeaseBreakResponse] {
	r := s.request(&wire.LeaseBreakAck{LeaseKey: key, LeaseState: state})
	return call(s, r, func(r *Response) (m wire.LeaseBreakResponse, err error) {
		if err = r.Decode(&m); err == nil && (m.LeaseKey != key || m.LeaseState != state) {
			err = violation("acknowledgement of %v %s answered with %v %s", key, LeaseString(state),
				m.LeaseKey, LeaseString(m.LeaseState))
		}
		return m, err
	})
}

// AckLease acknowledges the break of the file's lease and keeps state.
func (f *File) AckLease(ctx context.Context, state wire.LeaseState) error {
	if f.Lease == nil {
		return fmt.Errorf("client: %q has no lease", f.Name)
	}
	r := f.Request(&wire.LeaseBreakAck{LeaseKey: f.Lease.LeaseKey, LeaseState: state})
	resp, err := f.Tree.Session.Conn.Do(ctx, r)
	if err != nil {
		return err
	}
	var m wire.LeaseBreakResponse
	return resp.Decode(&m)
}

// AckOplock acknowledges the break of the file's oplock and keeps level.
func (f *File) AckOplock(ctx context.Context, level wire.OplockLevel) error {
	r := f.Request(&wire.OplockBreakAck{OplockLevel: level, FileID: f.ID})
	resp, err := f.Tree.Session.Conn.Do(ctx, r)
	if err != nil {
		return err
	}
	var m wire.OplockBreakResponse
	return resp.Decode(&m)
}
