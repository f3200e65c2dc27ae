//go:build linux

package localfs

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// file is an open regular file.
type file struct {
	node *node // holds a reference
	fd   int   // -1 if opened for neither reading nor writing
	own  bool  // fd is not the node's
	mode vfs.OpenMode

	lockMu sync.Mutex // leaf, held across the system calls of LockRange; guards the next
	locker *locker    // nil until something was locked

	lease atomic.Pointer[lease] // nil without one; written under leases.mu

	reading atomic.Uint32 // a readWay
}

var _ vfs.Handle = (*file)(nil)

// openFile opens a regular file, sharing the node's descriptor if that can do
// what mode says.
func (n *node) openFile(cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	want := wanted(mode)
	f := &file{node: n, fd: -1, mode: mode}
	switch {
	case want == fdPath:
	case n.serves(want):
		f.fd = n.fd
	default:
		fd, e := reopenAs(cred, n.fd, want.flags())
		if e != 0 {
			return nil, errnoErr(e)
		}
		f.fd, f.own = fd, true
	}
	n.refs.Add(1)
	return f, nil
}

// Close gives the Handle back.
func (f *file) Close() error {
	f.endLocks()
	if l := f.lease.Load(); l != nil {
		f.node.fs.leases.end(f, l)
	}
	var err error
	if f.own {
		err = closeFD(f.fd)
	}
	if rerr := f.node.release(); err == nil {
		err = rerr
	}
	return err
}

// Fd returns the descriptor if it can be read.
func (f *file) Fd() (uintptr, bool) {
	if !f.mode.Read {
		return 0, false
	}
	return uintptr(f.fd), true
}

// ReadAt reads until p is full or the file ends.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if !f.mode.Read {
		return 0, fs.ErrPermission
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	done, err := f.readCached(p, off)
	if err != nil {
		return done, err
	}
	for done < len(p) {
		n, e := pread(f.fd, p[done:], off+int64(done))
		if e != 0 {
			return done, ioErr(e)
		}
		if n == 0 {
			return done, io.EOF
		}
		done += n
	}
	return done, nil
}

// WriteAt writes all of p.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if !f.mode.Write {
		return 0, fs.ErrPermission
	}
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	op := f.node.fs.touching(f.node.id, "")
	defer op.done()
	f.node.writing.RLock()
	defer f.node.writing.RUnlock()
	done := 0
	for done < len(p) {
		n, e := pwrite(f.fd, p[done:], off+int64(done))
		if e != 0 {
			return done, ioErr(e)
		}
		if n == 0 {
			return done, io.ErrShortWrite
		}
		done += n
	}
	return done, nil
}

// ioErr translates the errno of a transfer, which says EINVAL for offsets that
// no file of the file system can have.
func ioErr(e syscall.Errno) error {
	if e == syscall.EINVAL {
		return vfs.ErrTooLarge
	}
	return errnoErr(e)
}

// Truncate sets the end of file.
func (f *file) Truncate(size int64) error {
	if !f.mode.Write {
		return fs.ErrPermission
	}
	if size < 0 {
		return fs.ErrInvalid
	}
	op := f.node.fs.touching(f.node.id, "")
	defer op.done()
	f.node.writing.RLock()
	defer f.node.writing.RUnlock()
	return truncErr(retry(func() error { return unix.Ftruncate(f.fd, size) }))
}

// Sync makes data and size stable.
func (f *file) Sync(context.Context) error {
	if f.fd < 0 {
		return f.node.sync()
	}
	return errnoErr(retry(func() error { return unix.Fdatasync(f.fd) }))
}

// noPage is where no file has data that is being written: waiting for what is there
// takes no time, and says what has happened to the rest.
const noPage = math.MaxInt64 &^ 0xffff

