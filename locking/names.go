package locking

import (
	"cmp"
	"strings"
	"sync"
)

// gateKey is a name in a directory.
type gateKey struct {
	dir  Key
	name string
}

// gate is the name gate of one name, while somebody holds or wants it.
type gate struct {
	// sem, level 0, has room for one token: that of the holder. A channel and
	// not a mutex, because it is held across calls of the file system.
	sem   chan struct{}
	shard *gateShard
	key   gateKey
	users int    // guarded by shard.mu
	leave func() // made once, so that a recycled gate costs nothing
}

// gateShard is a part of the map of name gates.
type gateShard struct {
	mu    sync.Mutex // leaf: gates, free and gate.users
	gates map[gateKey]*gate
	free  []*gate
	_     [16]byte
}

// maxFreeGates bounds the recycled gates of a shard.
const maxFreeGates = 32

// enter carries out OplockManager.Enter.
func (m *OplockManager) enter(dir Key, folded string) func() {
	k := gateKey{dir, folded}
	sh := &m.gates[shardOf(k)]
	sh.mu.Lock()
	g := sh.gates[k]
	if g == nil {
		g = sh.newGateLocked(k)
	}
	g.users++
	sh.mu.Unlock()
	g.sem <- struct{}{}
	return g.leave
}

// newGateLocked takes a gate from the free list, or makes one.
func (sh *gateShard) newGateLocked(k gateKey) *gate {
	var g *gate
	if n := len(sh.free); n > 0 {
		g = sh.free[n-1]
		sh.free = sh.free[:n-1]
	} else {
		g = &gate{shard: sh, sem: make(chan struct{}, 1)}
		g.leave = g.exit
	}
	g.key = k
	if sh.gates == nil {
		sh.gates = make(map[gateKey]*gate)
	}
	sh.gates[k] = g
	return g
}

// exit opens the gate for the next one.
func (g *gate) exit() {
	<-g.sem
	sh := g.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	g.users--
	if g.users > 0 {
		return
	}
	delete(sh.gates, g.key)
	g.key = gateKey{}
	if len(sh.free) < maxFreeGates {
		sh.free = append(sh.free, g)
	}
}

// pathNow carries out Open.Path.
func (o *Open) pathNow() string {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.path
}

// renaming carries out Open.Renaming.
func (o *Open) renaming(to string) {
	f := o.file
	f.mu.Lock()
	var last promise
	f.eachStreamLocked(func(s *stream) {
		for x := s.first; x != nil; x = x.next {
			d := x.durable
			if d == nil || !d.persistent || d.nextPath == to || x != o && (x.path != o.path || x.volume != o.volume) {
				continue
			}
			d.nextPath = to
			x.storeRecordLocked()
			last = x.firmLocked()
		}
	})
	f.unlockNoWait()
	_ = last.wait() // the store is tried again
}

// renamed carries out Open.Renamed.
func (o *Open) renamed(path string) {
	f := o.file
	f.mu.Lock()
	var last promise
	old := o.path
	if i := f.doomedLocked(o.volume, old); i >= 0 {
		f.doomed[i].path = path // first, as it is stored with the opens
	}
	f.eachStreamLocked(func(s *stream) {
		for x := s.first; x != nil; x = x.next {
			if x == o || x.path == old && x.volume == o.volume {
				last = cmp.Or(x.setPathLocked(path), last)
			}
		}
	})
	f.unlockNoWait()
	_ = last.wait() // the store is tried again
}

// streamNow carries out Open.Stream.
func (o *Open) streamNow() string {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.stream.name
}

// streamRenamed carries out Open.StreamRenamed.
func (o *Open) streamRenamed(folded string) error {
	f := o.file
	f.mu.Lock()
	var last promise
	defer func() {
		f.unlockNoWait()
		_ = last.wait() // the store is tried again
	}()
	s := o.stream
	switch t := f.streams[folded]; {
	case o.closed:
		return ErrClosed
	case s.name == "" || folded == "":
		return ErrInvalidRequest
	case t == s:
		return nil
	case t != nil && (t.opens > 0 || t.deleting > 0):
		return ErrSharing
	}
	delete(f.streams, s.name)
	s.name = folded
	f.streams[folded] = s
	for x := s.first; x != nil; x = x.next {
		if d := x.durable; d != nil && d.stored {
			x.storeOpenLocked()
			last = cmp.Or(x.firmLocked(), last)
		}
	}
	return nil
}

// otherStreamsOpen carries out Open.OtherStreamsOpen.
func (o *Open) otherStreamsOpen() bool {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.file.opens > o.stream.opens
}

// setPathLocked changes the path of one open, in the store too, and returns what
// is to be waited for.
func (o *Open) setPathLocked(path string) promise {
	o.path = path
	d := o.durable
	if d == nil || !d.stored {
		return promise{}
	}
	d.nextPath = ""
	o.storeRecordLocked()
	return o.firmLocked()
}

