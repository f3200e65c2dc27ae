package afp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/vfs"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
	vfsnames "lessor/vfs/names"
)

// file makes a file in a new file system, and returns it with its directory.
func file(t *testing.T) (dir, base vfs.Node) {
	t.Helper()
	f := memfs.New(memfs.Options{})
	dir = f.Root()
	base, err := dir.Create(t.Context(), nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		base.Release()
		dir.Release()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return dir, base
}

// stream opens a stream for reading and writing.
func stream(t *testing.T, r Rules, base vfs.Node, name string, create bool) vfs.Handle {
	t.Helper()
	n, err := r.Stream(t.Context(), base, nil, name, create)
	if err != nil {
		t.Fatal(err)
	}
	h, err := n.Open(t.Context(), nil, vfs.OpenMode{Read: true, Write: true})
	n.Release()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return h
}

func names(t *testing.T, r Rules, base vfs.Node) []string {
	t.Helper()
	list, err := r.Streams(t.Context(), base, nil)
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

func wantNames(t *testing.T, r Rules, base vfs.Node, want ...string) {
	t.Helper()
	if d := cmp.Diff(append([]string{}, want...), names(t, r, base)); d != "" {
		t.Errorf("streams (-want +got):\n%s", d)
	}
}

func wantMissing(t *testing.T, r Rules, base vfs.Node, name string) {
	t.Helper()
	if n, err := r.Stream(t.Context(), base, nil, name, false); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s: %v, want that it does not exist", name, err)
		if err == nil {
			n.Release()
		}
	}
}

func put(t *testing.T, h vfs.Handle, b []byte) {
	t.Helper()
	if n, err := h.WriteAt(b, 0); err != nil || n != len(b) {
		t.Fatalf("%d bytes written, %v", n, err)
	}
}

var finder = FinderInfo{'T', 'E', 'X', 'T', 't', 't', 'x', 't', 1}

func TestInfoExistsWithContent(t *testing.T) {
	_, base := file(t)
	var r Rules
	wantMissing(t, r, base, InfoStream)
	h := stream(t, r, base, InfoStream, true)
	wantMissing(t, r, base, InfoStream)
	wantNames(t, r, base)
	b := make([]byte, InfoSize)
	if _, err := h.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	if f, ok := DecodeInfo(b); !ok || !f.Empty() {
		t.Errorf("a new one reads as % x", b)
	}
	put(t, h, AppendInfo(nil, &finder))
	wantNames(t, r, base, InfoStream)
	if m, err := MetaOf(t.Context(), base, nil); err != nil || m.Finder != finder {
		t.Errorf("%+v, %v", m, err)
	}
	if err := h.Truncate(0); err != nil {
		t.Error(err)
	}
	if err := h.Truncate(InfoSize + 1); !errors.Is(err, ErrTooMuch) {
		t.Errorf("a size of 61: %v", err)
	}
	wantNames(t, r, base, InfoStream)
	put(t, h, AppendInfo(nil, &FinderInfo{}))
	wantNames(t, r, base)
	wantMissing(t, r, base, InfoStream)
	put(t, h, AppendInfo(nil, &finder)) // the handle goes on
	wantNames(t, r, base, InfoStream)
}

func TestInfoIO(t *testing.T) {
	_, base := file(t)
	h := stream(t, Rules{}, base, InfoStream, true)
	whole := AppendInfo(nil, &finder)
	for _, c := range []struct {
		b   []byte
		off int64
		ok  bool
	}{
		{make([]byte, InfoSize), 0, false}, {whole[:2], 0, false}, {whole[:3], 0, true}, {whole, 0, true}, {whole, 30, true},
		{whole[:59], 1, false}, {append(whole[:InfoSize:InfoSize], 0, 0), 10000, true},
	} {
		_, err := h.WriteAt(c.b, c.off)
		if c.ok != (err == nil) || !c.ok && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%d bytes at %d: %v", len(c.b), c.off, err)
		}
	}
	b := make([]byte, 2)
	if n, err := h.ReadAt(b, 60); n != 2 || err != nil || string(b) != "AF" {
		t.Errorf("at 60: %d bytes %q, %v", n, b[:n], err)
	}
	if n, err := h.ReadAt(b, 61); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("at 61: %d bytes, %v", n, err)
	}
}

