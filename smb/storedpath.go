package smb

import (
	"cmp"
	"strings"
	"sync"
	"time"

	"lessor/vfs"
	"lessor/vfs/names"
)

// Three kinds of names do not say by themselves what they mean on the disk: those
// with private characters, which may stand for characters that clients cannot send
// (see clientName) or spell another form of a name (see nameforms.go), and short names (MS-FSCC 2.1.5.2.1), which are made up for each
// long one and stored nowhere. They are rare, so a name is tried as it is first.

// tunnelTime is how long a short name keeps its long one when the file is gone:
// programs save by deleting a file and making it again (MS-FSA 2.1.5.1.1 and its
// note on name tunneling).
const tunnelTime = 15 * time.Second

// maxTunnel bounds the short names that are remembered.
const maxTunnel = 256

// tunnel remembers what short names have meant lately.
type tunnel struct {
	mu    sync.Mutex // leaf; guards names
	names map[string]tunneled
}

// tunneled is the long name behind a short one.
type tunneled struct {
	long  string
	until time.Time
}

// storedPath is the path on the disk that a path from a client means, as far as it
// is not that path itself.
func (r *request) storedPath(path string) string {
	if !hasPrivate(path) && strings.IndexByte(path, '~') < 0 && !r.tree.share.hasSpelled(path) {
		return path
	}
	done := ""
	for rest := path; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		done = names.Join(done, r.storedName(done, name))
	}
	return done
}

// storedName is the name on the disk, in the directory with that stored path, that
// a name from a client means.
func (r *request) storedName(dir, name string) string {
	private, short := hasPrivate(name), looksShort(name) && !r.tree.share.NoShortNames
	spelled := r.tree.share.hasSpelled(name)
	if !private && !short && !spelled || r.exists(names.Join(dir, name)) {
		return name
	}
	if disk, _ := names.Unspell(name); spelled {
		if _, base := names.Split(r.actualPath(names.Join(dir, disk))); base == disk {
			return disk
		}
	}
	if private {
		if disk := names.UnmapReserved(name); disk != name && r.exists(names.Join(dir, disk)) {
			return disk
		}
	}
	if short {
		return r.longName(dir, name)
	}
	return name
}

// exists reports whether a path exists on the share.
func (r *request) exists(path string) bool { return r.actualPath(path) != "" }

// actualPath is the stored form of a path, empty if it does not exist.
func (r *request) actualPath(path string) string {
	sh := r.tree.share
	root := sh.FS.Root()
	defer root.Release()
	n, actual, err := root.Lookup(r.ctx(), r.cred(), path, sh.named(vfs.LookupOptions{NoFollow: true}))
	if err != nil {
		return ""
	}
	n.Release()
	return actual
}

// claimedPath is the stored form of the path with which a client claims an open of
// before, which package locking compares with that of the open.
func (r *request) claimedPath(name string) string {
	path := r.storedPath(r.tree.share.diskName(strings.ReplaceAll(name, `\`, "/")))
	if !r.tree.share.oneForm() || names.IsASCII(path) {
		return path
	}
	return cmp.Or(r.actualPath(path), path)
}

// longName finds the file whose short name is name by looking at the whole
// directory; if there is none, it returns what the short name has meant lately, or
// name itself.
func (r *request) longName(dir, name string) string {
	sh := r.tree.share
	short := strings.ToUpper(name)
	key := sh.fold(dir) + "/" + short
	long, found := r.scanShort(dir, short)
	if !found {
		return sh.tunnel.recall(key, name)
	}
	sh.tunnel.remember(key, long)
	return long
}

// scanShort looks through a directory for a short name.
func (r *request) scanShort(dir, short string) (long string, found bool) {
	sh := r.tree.share
	root := sh.FS.Root()
	defer root.Release()
	node, _, err := root.Lookup(r.ctx(), r.cred(), dir, sh.named(vfs.LookupOptions{}))
	if err != nil {
		return "", false
	}
	defer node.Release()
	h, err := node.Open(r.ctx(), r.cred(), vfs.OpenMode{Read: true})
	if err != nil {
		return "", false
	}
	defer func() { _ = h.Close() }()
	var batch [scanBatch]vfs.DirEntry
	for {
		n, err := h.ReadDir(r.ctx(), r.cred(), batch[:])
		if err != nil {
			return "", false
		}
		for i := range batch[:n] {
			if names.ShortName(r.entryName(sh, node, batch[i].Name), 0) == short {
				return batch[i].Name, true
			}
		}
	}
}

// remember notes what a short name means now.
func (t *tunnel) remember(key, long string) {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.names == nil {
		t.names = make(map[string]tunneled)
	}
	if len(t.names) >= maxTunnel {
		for k, e := range t.names {
			if now.After(e.until) {
				delete(t.names, k)
			}
		}
		if len(t.names) >= maxTunnel {
			clear(t.names)
		}
	}
	t.names[key] = tunneled{long, now.Add(tunnelTime)}
}

// recall returns what a short name has meant lately, or otherwise.
func (t *tunnel) recall(key, otherwise string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, ok := t.names[key]; ok && time.Now().Before(e.until) {
		return e.long
	}
	return otherwise
}

// hasPrivate reports whether a name has one of the characters from U+F000 to
// U+F03F, which UTF-8 writes as EF 80 and one more byte.
func hasPrivate(name string) bool { return strings.Contains(name, "\xef\x80") }

// looksShort reports whether a name has the form that names.ShortName gives: up to
// two characters of the long one, four of a hash, a tilde and a digit, and an
// extension.
func looksShort(name string) bool {
	base, ext, _ := strings.Cut(name, ".")
	n := len(base)
	return n >= 6 && n <= 8 && base[n-2] == '~' && base[n-1] >= '1' && base[n-1] <= '9' && len(ext) <= 3
}
