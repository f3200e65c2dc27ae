//go:build linux

package localfs

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// A named stream that its attribute has no room for is a file of its own, in a directory
// at the top of the export that nobody sees: no call takes or gives its name, and what is
// in it is not opened through a link either. The attribute user.lessor.Stream.NAME of the
// file has the name of that file and, as for object ids, whose it is. The latter stands on
// the file in the directory, too, where only the server can write it: with an attribute
// alone, which everybody can write who may write to a file, one could claim and change the
// stream of a file that he may only read. A program that
// copies a file with its attributes copies the attribute too: the copy has the data in
// common with the other file until it is first opened here, and gets its own then. The
// data stays there, however short it becomes.

const (
	// streamDir is the name of the directory; no file of a client can have it.
	streamDir = ".lessor-streams"
	// bigPrefix is that of the attributes.
	bigPrefix = "user.lessor.Stream."
	// streamOfName marks the directory and, with whose it is, what is in it.
	streamOfName = "user.lessor.StreamOf"
	// storeMode are permission bits that the directory and the files in it have, and
	// else hardly anything: only such a thing is looked at more closely.
	storeMode = unix.S_ISVTX | 0o600
)

var xStreamOf = newXname(streamOfName)

// isStreamDir reports whether a name is that of the directory, in any case.
func isStreamDir(name string) bool {
	return len(name) == len(streamDir) && strings.EqualFold(name, streamDir)
}

// namesStreamDir reports whether a path has the name in it.
func namesStreamDir(path string) bool {
	if len(path) < len(streamDir) {
		return false
	}
	for name := range strings.SplitSeq(path, "/") {
		if isStreamDir(name) {
			return true
		}
	}
	return false
}

// bigStreams is the directory. All FS of this process that export the same directory have
// the same one.
type bigStreams struct {
	root fileKey // immutable: what is exported
	refs int     // FS; guarded by stores.mu
	// there says that the directory exists; else no file has such a stream.
	there atomic.Bool
	mu    sync.Mutex // held while the directory is made and opened; guards fd
	fd    int        // valid if there is set; never changes then
}

// fileKey identifies a file on this machine, and tells it from one that is gone.
type fileKey struct{ dev, inode, generation uint64 }

// stores has the directories of the process: a file can be in one export and in another
// one that lies below, and have its streams in either.
var stores struct {
	mu     sync.RWMutex // held across system calls on a directory that is not the FS's own
	byRoot map[fileKey]*bigStreams
}

