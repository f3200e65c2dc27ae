//go:build linux

package localfs

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// dir is an open directory.
type dir struct {
	node *node // holds a reference
	// fd is read for entries; -1 if it was not opened for that. It is the
	// node's own if own is false.
	fd  int
	own bool
	// The rest belongs to whoever calls ReadDir, Rewind and EntryAttr.
	scan scanner
	eof  bool
	// hidden: its user may list the directory and not look at what is in it.
	hidden bool
	buf    [128]byte // for user.DOSATTRIB of an entry
	list   [512]byte // for the names of its extended attributes
}

var _ vfs.Handle = (*dir)(nil)

// openDir opens a directory. The node's descriptor is used by the first Handle
// alone, because those who share it share the position.
func (n *node) openDir(cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	d := &dir{node: n, fd: -1}
	switch {
	case !mode.Read:
	case n.kind&fdRead != 0 && n != n.fs.root && n.listed.CompareAndSwap(false, true):
		d.fd = n.fd
	default:
		var fd int
		e := as(cred, func() (e syscall.Errno) {
			fd, e = openat2(n.fd, ".", unix.O_RDONLY|unix.O_DIRECTORY, 0, unix.RESOLVE_BENEATH)
			return e
		})
		if e == syscall.EACCES && cred != nil {
			fd, e = reopenAs(cred, n.fd, unix.O_RDONLY|unix.O_DIRECTORY) // to list it is no need to search it
		}
		if e == syscall.ENOENT {
			return nil, vfs.ErrStale
		}
		if e != 0 {
			return nil, errnoErr(e)
		}
		d.fd, d.own = fd, true
	}
	d.scan.fd = d.fd
	d.hidden = n.may(cred, vfs.AccessSearch) != 0
	n.refs.Add(1)
	return d, nil
}

// ReadDir fills buf with the next entries.
func (d *dir) ReadDir(_ context.Context, _ *vfs.Cred, buf []vfs.DirEntry) (int, error) {
	if d.fd < 0 {
		return 0, fs.ErrPermission
	}
	if len(buf) == 0 {
		return 0, fs.ErrInvalid
	}
	if d.eof {
		return 0, io.EOF
	}
	n, err := d.scan.fill(buf)
	if err != nil {
		return 0, err
	}
	if n == 0 {
		d.eof = true
		return 0, io.EOF
	}
	return n, nil
}

// Rewind starts the listing anew.
func (d *dir) Rewind() error {
	if d.fd < 0 {
		return fs.ErrPermission
	}
	d.scan.reset()
	d.eof = false
	return errnoErr(retry(func() error { _, err := unix.Seek(d.fd, 0, unix.SEEK_SET); return err }))
}

// EntryAttr returns the attributes of an entry.
func (d *dir) EntryAttr(_ context.Context, _ *vfs.Cred, e *vfs.DirEntry) (vfs.Attr, error) {
	if err := vfs.CheckName(e.Name); err != nil {
		return vfs.Attr{}, err
	}
	if d.hidden {
		return vfs.Attr{}, fs.ErrPermission
	}
	f := d.node.fs
	var st unix.Statx_t
	if e := statName(d.node.fd, e.Name, &st); e != 0 {
		return vfs.Attr{}, errnoErr(e)
	}
	id := f.entryID(d.node.fd, e.Name, &st)
	var dos dosInfo
	var has knownBits
	if t := typeOf(st.Mode); f.caps.Has(vfs.CapDOS) && (t == vfs.TypeRegular || t == vfs.TypeDirectory) {
		dos, has = d.known(e.Name, id, st.Ctime)
	}
	a := makeAttr(&st, id, dos)
	a.HasXattr, a.Lacks = has&knownXattr != 0, has.lacks()
	f.changes.apply(&a, st.Ctime)
	return a, nil
}

// known returns what the extended attributes of an entry say, and reads them if that
// is not known for its change time.
func (d *dir) known(name string, id vfs.NodeID, ctime unix.StatxTimestamp) (dosInfo, knownBits) {
	k := d.node.fs.known
	if f, ok := k.get(id, ctime); ok && f.has&knownList != 0 {
		return f.dosInfo(), f.has
	}
	now := time.Now()
	var dos dosInfo
	has, hasDOS, sure := d.xattrsOf(name)
	if hasDOS {
		size, errno := getXattrAt(d.node.fd, name, xDOSAttrib, d.buf[:])
		if errno == 0 {
			// What cannot be understood counts as not set.
			dos, _ = parseDOSAttrib(d.buf[:size])
			if dos.reparsed {
				dos.setReparse(readXattrAt(d.node.fd, name, xReparse))
			}
		}
		sure = sure && errno == 0
	}
	if sure {
		k.put(id, ctime, now, &dos, has)
	}
	return dos, has
}

