package transport

import (
	"math"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// attendTime is how long a goroutine waits on its own thread before it leaves
	// that to the poller.
	attendTime = time.Millisecond
	// shortWait is how long the poller may have waited for a request so that it would
	// have been worth a thread.
	shortWait = 250 * time.Microsecond
	// warmUp is how many waits in a row must have been short before a thread
	// attends to the socket. Each time it turns out to be in vain the number doubles, up
	// to warmUpMost; steady is how many good waits make it forget that.
	warmUp, warmUpMost = 8, 4096
	steady             = 64
	// fewCrowds is how many crowds in a row make a socket watched again.
	fewCrowds = 4
	// yieldEvery is after how many waits others get their chance.
	yieldEvery = 32
	// scarceTime is how long a goroutine waits on its thread when there is no other way.
	scarceTime = 100 * time.Millisecond
	// lookTime is how long a goroutine on its thread looks again and again before it sleeps in the middle of
	// a message, where the peer is at it. It is about what it costs the two of them that it sleeps and is
	// woken. After a look in vain the next waits go without: one, then 3, then lookSeldom each time; so hardly
	// any time is lost where the network is slower than that. (In turns, WRITEs of 1 MiB at depth 8 with
	// GMAC: 2,980 MiB/s instead of 2,560, and no more CPU. To look while a peer takes what was sent is no gain:
	// two that read get a tenth less.)
	lookTime   = 20 * time.Microsecond
	lookSeldom = 7
)

// socket is a TCP connection and how to wait for it, which is one of two ways:
//
//   - Watched: the poller of the runtime watches it, and a goroutine that waits costs
//     nothing but its memory. When something comes, a thread wakes that hears of it, looks
//     for work, and perhaps wakes another.
//   - Attended: the goroutine waits in poll(2) on the thread that it has, as in a program
//     with a thread for each client. For a client with one request at a time that is half
//     the work; but it takes one of the few places to run from all other goroutines.
//
// So a socket becomes attended after some short waits if such a place can be spared
// (see attending), and watched again as soon as a wait takes longer or no place is left.
// The poller cannot be told to look away: an attended socket is one that it does not
// know, and to be watched it gets another descriptor.
//
// Its methods Read, Write and Control are those of syscall.RawConn. One goroutine at
// a time reads, and one writes.
type socket struct {
	watch  atomic.Pointer[watch] // nil: attended
	refs   atomic.Int32          // users of fd, one of which is that it is open; the last one closes it
	closed atomic.Bool
	abort  atomic.Bool // the end shall be a reset
	parted atomic.Bool // our side has ended, and the peer's is waited for elsewhere

	mu    sync.Mutex // guards changes of watch, fd and epoch; leaf
	fd    int        // ours, which the poller does not know; -1 before it is first needed
	epoch uint32     // version of the last watch

	// Of the goroutine in Read.
	in     side
	streak int // short waits in a row, of either side
	need   int // how many are asked for; 0: never attend
	tuning
	crowds int  // waits in a row before which several short requests had come
	within bool // it waits in the middle of a message
	looks

	// Of the goroutine in Write.
	out side

	// shortOut is how many short waits to write Read does not know of.
	shortOut atomic.Int32
}

// side is how one direction waits.
type side struct {
	since time.Time // when it began to wait for the poller; zero: it does not
	waits uint      // on its thread
}

// tuning is what tests change to get a socket attended on a busy machine.
type tuning struct {
	short time.Duration // shortWait
	most  int           // warmUpMost
}

// watch is a descriptor that the poller watches.
type watch struct {
	conn    watched
	raw     syscall.RawConn
	version uint32 // from 1
}

// watched is what *net.TCPConn and *os.File have in common.
type watched interface {
	syscall.Conn
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	Close() error
}

// newSocket takes over a connection. With attend unset it stays watched for ever.
func newSocket(c *net.TCPConn, attend bool) (*socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{fd: -1, epoch: 1, tuning: tuning{shortWait, warmUpMost}}
	if attend {
		s.need = warmUp
	}
	s.refs.Store(1)
	s.watch.Store(&watch{c, raw, s.epoch})
	return s, nil
}

// attended reports whether the poller does not know of the socket.
func (s *socket) attended() bool { return s.watch.Load() == nil }

// version tells two watches apart, each of which begins without deadlines, and from
// being attended, which has none.
func (s *socket) version() uint32 {
	if w := s.watch.Load(); w != nil {
		return w.version
	}
	return 0
}

// reset makes the end of the connection a reset.
func (s *socket) reset() {
	s.abort.Store(true)
	_ = s.Control(func(fd uintptr) {
		_ = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	})
}

