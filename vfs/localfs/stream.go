//go:build linux

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/names"
)

// A named stream is one extended attribute of its file, the data followed by a
// zero byte, because an attribute cannot be told from a missing one everywhere
// when it is empty. Every write rewrites it. What has more than maxStream bytes, or
// more than the file system takes, on ext4 as a rule 4 KiB for all of a file, goes
// elsewhere (bigstream.go).

// maxStream is the size of the largest stream in an attribute.
const maxStream = maxXattr - 1

// streamKey names a stream without regard to case.
type streamKey struct {
	id     vfs.NodeID
	folded string
}

// stream is a named stream to which somebody has a Node or Handle. All fields
// are guarded by the stripe of the file.
type stream struct {
	key  streamKey
	x    xname // attribute that holds it; changes with its name
	big  *node // the file that holds it instead of an attribute; nil if there is none
	gone bool  // removed or replaced
	// noWrite is why big cannot be written to; nil if it can.
	noWrite error
	refs    int
}

// errSpilled says that a stream has become one that is a file.
var errSpilled = errors.New("the stream is a file now")

// streamBuffers holds buffers for whole streams.
var streamBuffers = sync.Pool{New: func() any { return new([maxXattr]byte) }}

// checkStreamName tells whether a stream can have the name.
func checkStreamName(name string) error {
	if name == "" || strings.ContainsAny(name, ":/\x00") {
		return vfs.ErrInvalidName
	}
	if len(streamPrefix)+len(name)+len(streamSuffix) > maxXattrName {
		return vfs.ErrNameTooLong
	}
	return nil
}

// streamName returns the name of a stream from that of its attribute, the
// prefix cut off. Samba may have been told to store no type, and to store colons as they
// are, which no name of a stream can have: they are shown as macOS writes them.
func streamName(attr string) string {
	if at := len(attr) - len(streamSuffix); at > 0 && strings.EqualFold(attr[at:], streamSuffix) {
		attr = attr[:at]
	}
	return strings.ReplaceAll(attr, ":", privateColon)
}

// privateColon is what macOS sends in the place of a colon.
const privateColon = "\uf022"

