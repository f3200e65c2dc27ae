//go:build linux

package localfs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localwatch"
)

// Options are the settings of an FS. The zero value is good.
type Options struct {
	// NoSymlinks refuses to follow symbolic links. By default those which stay
	// inside the export are followed. A link that leads out of it, and one with
	// an absolute target, does not exist either way.
	NoSymlinks bool
	// Hidden is a path below the export, with slashes, to which no symbolic link leads, nor
	// to anything below it: the caller does not ask for it by its own name, and the way
	// there is to be shut. Empty: there is none.
	Hidden string
	// FileMode and DirMode are the permission bits of what is created without a
	// Mode, before the umask of the process; 0 means 0644 and 0755.
	FileMode uint32
	DirMode  uint32
	// IndexDirs and IndexNames bound the index of folded names by directories
	// and by names, at about 80 bytes a name; 0 means 1,024 and 2,500,000. A
	// directory larger than IndexNames is listed anew for every look-up that
	// needs folding.
	IndexDirs  int
	IndexNames int
	// Memory is for what several FS remember together; nil: the FS has its own, and
	// otherwise IndexDirs and IndexNames mean nothing.
	Memory *Memory
	// Label is the volume label of FSInfo.
	Label string
	// Watch is how the FS listens for changes by others, once it is asked to.
	Watch localwatch.Way
	// HeedModes lets a stored security descriptor count only as long as nobody has
	// changed the owner, the permission bits or the POSIX ACL of its file since.
	// Otherwise these are taken for meaningless.
	HeedModes bool
	// Preserve keeps the FS from changing anything by itself, as it else does when a file
	// that somebody has copied gets its own large streams: for snapshots.
	Preserve bool
}

// Memory is what FS remember of names and attributes. An FS for itself may take a good 200
// MB with the bounds that are the default, so that many that are hardly used, as those of
// snapshots, have one together: what was used longest ago goes first, whosever it is. None of
// them should be watched. It is made by NewMemory.
type Memory struct {
	indexes *indexes
	known   known
}

// NewMemory returns a Memory with the bounds of Options.IndexDirs and Options.IndexNames.
func NewMemory(dirs, names int) *Memory { return &Memory{indexes: newIndexes(dirs, names)} }

// FS is an exported directory. It is made by New.
type FS struct {
	// Immutable after construction.
	opts    Options
	root    *node
	caps    vfs.Caps
	resolve uint64 // RESOLVE_* flags of every look-up
	rootDev uint64

	// Atomic.
	ownACL atomic.Bool // descriptors go to user.lessor.NTACL
	watch  atomic.Pointer[watch]
	own    atomic.Pointer[ownOps] // that of the watch, if it needs one

	watching sync.Mutex // held while a watch begins or ends; outermost

	big     *bigStreams // named streams that are files; immutable
	leases  leases
	changes changes  // change times that clients have set
	known   *known   // what extended attributes say; immutable
	volumes sync.Map // device number uint64 -> volume uint64, for file systems mounted below the root
	index   index
	stripes [64]stripe
}

var (
	_ vfs.FS      = (*FS)(nil)
	_ vfs.Watcher = (*FS)(nil)
)

// stripe serialises what is read, changed and written back as one piece, for
// the files whose ID falls into it.
type stripe struct {
	sync.RWMutex // held across xattr calls
	// streams holds the named streams to which somebody has a Node or Handle;
	// guarded by the mutex.
	streams map[streamKey]*stream
}

// New exports the directory at root, which must exist. The kernel must have
// openat2 (Linux 5.6) and /proc must be mounted.
func New(root string, opts Options) (*FS, error) {
	if opts.FileMode == 0 {
		opts.FileMode = 0o644
	}
	if opts.DirMode == 0 {
		opts.DirMode = 0o755
	}
	f := &FS{opts: opts, resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS}
	if opts.NoSymlinks {
		f.resolve |= unix.RESOLVE_NO_SYMLINKS
	}
	memory := opts.Memory
	if memory == nil {
		memory = NewMemory(opts.IndexDirs, opts.IndexNames)
	}
	f.index, f.known = memory.indexes.of(), &memory.known
	fd, err := unix.Open(root, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("export %s: %w", root, err)
	}
	if err := f.start(fd); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("export %s: %w", root, err)
	}
	return f, nil
}

