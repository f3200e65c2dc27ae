//go:build linux

package localwatch

import (
	"errors"
	"fmt"
	"math"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Way is a way of listening.
type Way uint8

// The ways.
const (
	// Auto is fanotify where that works for the directory, else inotify.
	Auto Way = iota
	Fanotify
	Inotify
)

// String names the way.
func (w Way) String() string {
	switch w {
	case Fanotify:
		return "fanotify"
	case Inotify:
		return "inotify"
	default:
		return "auto"
	}
}

// ErrNoVolumes says that a Group cannot listen to whole volumes.
var ErrNoVolumes = errors.New("whole volumes cannot be watched")

// Op says what has happened. The kernel may put several operations on one name
// together in one event; then their order is not known.
type Op uint8

// The operations. All but Rename concern Event.Dir and Event.Name.
const (
	Create Op = 1 << iota // a name has come; with inotify also from elsewhere
	Delete                // a name is gone; with inotify also to elsewhere
	Rename                // a name was moved
	Modify                // data or size have changed
	Attrib                // metadata has changed

	// Entries are the operations that change what a directory lists.
	Entries = Create | Delete | Rename
)

// Key is what a directory is called in the events of one Group.
type Key string

// Event is one event. Its slices are good until the function that got it
// returns.
type Event struct {
	Op    Op
	IsDir bool // the object is a directory
	// Own says that this process has caused it. Groups that do not know leave it
	// out; see Group.KnowsOwn.
	Own bool
	// Dir and Name are the directory and the name in it. The name "." means the
	// directory itself. For a Rename they are the old ones, and Dir is empty if
	// the old directory is not marked.
	Dir, Name []byte
	// NewDir and NewName are the new ones of a Rename; NewDir is empty if the new
	// directory is not marked.
	NewDir, NewName []byte
}

// Group is a queue of events of directories that were marked.
type Group interface {
	// Way tells how it listens.
	Way() Way
	// KnowsOwn reports whether Event.Own can be relied on.
	KnowsOwn() bool
	// Mark asks for the events of a directory: with full all of them, else those
	// of Entries. fd may be O_PATH. A directory may be marked again.
	// Errors: ENOSPC at the limit of the user, and those of the system calls.
	Mark(fd int, full bool) (Key, error)
	// Unmark takes a mark away. fd is any descriptor of the directory.
	Unmark(fd int, key Key) error
	// MarkVolume asks for all events of the volume on which fd is, and
	// UnmarkVolume takes that away. Marks on directories are not affected.
	// Errors: ErrNoVolumes.
	MarkVolume(fd int) error
	UnmarkVolume(fd int) error
	// Open opens a directory of an event with O_PATH, by way of the mount of the
	// descriptor. It takes the privileges of MarkVolume.
	Open(dir []byte, mount int) (fd int, err error)

	// Ignore leaves out when a file is written, which lies in a marked directory; of
	// whoever writes, only the closing is told, as a Modify. It makes a stream of
	// writes cheap. Heed takes that back.
	// Errors: errors.ErrUnsupported.
	Ignore(fd int) error
	Heed(fd int) error

	// Wait waits for events, or until d has passed; for ever if d is negative. It
	// returns early after Wake.
	Wait(d time.Duration) error
	// Read passes some of the events on that are in the queue; more says that
	// there may be others. lost says that the queue was full and events are missing.
	Read(fn func(*Event)) (more, lost bool, err error)
	// Pause lets time pass, or returns early after Wake.
	Pause(d time.Duration) error
	// Wake makes Wait and Pause return at once from now on.
	Wake()
	// Close gives the queue and all marks back.
	Close() error
}

// New makes a Group that can mark directories like dir, of which fd is a
// descriptor. The error says which way does not work and why.
func New(way Way, fd int) (Group, error) {
	if way == Inotify {
		return newInotify(fd)
	}
	g, err := newFanotify(fd)
	if err == nil || way == Fanotify {
		return g, err
	}
	g, other := newInotify(fd)
	if other != nil {
		return nil, fmt.Errorf("%w; %w", err, other)
	}
	return g, nil
}

// queue is the descriptors of a Group.
type queue struct {
	fd   int
	wake int // an eventfd
	buf  []byte
}

// readSize is how much is read at once: some hundred events.
const readSize = 32 << 10

// open makes the rest of a queue around fd, or closes it.
func (q *queue) open(fd int) error {
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	q.fd, q.wake, q.buf = fd, wake, make([]byte, readSize)
	return nil
}

// Wait waits for events.
func (q *queue) Wait(d time.Duration) error {
	return q.poll([]unix.PollFd{{Fd: int32(q.wake), Events: unix.POLLIN}, {Fd: int32(q.fd), Events: unix.POLLIN}}, d)
}

// Pause lets time pass.
func (q *queue) Pause(d time.Duration) error {
	return q.poll([]unix.PollFd{{Fd: int32(q.wake), Events: unix.POLLIN}}, d)
}

func (q *queue) poll(fds []unix.PollFd, d time.Duration) error {
	ms := -1
	if d >= 0 {
		ms = int(min((d + time.Millisecond - 1).Milliseconds(), math.MaxInt32))
	}
	_, err := unix.Poll(fds, ms)
	if err == syscall.EINTR {
		return nil
	}
	return err
}

// Wake makes Wait and Pause return.
func (q *queue) Wake() {
	one := [8]byte{0: 1}
	_, _ = unix.Write(q.wake, one[:]) // fails only if it was woken 2^64 times already
}

// Close closes the descriptors.
func (q *queue) Close() error {
	return errors.Join(unix.Close(q.fd), unix.Close(q.wake))
}

// read returns events, nothing if there are none.
func (q *queue) read() (b []byte, err error) {
	for {
		n, err := unix.Read(q.fd, q.buf)
		switch err {
		case nil:
			return q.buf[:n], nil
		case syscall.EINTR:
		case syscall.EAGAIN:
			return nil, nil
		default:
			return nil, err
		}
	}
}

// procPath is the way to the object behind a descriptor.
func procPath(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
