package memfs

import (
	"context"
	"io/fs"
	"strings"

	"lessor/vfs"
)

// maxLinks is how many symbolic links one look-up follows, as on Linux.
const maxLinks = 40

// walk is a look-up under way. The caller holds FS.tree.
type walk struct {
	fs    *FS
	opts  vfs.LookupOptions
	links int // followed so far
}

// Lookup finds what path names.
func (n *node) Lookup(_ context.Context, _ *vfs.Cred, path string, opts vfs.LookupOptions) (vfs.Node, string, error) {
	if err := vfs.CheckPath(path); err != nil {
		return nil, "", err
	}
	if path == "" {
		return n.ino.refStream(n.st), "", nil
	}
	if n.Type() != vfs.TypeDirectory {
		return nil, "", vfs.ErrNotDir
	}
	f := n.ino.fs
	f.tree.RLock()
	defer f.tree.RUnlock()
	w := walk{fs: f, opts: opts}
	ino, actual, err := w.path(n.ino, path)
	if err != nil && (ino == nil || !opts.Parent) {
		return nil, "", err
	}
	return ino.ref(), actual, err
}

// path finds what a path names below dir, and its stored form. If the last
// component alone is missing it returns the directory and fs.ErrNotExist.
func (w *walk) path(dir *inode, path string) (ino *inode, actual string, err error) {
	// actual is the stored form of what comes before rest, made only if it
	// differs from what was given.
	differs := false
	stored := make([]byte, 0, 64)
	for rest := path; ; {
		name, tail, more := strings.Cut(rest, "/")
		if len(name) > maxName {
			return nil, "", vfs.ErrNameTooLong
		}
		var found *inode
		entry := dir.dir.match(name, w.opts.Fold)
		if entry != nil {
			found = entry.ino
			if found.typ == vfs.TypeSymlink && (more || !w.opts.NoFollow) {
				if found, err = w.follow(dir, found); err != nil {
					return nil, "", err
				}
			}
		}
		if found == nil {
			if more {
				return nil, "", vfs.ErrPathNotFound
			}
			if differs {
				path = string(append(stored, name...))
			}
			return dir, path, fs.ErrNotExist
		}
		if entry.name != name && !differs {
			differs = true
			stored = append(stored, path[:len(path)-len(rest)]...)
		}
		if differs {
			stored = append(stored, entry.name...)
		}
		if !more {
			if differs {
				path = string(stored)
			}
			return found, path, nil
		}
		if found.typ != vfs.TypeDirectory {
			return nil, "", vfs.ErrNotDir
		}
		if differs {
			stored = append(stored, '/')
		}
		dir, rest = found, tail
	}
}

// follow returns what a symbolic link in dir leads to: nil if that is nothing,
// or something outside of the volume. The names of a target are exact.
func (w *walk) follow(dir, link *inode) (*inode, error) {
	w.links++
	if w.fs.opts.NoSymlinks || w.links > maxLinks || strings.HasPrefix(link.target, "/") {
		return nil, nil
	}
	at := dir
	for name := range strings.SplitSeq(link.target, "/") {
		if at.typ != vfs.TypeDirectory {
			return nil, vfs.ErrNotDir
		}
		switch name {
		case "", ".":
			continue
		case "..":
			if at = at.dir.parent; at == nil {
				return nil, nil
			}
			continue
		}
		if len(name) > maxName {
			return nil, vfs.ErrNameTooLong
		}
		e := at.dir.exact[name]
		if e == nil {
			return nil, nil
		}
		next := e.ino
		if next.typ == vfs.TypeSymlink {
			var err error
			if next, err = w.follow(at, next); next == nil {
				return nil, err
			}
		}
		at = next
	}
	return at, nil
}