func TestEmptyStreams(t *testing.T) {
	_, base := file(t)
	h := stream(t, Rules{}, base, ResourceStream, true)
	other := stream(t, Rules{}, base, "other", true)
	wantNames(t, Rules{}, base, "other")
	wantNames(t, Rules{NoEmpty: true}, base)
	wantMissing(t, Rules{}, base, "afp_resource")
	wantMissing(t, Rules{NoEmpty: true}, base, "other")
	put(t, h, []byte("fork"))
	put(t, other, []byte("x"))
	wantNames(t, Rules{NoEmpty: true}, base, ResourceStream, "other")
	if m, err := MetaOf(t.Context(), base, nil); err != nil || m.Resource != 4 {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := (Rules{}).Stream(t.Context(), base, nil, ResourceStream, true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
}

// lateBase is a file to whose streams somebody writes just after they were found empty.
type lateBase struct {
	vfs.Node
	write func()
}

func (b *lateBase) Stream(ctx context.Context, cred *vfs.Cred, name string, create bool) (vfs.Node, error) {
	n, err := b.Node.Stream(ctx, cred, name, create)
	return &lateStream{n, b.write}, err
}

type lateStream struct {
	vfs.Node
	write func()
}

func (s *lateStream) Attr(ctx context.Context, cred *vfs.Cred) (vfs.Attr, error) {
	at, err := s.Node.Attr(ctx, cred)
	s.write()
	return at, err
}

// Who makes a stream that somebody else has open without anything in it does not cut what
// that one writes.
func TestStreamMadeAgainKeepsData(t *testing.T) {
	for _, name := range []string{ResourceStream, "other"} {
		_, base := file(t)
		rules := Rules{NoEmpty: true}
		first := stream(t, rules, base, name, true)
		late := &lateBase{base, func() { put(t, first, []byte("data")) }}
		second := stream(t, rules, late, name, true)
		b := make([]byte, 10)
		if n, err := second.ReadAt(b, 0); string(b[:n]) != "data" {
			t.Errorf("%s has %q, %v", name, b[:n], err)
		}
	}
}

// What a program without rules has left in the place of the information of the Finder is
// none, and goes when there is one.
func TestInfoReplacesRubbish(t *testing.T) {
	for _, rubbish := range []string{"x", string(bytes.Repeat([]byte("rubbish"), 20)), string(AppendInfo(nil, &FinderInfo{})) + "more"} {
		_, base := file(t)
		n, err := base.Stream(t.Context(), nil, InfoStream, true)
		if err != nil {
			t.Fatal(err)
		}
		h, err := n.Open(t.Context(), nil, vfs.OpenMode{Write: true})
		if err != nil {
			t.Fatal(err)
		}
		put(t, h, []byte(rubbish))
		_ = h.Close()
		n.Release()
		wantNames(t, Rules{}, base)
		put(t, stream(t, Rules{}, base, InfoStream, true), AppendInfo(nil, &finder))
		if list, err := (Rules{}).Streams(t.Context(), base, nil); err != nil || len(list) != 1 || list[0].Size != InfoSize {
			t.Errorf("%q: %+v, %v", rubbish, list, err)
		}
		if f, err := Finder(t.Context(), base, nil); err != nil || f != finder {
			t.Errorf("%q: %q, %v", rubbish, f, err)
		}
	}
}

// Information of the Finder that cannot be read is not kept from who lists the streams to
// copy them.
func TestInfoThatCannotBeReadIsListed(t *testing.T) {
	storage := errfs.New(memfs.New(memfs.Options{}))
	defer func() { _ = storage.Close() }()
	root := storage.Root()
	defer root.Release()
	base, err := root.Create(t.Context(), nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	defer base.Release()
	put(t, stream(t, Rules{}, base, InfoStream, true), AppendInfo(nil, &finder))
	defer storage.Add(errfs.Rule{Op: errfs.OpReadAt, Err: vfs.ErrIO})()
	wantNames(t, Rules{}, base, InfoStream)
}

// double makes an AppleDouble file with information of the Finder, one attribute and a
// resource fork.
func double(fork []byte) []byte {
	const finderAt, attrs = 50, 50 + FinderSize + 2
	name := "com.apple:x\x00"
	valueAt := attrs + attrHeader + attrEntry + len(name)
	forkAt := valueAt + 5
	b := binary.BigEndian.AppendUint32(nil, doubleMagic)
	b = binary.BigEndian.AppendUint32(b, doubleVersion)
	b = append(b, "Mac OS X        "...)
	b = binary.BigEndian.AppendUint16(b, 2)
	for _, v := range []int{entryFinder, finderAt, forkAt - finderAt, entryResource, forkAt, len(fork)} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	b = append(append(b, finder[:]...), 0, 0)
	b = append(b, attrMagic...)
	b = append(b, make([]byte, attrHeader-6)...)
	b = binary.BigEndian.AppendUint16(b, 1)
	b = binary.BigEndian.AppendUint32(b, uint32(valueAt))
	b = binary.BigEndian.AppendUint32(b, 5)
	b = append(b, 0, 0, byte(len(name)))
	b = append(append(b, name...), "value"...)
	return append(b, fork...)
}

// give makes the AppleDouble file of f.
func give(t *testing.T, dir vfs.Node, b []byte) {
	t.Helper()
	n, err := dir.Create(t.Context(), nil, "._f", vfs.CreateOptions{Type: vfs.TypeRegular})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	h, err := n.Open(t.Context(), nil, vfs.OpenMode{Write: true})
	if err != nil {
		t.Fatal(err)
	}
	put(t, h, b)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestTakeDouble(t *testing.T) {
	dir, base := file(t)
	fork := bytes.Repeat([]byte("fork"), 100)
	give := func(b []byte) { give(t, dir, b) }
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); done || err != nil {
		t.Errorf("nothing there: %v, %v", done, err)
	}
	give(double(fork))
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	wantNames(t, Rules{}, base, InfoStream, ResourceStream, "com.apple\uf022x")
	got := make([]byte, len(fork))
	if _, err := stream(t, Rules{}, base, ResourceStream, false).ReadAt(got, 0); err != nil || !bytes.Equal(got, fork) {
		t.Errorf("the fork: %q, %v", got, err)
	}
	if n, _, err := dir.Lookup(t.Context(), nil, "._f", vfs.LookupOptions{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
		n.Release()
	}
	// What the file has already stays, and what is no AppleDouble file, too.
	give(double([]byte("other")))
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); !done || err != nil {
		t.Errorf("again: %v, %v", done, err)
	}
	if m, err := MetaOf(t.Context(), base, nil); err != nil || m.Resource != int64(len(fork)) {
		t.Errorf("%+v, %v", m, err)
	}
	give([]byte("just a file"))
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); done || err != nil {
		t.Errorf("something else: %v, %v", done, err)
	}
}

// What a server that was killed has left of a stream does not count as taken over.
func TestTakeDoubleAfterKill(t *testing.T) {
	dir, base := file(t)
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		_ = giveStream(t.Context(), base, nil, ResourceStream, func(h vfs.Handle) error {
			put(t, h, []byte("half"))
			_ = h.Close()
			runtime.Goexit()
			return nil
		})
	}()
	<-killed
	fork := bytes.Repeat([]byte("fork"), 100)
	give(t, dir, double(fork))
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	wantNames(t, Rules{}, base, InfoStream, ResourceStream, "com.apple\uf022x")
	if m, err := MetaOf(t.Context(), base, nil); err != nil || m.Resource != int64(len(fork)) {
		t.Errorf("the fork has %d bytes, %v", m.Resource, err)
	}
}

// A stream of a client stays, whatever it is called, also if it comes while another is taken
// over; nobody sees one that is being written.
func TestTakeDoubleLeavesStreamsOfClients(t *testing.T) {
	dir, base := file(t)
	const old = "lessor.import" // in which an earlier version wrote
	put(t, stream(t, Rules{}, base, old, true), []byte("a client's"))
	give(t, dir, double([]byte("fork")))
	if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); !done || err != nil {
		t.Fatalf("%v, %v", done, err)
	}
	wantNames(t, Rules{}, base, InfoStream, ResourceStream, "com.apple\uf022x", old)
	got := make([]byte, 10)
	if n, err := stream(t, Rules{}, base, old, false).ReadAt(got, 0); string(got[:n]) != "a client's" {
		t.Errorf("it has %q, %v", got[:n], err)
	}
	if vfsnames.CheckStream(unfinished) == nil {
		t.Errorf("clients can have streams called %q", unfinished)
	}

	err := giveStream(t.Context(), base, nil, "late", func(h vfs.Handle) error {
		wantNames(t, Rules{}, base, InfoStream, ResourceStream, "com.apple\uf022x", old)
		put(t, h, []byte("taken over"))
		put(t, stream(t, Rules{}, base, "late", true), []byte("a client's"))
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if n, err := stream(t, Rules{}, base, "late", false).ReadAt(got, 0); string(got[:n]) != "a client's" {
		t.Errorf("one made meanwhile has %q, %v", got[:n], err)
	}
	if list, err := base.Streams(t.Context(), nil); err != nil || len(list) != 5 {
		t.Errorf("%+v, %v", list, err)
	}
}

// slowDir is a directory in which reading a file waits.
type slowDir struct {
	vfs.Node
	reading chan<- struct{} // somebody reads
	goOn    <-chan error    // what that answers, nil for what is there
}

func (d *slowDir) Lookup(ctx context.Context, cred *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	n, actual, err := d.Node.Lookup(ctx, cred, path, opts)
	return &slowFile{Node: n, dir: d}, actual, err
}

type slowFile struct {
	vfs.Node
	dir *slowDir
}

func (f *slowFile) Open(ctx context.Context, cred *vfs.Cred, mode vfs.OpenMode) (vfs.Handle, error) {
	h, err := f.Node.Open(ctx, cred, mode)
	return &slowHandle{Handle: h, dir: f.dir}, err
}

type slowHandle struct {
	vfs.Handle
	dir *slowDir
}

func (h *slowHandle) ReadAt(p []byte, off int64) (int, error) {
	h.dir.reading <- struct{}{}
	if err := <-h.dir.goOn; err != nil {
		return 0, err
	}
	return h.Handle.ReadAt(p, off)
}

// Who comes while a file is taken over leaves it alone: the other one may still fail.
func TestTakeDoubleOneAtATime(t *testing.T) {
	dir, base := file(t)
	give(t, dir, double([]byte("fork")))
	reading, goOn := make(chan struct{}), make(chan error)
	slow := &slowDir{dir, reading, goOn}
	var im Importer
	failed := make(chan error)
	go func() {
		_, err := im.TakeDouble(t.Context(), slow, base, nil, "f")
		failed <- err
	}()
	<-reading
	if done, err := im.TakeDouble(t.Context(), dir, base, nil, "f"); done || err != nil {
		t.Errorf("the second: %v, %v", done, err)
	}
	goOn <- vfs.ErrIO
	if err := <-failed; !errors.Is(err, vfs.ErrIO) {
		t.Errorf("the first: %v", err)
	}
	if done, err := im.TakeDouble(t.Context(), dir, base, nil, "f"); !done || err != nil {
		t.Errorf("the third: %v, %v", done, err)
	}
	wantNames(t, Rules{}, base, InfoStream, ResourceStream, "com.apple\uf022x")
}

// An AppleDouble file whose attributes cannot all be taken over stays as it is: one with
// more of them than are read, one that breaks off, and one that names the same bytes again
// and again, of which little would become a lot.
func TestTakeDoubleInFullOrNot(t *testing.T) {
	const attrs = 50 + FinderSize + 2
	entry := func(b []byte, i int) []byte { return b[attrs+attrHeader+i*(attrEntry+5):] }
	long := func(n int, off, size uint32) []byte {
		b := append(double(nil)[:attrs+attrHeader], make([]byte, MaxHeader/2)...)
		binary.BigEndian.PutUint16(b[attrs+34:], uint16(n))
		binary.BigEndian.PutUint32(b[34:], uint32(len(b)-50))
		binary.BigEndian.PutUint32(b[42:], uint32(len(b)))
		for i := range n {
			e := entry(b, i)
			binary.BigEndian.PutUint32(e, off)
			binary.BigEndian.PutUint32(e[4:], size)
			e[10] = 5
			copy(e[attrEntry:], []byte{'a' + byte(i/676%26), 'a' + byte(i/26%26), 'a' + byte(i%26), 'x', 0})
		}
		return b
	}
	broken := double(nil)[:attrs+attrHeader+5]
	binary.BigEndian.PutUint32(broken[42:], 0) // no fork behind the end
	for what, b := range map[string][]byte{
		"overlapping values":       long(2000, 50_000, 60_000),
		"a value that is not read": append(long(1, MaxHeader-10, 20), make([]byte, MaxHeader)...),
		"too many":                 long(maxAttrs+1, 50_000, 1),
		"broken off":               broken,
	} {
		dir, base := file(t)
		give(t, dir, b)
		if done, err := new(Importer).TakeDouble(t.Context(), dir, base, nil, "f"); done || !errors.Is(err, ErrAttrs) {
			t.Errorf("%s: %v, %v", what, done, err)
		}
		wantNames(t, Rules{}, base)
		n, _, err := dir.Lookup(t.Context(), nil, "._f", vfs.LookupOptions{})
		if err != nil {
			t.Errorf("%s: the file is gone: %v", what, err)
			continue
		}
		n.Release()
	}
}

func TestTakeAttr(t *testing.T) {
	_, base := file(t)
	if err := base.SetXattr(t.Context(), nil, netatalk, double(nil)); err != nil {
		t.Fatal(err)
	}
	if err := new(Importer).TakeAttr(t.Context(), base, nil); err != nil {
		t.Fatal(err)
	}
	if f, err := Finder(t.Context(), base, nil); err != nil || f != finder {
		t.Errorf("%q, %v", f, err)
	}
	if _, err := base.Xattr(t.Context(), nil, netatalk); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the attribute: %v", err)
	}
}

// FuzzDouble: no file makes the decoder read beyond it.
func FuzzDouble(f *testing.F) {
	f.Add(double([]byte("fork")))
	f.Add(double(nil)[:60])
	f.Fuzz(func(t *testing.T, b []byte) {
		var d Double
		if d.Decode(b) != nil {
			return
		}
		if len(d.Attrs) > maxAttrs {
			t.Errorf("%d attributes", len(d.Attrs))
		}
		total := 0
		for _, a := range d.Attrs {
			if total += len(a.Value); a.Name == "" || total > len(b) {
				t.Errorf("%q with %d bytes", a.Name, len(a.Value))
			}
		}
	})
}
