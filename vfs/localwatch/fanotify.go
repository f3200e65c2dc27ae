//go:build linux

package localwatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// fanotify listens by fanotify.
type fanotify struct {
	queue
	// Immutable after construction.
	pid    int32
	rename bool // FAN_RENAME is there: Linux 5.17
}

var _ Group = (*fanotify)(nil)

// atHandleFID asks name_to_handle_at for a handle that need not be good for
// anything but comparison (Linux 6.6).
const atHandleFID = 0x200

// newFanotify makes a group and tries it on a directory.
func newFanotify(fd int) (Group, error) {
	const flags = unix.FAN_CLASS_NOTIF | unix.FAN_REPORT_DFID_NAME | unix.FAN_CLOEXEC | unix.FAN_NONBLOCK
	group, err := unix.FanotifyInit(flags|unix.FAN_UNLIMITED_MARKS, 0)
	if err != nil {
		group, err = unix.FanotifyInit(flags, 0)
	}
	if err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	g := &fanotify{pid: int32(os.Getpid()), rename: true}
	if err := g.open(group); err != nil {
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	key, err := g.Mark(fd, true)
	if err == syscall.EINVAL {
		g.rename = false
		key, err = g.Mark(fd, true)
	}
	if err == nil {
		err = g.Unmark(fd, key)
	}
	if err != nil {
		_ = g.Close()
		return nil, fmt.Errorf("fanotify: %w", err)
	}
	return g, nil
}

// Way returns Fanotify.
func (g *fanotify) Way() Way { return Fanotify }

// KnowsOwn reports true.
func (g *fanotify) KnowsOwn() bool { return true }

// mask is the events that are asked for.
func (g *fanotify) mask(full bool) uint64 {
	m := uint64(unix.FAN_CREATE | unix.FAN_DELETE | unix.FAN_ONDIR)
	if g.rename {
		m |= unix.FAN_RENAME
	} else {
		m |= unix.FAN_MOVED_FROM | unix.FAN_MOVED_TO
	}
	if full {
		m |= unix.FAN_MODIFY | unix.FAN_ATTRIB
	}
	return m
}

// Mark marks a directory.
func (g *fanotify) Mark(fd int, full bool) (Key, error) {
	key, err := keyOf(fd)
	if err != nil {
		return "", err
	}
	mask := g.mask(full)
	if full {
		mask |= unix.FAN_EVENT_ON_CHILD
	}
	return key, unix.FanotifyMark(g.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_ONLYDIR, mask, unix.AT_FDCWD, procPath(fd))
}

// Unmark takes a mark away.
func (g *fanotify) Unmark(fd int, _ Key) error {
	err := unix.FanotifyMark(g.fd, unix.FAN_MARK_REMOVE, g.mask(true)|unix.FAN_EVENT_ON_CHILD, unix.AT_FDCWD, procPath(fd))
	if err == syscall.ENOENT {
		return nil
	}
	return err
}

// MarkVolume marks a volume.
func (g *fanotify) MarkVolume(fd int) error {
	// What happens elsewhere on the volume is of use only if it can be told where.
	key, err := keyOf(fd)
	if err != nil {
		return ErrNoVolumes
	}
	dir, err := g.Open([]byte(key), fd)
	if err != nil {
		return ErrNoVolumes
	}
	_ = unix.Close(dir)
	if err := unix.FanotifyMark(g.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_FILESYSTEM, g.mask(true), unix.AT_FDCWD, procPath(fd)); err != nil {
		return ErrNoVolumes
	}
	return nil
}

// UnmarkVolume takes that away.
func (g *fanotify) UnmarkVolume(fd int) error {
	return unix.FanotifyMark(g.fd, unix.FAN_MARK_REMOVE|unix.FAN_MARK_FILESYSTEM, g.mask(true), unix.AT_FDCWD, procPath(fd))
}

// Ignore leaves the writes of a file out, but not the closing of who wrote.
func (g *fanotify) Ignore(fd int) error {
	path := procPath(fd)
	if err := unix.FanotifyMark(g.fd, unix.FAN_MARK_ADD, unix.FAN_CLOSE_WRITE, unix.AT_FDCWD, path); err != nil {
		return err
	}
	return unix.FanotifyMark(g.fd, unix.FAN_MARK_ADD|unix.FAN_MARK_IGNORED_MASK|unix.FAN_MARK_IGNORED_SURV_MODIFY,
		unix.FAN_MODIFY, unix.AT_FDCWD, path)
}

// Heed takes that back.
func (g *fanotify) Heed(fd int) error {
	path := procPath(fd)
	return errors.Join(
		unix.FanotifyMark(g.fd, unix.FAN_MARK_REMOVE|unix.FAN_MARK_IGNORED_MASK, unix.FAN_MODIFY, unix.AT_FDCWD, path),
		unix.FanotifyMark(g.fd, unix.FAN_MARK_REMOVE, unix.FAN_CLOSE_WRITE, unix.AT_FDCWD, path))
}

// The form of a Key, and of the same thing inside an event: the id of the file
// system (8 bytes), then struct file_handle: length of the handle, its type, the
// handle.
const (
	fsidSize   = 8
	handleLen  = fsidSize
	handleType = handleLen + 4
	handleData = handleType + 4
)

// keyOf returns what a directory is called in events.
func keyOf(fd int) (Key, error) {
	h, _, err := unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH|atHandleFID)
	if err != nil {
		h, _, err = unix.NameToHandleAt(fd, "", unix.AT_EMPTY_PATH)
	}
	if err != nil {
		return "", err
	}
	var s unix.Statfs_t
	if err := unix.Fstatfs(fd, &s); err != nil {
		return "", err
	}
	b := make([]byte, 0, handleData+h.Size())
	b = binary.NativeEndian.AppendUint32(b, uint32(s.Fsid.Val[0]))
	b = binary.NativeEndian.AppendUint32(b, uint32(s.Fsid.Val[1]))
	b = binary.NativeEndian.AppendUint32(b, uint32(h.Size()))
	b = binary.NativeEndian.AppendUint32(b, uint32(h.Type()))
	return Key(append(b, h.Bytes()...)), nil
}

