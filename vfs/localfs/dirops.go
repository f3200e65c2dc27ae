//go:build linux

package localfs

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/names"
)

// checkEntry tells whether a call may act on a name of this directory.
func (n *node) checkEntry(name string) error {
	if n.typ != vfs.TypeDirectory {
		return vfs.ErrNotDir
	}
	if isStreamDir(name) {
		return vfs.ErrInvalidName
	}
	return vfs.CheckName(name)
}

// Create makes a file or directory.
func (n *node) Create(_ context.Context, cred *vfs.Cred, name string, opts vfs.CreateOptions) (vfs.Node, error) {
	if err := n.checkEntry(name); err != nil {
		return nil, err
	}
	op := n.fs.touching(n.id, name)
	defer op.done()
	var made *node
	do := func() (err error) {
		if made, err = n.make(cred, name, &opts); err == nil {
			made.found, made.madeIn = name, n.id
		}
		return err
	}
	var err error
	if rule := (names.Rule{Fold: opts.Fold, Form: opts.Form}); rule.Applies(name) {
		var taken bool
		if taken, err = n.fs.index.createApart(n, name, rule, do); taken {
			return nil, fs.ErrExist
		}
	} else {
		err = n.fs.index.change(n, "", name, do)
	}
	if err != nil {
		return nil, err
	}
	if err := made.begin(n, &opts); err != nil {
		made.Release()
		// What could not be completed is taken back; nobody else was told of it.
		_ = n.Remove(context.Background(), nil, name)
		return nil, err
	}
	return made, nil
}

