package memfs

import (
	"context"
	"io/fs"
	"strings"

	"lessor/vfs"
	"lessor/vfs/names"
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
	stored := storedPath{given: path}
	for rest := path; ; {
		name, tail, more := strings.Cut(rest, "/")
		if len(name) > maxName {
			return nil, "", vfs.ErrNameTooLong
		}
		entry := dir.dir.match(name, names.Rule{Fold: w.opts.Fold, Form: w.opts.Form})
		found, err := w.target(dir, entry, more)
		switch {
		case err != nil:
			return nil, "", err
		case found == nil && more:
			return nil, "", vfs.ErrPathNotFound
		case found == nil:
			stored.add(name, name)
			return dir, stored.String(), fs.ErrNotExist
		}
		stored.add(name, entry.name)
		if !more {
			return found, stored.String(), nil
		}
		if found.typ != vfs.TypeDirectory {
			return nil, "", vfs.ErrNotDir
		}
		dir, rest = found, tail
	}
}

// target returns what an entry of dir leads to, nil if there is nothing. More
// says whether it is on the way to something else.
func (w *walk) target(dir *inode, e *entry, more bool) (*inode, error) {
	if e == nil {
		return nil, nil
	}
	if e.ino.typ == vfs.TypeSymlink && (more || !w.opts.NoFollow) {
		return w.follow(dir, e.ino)
	}
	return e.ino, nil
}

// storedPath puts together the stored form of a path, which mostly is the given
// one.
type storedPath struct {
	given string
	count int    // names so far
	same  int    // bytes of given that are as stored
	buf   []byte // the stored form, from the first name that differs on
}

// add appends a name.
func (s *storedPath) add(given, stored string) {
	first := s.count == 0
	s.count++
	if s.buf == nil {
		start := s.same
		if !first {
			start++ // the slash
		}
		if given == stored {
			s.same = start + len(given)
			return
		}
		s.buf = append(make([]byte, 0, len(s.given)+16), s.given[:start]...)
	} else {
		s.buf = append(s.buf, '/')
	}
	s.buf = append(s.buf, stored...)
}

// String returns the path.
func (s *storedPath) String() string {
	if s.buf == nil {
		return s.given
	}
	return string(s.buf)
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
