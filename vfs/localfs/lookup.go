//go:build linux

package localfs

import (
	"context"
	"io/fs"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/names"
)

// Lookup resolves path in one openat2 if it is exact, else component by
// component from the end through the index of names.
func (n *node) Lookup(_ context.Context, cred *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	if err := vfs.CheckPath(path); err != nil {
		return nil, "", err
	}
	if namesStreamDir(path) {
		return nil, "", vfs.ErrInvalidName
	}
	if path == "" {
		node, err := n.again(cred, opts.Hint)
		if err != nil {
			return nil, "", err
		}
		return node, "", nil
	}
	if n.typ != vfs.TypeDirectory {
		return nil, "", vfs.ErrNotDir
	}
	found, e := n.open(cred, path, opts)
	if e == 0 {
		node, err := n.fs.inspect(found, opts)
		if err != nil {
			return nil, "", err
		}
		if n == n.fs.root {
			node.found = path
		}
		return node, path, nil
	}
	if e != syscall.ENOENT && !leadsOut(e) {
		return nil, "", errnoErr(e)
	}
	return n.lookupSlow(cred, path, opts)
}

// again returns a further reference to the node itself, one that can be opened
// as the hint says if that takes another descriptor.
func (n *node) again(cred *vfs.Cred, hint vfs.OpenMode) (*node, error) {
	want := wanted(hint)
	if n.typ == vfs.TypeDirectory {
		want &= fdRead
	}
	if want == fdPath || n.serves(want) || !n.keepsXattr() {
		n.refs.Add(1)
		return n, nil
	}
	fd, e := reopenAs(cred, n.fd, want.flags())
	if e != 0 {
		n.refs.Add(1)
		return n, nil //nolint:nilerr // Open will tell the error; until then the node is good for the rest
	}
	return n.fs.adopt(fd, want)
}

// wanted converts an OpenMode to what a descriptor must be able to do.
func wanted(m vfs.OpenMode) fdKind {
	k := fdPath
	if m.Read {
		k |= fdRead
	}
	if m.Write {
		k |= fdWrite
		if m.Sync {
			k |= fdSync
		}
	}
	return k
}

// flags returns the open flags for a kind of descriptor. Nothing blocks, should
// the object turn out to be a FIFO.
func (k fdKind) flags() uint64 {
	f := uint64(unix.O_NONBLOCK | unix.O_NOCTTY)
	switch k & (fdRead | fdWrite) {
	case fdPath:
		return unix.O_PATH
	case fdRead:
		f |= unix.O_RDONLY
	case fdWrite:
		f |= unix.O_WRONLY
	default:
		f |= unix.O_RDWR
	}
	if k&fdSync != 0 {
		f |= unix.O_DSYNC
	}
	return f
}

// serves reports whether the node's descriptor can do what want says. Of a
// directory it can do it only once, for the position is shared.
func (n *node) serves(want fdKind) bool {
	return n.kind&want&(fdRead|fdWrite) == want&(fdRead|fdWrite) &&
		(want&fdWrite == 0 || n.kind&fdSync == want&fdSync)
}

// opened is a descriptor that a look-up found.
type opened struct {
	fd   int
	kind fdKind
}

// open resolves a path in its exact case. If the object cannot be opened as
// the hint says it is opened with O_PATH.
func (n *node) open(cred *vfs.Cred, path string, opts vfs.LookupOptions) (found opened, e syscall.Errno) {
	if cred == nil {
		return n.openHere(path, opts)
	}
	e = as(cred, func() (e syscall.Errno) { found, e = n.openHere(path, opts); return e })
	return found, e
}

// openHere is open as whoever the thread is.
func (n *node) openHere(path string, opts vfs.LookupOptions) (opened, syscall.Errno) {
	var nofollow uint64
	if opts.NoFollow {
		nofollow = unix.O_NOFOLLOW
	}
	if want := wanted(opts.Hint); want != fdPath {
		fd, e := n.beneath(path, want.flags()|nofollow)
		if e == syscall.EISDIR && want&fdRead != 0 {
			want = fdRead
			fd, e = n.beneath(path, want.flags()|nofollow)
		}
		switch e {
		case 0:
			return opened{fd, want}, 0
		case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.EMFILE, syscall.ENFILE:
			return opened{}, e
		}
	}
	fd, e := n.beneath(path, unix.O_PATH|nofollow)
	return opened{fd, fdPath}, e
}

// beneath opens a path that may not leave the export, and does not lead through a link to
// what Options.Hidden hides.
func (n *node) beneath(path string, flags uint64) (int, syscall.Errno) {
	if n.fs.opts.Hidden == "" || n.fs.opts.NoSymlinks {
		return n.beneathLinks(path, flags)
	}
	// A path without links leads where it says, which the caller has looked at.
	fd, e := openat2(n.fd, path, flags, 0, n.fs.resolve|unix.RESOLVE_NO_SYMLINKS)
	if e != syscall.ELOOP {
		return fd, e
	}
	fd, e = n.beneathLinks(path, flags)
	if e == 0 && n.fs.hides(fd) {
		_ = closeFD(fd)
		return -1, syscall.ENOENT
	}
	return fd, e
}

// hides reports whether a descriptor is of something that is hidden, or of which the kernel
// does not tell where it is.
func (f *FS) hides(fd int) bool {
	var at, root procPath
	at.set(fd)
	root.set(f.root.fd)
	here, err := readLink(unix.ByteSliceToString(at[:]))
	if err != nil {
		return true
	}
	top, err := readLink(unix.ByteSliceToString(root[:]))
	if err != nil {
		return true
	}
	below, _ := strings.CutPrefix(here, strings.TrimSuffix(top, "/")+"/")
	rest, ok := strings.CutPrefix(foldName(below), foldName(f.opts.Hidden))
	return ok && (rest == "" || rest[0] == '/')
}

