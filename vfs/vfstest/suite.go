package vfstest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"lessor/vfs"
)

// rule is one sentence of the contract.
type rule struct {
	name string
	need vfs.Caps
	test func(s *suite)
}

// Run proves that the file systems which newFS makes keep the contract. newFS
// returns an empty, writable one for each call; Run closes it.
func Run(t *testing.T, newFS func(t *testing.T) vfs.FS) {
	t.Helper()
	groups := []struct {
		name  string
		rules []rule
	}{
		{"volume", volumeRules}, {"lookup", lookupRules}, {"create", createRules},
		{"rename", renameRules}, {"link", linkRules}, {"remove", removeRules},
		{"data", dataRules}, {"space", spaceRules}, {"attr", attrRules},
		{"security", securityRules}, {"xattr", xattrRules}, {"streams", streamRules},
		{"dir", dirRules}, {"symlink", symlinkRules}, {"locks", lockRules}, {"reparse", reparseRules},
		{"object id", objectIDRules}, {"compression", compressionRules},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, r := range g.rules {
				t.Run(r.name, func(t *testing.T) {
					f := newFS(t)
					t.Cleanup(func() {
						if err := f.Close(); err != nil {
							t.Errorf("Close: %v", err)
						}
					})
					if !f.Caps().Has(r.need) {
						t.Skip("the file system lacks the ability")
					}
					s := &suite{T: t, fs: f, ctx: context.Background()}
					s.root = s.keep(f.Root())
					r.test(s)
				})
			}
		})
	}
}

// suite is what the rules work with. Its helpers end the test when something
// that is not the subject of the rule fails.
type suite struct {
	*testing.T
	ctx  context.Context
	fs   vfs.FS
	root vfs.Node
}

// keep releases a node when the test ends.
func (s *suite) keep(n vfs.Node) vfs.Node {
	s.Cleanup(n.Release)
	return n
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// wantErr checks that err is the one that the contract names.
func (s *suite) wantErr(what string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: %v, want %v", what, err, want)
	}
}

// oneOf checks that err is one of several which the contract allows.
func (s *suite) oneOf(what string, err error, want ...error) {
	s.Helper()
	for _, w := range want {
		if errors.Is(err, w) {
			return
		}
	}
	s.Errorf("%s: %v, want one of %v", what, err, want)
}