// entryID returns the ID of a name in a directory, of which st has the attributes.
func (f *FS) entryID(dirfd int, name string, st *unix.Statx_t) vfs.NodeID {
	id := vfs.NodeID{Inode: st.Ino, Generation: generation(st)}
	id.Volume = f.volume(st, func() (int, bool) {
		fd, errno := openat2(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, f.resolve)
		if errno != 0 {
			return -1, false
		}
		return fd, true
	})
	return id
}

// xattrsOf tells by the list of its attributes what an entry has, and whether attribute
// bits are stored. With a long list, or one that cannot be read, it is not sure.
func (d *dir) xattrsOf(name string) (has knownBits, hasDOS, sure bool) {
	size, errno := listXattrAt(d.node.fd, name, d.list[:])
	if errno != 0 {
		if errno == syscall.ERANGE {
			return knownXattr, true, false
		}
		return 0, false, false
	}
	has = knownList
	for list := d.list[:size]; len(list) > 0; {
		end := bytes.IndexByte(list, 0)
		if end < 0 {
			break
		}
		x := list[:end]
		list = list[end+1:]
		switch {
		case string(x) == dosAttribName:
			hasDOS = true
		case beginsFolded(x, streamPrefix), beginsFolded(x, bigPrefix):
			has |= knownStreams
		case string(x) == ntaclName, string(x) == ownACLName:
			has |= knownSecurity
		case string(x) == posixACLName:
			has |= knownPosixACL
		case len(x) > len(eaPrefix) && string(x[:len(eaPrefix)]) == eaPrefix && has&knownXattr == 0:
			if !reservedEA(string(x[len(eaPrefix):])) {
				has |= knownXattr
			}
		}
	}
	return has, hasDOS, true
}

// beginsFolded reports whether an attribute has a prefix, in any case.
func beginsFolded(x []byte, prefix string) bool {
	return len(x) > len(prefix) && bytes.EqualFold(x[:len(prefix)], []byte(prefix))
}

// Sync makes the entries stable.
func (d *dir) Sync(context.Context) error { return d.node.sync() }

// WriteError knows of nothing: entries are in the journal of the file system.
func (d *dir) WriteError() error { return nil }

// Close gives the Handle back.
func (d *dir) Close() error {
	d.scan.reset()
	var err error
	if d.own {
		err = closeFD(d.fd)
	}
	return errors.Join(err, d.node.release())
}

// ReadAt answers vfs.ErrIsDir.
func (d *dir) ReadAt([]byte, int64) (int, error) { return 0, vfs.ErrIsDir }

// WriteAt answers vfs.ErrIsDir.
func (d *dir) WriteAt([]byte, int64) (int, error) { return 0, vfs.ErrIsDir }

// Truncate answers vfs.ErrIsDir.
func (d *dir) Truncate(int64) error { return vfs.ErrIsDir }

// Alloc answers vfs.ErrIsDir.
func (d *dir) Alloc(context.Context, int64, int64, vfs.AllocMode) error { return vfs.ErrIsDir }

// AllocatedRanges answers vfs.ErrIsDir.
func (d *dir) AllocatedRanges(context.Context, int64, int64, []vfs.Range) (int, error) {
	return 0, vfs.ErrIsDir
}

// CopyFrom answers vfs.ErrIsDir.
func (d *dir) CopyFrom(context.Context, vfs.Handle, int64, int64, int64) (int64, error) {
	return 0, vfs.ErrIsDir
}

// CloneFrom answers vfs.ErrIsDir.
func (d *dir) CloneFrom(context.Context, vfs.Handle, int64, int64, int64) error {
	return vfs.ErrIsDir
}

// Lease answers vfs.ErrIsDir.
func (d *dir) Lease(func()) (func(), error) { return nil, vfs.ErrIsDir }

// LockRange answers vfs.ErrIsDir.
func (d *dir) LockRange(context.Context, int64, int64, vfs.LockMode) error { return vfs.ErrIsDir }

// Fd returns no descriptor: sendfile has no use for a directory.
func (d *dir) Fd() (uintptr, bool) { return 0, false }