// WriteError asks the kernel for the error of writing back that it keeps for each open
// file, and forgets when it has told it (errseq_t). fsync tells it as well, after it has
// written everything.
func (f *file) WriteError() error {
	if f.fd < 0 {
		return nil
	}
	e := retry(func() error { return unix.SyncFileRange(f.fd, noPage, 1, unix.SYNC_FILE_RANGE_WAIT_BEFORE) })
	switch e {
	case 0, syscall.EBADF, syscall.EINVAL, syscall.ESPIPE, syscall.ENOSYS, syscall.EPERM:
		return nil // the question itself was refused
	case syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO:
		return errnoErr(e)
	}
	return deviceError(e)
}

// sync makes a node stable through its own descriptor or, if that is an O_PATH
// one, another.
func (n *node) sync() error {
	fd := n.fd
	if n.isPath() {
		again, e := reopen(n.fd, fdRead.flags())
		if e == syscall.EACCES {
			again, e = reopen(n.fd, fdWrite.flags())
		}
		if e != 0 {
			return errnoErr(e)
		}
		defer func() { _ = closeFD(again) }()
		fd = again
	}
	return errnoErr(retry(func() error { return unix.Fsync(fd) }))
}

// Alloc reserves, zeroes or frees a span.
func (f *file) Alloc(ctx context.Context, off, n int64, mode vfs.AllocMode) error {
	switch {
	case off < 0 || n < 0 || off+n < 0:
		return fs.ErrInvalid
	case !f.mode.Write:
		return fs.ErrPermission
	case n == 0:
		return nil
	}
	op := f.node.fs.touching(f.node.id, "")
	defer op.done()
	if mode == vfs.AllocReserve {
		return f.reserve(off, n)
	}
	var st unix.Statx_t
	if e := statFD(f.fd, &st); e != 0 {
		return errnoErr(e)
	}
	if mode == vfs.AllocZero {
		if n = min(n, int64(st.Size)-off); n <= 0 {
			return nil
		}
		if e := f.fallocate(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, n); e != syscall.EOPNOTSUPP {
			return errnoErr(e)
		}
	}
	e := f.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	if e == syscall.EOPNOTSUPP {
		return f.writeZeros(ctx, off, min(n, int64(st.Size)-off))
	}
	return errnoErr(e)
}

// fallocate is the system call.
func (f *file) fallocate(mode uint32, off, n int64) syscall.Errno {
	return retry(func() error { return unix.Fallocate(f.fd, mode, off, n) })
}

// zeros is what writeZeros writes; nothing else may touch it.
var zeros [64 << 10]byte

