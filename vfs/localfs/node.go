//go:build linux

package localfs

import (
	"context"
	"errors"
	"io/fs"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// fdKind is what a node's descriptor can do.
type fdKind uint8

const (
	fdRead  fdKind = 1 << iota // read or list
	fdWrite                    // write
	fdSync                     // opened with O_DSYNC
	fdPath  fdKind = 0         // O_PATH: good for names and /proc alone
)

// node is a file, directory, symbolic link or something that cannot be opened.
type node struct {
	// Immutable after construction.
	fs   *FS
	fd   int
	kind fdKind
	typ  vfs.FileType
	id   vfs.NodeID
	// found is where the object was found or made, a hint to where it is: a path
	// relative to the root or, with madeIn, a name in that directory.
	found  string
	madeIn vfs.NodeID

	// writing is held, shared, by whoever writes to a file through this node or a Handle of
	// it, and alone by who reserves storage; across the system calls for that.
	writing sync.RWMutex

	// Atomic.
	refs   atomic.Int32 // Nodes and Handles; fd is closed with the last
	listed atomic.Bool  // a Handle uses the position of a directory's fd
	locked atomic.Bool  // the locks of a file's fd are those of one Handle
}

var _ vfs.Node = (*node)(nil)

// newNode returns a node with one reference that owns fd.
func newNode(f *FS, fd int, kind fdKind, id vfs.NodeID, typ vfs.FileType) *node {
	n := &node{fs: f, fd: fd, kind: kind, id: id, typ: typ}
	n.refs.Store(1)
	return n
}

// adopt makes a node of a descriptor just opened, or closes it.
func (f *FS) adopt(fd int, kind fdKind) (*node, error) {
	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		_ = closeFD(fd)
		return nil, errnoErr(e)
	}
	if inStore(&st, fd, kind == fdPath) {
		_ = closeFD(fd)
		return nil, fs.ErrNotExist
	}
	id := vfs.NodeID{
		Volume:     f.volume(&st, func() (int, bool) { return fd, false }),
		Inode:      st.Ino,
		Generation: generation(&st),
	}
	return newNode(f, fd, kind, id, typeOf(st.Mode)), nil
}

// typeOf converts the type bits of a mode.
func typeOf(mode uint16) vfs.FileType {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return vfs.TypeRegular
	case unix.S_IFDIR:
		return vfs.TypeDirectory
	case unix.S_IFLNK:
		return vfs.TypeSymlink
	default:
		return vfs.TypeOther
	}
}

// ID returns the identity of the file.
func (n *node) ID() vfs.NodeID { return n.id }

// Type returns the kind of the object.
func (n *node) Type() vfs.FileType { return n.typ }

// Release gives a reference back.
func (n *node) Release() { _ = n.release() }

// release gives a reference back and reports how closing went with the last.
func (n *node) release() error {
	if n.refs.Add(-1) == 0 {
		return closeFD(n.fd)
	}
	return nil
}

// isPath reports whether fd is an O_PATH one.
func (n *node) isPath() bool { return n.kind == fdPath }

// keepsXattr reports whether the object can have attributes of the user
// namespace, which the kernel grants to files and directories alone.
func (n *node) keepsXattr() bool {
	return n.typ == vfs.TypeRegular || n.typ == vfs.TypeDirectory
}

// Attr returns the attributes as they are now, by one statx and, unless the
// change time shows that they are as they were, one read of user.DOSATTRIB.
func (n *node) Attr(context.Context, *vfs.Cred) (vfs.Attr, error) {
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		return vfs.Attr{}, errnoErr(e)
	}
	var dos dosInfo
	if n.keepsXattr() {
		dos = n.dosInfo(&st)
	}
	a := makeAttr(&st, n.id, dos)
	if a.Size == 0 && a.Alloc > 0 && n.typ == vfs.TypeRegular && !n.isPath() {
		if alloc, known := reserved(n.fd); known {
			a.Alloc = alloc
		}
	}
	n.fs.changes.apply(&a, st.Ctime)
	return a, nil
}

// settleTime is how old a change time must be before it proves that nothing
// was changed since: the clock of a file system may tick only that often.
const settleTime = 50 * time.Millisecond

// settleWhole is settleTime where change times are whole seconds, or two.
const settleWhole = 2*time.Second + settleTime

// settledAt reports whether a change time was old enough at a time.
func settledAt(change unix.StatxTimestamp, at time.Time) bool {
	need := settleTime
	if change.Nsec == 0 {
		need = settleWhole // as on ext4 with inodes of 128 bytes
	}
	return at.Sub(statxTime(change)) > need
}

