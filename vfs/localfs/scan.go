//go:build linux

package localfs

import (
	"bytes"
	"encoding/binary"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// scanBatch is how many entries the index reads at a time.
const scanBatch = 512

// dentsSize is the size of a buffer for directory records.
const dentsSize = 64 << 10

// dentsBuffers holds such buffers; a scan keeps one only between its first
// record and its last.
var dentsBuffers = sync.Pool{New: func() any { return new([dentsSize]byte) }}

// scanner reads the entries of a directory from the position of fd on.
type scanner struct {
	fd    int
	buf   *[dentsSize]byte
	left  []byte // records in buf not yet returned
	batch []vfs.DirEntry
	arena []byte // names of the batch, so that they cost one allocation
}

// The fixed part of struct linux_dirent64: inode u64, offset u64, length of the
// record u16, type u8; then the name, ended by NUL.
const (
	direntReclen = 16
	direntType   = 18
	direntName   = 19
)

// next returns up to limit entries in a slice of its own that is good until the
// next call, and none at the end.
func (s *scanner) next(limit int) ([]vfs.DirEntry, error) {
	if cap(s.batch) < limit {
		s.batch = make([]vfs.DirEntry, limit)
	}
	n, err := s.fill(s.batch[:limit])
	return s.batch[:n], err
}

// fill reads entries into out and returns how many; 0 means the end.
func (s *scanner) fill(out []vfs.DirEntry) (int, error) {
	s.arena = s.arena[:0]
	n := 0
	for n < len(out) {
		if len(s.left) == 0 {
			// What has been found goes out before the kernel is asked again.
			if n > 0 {
				break
			}
			more, err := s.refill()
			if err != nil || !more {
				return 0, err
			}
		}
		size := 0
		if len(s.left) > direntName {
			size = int(binary.NativeEndian.Uint16(s.left[direntReclen:]))
		}
		if size <= direntName || size > len(s.left) {
			return 0, vfs.ErrIO
		}
		rec := s.left[:size]
		s.left = s.left[size:]
		name := rec[direntName:]
		if end := bytes.IndexByte(name, 0); end >= 0 {
			name = name[:end]
		}
		if string(name) == "." || string(name) == ".." || string(name) == streamDir {
			continue
		}
		out[n] = vfs.DirEntry{Type: typeOfDirent(rec[direntType]), Inode: binary.NativeEndian.Uint64(rec)}
		s.arena = append(s.arena, name...)
		s.arena = append(s.arena, 0)
		n++
	}
	s.name(out[:n])
	return n, nil
}

// name cuts the names of a batch out of one string.
func (s *scanner) name(out []vfs.DirEntry) {
	all := string(s.arena)
	at := 0
	for i := range out {
		end := bytes.IndexByte(s.arena[at:], 0)
		out[i].Name = all[at : at+end]
		at += end + 1
	}
}

// refill asks the kernel for more records and reports whether there are any.
func (s *scanner) refill() (bool, error) {
	if s.buf == nil {
		s.buf, _ = dentsBuffers.Get().(*[dentsSize]byte)
	}
	n, e := getdents(s.fd, s.buf[:])
	// A directory that was removed answers ENOENT; it has no entries.
	if e == syscall.ENOENT {
		n, e = 0, 0
	}
	if e != 0 {
		return false, errnoErr(e)
	}
	if n == 0 {
		s.reset()
		return false, nil
	}
	s.left = s.buf[:n]
	return true, nil
}

// reset gives the buffer back and forgets what was in it.
func (s *scanner) reset() {
	if s.buf != nil {
		dentsBuffers.Put(s.buf)
	}
	s.buf, s.left = nil, nil
}

// typeOfDirent converts the type in a directory record.
func typeOfDirent(t byte) vfs.FileType {
	switch t {
	case unix.DT_REG:
		return vfs.TypeRegular
	case unix.DT_DIR:
		return vfs.TypeDirectory
	case unix.DT_LNK:
		return vfs.TypeSymlink
	case unix.DT_UNKNOWN:
		return vfs.TypeUnknown
	default:
		return vfs.TypeOther
	}
}