// split cuts a path into directory and name.
func split(path string) (dir, name string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// create makes an object of a type below the root.
func (s *suite) create(path string, opts vfs.CreateOptions) vfs.Node {
	s.Helper()
	dir, name := split(path)
	n, err := s.lookup(dir).Create(s.ctx, nil, name, opts)
	if err != nil {
		s.Fatalf("create %s: %v", path, err)
	}
	return s.keep(n)
}

// file makes a file with contents.
func (s *suite) file(path, data string) vfs.Node {
	s.Helper()
	n := s.create(path, vfs.CreateOptions{Type: vfs.TypeRegular, Hint: readWrite})
	if data != "" {
		s.write(n, data, 0)
	}
	return n
}

// dir makes a directory.
func (s *suite) dir(path string) vfs.Node {
	s.Helper()
	return s.create(path, vfs.CreateOptions{Type: vfs.TypeDirectory})
}

// readWrite is the mode in which most rules open files.
var readWrite = vfs.OpenMode{Read: true, Write: true}

// lookup finds a path in its exact case.
func (s *suite) lookup(path string) vfs.Node {
	s.Helper()
	n, _, err := s.root.Lookup(s.ctx, nil, path, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		s.Fatalf("lookup %s: %v", path, err)
	}
	return s.keep(n)
}

// lookupErr returns the error of a look-up.
func (s *suite) lookupErr(path string, opts vfs.LookupOptions) error {
	s.Helper()
	n, _, err := s.root.Lookup(s.ctx, nil, path, opts)
	if n != nil {
		n.Release()
	}
	return err
}

// exists reports whether a path exists.
func (s *suite) exists(path string) bool {
	s.Helper()
	return s.lookupErr(path, vfs.LookupOptions{NoFollow: true}) == nil
}

// open opens a node until the test ends.
func (s *suite) open(n vfs.Node, mode vfs.OpenMode) vfs.Handle {
	s.Helper()
	h, err := n.Open(s.ctx, nil, mode)
	s.must(err)
	s.Cleanup(func() {
		if err := h.Close(); err != nil {
			s.Errorf("Close: %v", err)
		}
	})
	return h
}

// write puts data at an offset.
func (s *suite) write(n vfs.Node, data string, off int64) {
	s.Helper()
	h, err := n.Open(s.ctx, nil, readWrite)
	s.must(err)
	got, err := h.WriteAt([]byte(data), off)
	if err != nil || got != len(data) {
		s.Fatalf("WriteAt: %d, %v", got, err)
	}
	s.must(h.Close())
}

// read returns the contents of a node.
func (s *suite) read(n vfs.Node) string {
	s.Helper()
	h, err := n.Open(s.ctx, nil, vfs.OpenMode{Read: true})
	s.must(err)
	data := s.readAll(h)
	s.must(h.Close())
	return string(data)
}

// readAll returns what a Handle reads from the start to the end.
func (s *suite) readAll(h vfs.Handle) []byte {
	s.Helper()
	data, err := io.ReadAll(io.NewSectionReader(h, 0, 1<<40))
	s.must(err)
	return data
}

// attr returns the attributes of a node.
func (s *suite) attr(n vfs.Node) vfs.Attr {
	s.Helper()
	a, err := n.Attr(s.ctx, nil)
	s.must(err)
	return a
}

// set changes attributes.
func (s *suite) set(n vfs.Node, set vfs.SetAttr) {
	s.Helper()
	s.must(n.SetAttr(s.ctx, nil, &set))
}

// entries lists a directory with a buffer of the given size.
func (s *suite) entries(h vfs.Handle, size int) []vfs.DirEntry {
	s.Helper()
	var all []vfs.DirEntry
	buf := make([]vfs.DirEntry, size)
	for {
		n, err := h.ReadDir(s.ctx, nil, buf)
		if errors.Is(err, io.EOF) && n == 0 {
			return all
		}
		s.must(err)
		if n <= 0 || n > size {
			s.Fatalf("ReadDir returned %d entries of %d without an error", n, size)
		}
		all = append(all, buf[:n]...)
	}
}

// names lists the names in a directory, sorted.
func (s *suite) names(dir vfs.Node) []string {
	s.Helper()
	h, err := dir.Open(s.ctx, nil, vfs.OpenMode{Read: true})
	s.must(err)
	var out []string
	for _, e := range s.entries(h, 7) {
		out = append(out, e.Name)
	}
	s.must(h.Close())
	slices.Sort(out)
	return out
}

// same checks equality of comparable values.
func same[T comparable](s *suite, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s: %v, want %v", what, got, want)
	}
}

// sameList checks equality of lists.
func sameList(s *suite, what string, got, want []string) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Errorf("%s: %q, want %q", what, got, want)
	}
}

// sameBytes checks equality of data without printing all of it.
func sameBytes(s *suite, what string, got, want []byte) {
	s.Helper()
	if !bytes.Equal(got, want) {
		s.Errorf("%s: %d bytes differ from the %d wanted", what, len(got), len(want))
	}
}

// sameTime checks equality of times to 100 ns, which is what clients see.
func sameTime(s *suite, what string, got, want time.Time) {
	s.Helper()
	step := 100 * time.Nanosecond
	if !s.fs.Caps().Has(vfs.CapSubsecond) {
		step = time.Second
	}
	if got.Truncate(step) != want.Truncate(step) && !got.Truncate(step).Equal(want.Truncate(step)) {
		s.Errorf("%s: %v, want %v", what, got, want)
	}
}

// badNames are names that no call may accept.
var badNames = []string{"", ".", "..", "a/b", "/", "a\x00b", "../x"}

