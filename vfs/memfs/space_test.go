package memfs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"lessor/vfs"
	"lessor/vfs/memfs"
)

func TestFullVolumeRefusesAndKeeps(t *testing.T) {
	const size = 1 << 20
	v := newVolume(t, memfs.Options{Size: size})
	h := v.open(v.make("", "f", vfs.TypeRegular), readWrite)
	_, err := h.WriteAt([]byte("keep"), 0)
	v.must(err)
	before := v.Used()
	n, err := h.WriteAt(make([]byte, size), 0)
	v.want("a write of the size of the volume", err, vfs.ErrNoSpace)
	v.want("a reservation of it", h.Alloc(ctx, 0, size, vfs.AllocReserve), vfs.ErrNoSpace)
	v.want("a huge reservation", h.Alloc(ctx, 0, 1<<59, vfs.AllocReserve), vfs.ErrNoSpace)
	if v.Used() != before || n != 0 {
		t.Errorf("%d bytes used, %d before, %d written", v.Used(), before, n)
	}
	p := make([]byte, 8)
	if n, err := h.ReadAt(p, 0); string(p[:n]) != "keep" || err != io.EOF {
		t.Errorf("%q, %v", p[:n], err)
	}
	v.must(h.Truncate(1 << 50)) // A hole takes nothing.
	v.must(h.Alloc(ctx, 1<<49, size/2, vfs.AllocReserve))
	_, err = h.WriteAt(make([]byte, size/2), 1<<49)
	v.must(err)
	v.want("beyond the reservation", func() error { _, err := h.WriteAt(make([]byte, size/2), 1<<48); return err }(), vfs.ErrNoSpace)
	i, err := v.Info(ctx)
	v.must(err)
	if i.Blocks != size/4096 || i.Free != uint64(size-v.Used())/4096 {
		t.Errorf("%+v with %d bytes used", i, v.Used())
	}
	v.must(h.Truncate(0))
	if i, err = v.Info(ctx); err != nil || i.Free < i.Blocks-8 {
		t.Errorf("%+v, %v", i, err)
	}
}

// Whatever a client makes endlessly comes to an end, and comes back.
func TestNothingIsFree(t *testing.T) {
	dir := vfs.CreateOptions{Type: vfs.TypeDirectory}
	for what, make1 := range map[string]func(v *volume, f vfs.Node, i int) error{
		"files": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), vfs.CreateOptions{Type: vfs.TypeRegular})
			if err == nil {
				n.Release()
			}
			return err
		},
		"directories": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), dir)
			if err == nil {
				n.Release()
			}
			return err
		},
		"symbolic links": func(v *volume, _ vfs.Node, i int) error {
			n, err := v.root.Symlink(ctx, nil, fmt.Sprint("n", i), strings.Repeat("x", 4000))
			if err == nil {
				n.Release()
			}
			return err
		},
		"hard links": func(v *volume, f vfs.Node, i int) error {
			return v.root.Link(ctx, nil, f, fmt.Sprint("n", i), false)
		},
		"attributes": func(_ *volume, f vfs.Node, i int) error {
			return f.SetXattr(ctx, nil, fmt.Sprint("n", i), []byte{})
		},
		"streams": func(_ *volume, f vfs.Node, i int) error {
			n, err := f.Stream(ctx, nil, fmt.Sprint("n", i), true)
			if err == nil {
				n.Release()
			}
			return err
		},
		"pages far apart": func(v *volume, f vfs.Node, i int) error {
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			_, werr := h.WriteAt([]byte{1}, int64(i)<<40)
			v.must(h.Close())
			return werr
		},
		"clones": func(v *volume, f vfs.Node, i int) error {
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			if i == 0 {
				_, err = h.WriteAt(make([]byte, 64<<10), 0)
				v.must(err)
			}
			cerr := h.CloneFrom(ctx, h, 0, int64(i+1)<<30, 64<<10)
			v.must(h.Close())
			return cerr
		},
		"longer names": func(v *volume, _ vfs.Node, i int) error {
			if i < 1500 {
				n, err := v.root.Create(ctx, nil, fmt.Sprint(i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				n.Release()
				return nil
			}
			return v.root.Rename(ctx, nil, fmt.Sprint(i-1500), v.root, strings.Repeat("x", 700)+fmt.Sprint(i), false)
		},
		"descriptors": func(v *volume, f vfs.Node, i int) error {
			n, err := v.root.Create(ctx, nil, fmt.Sprint("n", i), dir)
			if err != nil {
				return err
			}
			defer n.Release()
			sd := make([]byte, 60_000)
			sd[0] = 1
			return n.SetSecurity(ctx, nil, sd)
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newVolume(t, memfs.Options{Size: 2 << 20})
			f, err := v.root.Create(ctx, nil, "file", vfs.CreateOptions{Type: vfs.TypeRegular})
			v.must(err)
			for i := 0; ; i++ {
				if err := make1(v, f, i); errors.Is(err, vfs.ErrNoSpace) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if v.Used() > 2<<20 || i > 20_000 {
					t.Fatalf("%d bytes used after %d", v.Used(), i)
				}
			}
			v.removeAll()
			if v.Used() < 500 {
				t.Errorf("the file that is held costs %d", v.Used())
			}
			f.Release()
			if v.Used() != 0 {
				t.Errorf("%d bytes used by nothing", v.Used())
			}
		})
	}
}

