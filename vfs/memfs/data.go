package memfs

import (
	"math"
	"sync/atomic"

	"lessor/vfs"
)

// data is the contents of one stream. It is guarded by the mu of the inode.
// Bytes of a page in use that lie behind the end of the stream are zero.
type data struct {
	tree pages
	size int64
}

// allocated returns how many bytes of storage the pages are.
func (d *data) allocated() int64 { return d.tree.count * pageSize }

// pagesOf returns the numbers of the first page that a span of bytes touches
// and of the first behind it.
func pagesOf(off, n int64) (from, to int64) {
	return off >> pageBits, (off + n + pageSize - 1) >> pageBits
}

// cut returns the parts of a page and of the bytes behind off that lie in one
// page: where in the page they begin and how many there are, at most n.
func cut(off, n int64) (at, length int64) {
	at = off & (pageSize - 1)
	return at, min(n, pageSize-at)
}

// paid runs fn, which changes the data and returns what pages it had to pay
// less those it freed. It pays in advance, with most being the most that pages
// and branches can cost, and settles afterwards.
func (d *data) paid(sp *space, most int64, fn func() int64) error {
	if err := sp.take(most); err != nil {
		return err
	}
	before := d.tree.cost
	spent := fn()
	sp.give(most - spent - (d.tree.cost - before))
	return nil
}

// writeCost returns the most that it costs to write to all pages of a span.
func (d *data) writeCost(from, to int64) int64 {
	missing, cost := to-from, int64(0)
	d.tree.each(from, to, func(_ int64, p *page) bool {
		missing--
		if p.shared() {
			cost += pageSize
		}
		return true
	})
	if missing > 0 {
		cost += missing*pageSize + treeCost(to-from, missing)
	}
	return cost
}

// writable returns the contents of a page to be written, which it makes or
// copies if it must, and what that cost.
func (d *data) writable(i int64) (p *pageData, cost int64) {
	at := d.tree.get(i)
	switch {
	case at == nil:
		return d.tree.put(i, page{data: new(pageData)}).data, pageSize
	case at.data == &unwritten:
		at.data = new(pageData)
		return at.data, 0
	case !at.shared():
		at.share = nil
		return at.data, 0
	}
	// The copy comes first: with the last other sharer gone, whoever remains
	// writes to the page itself.
	own := new(pageData)
	*own = *at.data
	if at.share.Add(-1) == 0 {
		at.share = nil
		return at.data, 0
	}
	*at = page{data: own}
	return own, pageSize
}

// read fills p with the bytes from off on, as many as there are before the end,
// and returns how many.
func (d *data) read(p []byte, off int64) int {
	if off >= d.size {
		return 0
	}
	p = p[:min(int64(len(p)), d.size-off)]
	for done := 0; done < len(p); {
		at, n := cut(off+int64(done), int64(len(p)-done))
		into := p[done : done+int(n)]
		if pg := d.tree.get((off + int64(done)) >> pageBits); pg != nil {
			copy(into, pg.data[at:])
		} else {
			clear(into)
		}
		done += int(n)
	}
	return len(p)
}

// write writes all of p, which is not empty, or nothing.
func (d *data) write(sp *space, p []byte, off int64) error {
	if off > maxSize-int64(len(p)) {
		return vfs.ErrTooLarge
	}
	from, to := pagesOf(off, int64(len(p)))
	return d.paid(sp, d.writeCost(from, to), func() (spent int64) {
		for len(p) > 0 {
			at, n := cut(off, int64(len(p)))
			pg, cost := d.writable(off >> pageBits)
			copy(pg[at:], p[:n])
			spent += cost
			p, off = p[n:], off+n
		}
		d.size = max(d.size, off)
		return spent
	})
}

// truncate sets the end. Storage behind it goes.
func (d *data) truncate(sp *space, size int64) error {
	if size > maxSize {
		return vfs.ErrTooLarge
	}
	if size > d.size {
		d.size = size
		return nil
	}
	// What the last page keeps behind the end.
	if err := d.zero(sp, size, -size&(pageSize-1), true); err != nil {
		return err
	}
	_, from := pagesOf(0, size)
	d.size = size
	return d.paid(sp, 0, func() int64 { return -d.tree.drop(from, math.MaxInt64) })
}

// clear makes the data empty and returns what that frees, to be given back by
// the caller.
func (d *data) clear() int64 {
	freed := d.tree.cost
	freed += d.tree.drop(0, math.MaxInt64)
	*d = data{}
	return freed
}

// zero makes a span read as zeros, up to the end of the data. With free it
// gives the whole pages in it back, else they stay reserved.
func (d *data) zero(sp *space, off, n int64, free bool) error {
	n = min(n, d.size-off)
	if n <= 0 {
		return nil
	}
	from, to := pagesOf(off, n)
	most := int64(0)
	d.tree.each(from, to, func(_ int64, p *page) bool {
		if p.shared() {
			most += pageSize
		}
		return true
	})
	if free {
		// No more than the two pages at the edges stay.
		most = min(most, 2*pageSize)
	}
	return d.paid(sp, most, func() (spent int64) {
		for n > 0 {
			at, k := cut(off, n)
			i := off >> pageBits
			if at == 0 && (k == pageSize || off+k == d.size) {
				// Whole pages; the bytes behind the end are zeros as well.
				last := i + n>>pageBits
				if off+n == d.size {
					_, last = pagesOf(off, n)
				}
				if free {
					spent -= d.tree.drop(i, last)
				} else {
					spent += d.unwrite(i, last)
				}
				k = min(n, (last-i)<<pageBits)
			} else {
				spent += d.wipe(i, at, k)
			}
			off, n = off+k, n-k
		}
		return spent
	})
}

