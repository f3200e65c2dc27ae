package snapdir

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// Layout is where in the directory the snapshots are, and where their times stand.
type Layout uint8

// The layouts.
const (
	// Names is DIRECTORY/NAME, where the name tells the time: Samba's shadow_copy2, ZFS,
	// and most tools.
	Names Layout = iota
	// Snapper is DIRECTORY/NUMBER/snapshot, where DIRECTORY/NUMBER/info.xml tells the time. If
	// it does not, the birth of DIRECTORY/NUMBER does.
	Snapper
)

// MaxSnapshots is how many snapshots of one directory there are at most; the newest count.
const MaxSnapshots = 1024

// maxNames bounds how many names of a directory are looked at.
const maxNames = 65536

const (
	// fresh is for how long a list is taken for true without looking, and stale when it
	// is read again though the directory says that it has not changed.
	fresh = 2 * time.Second
	stale = time.Minute
	// idle is how long the FS of a snapshot stays open that nobody uses.
	idle = 5 * time.Second
)

// Options say where the snapshots of a directory are.
type Options struct {
	// Root is the directory of which there are snapshots, as an absolute path.
	Root string
	// Directory has the snapshots. A relative path begins at Root.
	Directory string
	Layout    Layout
	// Format is needed for Names. Location is the time zone of the names; nil: UTC.
	Format   *Format
	Location *time.Location
	// Subdirectory is where in a snapshot that is which was Root then; empty: its top.
	Subdirectory string
	// Limit is how many of the newest snapshots count; 0: MaxSnapshots.
	Limit int
	// Open exports a directory. The path is that of a descriptor of this process, and good during
	// the call.
	Open func(path string) (vfs.FS, error)
}

// Set is the snapshots of a directory. It is made by New and safe for use by many goroutines.
type Set struct {
	opts Options // immutable

	mu     sync.Mutex // leaf, held across system calls; guards what follows
	list   []snapshot // newest first
	read   time.Time  // when list was read, and seen when it was known to be true
	seen   time.Time
	mark   dirMark
	views  map[int64]*view // by Unix time
	closed bool
}

// snapshot is one that was found.
type snapshot struct {
	time time.Time
	path string // below the directory of snapshots
}

// view is the FS of a snapshot.
type view struct {
	// Immutable after construction.
	fs  vfs.FS
	top place

	// Guarded by Set.mu.
	refs  int
	timer *time.Timer // closes it; nil if it has users
}

// New returns a Set. Nothing is looked at yet.
func New(o Options) *Set {
	if o.Location == nil {
		o.Location = time.UTC
	}
	if o.Limit <= 0 || o.Limit > MaxSnapshots {
		o.Limit = MaxSnapshots
	}
	if rel, err := filepath.Rel(o.Root, o.Directory); filepath.IsAbs(o.Directory) && err == nil && filepath.IsLocal(rel) {
		o.Directory = rel // what clients may have made on the way is not trusted then
	}
	return &Set{opts: o, views: make(map[int64]*view)}
}

// List returns the times of all snapshots in whole seconds, the newest first. The list may
// be two seconds old, and a minute where the directory does not tell that it has
// changed. Without the directory there are none.
func (s *Set) List(context.Context) ([]time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refreshLocked(); err != nil {
		return nil, err
	}
	times := make([]time.Time, len(s.list))
	for i := range s.list {
		times[i] = s.list[i].time
	}
	return times, nil
}

// Open returns the snapshot of a time, which counts in whole seconds. Release gives it
// back; it is called exactly once, after everything of the FS was given back. Errors:
// fs.ErrNotExist if there is none, and what keeps it from being opened.
func (s *Set) Open(_ context.Context, at time.Time) (snap vfs.FS, release func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fs.ErrClosed
	}
	if err := s.refreshLocked(); err != nil {
		return nil, nil, err
	}
	sec := at.Unix()
	i := slices.IndexFunc(s.list, func(n snapshot) bool { return n.time.Unix() == sec })
	if i < 0 {
		return nil, nil, fs.ErrNotExist
	}
	fd, top, err := s.find(s.list[i].path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	v := s.views[sec]
	if v != nil && v.top != top {
		s.forgetLocked(sec, v) // another one has taken its place
		v = nil
	}
	if v == nil {
		inner, err := s.opts.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err != nil {
			return nil, nil, err
		}
		v = &view{fs: ReadOnly(inner, salt(sec)), top: top}
		s.views[sec] = v
	}
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	v.refs++
	return v.fs, func() { s.release(sec, v) }, nil
}

// salt makes of the time of a snapshot what its ids differ by from those of others.
func salt(sec int64) uint64 {
	x := uint64(sec) * 0x9E3779B97F4A7C15
	x = (x ^ x>>31) * 0xBF58476D1CE4E5B9
	return x ^ x>>29 | 1
}