// make creates the object and returns a node of it.
func (n *node) make(cred *vfs.Cred, name string, opts *vfs.CreateOptions) (*node, error) {
	mode := opts.Mode & 0o7777
	switch opts.Type {
	case vfs.TypeRegular:
		if mode == 0 && !opts.ModeSet {
			mode = n.fs.opts.FileMode
		}
		kind := fdRead | fdWrite
		if opts.Hint.Sync {
			kind |= fdSync
		}
		fd, e := n.openName(cred, name, kind.flags()|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW, uint64(mode))
		if e != 0 {
			return nil, createErr(e)
		}
		return n.fs.adopt(fd, kind)
	case vfs.TypeDirectory:
		if mode == 0 && !opts.ModeSet {
			mode = n.fs.opts.DirMode
		}
		start := time.Now()
		if e := asRetry(cred, func() error { return unix.Mkdirat(n.fd, name, mode) }); e != 0 {
			return nil, createErr(e)
		}
		kind := wanted(opts.Hint) & fdRead
		fd, e := n.openName(cred, name, kind.flags()|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		if e == syscall.EACCES && kind != fdPath {
			// Its permission bits are such that its maker may not list it.
			kind = fdPath
			fd, e = n.openName(cred, name, kind.flags()|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
		}
		if e != 0 {
			return nil, errnoErr(e)
		}
		made, err := n.fs.adopt(fd, kind)
		if err == nil && !made.isNew(cred, start) {
			made.Release()
			return nil, vfs.ErrStale
		}
		return made, err
	default:
		return nil, errors.ErrUnsupported
	}
}

// isNew reports whether a directory can be the one that a user has made since start. No call
// makes a directory and opens it: in between he could put one of somebody else in its
// place, to which the server would then give the mode, group and descriptor of his. A
// storage that gives everything to one owner, or has a clock of its own, is no such case.
func (n *node) isNew(cred *vfs.Cred, start time.Time) bool {
	if cred == nil {
		return true
	}
	var st unix.Statx_t
	if statFD(n.fd, &st) != 0 {
		return false
	}
	return st.Uid == cred.UID || st.Mask&unix.STATX_BTIME == 0 || statxTime(st.Btime).After(start.Add(-settleWhole))
}

// openName opens or makes a name of the directory as a user.
func (n *node) openName(cred *vfs.Cred, name string, flags, mode uint64) (fd int, e syscall.Errno) {
	e = as(cred, func() (e syscall.Errno) { fd, e = openat2(n.fd, name, flags, mode, n.fs.resolve); return e })
	return fd, e
}

// createErr translates the errno of a call that makes a single name: nothing
// but the directory itself can be missing.
func createErr(e syscall.Errno) error {
	switch e {
	case syscall.ENOENT:
		return vfs.ErrStale
	case syscall.EINVAL:
		return vfs.ErrInvalidName
	default:
		return errnoErr(e)
	}
}

// begin stores the attributes with which a new object begins.
func (n *node) begin(dir *node, opts *vfs.CreateOptions) error {
	if opts.GroupSet {
		if err := n.giveGroup(dir, opts.Group); err != nil {
			return err
		}
	}
	if opts.ModeSet {
		if err := n.beginMode(opts.Mode & 0o7777); err != nil {
			return err
		}
	}
	if !opts.DOSSet && opts.Birth.IsZero() {
		return nil
	}
	op := n.fs.touching(n.id, "")
	defer op.done()
	set := vfs.SetAttr{DOS: opts.DOS, Birth: opts.Birth}
	if opts.DOSSet {
		set.Mask |= vfs.SetDOS
	}
	if !opts.Birth.IsZero() {
		set.Mask |= vfs.SetBirth
	}
	if err := n.setDOS(&set); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// beginMode gives a new object the permission bits that it was to be made with, as
// far as the umask or an access control list of the directory has changed them.
func (n *node) beginMode(mode uint32) error {
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		return errnoErr(e)
	}
	has := uint32(st.Mode) & 0o7777
	mode |= has & unix.S_ISGID // of a directory that passes its group on
	if mode == has {
		return nil
	}
	return errnoErr(n.chmod(nil, mode))
}

// asLocal returns the node behind an argument, which must be of the same FS.
func (n *node) asLocal(other vfs.Node) (*node, error) {
	o, ok := other.(*node)
	if !ok || o.fs != n.fs {
		return nil, vfs.ErrCrossDevice
	}
	return o, nil
}

// Link gives a file a further name.
func (n *node) Link(_ context.Context, cred *vfs.Cred, target vfs.Node, name string, replace bool) error {
	if err := n.checkEntry(name); err != nil {
		return err
	}
	t, err := n.asLocal(target)
	if err != nil {
		return err
	}
	if t.typ == vfs.TypeDirectory {
		return vfs.ErrIsDir
	}
	op, count := n.fs.touching(n.id, name), n.fs.touching(t.id, "")
	defer op.done()
	defer count.done()
	return n.fs.index.change(n, "", name, func() error {
		e := n.linkFrom(cred, t, name)
		if e == syscall.EEXIST && replace {
			return n.linkOver(cred, t, name)
		}
		if e == syscall.ENOENT {
			return vfs.ErrStale
		}
		return errnoErr(e)
	})
}

// linkFrom makes name a link of the object that t's descriptor denotes.
func (n *node) linkFrom(cred *vfs.Cred, t *node, name string) syscall.Errno {
	path := t.path()
	return asRetry(cred, func() error {
		return unix.Linkat(unix.AT_FDCWD, path, n.fd, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// linkOver replaces name by a link of t: a link of a name that nobody knows,
// renamed over it.
func (n *node) linkOver(cred *vfs.Cred, t *node, name string) error {
	var there unix.Statx_t
	if e := statName(n.fd, name, &there); e == 0 {
		if typeOf(there.Mode) == vfs.TypeDirectory {
			return vfs.ErrIsDir
		}
		if there.Ino == t.id.Inode && generation(&there) == t.id.Generation {
			return nil
		}
	}
	temp := ".lessor-" + rand.Text()
	op := n.fs.touching(n.id, temp)
	defer op.done()
	if e := n.linkFrom(cred, t, temp); e != 0 {
		return errnoErr(e)
	}
	gone := n.bigStreamsOf(name)
	e := asRetry(cred, func() error { return unix.Renameat(n.fd, temp, n.fd, name) })
	gone(e == 0)
	if e != 0 {
		_ = unix.Unlinkat(n.fd, temp, 0)
	}
	return errnoErr(e)
}

// Rename moves a name.
func (n *node) Rename(_ context.Context, cred *vfs.Cred, oldName string, newDir vfs.Node, newName string, replace bool) error {
	if err := n.checkEntry(oldName); err != nil {
		return err
	}
	to, err := n.asLocal(newDir)
	if err != nil {
		return err
	}
	if err := to.checkEntry(newName); err != nil {
		return err
	}
	same := n.id == to.id && oldName == newName
	if same {
		var st unix.Statx_t
		return errnoErr(statName(n.fd, oldName, &st))
	}
	from, there := n.fs.touching(n.id, oldName), n.fs.touching(to.id, newName)
	defer from.done()
	defer there.done()
	return n.fs.index.rename(n, oldName, to, newName, func() error {
		if replace {
			return n.renameOver(cred, oldName, to, newName)
		}
		return n.renameNew(cred, oldName, to, newName)
	})
}

// renameNew moves a name to one that does not exist.
func (n *node) renameNew(cred *vfs.Cred, oldName string, to *node, newName string) error {
	e := asRetry(cred, func() error {
		return unix.Renameat2(n.fd, oldName, to.fd, newName, unix.RENAME_NOREPLACE)
	})
	switch e {
	case syscall.EEXIST:
		// On a file system that folds case or forms itself the old name is in the way.
		if n.id != to.id || names.Key(oldName) != names.Key(newName) || !n.oneEntry(oldName, newName) {
			return fs.ErrExist
		}
	case syscall.EINVAL, syscall.ENOSYS:
		// Either a directory would go below itself, which a plain rename tells
		// as well, or the file system lacks the flag.
		var st unix.Statx_t
		if statName(to.fd, newName, &st) == 0 {
			return fs.ErrExist
		}
	default:
		return errnoErr(e)
	}
	return errnoErr(asRetry(cred, func() error { return unix.Renameat(n.fd, oldName, to.fd, newName) }))
}

// oneEntry reports whether two names of the directory are the only name of one
// object.
func (n *node) oneEntry(a, b string) bool {
	var sa, sb unix.Statx_t
	if statName(n.fd, a, &sa) != 0 || statName(n.fd, b, &sb) != 0 {
		return false
	}
	return sameFile(&sa, &sb) && (sa.Nlink == 1 || typeOf(sa.Mode) == vfs.TypeDirectory)
}

// sameFile reports whether two results of statx are of one file.
func sameFile(a, b *unix.Statx_t) bool { return a.Ino == b.Ino && devOf(a) == devOf(b) }

// renameOver moves a name in place of another.
func (n *node) renameOver(cred *vfs.Cred, oldName string, to *node, newName string) error {
	var from, there unix.Statx_t
	if e := statName(n.fd, oldName, &from); e != 0 {
		return errnoErr(e)
	}
	if statName(to.fd, newName, &there) == 0 && sameFile(&from, &there) &&
		!(n.id == to.id && n.oneEntry(oldName, newName)) {
		// For the kernel two links of one file are renamed already.
		return errnoErr(asRetry(cred, func() error { return unix.Unlinkat(n.fd, oldName, 0) }))
	}
	gone := to.bigStreamsOf(newName)
	e := asRetry(cred, func() error { return unix.Renameat(n.fd, oldName, to.fd, newName) })
	gone(e == 0)
	if e == syscall.EEXIST {
		return vfs.ErrNotEmpty
	}
	return errnoErr(e)
}

// Remove unlinks a file or removes an empty directory.
func (n *node) Remove(_ context.Context, cred *vfs.Cred, name string) error {
	if err := n.checkEntry(name); err != nil {
		return err
	}
	op := n.fs.touching(n.id, name)
	defer op.done()
	return n.fs.index.change(n, name, "", func() (err error) {
		gone := n.bigStreamsOf(name)
		defer func() { gone(err == nil) }()
		e := asRetry(cred, func() error { return unix.Unlinkat(n.fd, name, 0) })
		if e == syscall.EISDIR || e == syscall.EPERM {
			dir := asRetry(cred, func() error { return unix.Unlinkat(n.fd, name, unix.AT_REMOVEDIR) })
			if dir == syscall.EEXIST {
				return vfs.ErrNotEmpty
			}
			if dir != syscall.ENOTDIR {
				e = dir
			}
		}
		return errnoErr(e)
	})
}

// Symlink makes a symbolic link.
func (n *node) Symlink(_ context.Context, cred *vfs.Cred, name, target string) (vfs.Node, error) {
	if err := n.checkEntry(name); err != nil {
		return nil, err
	}
	op := n.fs.touching(n.id, name)
	defer op.done()
	err := n.fs.index.change(n, "", name, func() error {
		e := asRetry(cred, func() error { return unix.Symlinkat(target, n.fd, name) })
		if e == syscall.ENOENT && target == "" {
			return fs.ErrInvalid
		}
		return createErr(e)
	})
	if err != nil {
		return nil, err
	}
	fd, e := openat2(n.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, n.fs.resolve)
	if e != 0 {
		return nil, errnoErr(e)
	}
	made, err := n.fs.adopt(fd, fdPath)
	if err != nil {
		return nil, err
	}
	return made, nil
}
