package memfs

import (
	"slices"

	"lessor/vfs"
	"lessor/vfs/names"
)

// directory is the names in a directory. All of it is guarded by FS.tree.
type directory struct {
	self   *inode
	parent *inode // nil for the root and for a directory that was removed
	exact  map[string]*entry
	// folded has the first of the entries that could be one; the others hang on
	// it.
	folded map[string]*entry
	// order has the entries in the order of seq, with gaps.
	order []slot
	gaps  int
	seq   uint64 // of the newest entry
}

// entry is a name.
type entry struct {
	name   string
	folded string // names.Key of name
	ino    *inode
	seq    uint64
	next   *entry // with the same
}

// slot is a place in the order of a directory.
type slot struct {
	seq uint64
	e   *entry // nil in a gap
}

// newDirectory returns an empty one.
func newDirectory(self *inode) *directory {
	return &directory{self: self, exact: make(map[string]*entry), folded: make(map[string]*entry)}
}

// nameCostIn returns what a name in a directory costs.
func nameCostIn(name string) int64 { return entryCost + 2*int64(len(name)) }

// match returns the entry with a name or, if there is none, the closest of those that are
// one with it by a rule.
func (d *directory) match(name string, rule names.Rule) *entry {
	if e := d.exact[name]; e != nil || !rule.Applies(name) {
		return e
	}
	var first *entry
	if names.IsASCII(name) {
		var buf [256]byte
		first = d.folded[string(names.AppendFold(buf[:0], name))]
	} else {
		first = d.folded[names.Key(name)]
	}
	var best *entry
	for e := first; e != nil; e = e.next {
		if rule.Same(e.name, name) && (best == nil || rule.Closer(e.name, best.name, name)) {
			best = e
		}
	}
	return best
}

// add enters a name that does not exist.
func (d *directory) add(name string, ino *inode) {
	d.seq++
	e := &entry{name: name, folded: names.Key(name), ino: ino, seq: d.seq}
	e.next = d.folded[e.folded]
	d.folded[e.folded] = e
	d.exact[name] = e
	d.order = append(d.order, slot{seq: e.seq, e: e})
}

// remove takes an entry out.
func (d *directory) remove(e *entry) {
	delete(d.exact, e.name)
	switch first := d.folded[e.folded]; {
	case first != e:
		for first.next != e {
			first = first.next
		}
		first.next = e.next
	case e.next != nil:
		d.folded[e.folded] = e.next
	default:
		delete(d.folded, e.folded)
	}
	d.order[d.after(e.seq-1)].e = nil
	d.gaps++
	if len(d.exact) == 0 || d.gaps > 16 && d.gaps > len(d.exact) {
		d.compact()
	}
}

// after returns the index of the first slot behind a seq.
func (d *directory) after(seq uint64) int {
	at, _ := slices.BinarySearchFunc(d.order, seq, func(s slot, seq uint64) int {
		if s.seq <= seq {
			return -1
		}
		return 1
	})
	return at
}

// compact makes everything anew, because neither a slice nor a map gets smaller
// by taking something out.
func (d *directory) compact() {
	order := make([]slot, 0, len(d.exact))
	exact, folded := make(map[string]*entry, len(d.exact)), make(map[string]*entry, len(d.exact))
	for _, s := range d.order {
		if s.e != nil {
			order = append(order, s)
			exact[s.e.name] = s.e
		}
	}
	for key, e := range d.folded {
		folded[key] = e
	}
	d.order, d.exact, d.folded, d.gaps = order, exact, folded, 0
}

// list fills buf with the entries after one seq and up to another, and returns
// how many, and the seq to go on after.
func (d *directory) list(after, upTo uint64, buf []vfs.DirEntry) (n int, last uint64) {
	for _, s := range d.order[d.after(after):] {
		if n == len(buf) || s.seq > upTo {
			break
		}
		after = s.seq
		if s.e != nil {
			buf[n] = vfs.DirEntry{Name: s.e.name, Type: s.e.ino.typ, Inode: s.e.ino.id.Inode}
			n++
		}
	}
	return n, after
}

// below reports whether the directory is other or lies below it.
func (d *directory) below(other *inode) bool {
	for ino := d.self; ino != nil; ino = ino.dir.parent {
		if ino == other {
			return true
		}
	}
	return false
}