// Open opens a directory by its handle.
func (g *fanotify) Open(dir []byte, mount int) (int, error) {
	if len(dir) < handleData {
		return -1, syscall.ESTALE
	}
	h := unix.NewFileHandle(int32(binary.NativeEndian.Uint32(dir[handleType:])), dir[handleData:])
	return unix.OpenByHandleAt(mount, h, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC)
}

// Read passes events on.
func (g *fanotify) Read(fn func(*Event)) (more, lost bool, err error) {
	b, err := g.read()
	more = len(b) > 0
	for len(b) >= unix.FAN_EVENT_METADATA_LEN {
		size := binary.NativeEndian.Uint32(b)
		if size < unix.FAN_EVENT_METADATA_LEN || int64(size) > int64(len(b)) {
			return false, true, errors.New("fanotify: malformed event")
		}
		ev, over := g.decode(b[:size])
		lost = lost || over
		if ev.Op != 0 {
			fn(&ev)
		}
		b = b[size:]
	}
	return more, lost, err
}

// decode reads struct fanotify_event_metadata, in which the mask is at offset 8
// and the process at 20, and what follows it.
func (g *fanotify) decode(b []byte) (ev Event, lost bool) {
	mask := binary.NativeEndian.Uint64(b[8:])
	if mask&unix.FAN_Q_OVERFLOW != 0 {
		return ev, true
	}
	ev.IsDir = mask&unix.FAN_ONDIR != 0
	ev.Own = int32(binary.NativeEndian.Uint32(b[20:])) == g.pid
	for info := b[unix.FAN_EVENT_METADATA_LEN:]; len(info) >= 4; {
		size := int(binary.NativeEndian.Uint16(info[2:]))
		if size < 4 || size > len(info) {
			return Event{}, true
		}
		dir, name, ok := place(info[4:size])
		switch kind := info[0]; {
		case !ok:
		case kind == unix.FAN_EVENT_INFO_TYPE_NEW_DFID_NAME:
			ev.NewDir, ev.NewName = dir, name
		case kind == unix.FAN_EVENT_INFO_TYPE_DFID_NAME || kind == unix.FAN_EVENT_INFO_TYPE_OLD_DFID_NAME:
			ev.Dir, ev.Name = dir, name
		}
		info = info[size:]
	}
	for _, m := range [...]struct {
		bit uint64
		op  Op
	}{
		{unix.FAN_CREATE | unix.FAN_MOVED_TO, Create}, {unix.FAN_DELETE | unix.FAN_MOVED_FROM, Delete},
		{unix.FAN_RENAME, Rename}, {unix.FAN_MODIFY | unix.FAN_CLOSE_WRITE, Modify}, {unix.FAN_ATTRIB, Attrib},
	} {
		if mask&m.bit != 0 {
			ev.Op |= m.op
		}
	}
	if len(ev.Dir) == 0 && len(ev.NewDir) == 0 {
		return Event{}, false
	}
	return ev, false
}

// place takes apart what stands behind the header of an information record: the
// directory in the form of a Key, and a name, ended by NUL.
func place(b []byte) (dir, name []byte, ok bool) {
	if len(b) < handleData {
		return nil, nil, false
	}
	size := binary.NativeEndian.Uint32(b[handleLen:])
	if int64(size) > int64(len(b)-handleData) {
		return nil, nil, false
	}
	end := handleData + int(size)
	name, _, _ = bytes.Cut(b[end:], []byte{0})
	return b[:end], name, len(name) > 0
}