// apart runs do with the identity of the server, to which the directory belongs, should
// the caller run with that of a user: identities are those of threads, and a goroutine of
// its own has another one.
func apart(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// openBig finds the directory when the FS begins.
func (f *FS) openBig() {
	key := fileKey{f.rootDev, f.root.id.Inode, f.root.id.Generation}
	stores.mu.Lock()
	defer stores.mu.Unlock()
	if f.big = stores.byRoot[key]; f.big == nil {
		f.big = &bigStreams{root: key}
		if stores.byRoot == nil {
			stores.byRoot = make(map[fileKey]*bigStreams)
		}
		stores.byRoot[key] = f.big
	}
	f.big.refs++
	f.big.mu.Lock()
	defer f.big.mu.Unlock()
	if f.big.there.Load() {
		return
	}
	if fd, err := f.openStore(); err == nil {
		if !f.opts.Preserve {
			_ = markStore(fd, storeMode|0o100, storeMark) // it was not, if the first time was cut short
		}
		f.big.fd = fd
		f.big.there.Store(true)
	}
}

// openStore opens the directory. One that belongs to a user, who could have made it before
// there was any, is not it: he could take what is put there, or put something else in its
// place. The owner of the export may have been made its owner with all the rest.
func (f *FS) openStore() (int, error) {
	fd, e := openat2(f.root.fd, streamDir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0, f.resolve)
	if e != 0 {
		return -1, errnoErr(e)
	}
	var st, root unix.Statx_t
	if e = statFD(fd, &st); e == 0 {
		e = statFD(f.root.fd, &root)
	}
	if e == 0 && st.Uid != 0 && st.Uid != uint32(syscall.Geteuid()) && st.Uid != root.Uid {
		e = syscall.EPERM
	}
	if e != 0 {
		_ = closeFD(fd)
		return -1, errnoErr(e)
	}
	return fd, nil
}

// closeBig gives back the directory of an FS.
func closeBig(b *bigStreams) {
	stores.mu.Lock()
	defer stores.mu.Unlock()
	if b.refs--; b.refs > 0 {
		return
	}
	delete(stores.byRoot, b.root)
	if b.there.Load() {
		_ = closeFD(b.fd)
	}
}

// findStored calls do, apart, with the directory that has a file of this name, and reports
// whether there is one.
func (f *FS) findStored(name string, st *unix.Statx_t, do func(dir int)) (found bool) {
	apart(func() { found = f.findStoredHere(name, st, do) })
	return found
}

// findStoredHere is findStored for who runs apart already.
func (f *FS) findStoredHere(name string, st *unix.Statx_t, do func(dir int)) bool {
	has := func(b *bigStreams) bool {
		if !b.there.Load() || statName(b.fd, name, st) != 0 {
			return false
		}
		do(b.fd)
		return true
	}
	if has(f.big) {
		return true
	}
	stores.mu.RLock()
	defer stores.mu.RUnlock()
	for _, b := range stores.byRoot {
		if b != f.big && has(b) {
			return true
		}
	}
	return false
}

// anyStored reports whether any file can have big streams.
func (f *FS) anyStored() bool {
	if f.big.there.Load() {
		return true
	}
	stores.mu.RLock()
	defer stores.mu.RUnlock()
	for _, b := range stores.byRoot {
		if b.there.Load() {
			return true
		}
	}
	return false
}

// bigDir returns the directory, making it the first time.
func (f *FS) bigDir() (int, error) {
	f.big.mu.Lock()
	defer f.big.mu.Unlock()
	if f.big.there.Load() {
		return f.big.fd, nil
	}
	fd, err := f.makeStore()
	if err != nil {
		return -1, err
	}
	f.big.fd = fd
	f.big.there.Store(true)
	return fd, nil
}

// makeStore opens the directory, which it makes if there is none.
func (f *FS) makeStore() (int, error) {
	op := f.touching(f.root.id, streamDir)
	defer op.done()
	if e := retry(func() error { return unix.Mkdirat(f.root.fd, streamDir, 0o700) }); e != 0 && e != syscall.EEXIST {
		return -1, errnoErr(e)
	}
	fd, err := f.openStore()
	if err != nil {
		return -1, err
	}
	if err := markStore(fd, storeMode|0o100, storeMark); err != nil {
		_ = closeFD(fd)
		return -1, err
	}
	return fd, nil
}

// renewBig makes the directory anew, which somebody has removed. Its descriptor keeps its
// number, as others may be using it.
func (f *FS) renewBig() error {
	f.big.mu.Lock()
	defer f.big.mu.Unlock()
	fd, err := f.makeStore()
	if err != nil {
		return err
	}
	defer func() { _ = closeFD(fd) }()
	return errnoErr(retry(func() error { return unix.Dup3(fd, f.big.fd, unix.O_CLOEXEC) }))
}

// storeMark is what marks the directory.
var storeMark = []byte{1}

// markStore makes the directory, or a file in it, known as what it is.
func markStore(fd int, mode uint32, mark []byte) error {
	if e := setXattr(fd, false, xStreamOf, mark, 0); e != 0 {
		return xattrSetErr(e)
	}
	return errnoErr(retry(func() error { return unix.Fchmod(fd, mode) }))
}

// inStore reports whether an object of which st has the attributes is the directory or
// lies in it: a look-up that came to it by a link finds nothing.
func inStore(st *unix.Statx_t, fd int, path bool) bool {
	switch typeOf(st.Mode) {
	case vfs.TypeRegular, vfs.TypeDirectory:
	default:
		return false
	}
	if st.Mode&0o7677 != storeMode {
		return false
	}
	_, e := getXattr(fd, path, xStreamOf, nil)
	return e == 0
}

// isBig reports whether an attribute holds a pointer, and not the data.
func isBig(x xname) bool { return bytes.HasPrefix(x, []byte(bigPrefix)) }

// bigPointer reads a pointer. The name is empty if it leads nowhere; own says that, as the
// pointer has it, what it leads to belongs to this file.
func (n *node) bigPointer(x xname) (name string, own bool) {
	b, e := readXattr(n.fd, n.isPath(), x)
	owner := appendOwner(nil, n.id)
	if e != 0 || len(b) <= len(owner) {
		return "", false
	}
	name = string(b[:len(b)-len(owner)])
	if strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0 || name == "." || name == ".." {
		return "", false
	}
	return name, bytes.HasSuffix(b, owner)
}

// bigThere reports whether a pointer leads to a file, and fills in its attributes.
func (n *node) bigThere(x xname, st *unix.Statx_t) bool {
	name, _ := n.bigPointer(x)
	return name != "" && n.fs.findStored(name, st, func(int) {})
}

// openBigStream opens what a pointer leads to, or a copy of it if that belongs to another
// file. Where there is no room for a copy, it is what the copy would be of, for reading
// alone; the node's kind says so, and noWrite why.
func (n *node) openBigStream(x xname) (big *node, noWrite, err error) {
	name, own := n.bigPointer(x)
	if name == "" {
		return nil, nil, fs.ErrNotExist
	}
	found, err := n.openStored(name, fdRead|fdWrite)
	if errors.Is(err, vfs.ErrReadOnly) || errors.Is(err, fs.ErrPermission) {
		noWrite = err
		found, err = n.openStored(name, fdRead)
	}
	if err == nil && own {
		mark, e := readXattr(found.fd, false, xStreamOf)
		own = e == 0 && bytes.Equal(mark, appendOwner(nil, n.id))
	}
	if err != nil || own || noWrite != nil || n.fs.opts.Preserve {
		return found, noWrite, err
	}
	defer found.Release()
	big, err = n.copyBigStream(x, found)
	if errors.Is(err, vfs.ErrNoSpace) || errors.Is(err, vfs.ErrQuota) {
		noWrite = err
		big, err = n.openStored(name, fdRead)
	}
	return big, noWrite, err
}

// copyBigStream has a pointer lead to a copy of a file.
func (n *node) copyBigStream(x xname, found *node) (*node, error) {
	var st unix.Statx_t
	if e := statFD(found.fd, &st); e != 0 {
		return nil, errnoErr(e)
	}
	return n.newBigStream(x, func(to *file) error {
		from := &file{node: found, fd: found.fd, mode: vfs.OpenMode{Read: true}}
		_, err := to.CopyFrom(context.Background(), from, 0, 0, int64(st.Size))
		if err == nil {
			err = to.Sync(context.Background()) // as stable as the file was by itself
		}
		return err
	})
}

// openStored opens a file of the directory.
func (n *node) openStored(name string, kind fdKind) (*node, error) {
	fd, e := -1, syscall.ENOENT
	var st unix.Statx_t
	n.fs.findStored(name, &st, func(dir int) {
		fd, e = openat2(dir, name, kind.flags()|unix.O_NOFOLLOW, 0, n.fs.resolve)
	})
	if e != 0 {
		return nil, errnoErr(e)
	}
	return n.fs.storeNode(fd, kind)
}

// storeNode makes a node of a file in the directory.
func (f *FS) storeNode(fd int, kind fdKind) (*node, error) {
	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		_ = closeFD(fd)
		return nil, errnoErr(e)
	}
	id := vfs.NodeID{Volume: f.root.id.Volume, Inode: st.Ino, Generation: generation(&st)}
	return newNode(f, fd, kind, id, vfs.TypeRegular), nil
}

