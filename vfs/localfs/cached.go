//go:build linux

package localfs

import (
	"fmt"
	"io"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Most of what is read lies in memory already. Such a read takes less time than to
// tell the scheduler that a call may block, which wakes its watching thread if all
// was idle before. So the kernel is first asked for what it can give at once
// (RWF_NOWAIT), behind the back of the scheduler; what has to come from a disk is then
// read in the ordinary way.

// readWay is how the files of a volume are read.
type readWay uint32

const (
	readUnknown  readWay = iota
	readOrdinary         // the file system always may wait
	readNoWait           // it knows RWF_NOWAIT
	readDoubt            // it knows that, and nothing read need not be the end of the file
	readMemory           // it is memory (tmpfs), and knows no RWF_NOWAIT
)

// readAtOnce is how much is read behind the back of the scheduler at a time, which
// delays the garbage collector by as long as that takes to be copied.
const readAtOnce = 256 << 10

// readWays holds the readWay of each volume of this machine that was read from.
var readWays sync.Map // vfs.NodeID.Volume uint64 -> readWay

// way returns how the file is read.
func (f *file) way() readWay {
	if w := readWay(f.reading.Load()); w != readUnknown {
		return w
	}
	volume := f.node.id.Volume
	v, ok := readWays.Load(volume)
	w, _ := v.(readWay)
	if !ok {
		if w = readNoWait; !trustsEnds() {
			w = readDoubt
		}
		var s unix.Statfs_t
		switch err := unix.Fstatfs(f.fd, &s); {
		case err != nil:
			w = readOrdinary
		case s.Type == unix.TMPFS_MAGIC || s.Type == unix.RAMFS_MAGIC:
			w = readMemory
		}
		readWays.Store(volume, w)
	}
	f.reading.Store(uint32(w))
	return w
}

// trustsEnds reports whether this kernel reads nothing with RWF_NOWAIT only where a file
// ends.
var trustsEnds = sync.OnceValue(func() bool {
	var u unix.Utsname
	return unix.Uname(&u) == nil && endsAreTrue(unix.ByteSliceToString(u.Release[:]))
})

// endsAreTrue is trustsEnds for a release. That of Linux 5.9 and 5.10 may read nothing anywhere
// (preadv2(2), BUGS); what is older is rare, and may have had the fault brought into it.
func endsAreTrue(release string) bool {
	var major, minor int
	if _, err := fmt.Sscanf(release, "%d.%d", &major, &minor); err != nil {
		return false
	}
	return major > 5 || major == 5 && minor > 10
}

// noWaitRefused takes note that the file system does not know RWF_NOWAIT.
func (f *file) noWaitRefused() {
	f.reading.Store(uint32(readOrdinary))
	readWays.Store(f.node.id.Volume, readOrdinary)
}

// readCached reads what lies in memory into the beginning of p. The error is
// io.EOF if the file ends there; without one, and with less than p holds, the rest
// has to be read by pread.
func (f *file) readCached(p []byte, off int64) (done int, err error) {
	for done < len(p) {
		part := p[done:min(done+readAtOnce, len(p))]
		var n uintptr
		var e syscall.Errno
		way := f.way()
		switch way {
		case readMemory:
			n, _, e = unix.RawSyscall6(unix.SYS_PREAD64, uintptr(f.fd), uintptr(unsafe.Pointer(&part[0])),
				uintptr(len(part)), uintptr(off)+uintptr(done), 0, 0)
		case readNoWait, readDoubt:
			iov := unix.Iovec{Base: &part[0]}
			iov.SetLen(len(part))
			n, _, e = unix.RawSyscall6(unix.SYS_PREADV2, uintptr(f.fd), uintptr(unsafe.Pointer(&iov)), 1,
				uintptr(off)+uintptr(done), 0, unix.RWF_NOWAIT)
		default:
			return done, nil
		}
		switch {
		case e == syscall.EINTR:
		case e == syscall.EOPNOTSUPP || e == syscall.ENOSYS:
			f.noWaitRefused()
			return done, nil
		case e != 0:
			return done, nil //nolint:nilerr // EAGAIN, or an error that pread will meet too
		case n == 0 && way == readDoubt:
			return done, nil
		case n == 0:
			return done, io.EOF
		default:
			done += int(n)
		}
	}
	return done, nil
}
