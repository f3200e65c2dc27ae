package memfs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"lessor/vfs"
	"lessor/vfs/names"
)

// auditTree checks that what the directories, inodes and the account say of
// each other is true, with nothing held but the root by the FS itself.
func auditTree(t *testing.T, f *FS) {
	t.Helper()
	f.tree.RLock()
	defer f.tree.RUnlock()
	links := map[*inode]int{f.root: 1}
	paid := int64(0)
	var visit func(d *directory)
	visit = func(d *directory) {
		inOrder, folded := 0, 0
		for i, s := range d.order {
			if i > 0 && s.seq <= d.order[i-1].seq {
				t.Errorf("seq %d after %d", s.seq, d.order[i-1].seq)
			}
			if s.e == nil {
				continue
			}
			inOrder++
			if s.e.seq != s.seq || d.exact[s.e.name] != s.e {
				t.Errorf("%q is in the order alone", s.e.name)
			}
		}
		for key, e := range d.folded {
			for ; e != nil; e = e.next {
				folded++
				if e.folded != key || names.Fold(e.name) != key || d.exact[e.name] != e {
					t.Errorf("%q is folded to %q", e.name, key)
				}
			}
		}
		if inOrder != len(d.exact) || folded != len(d.exact) || inOrder+d.gaps != len(d.order) {
			t.Errorf("%d names, %d in order with %d gaps of %d, %d folded", len(d.exact), inOrder, d.gaps, len(d.order), folded)
		}
		for name, e := range d.exact {
			paid += nameCostIn(name)
			links[e.ino]++
			if sub := e.ino.dir; sub != nil {
				if sub.parent != d.self || links[e.ino] != 1 {
					t.Errorf("directory %q has another parent", name)
				}
				visit(sub)
			}
		}
	}
	visit(f.root.dir)
	if len(links) != len(f.files) {
		t.Errorf("%d inodes have names, %d are in the table", len(links), len(f.files))
	}
	for ino, n := range links {
		if ino.nlink != uint32(n) || ino.unlinked.Load() || ino.freed || f.files[ino.id.Inode] != ino {
			t.Errorf("inode %d has %d names, counts %d", ino.id.Inode, n, ino.nlink)
		}
		if got := ino.refs.Load(); got != 0 {
			t.Errorf("inode %d is held %d times", ino.id.Inode, got)
		}
		paid += ino.meta + ino.main.data.tree.cost
		if ino != f.root {
			paid += inodeCost + int64(len(ino.target))
			if ino.dir != nil {
				paid += dirCost
			}
		}
		for _, st := range ino.streams {
			paid += st.data.tree.cost
		}
	}
	if used := f.space.used.Load() - f.pagesInUse(links); used != paid {
		t.Errorf("%d bytes are paid, %d in use", used, paid)
	}
}

// pagesInUse returns what all pages cost, shared ones counted once.
func (f *FS) pagesInUse(files map[*inode]int) (cost int64) {
	seen := make(map[*pageData]bool)
	count := func(d *data) {
		d.tree.each(0, maxSize>>pageBits, func(_ int64, p *page) bool {
			if p.data == &unwritten || !seen[p.data] {
				cost += pageSize
			}
			seen[p.data] = true
			return true
		})
	}
	for ino := range files {
		count(&ino.main.data)
		for _, st := range ino.streams {
			count(&st.data)
		}
	}
	return cost
}

// expected are the errors that one who works on a tree together with others
// must reckon with.
func expected(err error) bool {
	if parts, ok := err.(interface{ Unwrap() []error }); ok {
		return !slices.ContainsFunc(parts.Unwrap(), func(err error) bool { return !expected(err) })
	}
	for _, want := range []error{
		nil, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, io.EOF, errors.ErrUnsupported, vfs.ErrPathNotFound, vfs.ErrNotDir,
		vfs.ErrIsDir, vfs.ErrNotEmpty, vfs.ErrStale, vfs.ErrNoSpace,
	} {
		if errors.Is(err, want) {
			return true
		}
	}
	return false
}

// worker does random things to a volume.
type worker struct {
	f   *FS
	rnd *rand.Rand
}

// path draws a path of one to three names from a few.
func (w *worker) path() string {
	p := w.name()
	for range w.rnd.IntN(3) {
		p += "/" + w.name()
	}
	return p
}

// name draws a name.
func (w *worker) name() string {
	return []string{"a", "A", "b", "c", "link", "DIR", "dir"}[w.rnd.IntN(7)]
}

// find looks a path up, or returns the root.
func (w *worker) find() (vfs.Node, error) {
	root := w.f.Root()
	defer root.Release()
	path := ""
	if w.rnd.IntN(4) > 0 {
		path = w.path()
	}
	n, _, err := root.Lookup(context.Background(), nil, path, vfs.LookupOptions{Fold: w.rnd.IntN(2) == 0, NoFollow: w.rnd.IntN(4) == 0})
	return n, err
}

