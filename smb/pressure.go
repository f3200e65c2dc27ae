package smb

import (
	"sync/atomic"
	"syscall"
	"time"
)

// Handles are finite. Before they run out, clients that keep directories open
// because of their leases are asked to let some go (locking.ShedHandles): those
// of a session that comes near its limit, and everybody when the process does.

// pressure is when to ask. It is made by newPressure.
type pressure struct {
	// Immutable after construction.
	perSession int   // opens of one session
	total      int64 // opens of all

	opens atomic.Int64 // opens of all sessions
	asked atomic.Int64 // when everybody was asked last, in Unix nanoseconds
}

const (
	// pressureShare is the part of a limit, in eighths, at which it begins to
	// press, and shedShare the part of the opens that is asked for.
	pressureShare = 6
	shedShare     = 8
	// pressureInterval is the least time between two requests to everybody: a
	// client needs a moment to close what it was asked for.
	pressureInterval = time.Second
)

// newPressure finds the limits: that of a session from the settings, that of the
// process from the kernel. An open file takes one or two descriptors.
func newPressure(perSession int) *pressure {
	p := &pressure{perSession: perSession * pressureShare / 8, total: 1 << 40}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < 1<<40 {
		p.total = int64(limit.Cur) / 2 * pressureShare / 8
	}
	return p
}

// roomForOpen counts an open, unless there are too many: those that wait for their
// clients count as well, or a client could gather them by hanging up.
func (s *Server) roomForOpen() bool {
	most := int64(s.cfg.Limits.Opens)
	if n := s.pressure.opens.Add(1); n <= most/2 || n+s.locks.Stats().DurableHeld <= most {
		return true
	}
	s.pressure.opens.Add(-1)
	return false
}

// press asks for handles where it presses, after a session has got an open and now
// has n.
func (p *pressure) press(s *session, n int) {
	all := p.opens.Load()
	srv := s.srv
	if n > p.perSession && n%64 == 0 {
		srv.shed("session", srv.locks.ShedHandles(&s.client.id, n/shedShare))
	}
	if all > p.total {
		srv.shedAll()
	}
}

// removed counts closed opens.
func (p *pressure) removed(n int) { p.opens.Add(int64(-n)) }

// shedAll asks everybody, unless that was done a moment ago.
func (s *Server) shedAll() {
	p := s.pressure
	now := time.Now().UnixNano()
	was := p.asked.Load()
	if now-was < int64(pressureInterval) || !p.asked.CompareAndSwap(was, now) {
		return
	}
	s.shed("server", s.locks.ShedHandles(nil, int(max(64, p.opens.Load()/shedShare))))
}

// shed counts and logs what was asked for.
func (s *Server) shed(scope string, n int) {
	if n == 0 {
		return
	}
	s.metrics.handlesShed(scope, n)
	if dropped, ok := s.strangers.allow("handle pressure " + scope); ok {
		s.log.Warn().Str("scope", scope).Int("leases", n).Int("similar", dropped).Int64("opens", s.pressure.opens.Load()).
			Msg("handles are running out: directory leases broken")
	}
}
