//go:build linux

package localfs

import (
	"math"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// ext4 and XFS reserve storage piece by piece. When there is no more, because the disk is
// full or a quota is used up, they keep what they have got, so that one request that fails
// could leave nothing for everybody else. So what plainly cannot be had is not asked for
// (hasRoom), and what was got of the rest is given back (giveBack).

// reserve provides storage for a span.
func (f *file) reserve(off, n int64) error {
	if !f.hasRoom(n) {
		return vfs.ErrNoSpace
	}
	return errnoErr(f.takeRoom(off, n))
}

// hasRoom reports whether the volume may have room for a reservation of n bytes, some of
// which the file may have already. btrfs asks for all at once, and what it has compressed
// takes less than it was reserved for. What tells no size, as storage of FUSE may, is found
// out about by trying; a tmpfs without a limit has the memory of the machine.
func (f *file) hasRoom(n int64) bool {
	var s unix.Statfs_t
	var st unix.Statx_t
	if unix.Fstatfs(f.fd, &s) != nil || s.Type == unix.BTRFS_SUPER_MAGIC || s.Frsize <= 0 || statFD(f.fd, &st) != 0 {
		return true
	}
	need := uint64(n) - min(uint64(n), st.Blocks*512)
	switch {
	case s.Blocks > 0:
		return need/uint64(s.Frsize) <= s.Bavail
	case s.Type == unix.TMPFS_MAGIC:
		var m unix.Sysinfo_t
		if unix.Sysinfo(&m) != nil {
			return true
		}
		return need <= (m.Freeram+m.Freeswap)*uint64(m.Unit)
	}
	return true
}

// takeRoom is reserve without the look before.
func (f *file) takeRoom(off, n int64) syscall.Errno {
	f.node.writing.Lock() // of two that fail, neither may take what the other has given back for its own
	defer f.node.writing.Unlock()
	before, known := extentsOf(f.fd)
	e := f.fallocate(unix.FALLOC_FL_KEEP_SIZE, off, n)
	if known && (e == syscall.ENOSPC || e == syscall.EDQUOT) {
		f.node.fs.leases.alone(f, func() { f.giveBack(before, vfs.Range{Off: off, Len: n}) })
	}
	return e
}

// giveBack frees what a span has got since it had the extents of before. Nobody else can
// write to the file meanwhile: node.writing and a lease of the kernel see to that. What
// others have written before that stays: it is data, or has made the file longer.
func (f *file) giveBack(before []vfs.Range, span vfs.Range) {
	now, known := extentsOf(f.fd)
	var st unix.Statx_t
	if !known || statFD(f.fd, &st) != 0 {
		return
	}
	size, block := int64(st.Size), max(int64(st.Blksize), 1)
	behind := (size + block - 1) / block * block // where no data is
	beyond := false
	for _, got := range without(clip(now, span.Off, span.Off+span.Len), before) {
		if end := got.Off + got.Len; end > behind {
			beyond = true
		}
		for _, r := range clip([]vfs.Range{got}, 0, behind) {
			f.punchUnwritten(r.Off, r.Off+r.Len)
		}
	}
	if !beyond {
		return
	}
	// ext4 punches no holes there, but cutting a file to the size that it has frees all.
	if unix.Ftruncate(f.fd, size) != nil {
		return
	}
	for _, r := range clip(before, behind, math.MaxInt64) {
		_ = f.fallocate(unix.FALLOC_FL_KEEP_SIZE, r.Off, r.Len)
	}
}

// punchUnwritten frees what is between two offsets and holds no data.
func (f *file) punchUnwritten(off, end int64) {
	for off < end {
		data, e := f.seek(off, unix.SEEK_DATA)
		if e == syscall.ENXIO || e == 0 && data > end {
			data = end
		} else if e != 0 {
			return
		}
		if data > off && f.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, data-off) != 0 {
			return
		}
		if data == end {
			return
		}
		if off, e = f.seek(data, unix.SEEK_HOLE); e != 0 {
			return
		}
	}
}

// clip returns what of ascending spans lies between two offsets.
func clip(spans []vfs.Range, off, end int64) (out []vfs.Range) {
	for _, r := range spans {
		from, to := max(r.Off, off), min(r.Off+r.Len, end)
		if from < to {
			out = append(out, vfs.Range{Off: from, Len: to - from})
		}
	}
	return out
}

// without returns what of ascending spans is in none of others, which ascend, too.
func without(spans, others []vfs.Range) (out []vfs.Range) {
	for _, r := range spans {
		from, end := r.Off, r.Off+r.Len
		for _, o := range others {
			if o.Off >= end {
				break
			}
			if o.Off > from {
				out = append(out, vfs.Range{Off: from, Len: o.Off - from})
			}
			from = max(from, o.Off+o.Len)
		}
		if from < end {
			out = append(out, vfs.Range{Off: from, Len: end - from})
		}
	}
	return out
}
