package memfs

import (
	"io/fs"
	"sync"
	"sync/atomic"
	"time"

	"lessor/vfs"
)

// What an object costs besides its data, about as much as it takes of memory.
const (
	inodeCost = 544 // a file or link, with its place in the table
	dirCost   = 512 // the maps of a directory, besides its inode
	entryCost = 128 // a name in a directory, besides twice its length
	pairCost  = 128 // an extended attribute, besides twice its name and its value
	namedCost = 192 // a named stream, besides twice its name
)

// inode is a file, directory or symbolic link.
type inode struct {
	// Immutable after construction.
	fs     *FS
	id     vfs.NodeID
	typ    vfs.FileType
	target string // of a symbolic link

	// Atomic.
	refs     atomic.Int64 // nodes and handles
	unlinked atomic.Bool  // it has no name left; set once, under FS.tree

	// dir is not nil exactly for directories; what it points to is guarded by
	// FS.tree.
	dir *directory

	// mu guards the rest. It stands below FS.tree; of two inodes that with the
	// smaller number comes first.
	mu       sync.RWMutex
	mode     uint32
	uid, gid uint32
	nlink    uint32 // changed under FS.tree as well
	birth    time.Time
	access   time.Time
	modify   time.Time
	change   time.Time
	dos      uint32
	dosSet   bool
	security []byte
	reparse  string
	objectID []byte             // nil if there is none
	xattrs   map[string]xattr   // by folded name
	streams  map[string]*stream // the named ones, by folded name
	main     stream             // the unnamed one
	meta     int64              // what security, reparse, object id, xattrs, streams and names of streams cost
	freed    bool               // nobody can reach it any more
}

// stream is the unnamed data of a file or a named data stream; it is guarded
// by the mu of its inode.
type stream struct {
	name string
	data data
	gone bool // removed or replaced
}

// xattr is an extended attribute.
type xattr struct {
	name  string // as stored
	value []byte // never changed, only replaced
}

// ref returns a new node of the file. The caller holds FS.tree or another
// reference, or asks for the root.
func (ino *inode) ref() *node { return ino.refStream(nil) }

// refStream returns a new node of a named stream, or of the file if st is nil.
func (ino *inode) refStream(st *stream) *node {
	ino.hold()
	return &node{ino: ino, st: st}
}

// hold counts a further node or handle.
func (ino *inode) hold() {
	ino.refs.Add(1)
	ino.fs.held.Add(1)
}

// drop counts a node or handle less, once for each done; it reports whether this
// was the first time.
func (ino *inode) drop(done *atomic.Bool) bool {
	if done.Swap(true) {
		ino.fs.twice.Add(1)
		return false
	}
	ino.fs.held.Add(-1)
	// Whoever takes the last name away looks at refs after setting unlinked, so
	// one of the two sees that the file is at its end.
	if ino.refs.Add(-1) == 0 && ino.unlinked.Load() {
		ino.free()
	}
	return true
}

// close is drop for a handle.
func (ino *inode) close(done *atomic.Bool) error {
	if !ino.drop(done) {
		return fs.ErrClosed
	}
	return nil
}

// free gives the storage of a file back that nobody can reach.
func (ino *inode) free() {
	ino.mu.Lock()
	defer ino.mu.Unlock()
	if ino.freed {
		return
	}
	ino.freed = true
	cost := inodeCost + ino.meta + int64(len(ino.target))
	if ino.typ == vfs.TypeDirectory {
		cost += dirCost
	}
	cost += ino.main.data.clear()
	for _, st := range ino.streams {
		cost += st.data.clear()
		st.gone = true
	}
	ino.main.gone = true
	ino.xattrs, ino.streams, ino.security, ino.reparse = nil, nil, nil, ""
	ino.fs.space.give(cost)
}

// linkLocked counts a further name, or with -1 one less. The caller holds
// FS.tree. It reports whether the file is at its end, to be freed once the tree
// is unlocked.
func (ino *inode) linkLocked(by int) (end bool) {
	ino.mu.Lock()
	ino.nlink = uint32(int64(ino.nlink) + int64(by))
	ino.change = timeNow()
	last := ino.nlink == 0
	ino.mu.Unlock()
	if !last {
		return false
	}
	delete(ino.fs.files, ino.id.Inode)
	if ino.dir != nil {
		ino.dir.parent = nil
	}
	ino.unlinked.Store(true)
	return ino.refs.Load() == 0
}

// touched notes that something but the data was changed now.
func (ino *inode) touched() {
	ino.mu.Lock()
	ino.change = timeNow()
	ino.mu.Unlock()
}

// entriesChanged notes that the entries of a directory were changed now.
func (ino *inode) entriesChanged() {
	ino.mu.Lock()
	ino.modifiedLocked()
	ino.mu.Unlock()
}

// modifiedLocked notes that data was changed now.
func (ino *inode) modifiedLocked() {
	ino.modify = timeNow()
	ino.change = ino.modify
}

// attr returns the attributes of the file with the size of one of its streams,
// or vfs.ErrStale if that is gone.
func (ino *inode) attr(st *stream) (vfs.Attr, error) {
	ino.mu.RLock()
	defer ino.mu.RUnlock()
	if st.gone {
		return vfs.Attr{}, vfs.ErrStale
	}
	a := vfs.Attr{
		ID:     ino.id,
		Type:   ino.typ,
		Size:   st.data.size,
		Alloc:  st.data.allocated(),
		NLink:  ino.nlink,
		UID:    ino.uid,
		GID:    ino.gid,
		Mode:   ino.mode,
		Birth:  ino.birth,
		Access: ino.access,
		Modify: ino.modify,
		Change: ino.change,
		DOS:    ino.dos,
		DOSSet: ino.dosSet,

		Reparse:  ino.reparse,
		HasXattr: len(ino.xattrs) > 0,
		Lacks:    vfs.ExtraPosixACL,
	}
	if len(ino.streams) == 0 {
		a.Lacks |= vfs.ExtraStreams
	}
	if ino.security == nil {
		a.Lacks |= vfs.ExtraSecurity
	}
	switch {
	case st != &ino.main:
		a.Type = vfs.TypeStream
	case ino.typ == vfs.TypeSymlink:
		a.Size = int64(len(ino.target))
	}
	return a, nil
}