// release gives a view back.
func (s *Set) release(sec int64, v *view) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v.refs--; v.refs > 0 {
		return
	}
	if s.views[sec] != v || s.closed {
		_ = v.fs.Close()
		return
	}
	v.timer = time.AfterFunc(idle, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.views[sec] == v && v.refs == 0 {
			s.forgetLocked(sec, v)
		}
	})
}

// forgetLocked closes a view now or when the last user gives it back.
func (s *Set) forgetLocked(sec int64, v *view) {
	delete(s.views, sec)
	if v.timer != nil {
		v.timer.Stop()
		v.timer = nil
	}
	if v.refs == 0 {
		_ = v.fs.Close()
	}
}

// Close closes what is open and unused. What is in use is closed when it is given back.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for sec, v := range s.views {
		s.forgetLocked(sec, v)
	}
	return nil
}

// beneath resolves nothing that leads out of a directory, and no symbolic links.
const beneath = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS

// openBeneath opens a directory below another one.
func openBeneath(dir int, path string) (int, error) {
	for {
		fd, err := unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC, Resolve: beneath})
		if err != unix.EINTR && err != unix.EAGAIN { // EAGAIN: something was renamed meanwhile
			return fd, err
		}
	}
}

// directory opens the directory of snapshots.
func (s *Set) directory() (int, error) {
	const flags = unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC
	if filepath.IsAbs(s.opts.Directory) {
		return unix.Open(s.opts.Directory, flags, 0)
	}
	root, err := unix.Open(s.opts.Root, flags, 0)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(root) }()
	return openBeneath(root, s.opts.Directory)
}

// place tells a directory from others, as long as it is open.
type place struct{ dev, ino uint64 }

// find opens the top directory of a snapshot. Errors: fs.ErrNotExist if the path does not
// lead to a directory, or through a symbolic link.
func (s *Set) find(path string) (fd int, top place, err error) {
	dir, err := s.directory()
	if err != nil {
		return -1, top, notThere(err)
	}
	defer func() { _ = unix.Close(dir) }()
	if fd, err = openBeneath(dir, filepath.Join(path, s.opts.Subdirectory)); err != nil {
		return -1, top, notThere(err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		_ = unix.Close(fd)
		return -1, top, err
	}
	return fd, place{st.Dev, st.Ino}, nil
}

// notThere makes fs.ErrNotExist of an error that says that what is there is not a directory, or
// leads elsewhere.
func notThere(err error) error {
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EXDEV) || errors.Is(err, unix.ENOTDIR) {
		return fs.ErrNotExist
	}
	return err
}

// dirMark tells whether a directory has changed.
type dirMark struct {
	dev, ino     uint64
	mtime, ctime unix.Timespec
}

func markOf(fd int) (dirMark, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return dirMark{}, err
	}
	return dirMark{dev: st.Dev, ino: st.Ino, mtime: st.Mtim, ctime: st.Ctim}, nil
}

// refreshLocked reads the list anew if it may be out of date.
func (s *Set) refreshLocked() error {
	now := time.Now()
	if !s.seen.IsZero() && now.Sub(s.seen) < fresh {
		return nil
	}
	fd, err := s.directory()
	switch {
	case errors.Is(notThere(err), fs.ErrNotExist):
		s.list, s.mark, s.read, s.seen = nil, dirMark{}, now, now
		return nil
	case err != nil:
		return fmt.Errorf("snapshots in %s: %w", s.opts.Directory, err)
	}
	dir := os.NewFile(uintptr(fd), fmt.Sprintf("/proc/self/fd/%d", fd)) // by this name, ReadDir looks at entries
	defer func() { _ = dir.Close() }()
	mark, err := markOf(fd)
	if err != nil {
		return err
	}
	if mark == s.mark && now.Sub(s.read) < stale && !recent(mark, s.read) {
		s.seen = now
		return nil
	}
	list, err := s.scan(dir)
	if err != nil {
		return err
	}
	s.list, s.mark, s.read, s.seen = list, mark, now, now
	return nil
}

// recent reports whether a directory was changed so short before it was read that a further
// change could have the same time.
func recent(m dirMark, read time.Time) bool {
	return read.Sub(time.Unix(m.mtime.Unix())) < fresh || read.Sub(time.Unix(m.ctime.Unix())) < fresh
}

// scan reads the directory.
func (s *Set) scan(dir *os.File) ([]snapshot, error) {
	var list []snapshot
	for seen := 0; seen < maxNames; {
		batch, err := dir.ReadDir(256)
		for _, e := range batch {
			if n, ok := s.look(dir, e); ok {
				list = append(list, n)
			}
		}
		if seen += len(batch); errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b snapshot) int {
		if c := b.time.Compare(a.time); c != 0 {
			return c
		}
		return strings.Compare(a.path, b.path)
	})
	list = slices.CompactFunc(list, func(a, b snapshot) bool { return a.time.Equal(b.time) })
	return list[:min(len(list), s.opts.Limit)], nil
}
