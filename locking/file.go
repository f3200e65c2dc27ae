package locking

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// shardCount is the number of shards of each map; a power of two.
const shardCount = 64

// shardSeed keeps clients from choosing keys that meet in one shard.
var shardSeed = maphash.MakeSeed()

// shardOf spreads keys over the shards of a map.
func shardOf[K comparable](k K) int {
	return int(maphash.Comparable(shardSeed, k) % shardCount)
}

// shard is a part of the map from Key to file.
type shard struct {
	mu    sync.Mutex // level 5: files, and file.refs of the files in it
	files map[Key]*file
	_     [40]byte // keeps neighbours out of one cache line
}

// file is everything that is true of one file, whoever has it open.
type file struct {
	// Immutable after construction.
	m   *OplockManager
	key Key

	// Guarded by the mutex of the shard.
	refs int

	// due is the batch after which everything is stored that must be before
	// anybody goes on with the file (see stored.go); nil if it is. Atomic, as those
	// who only read and write look at it as well.
	due atomic.Pointer[commitBatch]

	mu sync.Mutex // level 6: everything below, the streams and their opens
	// base is the unnamed stream; streams has the named ones with opens.
	base    stream
	streams map[string]*stream
	opens   int
	// doomed are the names of the file that are marked for deletion. Usually there
	// is one at most; of a file with several links each can be marked by itself, and
	// the others stay good (Link.IsDeleted of MS-FSA 2.1.1.5).
	doomed []link
	// changed is closed when a waiting operation should look again; nil while
	// nobody waits.
	changed chan struct{}
	// purged are the opens that were pushed out since the mutex was taken.
	purged []purgedOpen
}

// link is one name of a file.
type link struct {
	volume uint64
	path   string
	// Of one that is marked for deletion: the mark, and whether it is being deleted.
	mark  *mark
	going bool
}

// mark is a mark for deletion, of a link or a named stream.
type mark struct {
	// asked is how many have asked for it and were told that it is set, or wait for the
	// store to be told so. Without any it goes.
	asked int
}

// is reports whether the link is this one, without regard to case.
func (l *link) is(volume uint64, path string) bool {
	return l.volume == volume && strings.EqualFold(l.path, path)
}

// doomedLocked is the index of a name among those marked for deletion, or -1.
func (f *file) doomedLocked(volume uint64, path string) int {
	return slices.IndexFunc(f.doomed, func(l link) bool { return l.is(volume, path) })
}

// linkOpenLocked reports whether any open of the file has this name.
func (f *file) linkOpenLocked(volume uint64, path string) (found bool) {
	l := link{volume: volume, path: path}
	f.eachStreamLocked(func(s *stream) {
		for o := s.first; o != nil && !found; o = o.next {
			found = l.is(o.volume, o.path)
		}
	})
	return found
}

// stream is one data stream of a file, or its directory. Everything is
// guarded by file.mu unless it says otherwise.
type stream struct {
	// Immutable after construction.
	file *file

	name        string // folded; a rename of the stream changes it
	first, last *Open  // all opens, oldest first
	opens       int
	modes       shareModes
	// significant counts the opens that keep others from caching writes: all
	// but attribute-only opens without oplock or lease.
	significant int
	// holders are the leases, and the oplocks that are not gone.
	holders []*holder
	oplocks int
	// protected counts the disconnected persistent opens.
	protected int

	ranges  rangeTree
	waiters []*lockWaiter

	// mark: the stream goes at its last close; nil if it stays. For base see file.doomed.
	mark *mark
	// deleting counts the deletions that are under way right now.
	deleting int

	// Atomic, so that reads and writes need no mutex where nothing is held.
	caching atomic.Int32 // holders with any right
	locked  atomic.Int64 // granted byte-range locks
}

