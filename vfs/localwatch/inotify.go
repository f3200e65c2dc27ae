//go:build linux

package localwatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// inotify listens by inotify.
type inotify struct {
	queue
	// moved is the first half of a rename until the next event, which is the other
	// half unless that lies in a directory without a mark, or two renames have met.
	// It belongs to the reader.
	moved half
}

// half is the first half of a rename; without a cookie there is none.
type half struct {
	cookie uint32
	isDir  bool
	dir    []byte
	name   []byte
}

var _ Group = (*inotify)(nil)

// newInotify makes a group and tries it on a directory.
func newInotify(fd int) (Group, error) {
	group, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	g := new(inotify)
	if err := g.open(group); err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	key, err := g.Mark(fd, true)
	if err == nil {
		err = g.Unmark(fd, key)
	}
	if err != nil {
		_ = g.Close()
		return nil, fmt.Errorf("inotify: %w", err)
	}
	return g, nil
}

// Way returns Inotify.
func (g *inotify) Way() Way { return Inotify }

// KnowsOwn reports false.
func (g *inotify) KnowsOwn() bool { return false }

// Mark adds a watch. Its key is the watch descriptor.
func (g *inotify) Mark(fd int, full bool) (Key, error) {
	mask := uint32(unix.IN_CREATE | unix.IN_DELETE | unix.IN_MOVED_FROM | unix.IN_MOVED_TO | unix.IN_ONLYDIR)
	if full {
		mask |= unix.IN_MODIFY | unix.IN_ATTRIB
	}
	wd, err := unix.InotifyAddWatch(g.fd, procPath(fd), mask)
	if err != nil {
		return "", err
	}
	return Key(binary.NativeEndian.AppendUint32(nil, uint32(wd))), nil
}

// Unmark removes a watch.
func (g *inotify) Unmark(_ int, key Key) error {
	if len(key) != 4 {
		return syscall.EINVAL
	}
	_, err := unix.InotifyRmWatch(g.fd, binary.NativeEndian.Uint32([]byte(key)))
	if err == syscall.EINVAL {
		return nil // the directory is gone, and its watch with it
	}
	return err
}

// MarkVolume answers ErrNoVolumes.
func (g *inotify) MarkVolume(int) error { return ErrNoVolumes }

// UnmarkVolume answers ErrNoVolumes.
func (g *inotify) UnmarkVolume(int) error { return ErrNoVolumes }

// Open answers ErrNoVolumes.
func (g *inotify) Open([]byte, int) (int, error) { return -1, ErrNoVolumes }

// Ignore answers errors.ErrUnsupported.
func (g *inotify) Ignore(int) error { return errors.ErrUnsupported }

// Heed answers errors.ErrUnsupported.
func (g *inotify) Heed(int) error { return errors.ErrUnsupported }

// Read passes events on.
func (g *inotify) Read(fn func(*Event)) (more, lost bool, err error) {
	b, err := g.read()
	more = len(b) > 0
	for len(b) >= unix.SizeofInotifyEvent {
		size := unix.SizeofInotifyEvent + int(binary.NativeEndian.Uint32(b[12:]))
		if size > len(b) {
			return false, true, errors.New("inotify: malformed event")
		}
		if binary.NativeEndian.Uint32(b[4:])&unix.IN_Q_OVERFLOW != 0 {
			lost = true
		} else {
			g.pass(b[:size], fn)
		}
		b = b[size:]
	}
	g.passMoved(fn)
	return more, lost, err
}

// pass passes an event on, behind the first half of a rename to nowhere.
func (g *inotify) pass(b []byte, fn func(*Event)) {
	ev, ok := g.decode(b)
	g.passMoved(fn)
	switch {
	case ok:
		fn(&ev)
	case ev.Op == Rename:
		g.moved = half{cookie: binary.NativeEndian.Uint32(b[8:]), isDir: ev.IsDir, dir: ev.Dir, name: ev.Name}
	}
}

// passMoved passes the first half of a rename on that has no other.
func (g *inotify) passMoved(fn func(*Event)) {
	if h := g.moved; h.cookie != 0 {
		g.moved = half{}
		fn(&Event{Op: Rename, IsDir: h.isDir, Dir: h.dir, Name: h.name})
	}
}

// decode reads struct inotify_event: watch descriptor, mask, cookie, length of
// the name, name. It reports false for the first half of a rename, and for what is
// nothing.
func (g *inotify) decode(b []byte) (ev Event, ok bool) {
	mask := binary.NativeEndian.Uint32(b[4:])
	cookie := binary.NativeEndian.Uint32(b[8:])
	name, _, _ := bytes.Cut(b[unix.SizeofInotifyEvent:], []byte{0})
	ev = Event{IsDir: mask&unix.IN_ISDIR != 0, Dir: b[:4], Name: name}
	if len(name) == 0 {
		ev.Name = []byte{'.'}
	}
	switch {
	case mask&unix.IN_CREATE != 0:
		ev.Op = Create
	case mask&unix.IN_DELETE != 0:
		ev.Op = Delete
	case mask&unix.IN_MODIFY != 0:
		ev.Op = Modify
	case mask&unix.IN_ATTRIB != 0:
		ev.Op = Attrib
	case mask&unix.IN_MOVED_FROM != 0:
		ev.Op = Rename
		return ev, false
	case mask&unix.IN_MOVED_TO != 0:
		ev.Op, ev.NewDir, ev.NewName = Rename, ev.Dir, ev.Name
		ev.Dir, ev.Name = nil, nil
		if cookie != 0 && g.moved.cookie == cookie {
			ev.Dir, ev.Name = g.moved.dir, g.moved.name
			g.moved = half{}
		}
	default: // IN_IGNORED, IN_UNMOUNT
		return ev, false
	}
	return ev, true
}