// step does one thing.
func (w *worker) step() error {
	n, err := w.find()
	if err != nil {
		return err
	}
	defer n.Release()
	ctx := context.Background()
	name, fold, replace := w.name(), w.rnd.IntN(2) == 0, w.rnd.IntN(2) == 0
	switch w.rnd.IntN(12) {
	case 0, 1:
		made, err := n.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeRegular, Fold: fold})
		if err == nil {
			made.Release()
		}
		return err
	case 2, 3:
		made, err := n.Create(ctx, nil, name, vfs.CreateOptions{Type: vfs.TypeDirectory, Fold: fold})
		if err == nil {
			made.Release()
		}
		return err
	case 4:
		made, err := n.Symlink(ctx, nil, name, w.path())
		if err == nil {
			made.Release()
		}
		return err
	case 5, 6:
		return n.Remove(ctx, nil, name)
	case 7, 8:
		to, err := w.find()
		if err != nil {
			return err
		}
		defer to.Release()
		if fold {
			return n.Link(ctx, nil, to, name, replace)
		}
		return n.Rename(ctx, nil, name, to, w.name(), replace)
	case 9:
		return errors.Join(
			n.SetXattr(ctx, nil, name, []byte(w.path())),
			n.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetMode, Mode: 0o600}),
		)
	case 10:
		return w.useStream(n, name)
	default:
		return w.useHandle(n)
	}
}

// useStream makes, writes, renames or removes a stream.
func (w *worker) useStream(n vfs.Node, name string) error {
	ctx := context.Background()
	switch w.rnd.IntN(4) {
	case 0:
		return n.RemoveStream(ctx, nil, name)
	case 1:
		return n.RenameStream(ctx, nil, name, w.name(), w.rnd.IntN(2) == 0)
	}
	st, err := n.Stream(ctx, nil, name, w.rnd.IntN(2) == 0)
	if err != nil {
		return err
	}
	defer st.Release()
	return w.useHandle(st)
}

// useHandle lists a directory, or writes to, reads, copies and cuts a file.
func (w *worker) useHandle(n vfs.Node) (err error) {
	ctx := context.Background()
	if n.Type() == vfs.TypeDirectory {
		h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true})
		if err != nil {
			return err
		}
		buf := make([]vfs.DirEntry, 3)
		for err == nil {
			_, err = h.ReadDir(ctx, nil, buf)
		}
		return errors.Join(err, h.Close())
	}
	h, err := n.Open(ctx, nil, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	off := w.rnd.Int64N(100) * 1000
	switch w.rnd.IntN(5) {
	case 0:
		_, err = h.WriteAt(make([]byte, 10_000), off)
	case 1:
		_, err = h.ReadAt(make([]byte, 10_000), off)
	case 2:
		err = h.Truncate(off)
	case 3:
		err = h.Alloc(ctx, off, 50_000, vfs.AllocMode(w.rnd.IntN(3)))
	case 4:
		other, ferr := w.find()
		if ferr != nil {
			return ferr
		}
		defer other.Release()
		src, ferr := other.Open(ctx, nil, vfs.OpenMode{Read: true})
		if ferr != nil {
			return ferr
		}
		_, err = h.CopyFrom(ctx, src, 0, off, 30_000)
		if err == nil {
			err = h.CloneFrom(ctx, src, 0, 8*pageSize, 2*pageSize)
		}
		err = errors.Join(err, src.Close())
	}
	return err
}

func TestManyWorkersLeaveATrueTree(t *testing.T) {
	for round := range 4 {
		f := New(Options{Size: 600_000})
		var wg sync.WaitGroup
		for k := range 6 {
			wg.Go(func() {
				w := &worker{f: f, rnd: rand.New(rand.NewPCG(uint64(round), uint64(k)))}
				for range 3000 {
					if err := w.step(); !expected(err) {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		auditTree(t, f)
		if len(f.files) < 5 || f.space.used.Load() < 50_000 {
			t.Errorf("%d files with %d bytes are left: too few to have met each other", len(f.files), f.space.used.Load())
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestDirectoriesShrink(t *testing.T) {
	f := New(Options{})
	root := f.Root()
	defer root.Release()
	for i := range 1000 {
		n, err := root.Create(context.Background(), nil, fmt.Sprint("File", i), vfs.CreateOptions{Type: vfs.TypeRegular})
		if err != nil {
			t.Fatal(err)
		}
		n.Release()
	}
	for i := range 990 {
		if err := root.Remove(context.Background(), nil, fmt.Sprint("File", i)); err != nil {
			t.Fatal(err)
		}
	}
	if got := len(f.root.dir.order); got > 30 {
		t.Errorf("%d slots for 10 names", got)
	}
	for i := 990; i < 1000; i++ {
		if f.root.dir.match(fmt.Sprint("fILE", i), names.Rule{Fold: true}) == nil {
			t.Errorf("File%d is lost", i)
		}
	}
}