// removeAll removes what is in the root, which is flat.
func (v *volume) removeAll() {
	v.Helper()
	h, err := v.root.Open(ctx, nil, vfs.OpenMode{Read: true})
	v.must(err)
	buf := make([]vfs.DirEntry, 100)
	for {
		n, err := h.ReadDir(ctx, nil, buf)
		if err != nil {
			v.want("listing", err, io.EOF)
			break
		}
		for _, e := range buf[:n] {
			v.must(v.root.Remove(ctx, nil, e.Name))
		}
	}
	v.must(h.Close())
}

// heap returns how many bytes are in use.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What is paid must be about what is used, else the limit protects nobody.
func TestPriceIsRight(t *testing.T) {
	one := bytes.Repeat([]byte("x"), 1)
	for what, fill := range map[string]func(v *volume){
		"files": func(v *volume) {
			for i := range 10_000 {
				n, err := v.root.Create(ctx, nil, fmt.Sprintf("Some File %d.txt", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				n.Release()
			}
		},
		"directories in directories": func(v *volume) {
			n := v.Root()
			for range 5_000 {
				sub, err := n.Create(ctx, nil, "Folder", vfs.CreateOptions{Type: vfs.TypeDirectory})
				v.must(err)
				n.Release()
				n = sub
			}
			n.Release()
		},
		"names that were": func(v *volume) {
			for i := range 100 {
				dir := fmt.Sprint("dir", i)
				d, err := v.root.Create(ctx, nil, dir, vfs.CreateOptions{Type: vfs.TypeDirectory})
				v.must(err)
				for k := range 500 {
					n, err := d.Create(ctx, nil, fmt.Sprint("Name", k), vfs.CreateOptions{Type: vfs.TypeRegular})
					v.must(err)
					n.Release()
				}
				for k := range 500 {
					v.must(d.Remove(ctx, nil, fmt.Sprint("Name", k)))
				}
				d.Release()
			}
		},
		"streams": func(v *volume) {
			for i := range 200 {
				f, err := v.root.Create(ctx, nil, fmt.Sprint("f", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				for k := range 50 {
					n, err := f.Stream(ctx, nil, fmt.Sprint("Stream", k), true)
					v.must(err)
					n.Release()
				}
				f.Release()
			}
		},
		"attributes": func(v *volume) {
			for i := range 200 {
				f, err := v.root.Create(ctx, nil, fmt.Sprint("f", i), vfs.CreateOptions{Type: vfs.TypeRegular})
				v.must(err)
				for k := range 50 {
					v.must(f.SetXattr(ctx, nil, fmt.Sprint("Attribute", k), []byte("value")))
				}
				f.Release()
			}
		},
		"data": func(v *volume) {
			f, err := v.root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
			v.must(err)
			h, err := f.Open(ctx, nil, readWrite)
			v.must(err)
			_, err = h.WriteAt(make([]byte, 8<<20), 0)
			v.must(err)
			for i := range int64(1000) {
				_, err = h.WriteAt(one, i<<30)
				v.must(err)
			}
			v.must(h.Close())
			f.Release()
		},
	} {
		t.Run(what, func(t *testing.T) {
			v := newVolume(t, memfs.Options{})
			before := heap()
			fill(v)
			took := heap() - before
			if paid := v.Used(); took > paid*5/4+16<<10 {
				t.Errorf("%d bytes of memory for %d paid", took, paid)
			} else {
				t.Logf("%d bytes of memory for %d paid", took, paid)
			}
			runtime.KeepAlive(v.FS)
		})
	}
}

func TestFarByteCostsLittle(t *testing.T) {
	v := newVolume(t, memfs.Options{Size: 1 << 20})
	h := v.open(v.make("", "f", vfs.TypeRegular), readWrite)
	before := v.Used()
	_, err := h.WriteAt([]byte("x"), 1<<40-1)
	v.must(err)
	if cost := v.Used() - before; cost > 8<<10 {
		t.Errorf("it costs %d", cost)
	}
	_, err = h.WriteAt([]byte("x"), 1<<60-1)
	v.must(err)
	_, err = h.WriteAt([]byte("x"), 1<<60)
	v.want("beyond the largest file", err, vfs.ErrTooLarge)
	v.want("size", h.Truncate(1<<60+1), vfs.ErrTooLarge)
	v.want("reservation", h.Alloc(ctx, 1<<60, 1, vfs.AllocReserve), vfs.ErrTooLarge)
	to := v.open(v.make("", "g", vfs.TypeRegular), readWrite)
	if n, err := to.CopyFrom(ctx, h, 1<<40-1, 1<<60-1, 3); n != 1 || !errors.Is(err, vfs.ErrTooLarge) {
		t.Errorf("copy over the edge: %d, %v", n, err)
	}
	v.must(to.CloneFrom(ctx, h, 0, 0, 1<<60))
	p := make([]byte, 2)
	if _, err := to.ReadAt(p, 1<<60-2); err != nil || string(p) != "\x00x" {
		t.Errorf("%q, %v", p, err)
	}
}

func TestSharedCopyCostsLittle(t *testing.T) {
	v := newVolume(t, memfs.Options{Size: 6 << 20})
	data := bytes.Repeat([]byte("0123456789abcdef"), 4<<20/16)
	src := v.open(v.make("", "src", vfs.TypeRegular), readWrite)
	_, err := src.WriteAt(data, 0)
	v.must(err)
	for i := range 5 {
		dst := v.open(v.make("", fmt.Sprint("dst", i), vfs.TypeRegular), readWrite)
		// The offsets lie alike within a page, though not at its start.
		n, err := dst.CopyFrom(ctx, src, 100, 4096+100, int64(len(data)))
		if n != int64(len(data)-100) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		got := make([]byte, len(data)-100)
		_, err = dst.ReadAt(got, 4096+100)
		v.must(err)
		if !bytes.Equal(got, data[100:]) {
			t.Error("the copy differs")
		}
	}
}

func TestStorageOfAnUnlinkedFileGoesWithItsHandle(t *testing.T) {
	v := newVolume(t, memfs.Options{})
	f, err := v.root.Create(ctx, nil, "f", vfs.CreateOptions{Type: vfs.TypeRegular})
	v.must(err)
	h, err := f.Open(ctx, nil, readWrite)
	v.must(err)
	_, err = h.WriteAt(make([]byte, 1<<20), 0)
	v.must(err)
	st, err := f.Stream(ctx, nil, "s", true)
	v.must(err)
	f.Release()
	st.Release()
	v.must(v.root.Remove(ctx, nil, "f"))
	if v.Used() < 1<<20 {
		t.Errorf("%d bytes used while it is open", v.Used())
	}
	v.must(h.Close())
	if v.Used() != 0 || v.Held() != 1 {
		t.Errorf("%d bytes used, %d references", v.Used(), v.Held())
	}
}
