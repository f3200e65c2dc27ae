package memfs

import "sync/atomic"

const (
	pageBits = 12
	pageSize = 1 << pageBits // bytes, also the block size of the volume
	fanBits  = 6
	fan      = 1 << fanBits // children of a branch
	// maxSize is the size in bytes of the largest file, 1 EiB: a tree of eight
	// levels.
	maxSize int64 = 1 << (pageBits + 8*fanBits)

	// What a branch costs, with pages and with branches below it.
	leafCost   = 1088
	branchCost = 576
)

// pageData is the contents of one page.
type pageData [pageSize]byte

// unwritten stands for the contents of storage that is reserved and was never
// written. Nobody writes to it.
var unwritten pageData

// page is a page in use; one without data is a hole.
type page struct {
	data *pageData
	// share counts the pages which have this data; nil if there is no other.
	// Only a page whose inode is locked can be shared anew, so a count of 1
	// stays 1 under that lock.
	share *atomic.Int64
}

// shared reports whether another page has the same data.
func (p *page) shared() bool { return p.share != nil && p.share.Load() > 1 }

// release gives the data of a page up and returns what that frees.
func (p *page) release() int64 {
	if p.share != nil && p.share.Add(-1) > 0 {
		return 0
	}
	return pageSize
}

// branch is a node of the tree: exactly one of kids and pages has fan elements.
type branch struct {
	used  int // elements that are not empty
	kids  []*branch
	pages []page
}

// pages is a sparse array of pages. The zero value is empty.
type pages struct {
	root   *branch
	height int   // levels; root spans fan to the power of height pages
	count  int64 // pages in use
	cost   int64 // of the branches
}

// span returns how many pages a branch spans that stands level levels high.
func span(level int) int64 { return 1 << (level * fanBits) }

// get returns the page with number i, or nil.
func (t *pages) get(i int64) *page {
	if t.root == nil || i >= span(t.height) {
		return nil
	}
	b := t.root
	for level := t.height - 1; level > 0; level-- {
		if b = b.kids[i>>(level*fanBits)&(fan-1)]; b == nil {
			return nil
		}
	}
	p := &b.pages[i&(fan-1)]
	if p.data == nil {
		return nil
	}
	return p
}

// put stores a page where there is none and returns it.
func (t *pages) put(i int64, p page) *page {
	if t.root == nil {
		t.height = 1
		for i >= span(t.height) {
			t.height++
		}
		t.root = t.newBranch(t.height)
	}
	for i >= span(t.height) {
		t.height++
		above := t.newBranch(t.height)
		above.kids[0], above.used = t.root, 1
		t.root = above
	}
	b := t.root
	for level := t.height - 1; level > 0; level-- {
		kid := &b.kids[i>>(level*fanBits)&(fan-1)]
		if *kid == nil {
			*kid = t.newBranch(level)
			b.used++
		}
		b = *kid
	}
	at := &b.pages[i&(fan-1)]
	*at = p
	b.used++
	t.count++
	return at
}

// newBranch makes a branch that stands level levels high.
func (t *pages) newBranch(level int) *branch {
	if level == 1 {
		t.cost += leafCost
		return &branch{pages: make([]page, fan)}
	}
	t.cost += branchCost
	return &branch{kids: make([]*branch, fan)}
}

// treeCost returns at least what the branches cost that putting m pages into a
// span of n can need, wherever the span lies.
func treeCost(n, m int64) int64 {
	n = n/fan + 2
	cost := min(n, m) * leafCost
	for range 8 {
		// A tree that grows gets one more on each level.
		n = n/fan + 2
		cost += (min(n, m) + 1) * branchCost
	}
	return cost
}

// each calls fn with the pages in use from number from up to but not including
// to, in order, until it returns false. fn may put pages outside of the span.
func (t *pages) each(from, to int64, fn func(i int64, p *page) bool) {
	if t.root != nil && from < to {
		t.root.each(t.height, 0, from, to, fn)
	}
}

// each is pages.each for a branch that begins at page base.
func (b *branch) each(level int, base, from, to int64, fn func(i int64, p *page) bool) bool {
	step := span(level - 1)
	for k, at := first(base, from, step); k < fan && at < to; k, at = k+1, at+step {
		switch {
		case level > 1:
			if kid := b.kids[k]; kid != nil && !kid.each(level-1, at, from, to, fn) {
				return false
			}
		case b.pages[k].data != nil:
			if !fn(at, &b.pages[k]) {
				return false
			}
		}
	}
	return true
}

// first returns the first child of a branch that holds a page not before from,
// and where it begins.
func first(base, from, step int64) (k int, at int64) {
	if from > base {
		n := min((from-base)/step, fan)
		return int(n), base + n*step
	}
	return 0, base
}

// drop makes holes of the pages from number from up to but not including to,
// and returns what that frees, the branches not counted.
func (t *pages) drop(from, to int64) (freed int64) {
	if t.root == nil || from >= to {
		return 0
	}
	t.root.drop(t, t.height, 0, from, to, &freed)
	if t.root.used == 0 {
		t.freeBranch(t.height)
		t.root, t.height = nil, 0
		return freed
	}
	for t.height > 1 && t.root.used == 1 && t.root.kids[0] != nil {
		t.freeBranch(t.height)
		t.root = t.root.kids[0]
		t.height--
	}
	return freed
}

// drop is pages.drop for a branch that begins at page base.
func (b *branch) drop(t *pages, level int, base, from, to int64, freed *int64) {
	step := span(level - 1)
	for k, at := first(base, from, step); k < fan && at < to; k, at = k+1, at+step {
		if level > 1 {
			kid := b.kids[k]
			if kid == nil {
				continue
			}
			kid.drop(t, level-1, at, from, to, freed)
			if kid.used == 0 {
				t.freeBranch(level - 1)
				b.kids[k] = nil
				b.used--
			}
			continue
		}
		if p := &b.pages[k]; p.data != nil {
			*freed += p.release()
			*p = page{}
			b.used--
			t.count--
		}
	}
}

// freeBranch takes the cost of an empty branch back.
func (t *pages) freeBranch(level int) {
	if level == 1 {
		t.cost -= leafCost
	} else {
		t.cost -= branchCost
	}
}