// Streams lists the named streams.
func (n *node) Streams(context.Context, *vfs.Cred) ([]vfs.StreamInfo, error) {
	var out []vfs.StreamInfo
	err := n.eachXattr(streamPrefix, func(attr string) {
		size, e := getXattr(n.fd, n.isPath(), newXname(streamPrefix, attr), nil)
		if e == 0 && size > 0 {
			out = append(out, vfs.StreamInfo{Name: streamName(attr), Size: int64(size - 1), Alloc: int64(size - 1)})
		}
	})
	if err == nil && n.fs.anyStored() {
		err = n.eachXattr(bigPrefix, func(name string) {
			var st unix.Statx_t
			if n.bigThere(newXname(bigPrefix, name), &st) && !listed(out, name) {
				out = append(out, vfs.StreamInfo{Name: name, Size: int64(st.Size), Alloc: int64(st.Blocks) * 512})
			}
		})
	}
	slices.SortFunc(out, func(a, b vfs.StreamInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, err
}

// listed reports whether a stream is in a list: it is there twice if a server was killed
// while it made a file of the stream, and counts as what it was.
func listed(list []vfs.StreamInfo, name string) bool {
	return slices.ContainsFunc(list, func(s vfs.StreamInfo) bool { return names.EqualFold(s.Name, name) })
}

// findStream returns the attribute that holds a stream, and whether there is
// one.
func (n *node) findStream(name string) (x xname, exists bool, err error) {
	exact := newXname(streamPrefix, name, streamSuffix)
	size, e := getXattr(n.fd, n.isPath(), exact, nil)
	switch {
	case e == 0 && size > 0:
		return exact, true, nil
	case e != 0 && e != syscall.ENODATA:
		return nil, false, errnoErr(e)
	}
	x = exact
	err = n.eachXattr(streamPrefix, func(attr string) {
		if !exists && names.EqualFold(streamName(attr), name) {
			x, exists = newXname(streamPrefix, attr), true
		}
	})
	if err == nil && !exists && n.fs.anyStored() {
		err = n.eachXattr(bigPrefix, func(other string) {
			if exists || !names.EqualFold(other, name) {
				return
			}
			var st unix.Statx_t
			if there := newXname(bigPrefix, other); n.bigThere(there, &st) {
				x, exists = there, true
			}
		})
	}
	return x, exists, err
}

// Stream returns a Node of a named stream.
func (n *node) Stream(_ context.Context, cred *vfs.Cred, name string, create bool) (vfs.Node, error) {
	if create {
		if err := n.mayWrite(cred); err != nil {
			return nil, err
		}
	}
	if err := checkStreamName(name); err != nil {
		return nil, err
	}
	if !n.keepsXattr() {
		return nil, fs.ErrNotExist
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	x, exists, err := n.findStream(name)
	switch {
	case err != nil:
		return nil, err
	case exists && create:
		return nil, fs.ErrExist
	case !exists && !create:
		return nil, fs.ErrNotExist
	case create:
		op := n.fs.touching(n.id, "")
		defer op.done()
		if e := setXattr(n.fd, n.isPath(), x, zeros[:1], unix.XATTR_CREATE); e != 0 {
			return nil, xattrSetErr(e)
		}
	}
	key := streamKey{n.id, foldName(name)}
	st := s.streams[key]
	if st == nil {
		st = &stream{key: key, x: x}
		if isBig(x) {
			if st.big, st.noWrite, err = n.openBigStream(x); err != nil {
				return nil, err
			}
		}
		if s.streams == nil {
			s.streams = make(map[streamKey]*stream)
		}
		s.streams[key] = st
	}
	st.x = x
	st.refs++
	n.refs.Add(1)
	return &streamNode{base: n, s: st}, nil
}

// detachLocked marks a stream as gone, if somebody holds it. The stripe is
// locked.
func (s *stripe) detachLocked(key streamKey) {
	if st := s.streams[key]; st != nil {
		st.gone = true
		delete(s.streams, key)
	}
}

// RemoveStream deletes a named stream.
func (n *node) RemoveStream(_ context.Context, cred *vfs.Cred, name string) error {
	if err := n.mayWrite(cred); err != nil {
		return err
	}
	if err := checkStreamName(name); err != nil {
		return err
	}
	if !n.keepsXattr() {
		return fs.ErrNotExist
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	x, exists, err := n.findStream(name)
	if err != nil {
		return err
	}
	if !exists {
		return fs.ErrNotExist
	}
	op := n.fs.touching(n.id, "")
	defer op.done()
	for first := true; err == nil && exists && (first || isBig(x)); x, exists, err = n.findStream(name) {
		first = false // as a rule it is the only one; see listed
		drop := n.bigStreamOf(x)
		if e := removeXattr(n.fd, n.isPath(), x); e != 0 {
			return errnoErr(e)
		}
		drop()
	}
	s.detachLocked(streamKey{n.id, foldName(name)})
	return err
}

// RenameStream gives a named stream another name.
func (n *node) RenameStream(_ context.Context, cred *vfs.Cred, oldName, newName string, replace bool) error {
	if err := n.mayWrite(cred); err != nil {
		return err
	}
	for _, name := range []string{oldName, newName} {
		if err := checkStreamName(name); err != nil {
			return err
		}
	}
	if !n.keepsXattr() {
		return fs.ErrNotExist
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	from, exists, err := n.findStream(oldName)
	if err != nil {
		return err
	}
	if !exists {
		return fs.ErrNotExist
	}
	oldKey, newKey := streamKey{n.id, foldName(oldName)}, streamKey{n.id, foldName(newName)}
	to := newXname(streamPrefix, newName, streamSuffix)
	if isBig(from) {
		to = newXname(bigPrefix, newName)
	}
	var replaced xname
	if oldKey != newKey {
		there, taken, err := n.findStream(newName)
		if err != nil {
			return err
		}
		if taken && !replace {
			return fs.ErrExist
		}
		if taken {
			replaced = there
		}
		if taken && isBig(there) == isBig(from) {
			to = there
		}
	}
	if to.String() == from.String() {
		return nil
	}
	op := n.fs.touching(n.id, "")
	defer op.done()
	drop := n.bigStreamOf(replaced)
	if e := n.moveXattr(from, to); e != 0 {
		return xattrSetErr(e)
	}
	if replaced != nil && replaced.String() != to.String() {
		if e := removeXattr(n.fd, n.isPath(), replaced); e != 0 {
			return errnoErr(e)
		}
	}
	drop()
	if oldKey != newKey {
		s.detachLocked(newKey)
	}
	if st := s.streams[oldKey]; st != nil {
		delete(s.streams, oldKey)
		st.key, st.x = newKey, to
		s.streams[newKey] = st
	}
	return nil
}

// moveXattr stores a value under another name. Where there is no room for two
// of it, the old one goes first.
func (n *node) moveXattr(from, to xname) syscall.Errno {
	value, e := readXattr(n.fd, n.isPath(), from)
	if e != 0 {
		return e
	}
	e = setXattr(n.fd, n.isPath(), to, value, 0)
	if e == 0 {
		return removeXattr(n.fd, n.isPath(), from)
	}
	if e != syscall.ENOSPC {
		return e
	}
	if e := removeXattr(n.fd, n.isPath(), from); e != 0 {
		return e
	}
	if e = setXattr(n.fd, n.isPath(), to, value, 0); e != 0 {
		_ = setXattr(n.fd, n.isPath(), from, value, 0)
	}
	return e
}

// view calls fn with the data of the stream, which it must not keep.
func (st *stream) view(base *node, fn func(data []byte)) error {
	s := base.fs.stripeOf(base.id)
	s.RLock()
	defer s.RUnlock()
	buf, _ := streamBuffers.Get().(*[maxXattr]byte)
	defer streamBuffers.Put(buf)
	data, err := st.loadLocked(base, buf)
	if err == nil {
		fn(data)
	}
	return err
}

// loadLocked reads the data into buf. The stripe is locked.
func (st *stream) loadLocked(base *node, buf *[maxXattr]byte) ([]byte, error) {
	if st.gone {
		return nil, vfs.ErrStale
	}
	if st.big != nil {
		return nil, errSpilled
	}
	n, e := getXattr(base.fd, base.isPath(), st.x, buf[:])
	switch {
	case e == syscall.ENODATA || e == 0 && n == 0:
		// Removed behind our back.
		return nil, vfs.ErrStale
	case e != 0:
		return nil, errnoErr(e)
	}
	return buf[:n-1], nil
}

// edit replaces the data by what fn makes of it: fn may change data and gets it
// with room for maxStream bytes. A stream that is or becomes a file, because it is to have
// need bytes, is left to the caller with errSpilled. Of one that the file system has no
// room for fn has changed the data nevertheless.
func (st *stream) edit(base *node, need int64, fn func(data []byte) []byte) error {
	s := base.fs.stripeOf(base.id)
	s.Lock()
	defer s.Unlock()
	if st.big != nil && !st.gone {
		return errSpilled
	}
	buf, _ := streamBuffers.Get().(*[maxXattr]byte)
	defer streamBuffers.Put(buf)
	data, err := st.loadLocked(base, buf)
	if err != nil {
		return err
	}
	if need > maxStream {
		if err := st.spillLocked(base, data); err != nil {
			return err
		}
		return errSpilled
	}
	data = fn(data)
	op := base.fs.touching(base.id, "")
	defer op.done()
	err = xattrSetErr(setXattr(base.fd, base.isPath(), st.x, append(data, 0), 0))
	if errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, vfs.ErrTooLarge) {
		return st.spillLocked(base, data)
	}
	return err
}

// resize returns data with another length, zeros being added.
func resize(data []byte, size int) []byte {
	old := len(data)
	data = data[:size]
	if size > old {
		clear(data[old:])
	}
	return data
}

// setSize sets the length of the stream.
func (st *stream) setSize(base *node, size int64) error {
	if size < 0 {
		return fs.ErrInvalid
	}
	err := st.edit(base, size, func(data []byte) []byte { return resize(data, int(size)) })
	if !errors.Is(err, errSpilled) {
		return err
	}
	f, err := st.bigFile(base, vfs.OpenMode{Write: true})
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return st.whyNot(base, f.Truncate(size))
}

// size returns the length of the stream.
func (st *stream) size(base *node) (size int64, err error) {
	s := base.fs.stripeOf(base.id)
	s.RLock()
	defer s.RUnlock()
	if st.gone {
		return 0, vfs.ErrStale
	}
	if st.big != nil {
		var stat unix.Statx_t
		e := statFD(st.big.fd, &stat)
		return int64(stat.Size), errnoErr(e)
	}
	n, e := getXattr(base.fd, base.isPath(), st.x, nil)
	if e == syscall.ENODATA || e == 0 && n == 0 {
		return 0, vfs.ErrStale
	}
	return int64(n - 1), errnoErr(e)
}

// hold takes a further reference.
func (st *stream) hold(base *node) {
	s := base.fs.stripeOf(base.id)
	s.Lock()
	st.refs++
	s.Unlock()
	base.refs.Add(1)
}

// drop gives a reference back.
func (st *stream) drop(base *node) error {
	s := base.fs.stripeOf(base.id)
	s.Lock()
	st.refs--
	if st.refs == 0 && s.streams[st.key] == st {
		delete(s.streams, st.key)
	}
	if st.refs == 0 && st.big != nil {
		st.big.Release()
	}
	s.Unlock()
	return base.release()
}