var volumeRules = []rule{
	{"info is sane", 0, func(s *suite) {
		i, err := s.fs.Info(s.ctx)
		s.must(err)
		if i.BlockSize == 0 || i.MaxName < 8 || i.Free > i.Blocks || i.Avail > i.Free || i.Type == "" {
			s.Errorf("%+v", i)
		}
		same(s, "volume of the root", s.root.ID().Volume, i.VolumeID)
	}},
	{"the root is one directory", 0, func(s *suite) {
		other := s.keep(s.fs.Root())
		same(s, "type", s.root.Type(), vfs.TypeDirectory)
		same(s, "id", other.ID(), s.root.ID())
		if s.root.ID().IsZero() {
			s.Error("the root has no id")
		}
		same(s, "id in attributes", s.attr(s.root).ID, s.root.ID())
	}},
	{"a file is found by its id", vfs.CapByID, func(s *suite) {
		f := s.file("f", "data")
		n, err := s.fs.ByID(s.ctx, f.ID())
		s.must(err)
		same(s, "contents", s.read(s.keep(n)), "data")
		bad := f.ID()
		bad.Generation++
		_, err = s.fs.ByID(s.ctx, bad)
		s.wantErr("another generation", err, vfs.ErrStale)
	}},
	{"a file that nobody holds and nothing names has no id", vfs.CapByID, func(s *suite) {
		f, err := s.root.Create(s.ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.must(err)
		id := f.ID()
		f.Release()
		n, err := s.fs.ByID(s.ctx, id)
		s.must(err)
		n.Release()
		s.must(s.root.Remove(s.ctx, nil, "f"))
		_, err = s.fs.ByID(s.ctx, id)
		s.wantErr("after removal", err, vfs.ErrStale)
		_, err = s.fs.ByID(s.ctx, vfs.NodeID{})
		s.wantErr("no id", err, vfs.ErrStale)
	}},
	{"ByID without the ability is unsupported", 0, func(s *suite) {
		if s.fs.Caps().Has(vfs.CapByID) {
			s.Skip("it has the ability")
		}
		_, err := s.fs.ByID(s.ctx, s.root.ID())
		s.wantErr("ByID", err, errors.ErrUnsupported)
	}},
	{"operations on a file where a directory is needed", 0, func(s *suite) {
		f := s.file("f", "")
		_, _, err := f.Lookup(s.ctx, nil, "x", vfs.LookupOptions{})
		s.wantErr("Lookup", err, vfs.ErrNotDir)
		_, err = f.Create(s.ctx, nil, "x", vfs.CreateOptions{Type: vfs.TypeRegular})
		s.wantErr("Create", err, vfs.ErrNotDir)
		s.wantErr("Remove", f.Remove(s.ctx, nil, "x"), vfs.ErrNotDir)
		s.wantErr("Rename", f.Rename(s.ctx, nil, "x", s.root, "y", false), vfs.ErrNotDir)
		s.wantErr("Rename to", s.root.Rename(s.ctx, nil, "f", f, "y", false), vfs.ErrNotDir)
	}},
	{"handles refuse what is not theirs", 0, func(s *suite) {
		f := s.file("f", "data")
		h := s.open(f, vfs.OpenMode{Read: true})
		_, err := h.WriteAt([]byte("x"), 0)
		s.wantErr("write", err, fs.ErrPermission)
		s.wantErr("truncate", h.Truncate(0), fs.ErrPermission)
		_, err = h.ReadDir(s.ctx, nil, make([]vfs.DirEntry, 1))
		s.wantErr("list", err, vfs.ErrNotDir)
		w := s.open(f, vfs.OpenMode{Write: true})
		_, err = w.ReadAt(make([]byte, 1), 0)
		s.wantErr("read", err, fs.ErrPermission)
		d := s.open(s.root, vfs.OpenMode{Read: true})
		_, err = d.ReadAt(make([]byte, 1), 0)
		s.wantErr("read of a directory", err, vfs.ErrIsDir)
		_, err = d.WriteAt(make([]byte, 1), 0)
		s.wantErr("write of a directory", err, vfs.ErrIsDir)
		_, err = s.root.Open(s.ctx, nil, readWrite)
		s.wantErr("open of a directory for writing", err, vfs.ErrIsDir)
		s.wantErr("truncation of a directory", d.Truncate(0), vfs.ErrIsDir)
		s.wantErr("allocation for a directory", d.Alloc(s.ctx, 0, 1, vfs.AllocReserve), vfs.ErrIsDir)
		_, err = d.AllocatedRanges(s.ctx, 0, 1, make([]vfs.Range, 1))
		s.wantErr("spans of a directory", err, vfs.ErrIsDir)
		_, err = d.CopyFrom(s.ctx, h, 0, 0, 1)
		s.wantErr("copying into a directory", err, vfs.ErrIsDir)
		s.wantErr("cloning into a directory", d.CloneFrom(s.ctx, h, 0, 0, 1), vfs.ErrIsDir)
		if _, ok := d.Fd(); ok {
			s.Error("a descriptor of a directory")
		}
		s.wantErr("rewinding of a file", h.Rewind(), vfs.ErrNotDir)
		_, err = h.EntryAttr(s.ctx, nil, &vfs.DirEntry{Name: "x"})
		s.wantErr("entry of a file", err, vfs.ErrNotDir)
	}},
	{"a handle for neither reading nor writing", 0, func(s *suite) {
		f := s.file("f", "data")
		h := s.open(s.lookup("f"), vfs.OpenMode{})
		_, err := h.ReadAt(make([]byte, 1), 0)
		s.wantErr("read", err, fs.ErrPermission)
		s.must(h.Sync(s.ctx))
		same(s, "contents", s.read(f), "data")
	}},
}
