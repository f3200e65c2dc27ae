//go:build linux

package localfs

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// A Handle has a file to itself by a lease of the kernel (F_SETLEASE), which is one of
// an open file description. When somebody else opens the file, the kernel holds him
// up and sends SIGIO, which does not say for which lease: that is found by asking
// about all of them. After /proc/sys/fs/lease-break-time seconds it goes on without
// us.

// lease is the lease of a Handle.
type lease struct {
	fd     int
	broken func() // nil once it was called
}

// leases are the leases of an FS. As long as there are any, a goroutine listens for
// the signal.
type leases struct {
	mu      sync.Mutex // leaf, held across system calls that do not wait; guards what follows
	held    map[*file]*lease
	signals chan os.Signal // nil while nobody listens
}

// Lease takes a lease for writing: that is what nobody else can have the file open
// beside.
func (f *file) Lease(broken func()) (func(), error) {
	if f.fd < 0 {
		return nil, errors.ErrUnsupported
	}
	ls := &f.node.fs.leases
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if f.lease.Load() != nil {
		return nil, vfs.ErrBusy
	}
	ls.listenLocked() // before the first signal can come, which would be nobody's
	if e := setLease(f.fd, unix.F_WRLCK); e != 0 {
		ls.restLocked()
		return nil, leaseErr(e)
	}
	l := &lease{fd: f.fd, broken: broken}
	f.lease.Store(l)
	ls.held[f] = l
	return func() { ls.end(f, l) }, nil
}

// leaseErr translates the errno of a lease.
func leaseErr(e syscall.Errno) error {
	switch e {
	case syscall.EAGAIN:
		return vfs.ErrBusy
	case syscall.EINVAL:
		return errors.ErrUnsupported // a file system that knows no leases
	default:
		return errnoErr(e)
	}
}

// setLease is the system call.
func setLease(fd, typ int) syscall.Errno {
	return retry(func() error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_SETLEASE, typ)
		return err
	})
}

// end ends the lease of a Handle, if it has this one still; its descriptor is open
// then.
func (ls *leases) end(f *file, l *lease) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if !f.lease.CompareAndSwap(l, nil) {
		return
	}
	_ = setLease(l.fd, unix.F_UNLCK)
	delete(ls.held, f)
	ls.restLocked()
}

// alone calls do while nobody else has the file open, and holds up who opens it meanwhile;
// unless somebody has it open, or that cannot be known.
func (ls *leases) alone(f *file, do func()) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.held {
		if l.fd != f.fd {
			continue
		}
		// It may be that somebody waits, and goes on when the time of the kernel is over.
		if typ, err := unix.FcntlInt(uintptr(f.fd), unix.F_GETLEASE, 0); err == nil && typ == unix.F_WRLCK {
			do()
		}
		return
	}
	ls.listenLocked()
	defer ls.restLocked()
	if setLease(f.fd, unix.F_WRLCK) != 0 {
		return
	}
	defer func() { _ = setLease(f.fd, unix.F_UNLCK) }()
	do()
}

// listenLocked begins to listen for the signal.
func (ls *leases) listenLocked() {
	if ls.signals != nil {
		return
	}
	ls.held = make(map[*file]*lease)
	ls.signals = make(chan os.Signal, 1)
	signal.Notify(ls.signals, syscall.SIGIO)
	signals := ls.signals
	go func() {
		for range signals {
			ls.look()
		}
	}()
}

// restLocked ends that when there is no lease left.
func (ls *leases) restLocked() {
	if len(ls.held) > 0 {
		return
	}
	signal.Stop(ls.signals)
	close(ls.signals)
	ls.signals = nil
}

// look finds out whose leases somebody waits for.
func (ls *leases) look() {
	ls.mu.Lock()
	var calls []func()
	for _, l := range ls.held {
		if l.broken == nil {
			continue
		}
		// While somebody waits, this is what the lease is to become.
		if typ, err := unix.FcntlInt(uintptr(l.fd), unix.F_GETLEASE, 0); err == nil && typ != unix.F_WRLCK {
			calls = append(calls, l.broken)
			l.broken = nil
		}
	}
	ls.mu.Unlock()
	for _, broken := range calls {
		broken()
	}
}