// dosInfo returns the contents of user.DOSATTRIB, without a look at them if st has
// the change time for which they were read before.
func (n *node) dosInfo(st *unix.Statx_t) dosInfo {
	if f, ok := n.fs.known.get(n.id, st.Ctime); ok {
		return f.dosInfo()
	}
	now := time.Now()
	d, sure := n.tryDOS()
	if sure {
		n.fs.known.put(n.id, st.Ctime, now, &d, 0)
	}
	return d
}

// readDOS reads user.DOSATTRIB; what is missing or unknown counts as not set.
func (n *node) readDOS() dosInfo {
	d, _ := n.tryDOS()
	return d
}

// tryDOS is readDOS; sure says that the file says so, and not that it could not be
// read.
func (n *node) tryDOS() (d dosInfo, sure bool) {
	var buf [128]byte
	size, e := getXattr(n.fd, n.isPath(), xDOSAttrib, buf[:])
	if e != 0 {
		return dosInfo{}, e == syscall.ENODATA
	}
	d, err := parseDOSAttrib(buf[:size])
	if err != nil {
		return dosInfo{}, true
	}
	if d.reparsed {
		d.setReparse(readXattr(n.fd, n.isPath(), xReparse))
	}
	return d, true
}

// makeAttr puts together what the kernel and user.DOSATTRIB know.
func makeAttr(st *unix.Statx_t, id vfs.NodeID, dos dosInfo) vfs.Attr {
	a := vfs.Attr{
		ID:     id,
		Type:   typeOf(st.Mode),
		Size:   int64(st.Size),
		Alloc:  int64(st.Blocks) * 512,
		NLink:  st.Nlink,
		UID:    st.Uid,
		GID:    st.Gid,
		Mode:   uint32(st.Mode) & 0o7777,
		Birth:  birthOf(st),
		Access: statxTime(st.Atime),
		Modify: statxTime(st.Mtime),
		Change: statxTime(st.Ctime),
		DOS:    dos.attrs,
		DOSSet: dos.hasAttr,
	}
	a.Compressed = st.Attributes&unix.STATX_ATTR_COMPRESSED != 0
	if a.Type == vfs.TypeRegular || a.Type == vfs.TypeDirectory {
		a.Reparse = dos.reparse
	}
	switch a.Type {
	case vfs.TypeDirectory:
		a.Size, a.Alloc = 0, 0
	case vfs.TypeOther:
		a.Rdev = unix.Mkdev(st.Rdev_major, st.Rdev_minor)
		a.Special = specialOf(st.Mode)
	}
	if dos.birth != 0 {
		a.Birth = fromNT(dos.birth)
	}
	return a
}

// SetAttr applies a change of attributes.
func (n *node) SetAttr(_ context.Context, cred *vfs.Cred, set *vfs.SetAttr) error {
	op := n.fs.touching(n.id, "")
	defer op.done()
	if set.Mask&vfs.SetSize != 0 {
		if err := n.setSize(cred, set.Size); err != nil {
			return err
		}
	}
	if n.typ == vfs.TypeSymlink {
		// The times and mode of a link itself are of no use to a client.
		if set.Mask&^vfs.SetSize != 0 {
			return errors.ErrUnsupported
		}
		return nil
	}
	if set.Mask&(vfs.SetUID|vfs.SetGID) != 0 {
		if err := n.setOwner(cred, set); err != nil {
			return err
		}
	}
	if set.Mask&vfs.SetMode != 0 {
		if e := n.chmod(cred, set.Mode); e != 0 {
			return errnoErr(e)
		}
	}
	if set.Mask&(vfs.SetCompressed|vfs.SetDOS|vfs.SetBirth|vfs.SetAccess|vfs.SetModify|vfs.SetChange) != 0 {
		if err := n.mayTouch(cred); err != nil {
			return err
		}
	}
	if set.Mask&vfs.SetCompressed != 0 {
		if err := n.setCompressed(set.Compressed); err != nil {
			return err
		}
	}
	if set.Mask&(vfs.SetDOS|vfs.SetBirth) != 0 {
		if err := n.setDOS(set); err != nil {
			return err
		}
	}
	if set.Mask&(vfs.SetAccess|vfs.SetModify) != 0 {
		if err := n.setTimes(set); err != nil {
			return err
		}
	}
	if set.Mask&vfs.SetChange != 0 {
		return n.setChange(set.Change)
	}
	return nil
}