// wipe zeroes n bytes of page i from at on and returns what that cost.
func (d *data) wipe(i, at, n int64) int64 {
	if p := d.tree.get(i); p == nil || p.data == &unwritten {
		return 0
	}
	p, cost := d.writable(i)
	clear(p[at : at+n])
	return cost
}

// unwrite makes pages unwritten ones and returns what that cost.
func (d *data) unwrite(from, to int64) (cost int64) {
	d.tree.each(from, to, func(_ int64, p *page) bool {
		cost += pageSize - p.release()
		*p = page{data: &unwritten}
		return true
	})
	return cost
}

// reserve makes unwritten pages of the holes in a span.
func (d *data) reserve(sp *space, off, n int64) error {
	if off > maxSize-n {
		return vfs.ErrTooLarge
	}
	from, to := pagesOf(off, n)
	missing := to - from
	d.tree.each(from, to, func(int64, *page) bool {
		missing--
		return true
	})
	if missing == 0 {
		return nil
	}
	return d.paid(sp, missing*pageSize+treeCost(to-from, missing), func() int64 {
		for i := from; i < to; i++ {
			if d.tree.get(i) == nil {
				d.tree.put(i, page{data: &unwritten})
			}
		}
		return missing * pageSize
	})
}

// ranges fills buf with the spans that are not holes within n bytes from off
// on, up to the end of the data.
func (d *data) ranges(off, n int64, buf []vfs.Range) (count int) {
	n = min(n, d.size-off)
	if n <= 0 || len(buf) == 0 {
		return 0
	}
	from, to := pagesOf(off, n)
	end := off + n
	d.tree.each(from, to, func(i int64, _ *page) bool {
		start, stop := max(i<<pageBits, off), min((i+1)<<pageBits, end)
		if count > 0 && buf[count-1].Off+buf[count-1].Len == start {
			buf[count-1].Len = stop - buf[count-1].Off
			return true
		}
		if count == len(buf) {
			return false
		}
		buf[count] = vfs.Range{Off: start, Len: stop - start}
		count++
		return true
	})
	return count
}

// clone makes n bytes from dstOff on the same as those of src from srcOff on,
// by sharing pages. The offsets lie on pages; n may end within one only where
// src ends and nothing of d follows. If src is d, the spans do not overlap.
func (d *data) clone(sp *space, src *data, srcOff, dstOff, n int64) error {
	from, to := pagesOf(srcOff, n)
	shift := (dstOff - srcOff) >> pageBits
	used := int64(0)
	src.tree.each(from, to, func(int64, *page) bool {
		used++
		return true
	})
	// What the target gives up is not set off against what it needs.
	return d.paid(sp, treeCost(to-from, used), func() int64 {
		freed := d.tree.drop(from+shift, to+shift)
		src.tree.each(from, to, func(i int64, p *page) bool {
			if p.data == &unwritten {
				return true
			}
			if p.share == nil {
				p.share = new(atomic.Int64)
				p.share.Store(1)
			}
			p.share.Add(1)
			d.tree.put(i+shift, *p)
			return true
		})
		d.size = max(d.size, dstOff+n)
		return -freed
	})
}

// skip makes n bytes from off on a hole, as one of another stream is copied.
func (d *data) skip(sp *space, off, n int64) error {
	if off > maxSize-n {
		return vfs.ErrTooLarge
	}
	if err := d.zero(sp, off, n, true); err != nil {
		return err
	}
	d.size = max(d.size, off+n)
	return nil
}

// copyFrom copies n bytes, which src has, or nothing. If src is d, the spans do
// not overlap.
func (d *data) copyFrom(sp *space, src *data, srcOff, dstOff, n int64) error {
	if dstOff > maxSize-n {
		return vfs.ErrTooLarge
	}
	from, to := pagesOf(dstOff, n)
	return d.paid(sp, d.writeCost(from, to), func() (spent int64) {
		end := dstOff + n
		for n > 0 {
			srcAt, k := cut(srcOff, n)
			dstAt, k := cut(dstOff, k)
			if p := src.tree.get(srcOff >> pageBits); p == nil || p.data == &unwritten {
				spent += d.wipe(dstOff>>pageBits, dstAt, k)
			} else {
				// Making the one page does not move the other.
				into, cost := d.writable(dstOff >> pageBits)
				spent += cost
				copy(into[dstAt:dstAt+k], src.tree.get(srcOff >> pageBits).data[srcAt:])
			}
			srcOff, dstOff, n = srcOff+k, dstOff+k, n-k
		}
		d.size = max(d.size, end)
		return spent
	})
}