// start checks what the machine offers and makes the root node around fd.
func (f *FS) start(fd int) error {
	probe, e := openat2(fd, ".", unix.O_PATH|unix.O_DIRECTORY, 0, f.resolve)
	if e == syscall.ENOSYS {
		return errors.New("the kernel has no openat2 (Linux 5.6 or later is needed)")
	}
	if e != 0 {
		return e
	}
	defer func() { _ = closeFD(probe) }()
	again, e := reopen(probe, unix.O_PATH|unix.O_DIRECTORY)
	if e != 0 {
		return fmt.Errorf("/proc/self/fd cannot be used: %w", e)
	}
	_ = closeFD(again)

	var st unix.Statx_t
	if e := statFD(fd, &st); e != 0 {
		return e
	}
	f.rootDev = devOf(&st)
	volume, err := volumeOfFD(fd, f.rootDev)
	if err != nil {
		return err
	}
	f.volumes.Store(f.rootDev, volume)
	f.root = newNode(f, fd, fdRead, vfs.NodeID{Volume: volume, Inode: st.Ino, Generation: generation(&st)}, vfs.TypeDirectory)
	f.ownACL.Store(!mayWriteSecurity())
	f.caps = f.findCaps(fd)
	f.openBig()
	return nil
}

// findCaps tells what the file system of the root can do.
func (f *FS) findCaps(fd int) vfs.Caps {
	caps := vfs.CapSparse | vfs.CapHardLinks | vfs.CapSymlinks | vfs.CapPersistentIDs |
		vfs.CapCaseSensitive | vfs.CapSubsecond | vfs.CapChangeTime | vfs.CapRangeLocks | vfs.CapLeases
	if _, e := getXattr(fd, false, xDOSAttrib, nil); e != syscall.EOPNOTSUPP {
		caps |= vfs.CapStreams | vfs.CapXattr | vfs.CapDOS | vfs.CapSecurity | vfs.CapReparse | vfs.CapObjectID
	}
	var s unix.Statfs_t
	if unix.Fstatfs(fd, &s) == nil {
		switch s.Type {
		case unix.BTRFS_SUPER_MAGIC:
			caps |= vfs.CapReflink | vfs.CapCompression
		case unix.XFS_SUPER_MAGIC:
			caps |= vfs.CapReflink
		case unix.MSDOS_SUPER_MAGIC:
			caps &^= vfs.CapHardLinks | vfs.CapSymlinks | vfs.CapSparse
		}
	}
	return caps
}

// mayWriteSecurity reports whether the process has CAP_SYS_ADMIN, without which
// the security namespace of extended attributes is read-only.
func mayWriteSecurity() bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&hdr, &data[0]) != nil {
		return false
	}
	return data[unix.CAP_SYS_ADMIN/32].Effective&(1<<(unix.CAP_SYS_ADMIN%32)) != 0
}

// Root returns a new reference to the exported directory.
func (f *FS) Root() vfs.Node {
	f.root.refs.Add(1)
	return f.root
}

// ByID answers errors.ErrUnsupported: the kernel opens by handle only for root
// and then without regard to the export.
func (f *FS) ByID(context.Context, vfs.NodeID) (vfs.Node, error) {
	return nil, errors.ErrUnsupported
}

// Caps tells the abilities of the file system of the root.
func (f *FS) Caps() vfs.Caps { return f.caps }

// Close closes the exported directory.
func (f *FS) Close() error {
	f.index.close()
	closeBig(f.big)
	f.root.Release()
	return nil
}