// newBigStream makes a file, has fill write to it, and has the attribute x, a pointer,
// lead to it.
func (n *node) newBigStream(x xname, fill func(*file) error) (made *node, err error) {
	return n.newBigStreamFor(fill, func(pointer []byte) error {
		return xattrSetErr(setXattr(n.fd, n.isPath(), x, pointer, 0))
	})
}

// newBigStreamFor is newBigStream where commit stores the pointer.
func (n *node) newBigStreamFor(fill func(*file) error, commit func(pointer []byte) error) (made *node, err error) {
	name := rand.Text()
	apart(func() { made, err = n.fs.store(name, appendOwner(nil, n.id)) })
	if err != nil {
		return nil, err
	}
	err = fill(&file{node: made, fd: made.fd, mode: vfs.OpenMode{Write: true}})
	if err == nil {
		err = commit(appendOwner([]byte(name), n.id))
	}
	if err != nil {
		apart(func() { _ = unix.Unlinkat(n.fs.big.fd, name, 0) })
		made.Release()
		return nil, err
	}
	return made, nil
}

// store makes a file in the directory.
func (f *FS) store(name string, owner []byte) (*node, error) {
	dir, err := f.bigDir()
	if err != nil {
		return nil, err
	}
	kind := fdRead | fdWrite
	create := func() (int, syscall.Errno) {
		return openat2(dir, name, kind.flags()|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, 0o600, f.resolve)
	}
	fd, e := create()
	if e == syscall.ENOENT { // somebody has removed the directory
		if err := f.renewBig(); err != nil {
			return nil, err
		}
		fd, e = create()
	}
	if e != 0 {
		return nil, errnoErr(e)
	}
	made, err := f.storeNode(fd, kind)
	if err == nil {
		if err = markStore(fd, storeMode, owner); err == nil {
			return made, nil
		}
		made.Release()
	}
	_ = unix.Unlinkat(dir, name, 0)
	return nil, err
}

// bigStreamOf takes note of the file that a pointer leads to. The function that comes back
// removes it, unless it is of another file or stream, and is called when the pointer is
// gone: should that fail, the data is still there.
func (n *node) bigStreamOf(x xname) (drop func()) {
	name, own := "", false
	if isBig(x) {
		name, own = n.bigPointer(x)
	}
	return func() {
		if own && !n.pointsTo(name) {
			apart(func() { n.fs.dropStored(name, n.id) })
		}
	}
}