// beneathLinks opens a path that may not leave the export. The kernel measures from
// this directory; a link that climbs above it, but stays inside the export, is
// found by measuring from the root instead.
func (n *node) beneathLinks(path string, flags uint64) (int, syscall.Errno) {
	fd, e := openat2(n.fd, path, flags, 0, n.fs.resolve)
	if e != syscall.EXDEV || n == n.fs.root {
		return fd, e
	}
	below, ok := n.belowRoot()
	if !ok {
		return -1, syscall.EXDEV
	}
	return openat2(n.fs.root.fd, below+path, flags, 0, n.fs.resolve)
}

// beneathAs is beneath as a user.
func (n *node) beneathAs(cred *vfs.Cred, path string, flags uint64) (fd int, e syscall.Errno) {
	e = as(cred, func() (e syscall.Errno) { fd, e = n.beneath(path, flags); return e })
	return fd, e
}

// belowRoot returns the present path of a directory relative to the root, with
// a '/' behind it, as far as the kernel knows one.
func (n *node) belowRoot() (string, bool) {
	top, err := readLink(n.fs.root.path())
	if err != nil {
		return "", false
	}
	here, err := readLink(n.path())
	if err != nil {
		return "", false
	}
	below, ok := strings.CutPrefix(here, strings.TrimSuffix(top, "/")+"/")
	return below + "/", ok
}

// readLink reads a link by its path.
func readLink(path string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlink(path, buf)
	return string(buf[:max(n, 0)]), err
}

// leadsOut reports whether an errno means a link that is not followed: out of
// the export, in circles, or at all.
func leadsOut(e syscall.Errno) bool { return e == syscall.EXDEV || e == syscall.ELOOP }

// inspect makes a node of what was found; a FIFO, socket or device that was
// opened along the way is closed at once and held by O_PATH.
func (f *FS) inspect(found opened, opts vfs.LookupOptions) (*node, error) {
	node, err := f.adopt(found.fd, found.kind)
	if err != nil || node.typ != vfs.TypeOther || node.isPath() {
		return f.refuseLink(node, opts, err)
	}
	fd, e := reopen(node.fd, unix.O_PATH)
	node.Release()
	if e != 0 {
		return nil, errnoErr(e)
	}
	return f.adopt(fd, fdPath)
}

// refuseLink keeps a symbolic link from a caller who did not ask for one.
func (f *FS) refuseLink(n *node, opts vfs.LookupOptions, err error) (*node, error) {
	if err != nil {
		return nil, err
	}
	if n.typ == vfs.TypeSymlink && !opts.NoFollow {
		n.Release()
		return nil, fs.ErrNotExist
	}
	return n, nil
}

// lookupSlow goes on where the exact path does not exist: it finds out what is
// missing, looking for other spellings if it may.
func (n *node) lookupSlow(cred *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	rule := names.Rule{Fold: opts.Fold, Form: opts.Form}
	dir, dirPath, name, err := n.openParent(cred, path, rule)
	if err != nil {
		return nil, "", err
	}
	if rule.Applies(name) {
		actual, ok, err := n.fs.index.find(dir, name, rule)
		if err != nil {
			dir.Release()
			return nil, "", err
		}
		if ok && (actual != name || dirPath+name != path) {
			found, e := n.open(cred, dirPath+actual, opts)
			if e == 0 {
				dir.Release()
				node, err := n.fs.inspect(found, opts)
				if err != nil {
					return nil, "", err
				}
				actual = dirPath + actual
				if n == n.fs.root {
					node.found = actual
				}
				return node, actual, nil
			}
			if e != syscall.ENOENT && !leadsOut(e) {
				dir.Release()
				return nil, "", errnoErr(e)
			}
		}
	}
	if opts.Parent {
		return dir, dirPath + name, fs.ErrNotExist
	}
	dir.Release()
	return nil, "", fs.ErrNotExist
}

// openParent opens the directory in which the last component of path would be.
// It returns the directory's stored path, with a '/' behind it unless it is
// this one, and the last component.
func (n *node) openParent(cred *vfs.Cred, path string, rule names.Rule) (dir *node, dirPath, name string, err error) {
	cut := strings.LastIndexByte(path, '/')
	if cut < 0 {
		n.refs.Add(1)
		return n, "", path, nil
	}
	parent, name := path[:cut], path[cut+1:]
	fd, e := n.beneathAs(cred, parent, unix.O_PATH|unix.O_DIRECTORY)
	if e == syscall.ENOENT && rule.Applies(parent) {
		if parent, err = n.foldPath(cred, parent, rule); err != nil {
			return nil, "", "", err
		}
		fd, e = n.beneathAs(cred, parent, unix.O_PATH|unix.O_DIRECTORY)
	}
	switch {
	case e == syscall.ENOENT, leadsOut(e):
		return nil, "", "", vfs.ErrPathNotFound
	case e != 0:
		return nil, "", "", errnoErr(e)
	}
	dir, err = n.fs.adopt(fd, fdPath)
	return dir, parent + "/", name, err
}

// foldPath returns the stored path of a directory that exists in another case or form.
func (n *node) foldPath(cred *vfs.Cred, path string, rule names.Rule) (string, error) {
	dir, dirPath, name, err := n.openParent(cred, path, rule)
	if err != nil {
		return "", err
	}
	defer dir.Release()
	actual, ok, err := n.fs.index.find(dir, name, rule)
	if err != nil {
		return "", err
	}
	if !ok {
		return "", vfs.ErrPathNotFound
	}
	return dirPath + actual, nil
}

// foldName is how names are compared.
func foldName(name string) string { return names.Fold(name) }