// use keeps fd open until unuse. It reports false after close.
func (s *socket) use() bool {
	for {
		n := s.refs.Load()
		if n == 0 || s.closed.Load() {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *socket) unuse() {
	if s.refs.Add(-1) == 0 && s.fd >= 0 {
		_ = unix.Close(s.fd)
	}
}

// Read calls ready when there may be something to read, until it returns true.
func (s *socket) Read(ready func(fd uintptr) bool) error {
	for {
		if w := s.watch.Load(); w != nil && !(s.warm() && s.attend(w)) {
			if again, err := s.outcome(w, w.raw.Read(ready)); !again {
				return err
			}
			continue
		}
		if done, err := s.wait(ready, unix.POLLIN); done {
			if s.streak++; s.streak == steady {
				s.need = min(warmUp, s.most)
			}
			return err
		}
		s.streak, s.crowds, s.need = 0, 0, min(2*s.need, s.most)
		if err := s.rewatch(unix.POLLIN); err != nil {
			return err
		}
	}
}

// Write calls ready when there may be room to write, until it returns true.
func (s *socket) Write(ready func(fd uintptr) bool) error {
	for {
		if w := s.watch.Load(); w != nil {
			if again, err := s.outcome(w, w.raw.Write(ready)); !again {
				return err
			}
			continue
		}
		if done, err := s.wait(ready, unix.POLLOUT); done {
			return err
		}
		if err := s.rewatch(unix.POLLOUT); err != nil {
			return err
		}
	}
}

// Control calls f with a descriptor that stays open meanwhile.
func (s *socket) Control(f func(fd uintptr)) error {
	for {
		if w := s.watch.Load(); w != nil {
			if again, err := s.outcome(w, w.raw.Control(f)); !again {
				return err
			}
			continue
		}
		if !s.use() {
			return net.ErrClosed
		}
		f(uintptr(s.fd))
		s.unuse()
		return nil
	}
}

// outcome is that of a call on w. It is to be made again if it failed only because
// the socket is attended now, or has been meanwhile.
func (s *socket) outcome(w *watch, err error) (again bool, _ error) {
	switch {
	case err == nil:
		return false, nil
	case s.closed.Load():
		return false, net.ErrClosed
	}
	return s.watch.Load() != w, err
}

// wait calls ready, and waits on this thread if it has to. It reports false when the
// poller should wait instead.
func (s *socket) wait(ready func(fd uintptr) bool, events int16) (bool, error) {
	if !s.use() {
		return true, net.ErrClosed
	}
	defer s.unuse()
	for !ready(uintptr(s.fd)) {
		if events == unix.POLLIN && s.crowds >= fewCrowds || !attending.take() {
			return false, nil
		}
		more := events == unix.POLLIN && s.within && s.look(s.fd) || s.poll(events, attendTime)
		attending.give()
		if s.closed.Load() {
			return true, net.ErrClosed
		}
		if !more {
			return false, nil
		}
		if events == unix.POLLIN {
			s.in.yield()
		} else {
			s.out.yield()
		}
	}
	return true, nil
}

// yield lets others run now and then, who would otherwise wait for the
// scheduler to find out that this goroutine never does.
func (d *side) yield() {
	if d.waits++; d.waits%yieldEvery == 0 {
		runtime.Gosched()
	}
}

// looks says when a look pays; see lookTime.
type looks struct {
	skip int // waits that go without
	vain int // how many will after the next one in vain
}

// look waits for a short time without sleeping. It reports whether there is something to read.
func (l *looks) look(fd int) bool {
	if l.skip > 0 {
		l.skip--
		return false
	}
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}} //nolint:gosec // a descriptor
	var none unix.Timespec
	for begun := time.Now(); ; {
		// It returns at once, so the scheduler does not have to hear of it.
		n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&fds)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
		switch {
		case errno == 0 && n > 0:
			l.vain = 0
			return true
		case time.Since(begun) >= lookTime:
			l.vain = min(2*l.vain+1, lookSeldom)
			l.skip = l.vain
			return false
		}
	}
}

// poll is poll(2) with a limit. It reports whether to look again.
func (s *socket) poll(events int16, most time.Duration) bool {
	fds := [1]unix.PollFd{{Fd: int32(s.fd), Events: events}} //nolint:gosec // a descriptor
	limit := unix.NsecToTimespec(int64(most))
	n, err := unix.Ppoll(fds[:], &limit, nil)
	return n > 0 || err == unix.EINTR
}

// beginWait is called by ready before Read waits, and endWait after it has. within says that it is
// in the middle of a message. A crowd is
// several short requests that came at once. Their client has more of them
// than it waits for, and gains nothing by being served at once but more and smaller
// portions.
func (s *socket) beginWait(crowd, within bool) {
	s.within = within
	switch {
	case s.need == 0:
	case crowd:
		s.crowds++
		s.streak = 0
	case s.attended():
		s.crowds = 0
	default:
		s.crowds = 0
		s.in.since = time.Now()
	}
}

func (s *socket) endWait() {
	if s.in.since.IsZero() {
		return
	}
	if time.Since(s.in.since) < s.short {
		s.streak++
	} else {
		s.streak = 0
	}
	s.in.since = time.Time{}
}