// writeZeros zeroes a span where the file system has no better way.
func (f *file) writeZeros(ctx context.Context, off, n int64) error {
	for n > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := f.WriteAt(zeros[:min(n, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, n = off+int64(done), n-int64(done)
	}
	return nil
}

// AllocatedRanges asks the kernel for data and holes in turn.
func (f *file) AllocatedRanges(ctx context.Context, off, n int64, buf []vfs.Range) (int, error) {
	if off < 0 || n < 0 {
		return 0, fs.ErrInvalid
	}
	if f.fd < 0 {
		return 0, fs.ErrPermission
	}
	var st unix.Statx_t
	if e := statFD(f.fd, &st); e != 0 {
		return 0, errnoErr(e)
	}
	end := int64(st.Size)
	if n < end-off {
		end = off + n
	}
	count := 0
	for off < end && count < len(buf) {
		if err := ctx.Err(); err != nil {
			return count, err
		}
		data, e := f.seek(off, unix.SEEK_DATA)
		if e == syscall.ENXIO || e == 0 && data >= end {
			break
		}
		if e != 0 {
			return count, errnoErr(e)
		}
		hole, e := f.seek(data, unix.SEEK_HOLE)
		if e == syscall.ENXIO {
			break
		}
		if e != 0 {
			return count, errnoErr(e)
		}
		hole = min(hole, end)
		buf[count] = vfs.Range{Off: data, Len: hole - data}
		count++
		off = hole
	}
	return count, nil
}

// seek finds the next data or hole; the position that it moves is used by
// nobody.
func (f *file) seek(off int64, whence int) (pos int64, e syscall.Errno) {
	e = retry(func() (err error) { pos, err = unix.Seek(f.fd, off, whence); return err })
	return pos, e
}

// copyStep is how much one copy_file_range is asked for, so that a copy can be
// cancelled.
const copyStep = 16 << 20

// sameFile reports whether two Handles are of one file, which the ID does not tell where a
// snapshot of the volume has been mounted.
func (f *file) sameFile(g *file) bool {
	if f.node.id != g.node.id {
		return false
	}
	var a, b unix.Stat_t
	return unix.Fstat(f.fd, &a) != nil || unix.Fstat(g.fd, &b) != nil || a.Dev == b.Dev && a.Ino == b.Ino
}

// CopyFrom copies inside the kernel if it can, else by hand.
func (f *file) CopyFrom(ctx context.Context, src vfs.Handle, srcOff, dstOff, n int64) (int64, error) {
	if srcOff < 0 || dstOff < 0 || n < 0 || srcOff+n < 0 || dstOff+n < 0 {
		return 0, fs.ErrInvalid
	}
	if !f.mode.Write {
		return 0, fs.ErrPermission
	}
	s, ok := vfs.Source(src).(*file)
	if !ok {
		return vfs.CopyData(ctx, f, src, srcOff, dstOff, n)
	}
	if !s.mode.Read {
		return 0, fs.ErrPermission
	}
	if s.sameFile(f) && max(srcOff, dstOff)-min(srcOff, dstOff) < n {
		return 0, fs.ErrInvalid
	}
	op := f.node.fs.touching(f.node.id, "")
	defer op.done()
	var done int64
	for done < n {
		if err := ctx.Err(); err != nil {
			return done, err
		}
		from, to := srcOff+done, dstOff+done
		var got int
		e := retry(func() (err error) {
			f.node.writing.RLock()
			defer f.node.writing.RUnlock()
			got, err = unix.CopyFileRange(s.fd, &from, f.fd, &to, int(min(n-done, copyStep)), 0)
			return err
		})
		switch e {
		case 0:
		case syscall.EXDEV, syscall.EINVAL, syscall.EOPNOTSUPP, syscall.ENOSYS:
			more, err := vfs.CopyData(ctx, f, src, srcOff+done, dstOff+done, n-done)
			return done + more, err
		default:
			return done, ioErr(e)
		}
		if got == 0 {
			break
		}
		done += int64(got)
	}
	return done, nil
}

// CloneFrom shares extents.
func (f *file) CloneFrom(_ context.Context, src vfs.Handle, srcOff, dstOff, n int64) error {
	if srcOff < 0 || dstOff < 0 || n < 0 {
		return fs.ErrInvalid
	}
	s, ok := vfs.Source(src).(*file)
	if !ok {
		return vfs.ErrCrossDevice
	}
	if !f.mode.Write || !s.mode.Read {
		return fs.ErrPermission
	}
	if n == 0 {
		// For the kernel 0 means up to the end.
		return nil
	}
	r := unix.FileCloneRange{
		Src_fd:      int64(s.fd),
		Src_offset:  uint64(srcOff),
		Src_length:  uint64(n),
		Dest_offset: uint64(dstOff),
	}
	op := f.node.fs.touching(f.node.id, "")
	defer op.done()
	f.node.writing.RLock()
	defer f.node.writing.RUnlock()
	e := retry(func() error { return unix.IoctlFileCloneRange(f.fd, &r) })
	if e == syscall.EINVAL && !s.node.fs.caps.Has(vfs.CapReflink) {
		return errors.ErrUnsupported
	}
	return errnoErr(e)
}

// ReadDir answers vfs.ErrNotDir.
func (f *file) ReadDir(context.Context, *vfs.Cred, []vfs.DirEntry) (int, error) {
	return 0, vfs.ErrNotDir
}

// Rewind answers vfs.ErrNotDir.
func (f *file) Rewind() error { return vfs.ErrNotDir }

// EntryAttr answers vfs.ErrNotDir.
func (f *file) EntryAttr(context.Context, *vfs.Cred, *vfs.DirEntry) (vfs.Attr, error) {
	return vfs.Attr{}, vfs.ErrNotDir
}
