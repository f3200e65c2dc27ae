package memfs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lessor/vfs"
)

// DefaultSize is the size in bytes of a volume of which nothing else was said.
const DefaultSize int64 = 1 << 30

// maxName is the length in bytes of the longest name: of 255 UTF-16 units, the
// most that a client can send, none takes more than three bytes.
const maxName = 3 * 255

// Options are the settings of an FS. The zero value is good.
type Options struct {
	// Size is the size of the volume in bytes: what all files with their names
	// and attributes may take together. 0 means DefaultSize. The garbage
	// collector may let the process grow to twice as much.
	Size int64
	// VolumeID is FSInfo.VolumeID; 0 means a random one.
	VolumeID uint64
	// Label is the volume label of FSInfo.
	Label string
	// NoSymlinks refuses to follow symbolic links. By default those which stay
	// inside the volume are followed. A link that leads out of it, and one with an
	// absolute target, does not exist either way.
	NoSymlinks bool
	// FileMode and DirMode are the permission bits of what is created without a
	// Mode; 0 means 0644 and 0755.
	FileMode uint32
	DirMode  uint32
}

// FS is a volume in memory. It is made by New.
type FS struct {
	// Immutable after construction.
	opts       Options
	volume     uint64
	generation uint64 // tells this volume from one of an earlier life with its ID
	uid, gid   uint32 // owner of what the server itself creates
	root       *inode
	space      space

	// Atomic.
	held  atomic.Int64 // Nodes and Handles not yet given back
	twice atomic.Int64 // those given back more than once

	// tree is the outermost lock. It guards files, lastID and the directory of
	// every inode.
	tree   sync.RWMutex
	files  map[uint64]*inode // those with a name, by number
	lastID uint64
}

var _ vfs.FS = (*FS)(nil)

// New returns an empty volume.
func New(opts Options) *FS {
	if opts.Size <= 0 {
		opts.Size = DefaultSize
	}
	if opts.FileMode == 0 {
		opts.FileMode = 0o644
	}
	if opts.DirMode == 0 {
		opts.DirMode = 0o755
	}
	f := &FS{opts: opts, volume: opts.VolumeID, files: make(map[uint64]*inode)}
	// Some systems have no numbers for users and answer -1.
	f.uid, f.gid = uint32(max(os.Getuid(), 0)), uint32(max(os.Getgid(), 0))
	f.space.limit = opts.Size
	var b [16]byte
	_, _ = rand.Read(b[:]) // It never fails.
	f.generation = binary.LittleEndian.Uint64(b[:8])
	for f.volume == 0 {
		_, _ = rand.Read(b[8:])
		f.volume = binary.LittleEndian.Uint64(b[8:])
	}
	f.root = f.newInodeLocked(vfs.TypeDirectory, opts.DirMode, nil)
	return f
}

// Root returns a new reference to the top directory.
func (f *FS) Root() vfs.Node { return f.root.ref() }

// ByID returns a new reference to a file that has a name. A file that was
// removed answers vfs.ErrStale even while somebody still holds it.
func (f *FS) ByID(_ context.Context, id vfs.NodeID) (vfs.Node, error) {
	f.tree.RLock()
	defer f.tree.RUnlock()
	ino := f.files[id.Inode]
	if ino == nil || ino.id != id {
		return nil, vfs.ErrStale
	}
	return ino.ref(), nil
}

// Info describes the volume. The number of files is bounded by the storage.
func (f *FS) Info(context.Context) (vfs.FSInfo, error) {
	top, err := f.root.attr(&f.root.main)
	if err != nil {
		return vfs.FSInfo{}, err
	}
	free := uint64(max(f.space.limit-f.space.used.Load(), 0)) / pageSize
	return vfs.FSInfo{
		VolumeID:  f.volume,
		Label:     f.opts.Label,
		Type:      "memfs",
		BlockSize: pageSize,
		Blocks:    uint64(f.space.limit) / pageSize,
		Free:      free,
		Avail:     free,
		MaxName:   maxName,
		Created:   top.Birth,
	}, nil
}

// Caps returns all abilities but the one to remember anything.
func (f *FS) Caps() vfs.Caps {
	return vfs.CapStreams | vfs.CapXattr | vfs.CapSecurity | vfs.CapDOS | vfs.CapReflink |
		vfs.CapSparse | vfs.CapHardLinks | vfs.CapSymlinks | vfs.CapByID |
		vfs.CapCaseSensitive | vfs.CapChangeTime | vfs.CapSubsecond | vfs.CapReparse | vfs.CapObjectID
}

// Close reports whether all Nodes and Handles were given back, each once. There
// is nothing else to do: the memory goes with the last reference to the FS.
func (f *FS) Close() error {
	held, twice := f.held.Load(), f.twice.Load()
	if held != 0 || twice != 0 {
		return fmt.Errorf("memfs: %d nodes and handles were not given back, %d more than once", held, twice)
	}
	return nil
}

// Held returns how many Nodes and Handles have not been given back, for tests
// that look for leaks.
func (f *FS) Held() int64 { return f.held.Load() }

// Used returns how many bytes of Options.Size are taken.
func (f *FS) Used() int64 { return f.space.used.Load() }

// newInodeLocked makes an inode that has one name to be. The caller holds tree,
// except in New, and has paid.
func (f *FS) newInodeLocked(typ vfs.FileType, mode uint32, cred *vfs.Cred) *inode {
	f.lastID++
	now := timeNow()
	ino := &inode{
		fs:     f,
		id:     vfs.NodeID{Volume: f.volume, Inode: f.lastID, Generation: f.generation},
		typ:    typ,
		mode:   mode & 0o7777,
		uid:    f.uid,
		gid:    f.gid,
		nlink:  1,
		birth:  now,
		access: now,
		modify: now,
		change: now,
	}
	if cred != nil {
		ino.uid, ino.gid = cred.UID, cred.GID
	}
	if typ == vfs.TypeDirectory {
		ino.dir = newDirectory(ino)
	}
	f.files[ino.id.Inode] = ino
	return ino
}

// timeNow returns the present time as files keep it.
func timeNow() time.Time { return time.Now().Round(0) }

// own returns the node behind an argument, which must be of this FS.
func (f *FS) own(n vfs.Node) (*node, error) {
	o, ok := n.(*node)
	if !ok || o.ino.fs != f {
		return nil, vfs.ErrCrossDevice
	}
	return o, nil
}

// space is the account of a volume's storage in bytes.
type space struct {
	limit int64        // immutable
	used  atomic.Int64 // between 0 and limit
}

// take takes n bytes, or nothing and returns vfs.ErrNoSpace.
func (s *space) take(n int64) error {
	if n <= 0 {
		return nil
	}
	for {
		used := s.used.Load()
		if n > s.limit-used {
			return vfs.ErrNoSpace
		}
		if s.used.CompareAndSwap(used, used+n) {
			return nil
		}
	}
}

// give gives n bytes back.
func (s *space) give(n int64) { s.used.Add(-n) }

// exchange replaces what was paid before by what is to be paid now.
func (s *space) exchange(before, now int64) error {
	if now > before {
		return s.take(now - before)
	}
	s.give(before - now)
	return nil
}

// checkName tells whether name can be one of a file here.
func checkName(name string) error {
	if err := vfs.CheckName(name); err != nil {
		return err
	}
	if len(name) > maxName {
		return vfs.ErrNameTooLong
	}
	return nil
}
