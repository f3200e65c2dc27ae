package errfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
	"lessor/vfs/vfstest"
)

// memfs.Close tells whether the wrapper loses a Release or Close.
func TestContract(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return errfs.New(memfs.New(memfs.Options{})) })
}

// With rules that only look on, everything stays as it is.
func TestContractWithIdleRules(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS {
		f := errfs.New(memfs.New(memfs.Options{}))
		f.Add(errfs.Rule{Hook: func(context.Context, errfs.Call) error { return nil }})
		f.Add(errfs.Rule{Path: "no such name", Err: vfs.ErrIO})
		f.Add(errfs.Rule{Nth: 1 << 30, Err: vfs.ErrIO})
		return f
	})
}

var (
	ctx       = context.Background()
	readWrite = vfs.OpenMode{Read: true, Write: true}
	regular   = vfs.CreateOptions{Type: vfs.TypeRegular}
)

// bench is an FS under test.
type bench struct {
	*testing.T
	*errfs.FS
	inner *memfs.FS
	root  vfs.Node
}

// newBench makes an FS over a volume in memory, closed with a look for leaks.
func newBench(t *testing.T) *bench {
	inner := memfs.New(memfs.Options{})
	b := &bench{T: t, FS: errfs.New(inner), inner: inner}
	b.root = b.Root()
	t.Cleanup(func() {
		b.root.Release()
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

// must ends the test on an error.
func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// want checks an error.
func (b *bench) want(what string, err, want error) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Errorf("%s: %v, want %v", what, err, want)
	}
}

// file makes a file with contents and opens it.
func (b *bench) file(name, data string) (vfs.Node, vfs.Handle) {
	b.Helper()
	n, err := b.root.Create(ctx, nil, name, regular)
	b.must(err)
	b.Cleanup(n.Release)
	h, err := n.Open(ctx, nil, readWrite)
	b.must(err)
	b.Cleanup(func() { b.must(h.Close()) })
	_, err = h.WriteAt([]byte(data), 0)
	b.must(err)
	return n, h
}

// read returns what is in a handle, up to 100 bytes.
func read(h vfs.Handle) (string, error) {
	p := make([]byte, 100)
	n, err := h.ReadAt(p, 0)
	return string(p[:n]), err
}

func TestWhichCallsOfMany(t *testing.T) {
	for _, c := range []struct {
		nth, every int
		want       []int
	}{
		{0, 0, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{1, 0, []int{1}},
		{3, 0, []int{3}},
		{0, 3, []int{3, 6, 9}},
		{0, 1, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{2, 4, []int{2, 6, 10}},
		{8, 1, []int{8, 9, 10}},
		{11, 0, nil},
	} {
		b := newBench(t)
		b.Add(errfs.Rule{Op: errfs.OpAttr, Nth: c.nth, Every: c.every, Err: vfs.ErrIO})
		var got []int
		for i := range 10 {
			if _, err := b.root.Attr(ctx, nil); err != nil {
				b.want("Attr", err, vfs.ErrIO)
				got = append(got, i+1)
			}
			_, err := b.root.Streams(ctx, nil)
			b.must(err)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("nth %d, every %d: %v, want %v", c.nth, c.every, got, c.want)
		}
		if b.Calls(errfs.OpAttr) != 10 || b.Calls(errfs.OpStreams) != 10 || b.Calls(errfs.OpOpen) != 0 {
			t.Errorf("%d, %d calls", b.Calls(errfs.OpAttr), b.Calls(errfs.OpStreams))
		}
	}
}

func TestOneOfConcurrentCallsIsTheNth(t *testing.T) {
	b := newBench(t)
	b.Add(errfs.Rule{Op: errfs.OpAttr, Nth: 50, Err: vfs.ErrIO})
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			for range 10 {
				if _, err := b.root.Attr(ctx, nil); err != nil {
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if failed.Load() != 1 || b.Calls(errfs.OpAttr) != 100 {
		t.Errorf("%d of %d failed", failed.Load(), b.Calls(errfs.OpAttr))
	}
}

// calls lets a hook write down what it sees.
func (b *bench) calls(pattern string) *[]string {
	var mu sync.Mutex
	seen := new([]string)
	b.Add(errfs.Rule{Path: pattern, Hook: func(_ context.Context, c errfs.Call) error {
		mu.Lock()
		defer mu.Unlock()
		*seen = append(*seen, strings.TrimSpace(fmt.Sprint(c.Op, " ", c.Path, " ", c.To+c.Name)))
		return nil
	}})
	return seen
}

// tour does a little of everything.
func (b *bench) tour() {
	d, err := b.root.Create(ctx, nil, "dir", vfs.CreateOptions{Type: vfs.TypeDirectory})
	b.must(err)
	f, err := d.Create(ctx, nil, "File.txt", regular)
	b.must(err)
	st, err := f.Stream(ctx, nil, "s", true)
	b.must(err)
	b.must(st.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetSize, Size: 3}))
	b.must(f.SetXattr(ctx, nil, "attr", []byte("x")))
	b.must(d.Rename(ctx, nil, "File.txt", b.root, "other", false))
	found, _, err := b.root.Lookup(ctx, nil, "DIR/none", vfs.LookupOptions{Fold: true, Parent: true})
	b.want("lookup", err, fs.ErrNotExist)
	h, err := found.Open(ctx, nil, vfs.OpenMode{Read: true})
	b.must(err)
	_, err = h.EntryAttr(ctx, nil, &vfs.DirEntry{Name: "gone"})
	b.want("entry", err, fs.ErrNotExist)
	byID, err := b.ByID(ctx, f.ID())
	b.must(err)
	b.must(h.Close())
	for _, n := range []vfs.Node{d, f, st, found, byID} {
		n.Release()
	}
}

func TestPathsAndPatterns(t *testing.T) {
	whole := []string{
		"Node.Create dir", "Node.Create dir/File.txt", "Node.Stream dir/File.txt:s", "Node.SetAttr dir/File.txt:s",
		"Node.SetXattr dir/File.txt attr", "Node.Rename dir/File.txt other", "Node.Lookup DIR/none", "Node.Open dir",
		"Handle.EntryAttr dir/gone", "FS.ByID #3", "Handle.Close dir", "Node.Release dir", "Node.Release dir/File.txt",
		"Node.Release dir/File.txt:s", "Node.Release dir", "Node.Release #3",
	}
	for pattern, want := range map[string][]string{
		"":             whole,
		"*":            whole,
		"dir":          {"Node.Create dir", "Node.Open dir", "Handle.Close dir", "Node.Release dir", "Node.Release dir"},
		"dir/*.txt":    {"Node.Create dir/File.txt", "Node.SetXattr dir/File.txt attr", "Node.Rename dir/File.txt other", "Node.Release dir/File.txt"},
		"*.txt:*":      {"Node.Stream dir/File.txt:s", "Node.SetAttr dir/File.txt:s", "Node.Release dir/File.txt:s"},
		"other":        {"Node.Rename dir/File.txt other"},
		"DIR/*":        {"Node.Lookup DIR/none"},
		"*/*/*":        nil,
		"[gn]o[^x]*":   {"Node.Lookup DIR/none", "Handle.EntryAttr dir/gone"},
		"no such name": nil,
	} {
		b := newBench(t)
		seen := b.calls(pattern)
		b.tour()
		if got := slices.Clone(*seen); !slices.Equal(got, want) {
			t.Errorf("%q:\n%q, want\n%q", pattern, got, want)
		}
	}
}

func TestErrorsStopTheCall(t *testing.T) {
	b := newBench(t)
	wrong := errors.New("wrong")
	remove := b.Add(errfs.Rule{Err: wrong})
	_, err := b.root.Create(ctx, nil, "f", regular)
	b.want("Create", err, wrong)
	b.want("Remove", b.root.Remove(ctx, nil, "none"), wrong)
	_, err = b.root.Open(ctx, nil, vfs.OpenMode{Read: true})
	b.want("Open", err, wrong)
	_, _, err = b.root.Lookup(ctx, nil, "", vfs.LookupOptions{})
	b.want("Lookup", err, wrong)
	b.Root().Release() // These two cannot fail.
	remove()
	remove()
	_, _, err = b.root.Lookup(ctx, nil, "f", vfs.LookupOptions{})
	b.want("the file that was not created", err, fs.ErrNotExist)
}

func TestTheFirstRuleDecides(t *testing.T) {
	b := newBench(t)
	first, second := errors.New("first"), errors.New("second")
	seen := b.calls("")
	remove := b.Add(errfs.Rule{Op: errfs.OpAttr, Every: 2, Err: first})
	b.Add(errfs.Rule{Op: errfs.OpAttr, Nth: 2, Err: second})
	var got []error
	for range 4 {
		_, err := b.root.Attr(ctx, nil)
		got = append(got, err)
	}
	remove()
	_, err := b.root.Attr(ctx, nil)
	// The second rule does not count what the first one stopped.
	want := []error{nil, first, second, first, nil}
	if got = append(got, err); !slices.Equal(got, want) || len(*seen) != 5 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAnswersAreLostAfterTheEffect(t *testing.T) {
	b := newBench(t)
	b.tour()
	lost := errors.New("lost")
	remove := b.Add(errfs.Rule{After: true, Err: lost})
	held := b.inner.Held()
	_, err := b.root.Create(ctx, nil, "f", regular)
	b.want("Create", err, lost)
	_, err = b.root.Create(ctx, nil, "f", regular)
	b.want("Create again", err, lost)
	_, err = b.root.Open(ctx, nil, vfs.OpenMode{Read: true})
	b.want("Open", err, lost)
	for _, path := range []string{"f", "f/x", "none"} {
		n, _, err := b.root.Lookup(ctx, nil, path, vfs.LookupOptions{Parent: true})
		b.want("Lookup", err, lost)
		if n != nil {
			t.Error("a node in spite of the error")
		}
	}
	b.want("Rename", b.root.Rename(ctx, nil, "f", b.root, "g", false), lost)
	a, err := b.root.Attr(ctx, nil)
	b.want("Attr", err, lost)
	if !a.ID.IsZero() || b.inner.Held() != held {
		t.Errorf("%+v, %d held, want %d", a, b.inner.Held(), held)
	}
	remove()
	n, _, err := b.root.Lookup(ctx, nil, "g", vfs.LookupOptions{})
	b.must(err)
	h, err := n.Open(ctx, nil, readWrite)
	b.must(err)
	remove = b.Add(errfs.Rule{After: true, Err: lost})
	if n, err := h.WriteAt([]byte("data"), 0); n != 0 || err != lost {
		t.Errorf("WriteAt: %d, %v", n, err)
	}
	if n, err := h.CopyFrom(ctx, h, 0, 4, 4); n != 0 || err != lost {
		t.Errorf("CopyFrom: %d, %v", n, err)
	}
	if n, err := h.ReadDir(ctx, nil, make([]vfs.DirEntry, 1)); n != 0 || err != lost {
		t.Errorf("ReadDir: %d, %v", n, err)
	}
	remove()
	if got, err := read(h); got != "datadata" || err != io.EOF {
		t.Errorf("%q, %v", got, err)
	}
	b.must(h.Close())
	n.Release()
}

func TestShortTransfers(t *testing.T) {
	b := newBench(t)
	_, h := b.file("f", "0123456789")
	_, dst := b.file("g", "")
	full := errors.New("full")
	short := func(op errfs.Op, n int, err error, do func() (int, error)) (int, error) {
		defer b.Add(errfs.Rule{Op: op, Short: n, Err: err})()
		return do()
	}
	p := make([]byte, 8)
	for _, c := range []struct {
		what     string
		op       errfs.Op
		short    int
		err      error
		do       func() (int, error)
		want     int
		wantErr  error
		contents string // of g
	}{
		{"read", errfs.OpReadAt, 3, nil, func() (int, error) { return h.ReadAt(p, 2) }, 3, io.ErrUnexpectedEOF, ""},
		{"read with an error", errfs.OpReadAt, 3, full, func() (int, error) { return h.ReadAt(p, 2) }, 3, full, ""},
		{"read that ends before that", errfs.OpReadAt, 3, full, func() (int, error) { return h.ReadAt(p, 9) }, 1, io.EOF, ""},
		{"read that is not longer", errfs.OpReadAt, 8, full, func() (int, error) { return h.ReadAt(p, 2) }, 8, nil, ""},
		{"write", errfs.OpWriteAt, 2, nil, func() (int, error) { return dst.WriteAt([]byte("abcd"), 1) }, 2, io.ErrShortWrite, "\x00ab"},
		{"write with an error", errfs.OpWriteAt, 1, full, func() (int, error) { return dst.WriteAt([]byte("xyz"), 0) }, 1, full, "xab"},
		{"write that is not longer", errfs.OpWriteAt, 1, full, func() (int, error) { return dst.WriteAt([]byte("y"), 0) }, 1, nil, "yab"},
		{"copy", errfs.OpCopyFrom, 2, nil, func() (int, error) { n, err := dst.CopyFrom(ctx, h, 0, 1, 6); return int(n), err }, 2, nil, "y01"},
		{"copy with an error", errfs.OpCopyFrom, 2, full, func() (int, error) { n, err := dst.CopyFrom(ctx, h, 4, 1, 6); return int(n), err }, 2, full, "y45"},
	} {
		clear(p)
		n, err := short(c.op, c.short, c.err, c.do)
		if n != c.want || !errors.Is(err, c.wantErr) || c.wantErr == nil && err != nil {
			t.Errorf("%s: %d, %v, want %d, %v", c.what, n, err, c.want, c.wantErr)
		}
		if c.op == errfs.OpReadAt && string(p[n:]) != strings.Repeat("\x00", len(p)-n) {
			t.Errorf("%s: %q", c.what, p)
		}
		if got, _ := read(dst); got != c.contents {
			t.Errorf("%s: %q, want %q", c.what, got, c.contents)
		}
	}
}

func TestShortListing(t *testing.T) {
	b := newBench(t)
	for i := range 10 {
		n, err := b.root.Create(ctx, nil, fmt.Sprint(i), regular)
		b.must(err)
		n.Release()
	}
	h, err := b.root.Open(ctx, nil, vfs.OpenMode{Read: true})
	b.must(err)
	defer func() { b.must(h.Close()) }()
	b.Add(errfs.Rule{Op: errfs.OpReadDir, Short: 3})
	var sizes []int
	buf := make([]vfs.DirEntry, 100)
	for {
		n, err := h.ReadDir(ctx, nil, buf)
		if err == io.EOF {
			break
		}
		b.must(err)
		sizes = append(sizes, n)
	}
	if want := []int{3, 3, 3, 1}; !slices.Equal(sizes, want) {
		t.Errorf("%v, want %v", sizes, want)
	}
}

func TestGateHoldsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		_, h := b.file("f", "data")
		gate := make(chan struct{})
		remove := b.Add(errfs.Rule{Op: errfs.OpReadAt, Gate: gate})
		var got string
		go func() { got, _ = read(h) }()
		synctest.Wait()
		if got != "" || b.Calls(errfs.OpReadAt) != 1 {
			t.Errorf("%q through a closed gate, %d calls", got, b.Calls(errfs.OpReadAt))
		}
		// Those that wait do not keep others from being added or removed.
		b.Add(errfs.Rule{Op: errfs.OpWriteAt, Err: vfs.ErrIO})()
		close(gate)
		synctest.Wait()
		if got != "data" {
			t.Errorf("%q through an open gate", got)
		}
		remove()
	})
}

func TestGateAndContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		remove := b.Add(errfs.Rule{Op: errfs.OpCreate, Gate: make(chan struct{}), Err: vfs.ErrIO})
		ctx, cancel := context.WithCancel(t.Context())
		var err error
		go func() { _, err = b.root.Create(ctx, nil, "f", regular) }()
		synctest.Wait()
		if err != nil {
			t.Errorf("%v before the end", err)
		}
		cancel()
		synctest.Wait()
		b.want("after the end", err, context.Canceled)
		remove()
		if _, _, err := b.root.Lookup(t.Context(), nil, "f", vfs.LookupOptions{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the call went on: %v", err)
		}
	})
}