// beginWriteWait is called by ready before Write waits, and endWriteWait when it is
// called again. A client that takes much has its next request here before the reply is
// gone: it is Write that waits for it.
func (s *socket) beginWriteWait() {
	if !s.attended() {
		s.out.since = time.Now()
	}
}

func (s *socket) endWriteWait() {
	if s.out.since.IsZero() {
		return
	}
	// The kernel tells of room when a third of the buffer is free, and a client takes that in
	// some more time than it needs for a short request.
	if time.Since(s.out.since) < 3*s.short {
		s.shortOut.Add(1)
	} else {
		s.shortOut.Store(0)
	}
	s.out.since = time.Time{}
}

// warm reports whether enough waits have been short.
func (s *socket) warm() bool {
	if s.shortOut.Load() != 0 {
		s.streak += int(s.shortOut.Swap(0))
	}
	return s.need > 0 && s.streak >= s.need
}

// attend takes the socket away from the poller, if there is a place to attend to it.
func (s *socket) attend(w *watch) bool {
	s.streak = 0
	if !attending.free() {
		s.need = min(2*s.need, s.most)
		return false
	}
	s.mu.Lock()
	if s.closed.Load() || s.fd < 0 && !s.open(w) {
		s.mu.Unlock()
		return false
	}
	s.watch.Store(nil)
	s.mu.Unlock()
	// A goroutine that waits to write returns from there, and does it the other way.
	_ = w.conn.Close()
	return true
}

// open makes the descriptor that the poller does not know. Locked.
func (s *socket) open(w *watch) bool {
	err := w.raw.Control(func(fd uintptr) {
		if dup, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			s.fd = dup
		}
	})
	return err == nil && s.fd >= 0
}

// rewatch gives the socket to the poller, if it has not got it.
func (s *socket) rewatch(events int16) error {
	s.mu.Lock()
	var err error
	switch {
	case s.closed.Load():
		err = net.ErrClosed
	case s.attended():
		err = s.rewatchLocked()
	}
	s.mu.Unlock()
	if err == nil || err == net.ErrClosed { //nolint:errorlint // our own
		return err
	}
	// No descriptor is to be had, which is not this client's fault.
	if !s.use() {
		return net.ErrClosed
	}
	defer s.unuse()
	s.poll(events, scarceTime)
	return nil
}

func (s *socket) rewatchLocked() error {
	fd, err := unix.FcntlInt(uintptr(s.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("dup", err)
	}
	f := os.NewFile(uintptr(fd), "socket")
	// NewFile does not tell when the poller does not take it, as with no memory for that.
	if err := f.SetDeadline(time.Time{}); err != nil {
		_ = f.Close()
		return err
	}
	raw, err := f.SyscallConn()
	if err != nil {
		_ = f.Close()
		return err
	}
	s.epoch++
	s.watch.Store(&watch{f, raw, s.epoch})
	return nil
}

// setReadDeadline and setWriteDeadline set those of the watch. An attended socket has none.
func (s *socket) setReadDeadline(t time.Time) error { return s.setDeadline(watched.SetReadDeadline, t) }
func (s *socket) setWriteDeadline(t time.Time) error {
	return s.setDeadline(watched.SetWriteDeadline, t)
}

func (s *socket) setDeadline(set func(watched, time.Time) error, t time.Time) error {
	w := s.watch.Load()
	if w == nil {
		return nil
	}
	if again, err := s.outcome(w, set(w.conn, t)); !again {
		return err
	}
	return nil
}

// close closes the connection and wakes those who wait.
func (s *socket) close() error {
	s.mu.Lock()
	again := s.closed.Swap(true)
	w := s.watch.Load()
	s.mu.Unlock()
	if again {
		return net.ErrClosed
	}
	var err error
	if w != nil {
		err = w.conn.Close()
	}
	if s.refs.Load() > 1 && !s.parted.Load() { // somebody may wait in poll, who looks every millisecond
		how := unix.SHUT_RDWR
		if s.abort.Load() {
			how = unix.SHUT_RD // the peer hears nothing of that
		}
		_ = unix.Shutdown(s.fd, how)
	}
	s.unuse()
	return err
}

// attending counts the goroutines that wait on their threads, and says how many may: one fewer than
// can run at the same time, so that whatever they wait for the others go on.
var attending places

type places struct{ taken, limit atomic.Int32 }

func (p *places) take() bool {
	if p.taken.Add(1) <= p.limit.Load() {
		return true
	}
	p.taken.Add(-1)
	return false
}

func (p *places) give() { p.taken.Add(-1) }

// free looks whether there is a place. The limit can change while the program runs.
func (p *places) free() bool {
	limit := int32(min(runtime.GOMAXPROCS(0)-1, math.MaxInt32)) //nolint:gosec // fits
	p.limit.Store(limit)
	return p.taken.Load() < limit
}
