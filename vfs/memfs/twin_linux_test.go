package memfs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/memfs"
)

// twins is one file system in memory and one on a disk, to which the same is
// done, and which must answer the same.
type twins struct {
	mem, disk vfs.Node // the roots
}

// pathNames are few, so that the operations meet each other.
var pathNames = []string{"a", "A", "b", "dir", "DIR", "link"}

// drawPath draws a path of up to three names.
func drawPath(t *rapid.T, what string) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(pathNames), 0, 3).Draw(t, what), "/")
}

// drawName draws a name.
func drawName(t *rapid.T, what string) string { return rapid.SampledFrom(pathNames).Draw(t, what) }

// class tells which sentinel an error is.
func class(err error) string {
	for name, want := range map[string]error{
		"not exist": fs.ErrNotExist, "exist": fs.ErrExist, "invalid": fs.ErrInvalid, "path not found": vfs.ErrPathNotFound,
		"not dir": vfs.ErrNotDir, "is dir": vfs.ErrIsDir, "not empty": vfs.ErrNotEmpty, "stale": vfs.ErrStale,
		"unsupported": errors.ErrUnsupported, "EOF": io.EOF, "name": vfs.ErrInvalidName, "long": vfs.ErrNameTooLong,
	} {
		if errors.Is(err, want) {
			return name
		}
	}
	return fmt.Sprint(err)
}

// both does the same to both and compares the answers.
func (w *twins) both(t *rapid.T, do func(root vfs.Node) (string, error)) {
	t.Helper()
	mem, merr := do(w.mem)
	disk, derr := do(w.disk)
	if mem != disk || class(merr) != class(derr) {
		t.Fatalf("memory: %q, %s; disk: %q, %s (%v)", mem, class(merr), disk, class(derr), derr)
	}
}

// at looks a path up for the time of one call.
func at(root vfs.Node, path string, opts vfs.LookupOptions, do func(n vfs.Node) (string, error)) (string, error) {
	n, actual, err := root.Lookup(ctx, nil, path, opts)
	if err != nil {
		if n != nil {
			n.Release()
			return "parent " + actual, err
		}
		return actual, err
	}
	defer n.Release()
	out, err := do(n)
	return actual + ": " + out, err
}

// drawLookup draws the options of a look-up.
func drawLookup(t *rapid.T) vfs.LookupOptions {
	return vfs.LookupOptions{
		Fold: rapid.Bool().Draw(t, "fold"), NoFollow: rapid.Bool().Draw(t, "no follow"), Parent: rapid.Bool().Draw(t, "parent"),
	}
}

// made releases what was made and tells its type.
func made(n vfs.Node, err error) (string, error) {
	if err != nil {
		return "", err
	}
	defer n.Release()
	return n.Type().String(), nil
}

func (w *twins) Create(t *rapid.T) {
	path, opts, name := drawPath(t, "dir"), drawLookup(t), drawName(t, "name")
	create := vfs.CreateOptions{Type: vfs.TypeRegular, Fold: rapid.Bool().Draw(t, "exclusive fold")}
	if rapid.Bool().Draw(t, "directory") {
		create.Type = vfs.TypeDirectory
	}
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, path, opts, func(n vfs.Node) (string, error) { return made(n.Create(ctx, nil, name, create)) })
	})
}

func (w *twins) Symlink(t *rapid.T) {
	path, opts, name := drawPath(t, "dir"), drawLookup(t), drawName(t, "name")
	parts := rapid.SliceOfN(rapid.SampledFrom(append([]string{"..", "..", ".", ""}, pathNames...)), 1, 4)
	target := strings.Join(parts.Draw(t, "target"), "/")
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, path, opts, func(n vfs.Node) (string, error) { return made(n.Symlink(ctx, nil, name, target)) })
	})
}

func (w *twins) Remove(t *rapid.T) {
	path, opts, name := drawPath(t, "dir"), drawLookup(t), drawName(t, "name")
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, path, opts, func(n vfs.Node) (string, error) { return "", n.Remove(ctx, nil, name) })
	})
}

func (w *twins) Rename(t *rapid.T) {
	from, to, opts := drawPath(t, "from"), drawPath(t, "to"), drawLookup(t)
	oldName, newName, replace := drawName(t, "old"), drawName(t, "new"), rapid.Bool().Draw(t, "replace")
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, from, opts, func(n vfs.Node) (string, error) {
			return at(root, to, opts, func(dir vfs.Node) (string, error) {
				return "", n.Rename(ctx, nil, oldName, dir, newName, replace)
			})
		})
	})
}

func (w *twins) Link(t *rapid.T) {
	from, to, opts := drawPath(t, "target"), drawPath(t, "dir"), drawLookup(t)
	name, replace := drawName(t, "name"), rapid.Bool().Draw(t, "replace")
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, from, opts, func(n vfs.Node) (string, error) {
			return at(root, to, opts, func(dir vfs.Node) (string, error) {
				return "", dir.Link(ctx, nil, n, name, replace)
			})
		})
	})
}

// Look compares what a path leads to.
func (w *twins) Look(t *rapid.T) {
	path, opts := drawPath(t, "path"), drawLookup(t)
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, path, opts, func(n vfs.Node) (string, error) {
			a, err := n.Attr(ctx, nil)
			if a.Type == vfs.TypeDirectory {
				a.NLink = 0 // Directories count differently.
			}
			return fmt.Sprint(a.Type, a.Size, a.NLink), err
		})
	})
}

// Write writes a little and reads all.
func (w *twins) Write(t *rapid.T) {
	path, opts := drawPath(t, "path"), drawLookup(t)
	off, text := rapid.Int64Range(0, 20).Draw(t, "offset"), rapid.StringN(0, 10, 20).Draw(t, "text")
	w.both(t, func(root vfs.Node) (string, error) {
		return at(root, path, opts, func(n vfs.Node) (_ string, err error) {
			h, err := n.Open(ctx, nil, readWrite)
			if err != nil {
				return "", err
			}
			defer func() { err = errors.Join(err, h.Close()) }()
			if _, err := h.WriteAt([]byte(text), off); err != nil {
				return "", err
			}
			all, err := io.ReadAll(io.NewSectionReader(h, 0, 100))
			return string(all), err
		})
	})
}

// Check compares the whole trees.
func (w *twins) Check(t *rapid.T) {
	w.both(t, func(root vfs.Node) (string, error) {
		var out strings.Builder
		err := describe(&out, root, "")
		return out.String(), err
	})
}

// describe writes down what is in a directory and below.
func describe(out *strings.Builder, dir vfs.Node, path string) (err error) {
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	var all []string
	buf := make([]vfs.DirEntry, 4)
	for {
		n, err := h.ReadDir(ctx, nil, buf)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		for _, e := range buf[:n] {
			all = append(all, e.Name)
		}
	}
	slices.Sort(all)
	for _, name := range all {
		n, _, err := dir.Lookup(context.Background(), nil, name, vfs.LookupOptions{NoFollow: true})
		if err != nil {
			return err
		}
		fmt.Fprintln(out, path+name, n.Type())
		if n.Type() == vfs.TypeDirectory {
			if err := describe(out, n, path+name+"/"); err != nil {
				return err
			}
		}
		n.Release()
	}
	return nil
}

func TestAnswersAsADiskDoes(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		disk, err := localfs.New(dir, localfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mem := memfs.New(memfs.Options{})
		w := &twins{mem: mem.Root(), disk: disk.Root()}
		t.Repeat(rapid.StateMachineActions(w))
		w.mem.Release()
		w.disk.Release()
		if err := errors.Join(mem.Close(), disk.Close(), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	})
}