// Info describes the file system of the root.
func (f *FS) Info(context.Context) (vfs.FSInfo, error) {
	var s unix.Statfs_t
	if e := retry(func() error { return unix.Fstatfs(f.root.fd, &s) }); e != 0 {
		return vfs.FSInfo{}, errnoErr(e)
	}
	var st unix.Statx_t
	if e := statFD(f.root.fd, &st); e != 0 {
		return vfs.FSInfo{}, errnoErr(e)
	}
	block := s.Frsize
	if block <= 0 {
		block = max(s.Bsize, 512)
	}
	return vfs.FSInfo{
		VolumeID:  f.root.id.Volume,
		Label:     f.opts.Label,
		Type:      fsTypeName(s.Type),
		BlockSize: uint32(block),
		Blocks:    s.Blocks,
		Free:      s.Bfree,
		Avail:     s.Bavail,
		Files:     s.Files,
		FilesFree: s.Ffree,
		MaxName:   int(s.Namelen),
		ReadOnly:  s.Flags&unix.ST_RDONLY != 0,
		Created:   birthOf(&st),
	}, nil
}

// fsTypeName names the common file systems by their magic number.
func fsTypeName(magic int64) string {
	switch magic {
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.BTRFS_SUPER_MAGIC:
		return "btrfs"
	case unix.TMPFS_MAGIC:
		return "tmpfs"
	case unix.OVERLAYFS_SUPER_MAGIC:
		return "overlay"
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.F2FS_SUPER_MAGIC:
		return "f2fs"
	case unix.FUSE_SUPER_MAGIC:
		return "fuse"
	case 0x2fc12fc1:
		return "zfs"
	default:
		return "linux"
	}
}

// devOf returns the device number of a file's file system.
func devOf(st *unix.Statx_t) uint64 { return unix.Mkdev(st.Dev_major, st.Dev_minor) }

// volumeOfFD returns the number that identifies a file system across mounts:
// the one that statfs derives from its UUID, else the device number.
func volumeOfFD(fd int, dev uint64) (uint64, error) {
	var s unix.Statfs_t
	if e := retry(func() error { return unix.Fstatfs(fd, &s) }); e != 0 {
		return 0, errnoErr(e)
	}
	var b [8]byte
	binary.LittleEndian.PutUint32(b[0:], uint32(s.Fsid.Val[0]))
	binary.LittleEndian.PutUint32(b[4:], uint32(s.Fsid.Val[1]))
	if v := binary.LittleEndian.Uint64(b[:]); v != 0 {
		return v, nil
	}
	return dev, nil
}

// volume returns the volume of an object whose attributes are in st; open is
// asked for a descriptor of it the first time a device number is seen.
func (f *FS) volume(st *unix.Statx_t, open func() (int, bool)) uint64 {
	dev := devOf(st)
	if dev == f.rootDev {
		return f.root.id.Volume
	}
	if v, ok := f.volumes.Load(dev); ok {
		if volume, isVolume := v.(uint64); isVolume {
			return volume
		}
	}
	fd, mine := open()
	if fd < 0 {
		return dev
	}
	if mine {
		defer func() { _ = closeFD(fd) }()
	}
	v, err := volumeOfFD(fd, dev)
	if err != nil {
		return dev
	}
	f.volumes.Store(dev, v)
	return v
}

// generation tells apart the files that use one inode number one after the
// other: by the time of birth, which nothing can change.
func generation(st *unix.Statx_t) uint64 {
	if st.Mask&unix.STATX_BTIME == 0 {
		return 0
	}
	return uint64(st.Btime.Sec)*1_000_000_000 + uint64(st.Btime.Nsec)
}

// birthOf returns the time of birth as the file system keeps it, or the
// earliest time that it keeps instead.
func birthOf(st *unix.Statx_t) time.Time {
	if st.Mask&unix.STATX_BTIME != 0 {
		return statxTime(st.Btime)
	}
	m, c := statxTime(st.Mtime), statxTime(st.Ctime)
	if c.Before(m) {
		return c
	}
	return m
}

// statxTime converts a time of the kernel.
func statxTime(t unix.StatxTimestamp) time.Time { return time.Unix(t.Sec, int64(t.Nsec)) }

// stripeOf returns the stripe of a file.
func (f *FS) stripeOf(id vfs.NodeID) *stripe {
	h := id.Inode*0x9E3779B97F4A7C15 ^ id.Generation
	return &f.stripes[h%uint64(len(f.stripes))]
}
