package smb

import (
	"errors"
	"time"

	"lessor/locking"
	"lessor/vfs"
)

// Other programs on the machine know nothing of oplocks. On a share with
// KernelOplocks, the handle behind an exclusive or batch oplock has the file to itself
// (vfs.Handle.Lease): who opens the file is held up by the kernel, the oplock is
// broken, and when its client has written back and acknowledged, or the time for that
// is over, the other one goes on. The server's own opens are held up in the same way,
// but first they go through package locking, which breaks the oplock before.
//
// The other way round, other programs, and clients of an NFS export, may have leases
// on files of any share. Then a CREATE waits.

// holdUpOthers makes other programs wait until the oplock that was granted just now has
// ended. Where that is not possible there is no oplock. A named stream is nothing that
// other programs open.
func (r *request) holdUpOthers(res *created) {
	if level := res.grant.Oplock; level != locking.OplockExclusive && level != locking.OplockBatch || res.stream != "" {
		return
	}
	if h := res.handle; h != nil {
		o := &heldUp{srv: r.srv(), key: locking.Key(res.base.ID().Key()), leased: make(chan struct{})}
		end, err := h.Lease(func() { go o.letIn() })
		if err == nil {
			o.end = end
			close(o.leased)
			res.unlease = end
			return
		}
		if !errors.Is(err, vfs.ErrBusy) {
			r.conn.log.Debug().Err(err).Str("path", res.path).Msg("no oplock: other programs cannot be held up")
		}
	}
	res.grant = res.lock.GiveUpOplock()
}

// heldUp is a file that other programs cannot open.
type heldUp struct {
	srv    *Server
	key    locking.Key
	leased chan struct{} // closed when end is set
	end    func()
}

// letIn breaks what clients cache of the file and then lets those in who wait. It
// waits for the clients, at most as long as package locking does.
func (o *heldUp) letIn() {
	<-o.leased
	for {
		_, err := o.srv.locks.BreakFile(o.key, locking.CauseWrite, locking.ClientID{}, locking.LeaseKey{}, false)
		var b *locking.Blocked
		if !errors.As(err, &b) || o.srv.closed.Load() {
			break
		}
		<-b.Wait
	}
	o.end()
}

const (
	// outsidePatience is how long a CREATE waits for a program outside to give up its
	// lease: somewhat longer than the kernel does by default.
	outsidePatience = 60 * time.Second
	// outsideFirst and outsideLater are the times from one attempt to the next, which
	// doubles. The kernel tells nobody when a lease has ended.
	outsideFirst = 5 * time.Millisecond
	outsideLater = 250 * time.Millisecond
)

// outsideLease is the wait of a CREATE for leases of other programs.
type outsideLease struct {
	began time.Time
	next  time.Duration
}

// goesOn reports whether there is time for another attempt.
func (l *outsideLease) goesOn() bool {
	if l.began.IsZero() {
		l.began, l.next = time.Now(), outsideFirst
	}
	return time.Since(l.began) < outsidePatience
}

// blocked waits for the time of the next attempt.
func (l *outsideLease) blocked() *locking.Blocked {
	ch := make(chan struct{})
	time.AfterFunc(l.next, func() { close(ch) })
	l.next = min(2*l.next, outsideLater)
	return &locking.Blocked{Wait: ch}
}