// A gate that sends lets one call through each time.
func TestGateLetsOneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		gate := make(chan struct{})
		b.Add(errfs.Rule{Op: errfs.OpAttr, Gate: gate})
		var through atomic.Int32
		for range 3 {
			go func() {
				_, _ = b.root.Attr(ctx, nil)
				through.Add(1)
			}()
		}
		for i := range int32(3) {
			synctest.Wait()
			if through.Load() != i {
				t.Errorf("%d are through, want %d", through.Load(), i)
			}
			gate <- struct{}{}
		}
		synctest.Wait()
	})
}

func TestHooksSeeAndDecide(t *testing.T) {
	b := newBench(t)
	n, h := b.file("f", "0123456789")
	type key struct{}
	var calls []errfs.Call
	refuse := errors.New("refused")
	b.Add(errfs.Rule{Path: "f", Hook: func(ctx context.Context, c errfs.Call) error {
		calls = append(calls, c)
		if c.Op == errfs.OpWriteAt && c.Off >= 100 {
			return refuse
		}
		if c.Op == errfs.OpSync {
			// A hook may use the file system and its rules.
			b.Add(errfs.Rule{Op: errfs.OpTruncate, Err: vfs.ErrIO})
			_, err := b.root.Attr(ctx, nil)
			b.must(err)
			if ctx.Value(key{}) != 1 {
				t.Error("the context is another one")
			}
		}
		return nil
	}})
	_, err := h.WriteAt([]byte("abc"), 99)
	b.must(err)
	_, err = h.WriteAt([]byte("abc"), 100)
	b.want("write", err, refuse)
	b.must(h.Sync(context.WithValue(ctx, key{}, 1)))
	b.want("truncate", h.Truncate(5), vfs.ErrIO)
	b.must(h.Alloc(ctx, 3, 4, vfs.AllocZero))
	want := []errfs.Call{
		{Op: errfs.OpWriteAt, Path: "f", Off: 99, Len: 3}, {Op: errfs.OpWriteAt, Path: "f", Off: 100, Len: 3},
		{Op: errfs.OpSync, Path: "f"}, {Op: errfs.OpTruncate, Path: "f", Off: 5}, {Op: errfs.OpAlloc, Path: "f", Off: 3, Len: 4},
	}
	if !slices.Equal(calls, want) {
		t.Errorf("%+v, want %+v", calls, want)
	}
	if a, err := n.Attr(ctx, nil); err != nil || a.Size != 102 {
		t.Errorf("%+v, %v", a, err)
	}
}

func TestClosingFailsAndCloses(t *testing.T) {
	inner := memfs.New(memfs.Options{})
	f := errfs.New(inner)
	root := f.Root()
	h, err := root.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		t.Fatal(err)
	}
	remove := f.Add(errfs.Rule{Err: vfs.ErrIO})
	if err := h.Close(); !errors.Is(err, vfs.ErrIO) {
		t.Errorf("Close: %v", err)
	}
	root.Release()
	if inner.Held() != 0 {
		t.Errorf("%d are held", inner.Held())
	}
	if err := f.Close(); !errors.Is(err, vfs.ErrIO) {
		t.Errorf("Close of the FS: %v", err)
	}
	remove()
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// A wrapper around a wrapper reaches the innermost with its arguments unwrapped.
func TestWrappersNest(t *testing.T) {
	vfstest.Run(t, func(*testing.T) vfs.FS { return errfs.New(errfs.New(memfs.New(memfs.Options{}))) })
}