// hold returns the file object of a key, made if necessary, with a reference.
func (m *OplockManager) hold(key Key) *file {
	sh := &m.shards[shardOf(key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f := sh.files[key]
	if f == nil {
		f = &file{m: m, key: key}
		f.base.file = f
		if sh.files == nil {
			sh.files = make(map[Key]*file)
		}
		sh.files[key] = f
		m.stats.files.Add(1)
	}
	f.refs++
	return f
}

// holdExisting is hold for files that are open; nil if it is not.
func (m *OplockManager) holdExisting(key Key) *file {
	sh := &m.shards[shardOf(key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f := sh.files[key]
	if f != nil {
		f.refs++
	}
	return f
}

// drop gives n references back. The caller does not hold file.mu.
func (m *OplockManager) drop(f *file, n int) {
	if n == 0 {
		return
	}
	sh := &m.shards[shardOf(f.key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	f.refs -= n
	if f.refs == 0 {
		delete(sh.files, f.key)
		m.stats.files.Add(-1)
	}
}

// release gives the reference of an open back that is closed. As long as something is
// due, somebody must refer to the file, or those who open it next do not know.
func (f *file) release() {
	if f.due.Load() == nil {
		f.m.drop(f, 1)
		return
	}
	f.m.background(func() {
		f.awaitDue()
		f.m.drop(f, 1)
	})
}

// allFiles returns the files that exist now, without references: their state
// may be read under file.mu, but they may have ended meanwhile.
func (m *OplockManager) allFiles() []*file {
	var all []*file
	for i := range m.shards {
		sh := &m.shards[i]
		sh.mu.Lock()
		for _, f := range sh.files {
			all = append(all, f)
		}
		sh.mu.Unlock()
	}
	return all
}

// streamLocked returns the state of a stream, made if necessary.
func (f *file) streamLocked(name string) *stream {
	if name == "" {
		return &f.base
	}
	s := f.streams[name]
	if s == nil {
		s = &stream{file: f, name: name}
		if f.streams == nil {
			f.streams = make(map[string]*stream)
		}
		f.streams[name] = s
	}
	return s
}

// trimLocked forgets a named stream that nobody needs any more.
func (f *file) trimLocked(s *stream) {
	if s.name != "" && s.opens == 0 && s.deleting == 0 {
		delete(f.streams, s.name)
	}
}

// eachStreamLocked calls fn for the unnamed and all named streams.
func (f *file) eachStreamLocked(fn func(*stream)) {
	fn(&f.base)
	for _, s := range f.streams {
		fn(s)
	}
}

// firstOpenLocked is one of the opens of the file, nil if it has none.
func (f *file) firstOpenLocked() (first *Open) {
	f.eachStreamLocked(func(s *stream) {
		if first == nil {
			first = s.first
		}
	})
	return first
}

// blockedLocked makes the answer for a caller that must come back when
// anything about the file has changed.
func (f *file) blockedLocked() *Blocked {
	if f.m.closed.Load() {
		done := make(chan struct{})
		close(done)
		return &Blocked{Wait: done}
	}
	if f.changed == nil {
		f.changed = make(chan struct{})
	}
	return &Blocked{Wait: f.changed, Owner: f.brokenLocked()}
}

// brokenLocked is one of those whose answer to a break is waited for.
func (f *file) brokenLocked() (owner Owner) {
	f.eachStreamLocked(func(s *stream) {
		for _, h := range s.holders {
			if h.breaking && h.connected > 0 {
				owner = h.owner
				return
			}
		}
	})
	return owner
}

// wakeLocked lets all operations that wait for the file look again.
func (f *file) wakeLocked() {
	if f.changed != nil {
		close(f.changed)
		f.changed = nil
	}
}

// unlockNoWait ends a critical section that may have pushed opens out: it does what
// may not be done under the mutex.
func (f *file) unlockNoWait() {
	purged := f.purged
	f.purged = nil
	f.mu.Unlock()
	if len(purged) > 0 {
		f.m.startPurge(f, purged)
	}
}

// linkLocked puts an open at the end of the list of its stream.
func (s *stream) linkLocked(o *Open) {
	o.prev = s.last
	if s.last != nil {
		s.last.next = o
	} else {
		s.first = o
	}
	s.last = o
	s.opens++
	s.file.opens++
}

// unlinkLocked takes an open out of the list of its stream.
func (s *stream) unlinkLocked(o *Open) {
	if o.prev != nil {
		o.prev.next = o.next
	} else {
		s.first = o.next
	}
	if o.next != nil {
		o.next.prev = o.prev
	} else {
		s.last = o.prev
	}
	o.prev, o.next = nil, nil
	s.opens--
	s.file.opens--
}