// pointsTo reports whether a pointer of the file leads to a file of the directory: a server
// that was killed while it gave a stream another name has left two.
func (n *node) pointsTo(name string) (found bool) {
	err := n.eachXattr(bigPrefix, func(stream string) {
		other, _ := n.bigPointer(newXname(bigPrefix, stream))
		found = found || other == name
	})
	return found || err != nil
}

// dropBigStreamHere removes the file that a pointer leads to, unless it is of another
// file, for who runs apart already.
func (n *node) dropBigStreamHere(x xname) {
	if name, own := n.bigPointer(x); own {
		n.fs.dropStored(name, n.id)
	}
}

// dropStored removes a file of the directory, if it belongs to a file.
func (f *FS) dropStored(name string, owner vfs.NodeID) {
	var st unix.Statx_t
	f.findStoredHere(name, &st, func(dir int) {
		mark, e := readXattrAt(dir, name, xStreamOf)
		if e == 0 && bytes.Equal(mark, appendOwner(nil, owner)) {
			_ = unix.Unlinkat(dir, name, 0)
		}
	})
}

// bigStreamsOf takes note of what a name denotes, which it is about to lose. The function
// that comes back must be called with how that went, and removes the big streams of a
// file that is gone. It costs nothing where there are none.
func (n *node) bigStreamsOf(name string) (gone func(done bool)) {
	nothing := func(bool) {}
	if !n.fs.anyStored() {
		return nothing
	}
	fd, e := openat2(n.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, n.fs.resolve)
	if e != 0 {
		return nothing
	}
	victim, err := n.fs.adopt(fd, fdPath)
	if err != nil {
		return nothing
	}
	return func(done bool) {
		defer victim.Release()
		var st unix.Statx_t
		if !done || !victim.keepsXattr() || statFD(victim.fd, &st) != 0 || st.Nlink > 0 {
			return
		}
		apart(func() {
			_ = victim.eachXattr(bigPrefix, func(name string) { victim.dropBigStreamHere(newXname(bigPrefix, name)) })
		})
	}
}

// spillLocked moves a stream out of its attribute, with new data. Where there is no room
// for a pointer beside the attribute, that goes first. The stripe is locked.
func (st *stream) spillLocked(base *node, data []byte) error {
	op := base.fs.touching(base.id, "")
	defer op.done()
	x := newXname(bigPrefix, streamName(strings.TrimPrefix(st.x.String(), streamPrefix)))
	old, e := readXattr(base.fd, base.isPath(), st.x)
	if e != 0 {
		return errnoErr(e)
	}
	fill := func(f *file) error {
		if len(data) == 0 {
			return nil
		}
		_, err := f.WriteAt(data, 0)
		if err == nil && len(old) > 1 {
			// What was there may have been flushed, and is to stay, whatever happens.
			err = f.Sync(context.Background())
		}
		return err
	}
	was := base.bigStreamOf(x) // left by a server that was killed
	made, err := base.newBigStreamFor(fill, func(pointer []byte) error {
		e := setXattr(base.fd, base.isPath(), x, pointer, 0)
		if e == 0 {
			if e = removeXattr(base.fd, base.isPath(), st.x); e != 0 {
				_ = removeXattr(base.fd, base.isPath(), x)
			}
			return errnoErr(e)
		}
		if err := xattrSetErr(e); !errors.Is(err, vfs.ErrNoSpace) && !errors.Is(err, vfs.ErrTooLarge) {
			return err
		}
		// All the rest is done: a server that is killed in between loses the stream.
		if e := removeXattr(base.fd, base.isPath(), st.x); e != 0 {
			return errnoErr(e)
		}
		if e = setXattr(base.fd, base.isPath(), x, pointer, 0); e != 0 {
			_ = setXattr(base.fd, base.isPath(), st.x, old, 0)
		}
		return xattrSetErr(e)
	})
	if err != nil {
		return err
	}
	was()
	st.x, st.big = x, made
	return nil
}

// bigFile returns the stream as a file, with a reference that Close gives back; nil if
// its attribute holds the data.
func (st *stream) bigFile(base *node, mode vfs.OpenMode) (*file, error) {
	s := base.fs.stripeOf(base.id)
	s.RLock()
	defer s.RUnlock()
	if st.gone {
		return nil, vfs.ErrStale
	}
	if st.big == nil {
		return nil, nil
	}
	mode.Write = mode.Write && st.noWrite == nil
	st.big.refs.Add(1)
	return &file{node: st.big, fd: st.big.fd, mode: mode}, nil
}

// whyNot returns what err of a file that bigFile has returned comes from: if that may not be
// written to, the reason for it.
func (st *stream) whyNot(base *node, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	s := base.fs.stripeOf(base.id)
	s.RLock()
	defer s.RUnlock()
	if st.noWrite != nil {
		return st.noWrite
	}
	return err
}