// setSize sets the end of file through whichever descriptor can do it.
func (n *node) setSize(cred *vfs.Cred, size int64) error {
	switch {
	case size < 0:
		return fs.ErrInvalid
	case n.typ == vfs.TypeDirectory:
		return vfs.ErrIsDir
	case n.typ != vfs.TypeRegular:
		return errors.ErrUnsupported
	case n.kind&fdWrite != 0:
		n.writing.RLock()
		defer n.writing.RUnlock()
		return truncErr(retry(func() error { return unix.Ftruncate(n.fd, size) }))
	default:
		path := n.path()
		return truncErr(asRetry(cred, func() error { return unix.Truncate(path, size) }))
	}
}

// truncErr translates the errno of truncate, which says EINVAL for sizes that
// the file system cannot have.
func truncErr(e syscall.Errno) error {
	if e == syscall.EINVAL {
		return vfs.ErrTooLarge
	}
	return errnoErr(e)
}

// path returns the way to the object through /proc.
func (n *node) path() string {
	var p procPath
	p.set(n.fd)
	return unix.ByteSliceToString(p[:])
}

// setOwner changes user, group or both.
func (n *node) setOwner(cred *vfs.Cred, set *vfs.SetAttr) error {
	uid, gid := -1, -1
	if set.Mask&vfs.SetUID != 0 {
		uid = int(set.UID)
	}
	if set.Mask&vfs.SetGID != 0 {
		gid = int(set.GID)
	}
	return errnoErr(asRetry(cred, func() error { return unix.Fchownat(n.fd, "", uid, gid, unix.AT_EMPTY_PATH) }))
}

// chmod sets the permission bits.
func (n *node) chmod(cred *vfs.Cred, mode uint32) syscall.Errno {
	mode &= 0o7777
	if !n.isPath() {
		return asRetry(cred, func() error { return unix.Fchmod(n.fd, mode) })
	}
	path := n.path()
	return asRetry(cred, func() error { return unix.Chmod(path, mode) })
}

// setDOS rewrites user.DOSATTRIB with new bits, a new time of birth, or both.
func (n *node) setDOS(set *vfs.SetAttr) error {
	if !n.keepsXattr() {
		return errors.ErrUnsupported
	}
	s := n.fs.stripeOf(n.id)
	s.Lock()
	defer s.Unlock()
	d := n.readDOS()
	if set.Mask&vfs.SetDOS != 0 {
		d.attrs, d.hasAttr = set.DOS&vfs.DOSMask, true
	}
	if set.Mask&vfs.SetBirth != 0 {
		d.birth = toNT(set.Birth)
	} else if d.birth == 0 {
		// Samba reads the time of birth from here whenever there is a value.
		var st unix.Statx_t
		if e := statFD(n.fd, &st); e != 0 {
			return errnoErr(e)
		}
		d.birth = toNT(birthOf(&st))
	}
	return n.writeDOS(d)
}

// writeDOS stores user.DOSATTRIB.
func (n *node) writeDOS(d dosInfo) error {
	var buf [dosInfoSize]byte
	b := d.appendTo(buf[:0], n.typ == vfs.TypeDirectory)
	return errnoErr(setXattr(n.fd, n.isPath(), xDOSAttrib, b, 0))
}

// setTimes sets access and modification time.
func (n *node) setTimes(set *vfs.SetAttr) error {
	ts := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	if set.Mask&vfs.SetAccess != 0 {
		ts[0] = unix.Timespec{Sec: set.Access.Unix(), Nsec: int64(set.Access.Nanosecond())}
	}
	if set.Mask&vfs.SetModify != 0 {
		ts[1] = unix.Timespec{Sec: set.Modify.Unix(), Nsec: int64(set.Modify.Nanosecond())}
	}
	path := n.path()
	return errnoErr(retry(func() error { return unix.UtimesNanoAt(unix.AT_FDCWD, path, ts[:], 0) }))
}

// Readlink returns the target of a symbolic link.
func (n *node) Readlink(context.Context, *vfs.Cred) (string, error) {
	if n.typ != vfs.TypeSymlink {
		return "", fs.ErrInvalid
	}
	buf := make([]byte, unix.PathMax)
	var size int
	if e := retry(func() (err error) { size, err = unix.Readlinkat(n.fd, "", buf); return err }); e != 0 {
		return "", errnoErr(e)
	}
	return string(buf[:size]), nil
}

// Open returns a Handle, which uses the node's own descriptor if that was
// opened for it.
func (n *node) Open(_ context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	switch n.typ {
	case vfs.TypeDirectory:
		if mode.Write {
			return nil, vfs.ErrIsDir
		}
		return n.openDir(cred, mode)
	case vfs.TypeRegular:
		return n.openFile(cred, mode)
	default:
		return nil, errors.ErrUnsupported
	}
}