// below reports whether path lies below dir, compared without regard to case,
// and returns what follows dir. Nothing lies below itself; everything lies
// below the root "".
func below(path, dir string) (rest string, ok bool) {
	if dir == "" {
		return path, path != ""
	}
	// dir and the beginning of path have the same number of components, but
	// perhaps not of bytes.
	end := -1
	for i, slashes := 0, strings.Count(dir, "/"); i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if slashes == 0 {
			end = i
			break
		}
		slashes--
	}
	if end < 0 || !strings.EqualFold(path[:end], dir) {
		return "", false
	}
	return path[end+1:], true
}

// eachOpenUnder calls fn, under file.mu, for each file with an open below the
// directory, with the first such open; fn returns false to stop.
func (m *OplockManager) eachOpenUnder(volume uint64, path string, fn func(*file, *Open) bool) {
	for _, f := range m.allFiles() {
		f.mu.Lock()
		o := f.openUnderLocked(volume, path)
		more := o == nil || fn(f, o)
		f.unlockNoWait()
		if !more {
			return
		}
	}
}

// openUnderLocked finds an open of the file with a path below the directory.
func (f *file) openUnderLocked(volume uint64, path string) (found *Open) {
	f.eachStreamLocked(func(s *stream) {
		for o := s.first; o != nil && found == nil; o = o.next {
			if o.volume != volume {
				continue
			}
			if _, ok := below(o.path, path); ok {
				found = o
			}
		}
	})
	return found
}

// hasOpensUnder carries out OplockManager.HasOpensUnder.
func (m *OplockManager) hasOpensUnder(volume uint64, path string) bool {
	found := false
	m.eachOpenUnder(volume, path, func(*file, *Open) bool {
		found = true
		return false
	})
	return found
}

// hasStrictOpensUnder carries out OplockManager.HasStrictOpensUnder.
func (m *OplockManager) hasStrictOpensUnder(volume uint64, path string) bool {
	found := false
	m.eachOpenUnder(volume, path, func(f *file, _ *Open) bool {
		f.eachStreamLocked(func(s *stream) {
			for o := s.first; o != nil && !found; o = o.next {
				_, under := below(o.path, path)
				found = under && o.volume == volume && !o.posix
			}
		})
		return !found
	})
	return found
}

// breakUnder carries out OplockManager.BreakUnder: it breaks all of them at
// once and lets the caller wait for one after the other.
func (m *OplockManager) breakUnder(volume uint64, path string) error {
	var blocked *Blocked
	var broken []*file
	m.eachOpenUnder(volume, path, func(f *file, _ *Open) bool {
		broken = append(broken, f)
		wait := false
		f.eachStreamLocked(func(s *stream) {
			wait = s.breakHoldersLocked(CauseParentRename, nil) || wait
		})
		if wait && blocked == nil {
			blocked = f.blockedLocked()
		}
		return true
	})
	if blocked != nil {
		return blocked
	}
	for _, f := range broken {
		f.awaitDue()
	}
	return nil
}

// renamedUnder carries out OplockManager.RenamedUnder.
func (m *OplockManager) renamedUnder(volume uint64, from, to string) {
	var last promise
	m.eachOpenUnder(volume, from, func(f *file, _ *Open) bool {
		for i := range f.doomed { // first, as they are stored with the opens
			if rest, ok := below(f.doomed[i].path, from); ok && f.doomed[i].volume == volume {
				f.doomed[i].path = joinPath(to, rest)
			}
		}
		f.eachStreamLocked(func(s *stream) {
			for o := s.first; o != nil; o = o.next {
				if o.volume != volume {
					continue
				}
				if rest, ok := below(o.path, from); ok {
					last = cmp.Or(o.setPathLocked(joinPath(to, rest)), last)
				}
			}
		})
		return true
	})
	_ = last.wait() // the store is tried again
}

func joinPath(dir, rest string) string {
	if dir == "" {
		return rest
	}
	return dir + "/" + rest
}

// HasOpenWith reports whether an open of the unnamed stream of a file, or of
// a directory, has any of these access rights. A rename asks it about the
// parent directory with DELETE (MS-FSA 2.1.5.15.11).
func (m *OplockManager) HasOpenWith(key Key, access uint32) bool {
	f := m.holdExisting(key)
	if f == nil {
		return false
	}
	defer m.drop(f, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	for o := f.base.first; o != nil; o = o.next {
		if o.access&access != 0 {
			return true
		}
	}
	return false
}

// OthersWith reports whether another open of the same stream has any of these access
// rights, whoever made it.
func (o *Open) OthersWith(access uint32) bool {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	for p := o.stream.first; p != nil; p = p.next {
		if p != o && p.access&access != 0 {
			return true
		}
	}
	return false
}
