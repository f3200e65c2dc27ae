package locking

import (
	"iter"
	"time"
)

// inspectPage bounds what is copied under the mutex of a file at a time, so that
// those who work with a file of which there is much to tell do not wait for those
// who look on.
const inspectPage = 128

// OpenRef names an open and what it is of.
type OpenRef struct {
	Owner  Owner
	Key    Key
	Stream string // folded
	// Volume and Path are those of the OpenRequest, after renames.
	Volume uint64
	Path   string
	// Payload is that of Open.SetPayload.
	Payload any
	// User and Share are those of the DurableRequest; empty if there was none.
	User, Share string
	// Disconnected: it waits for its client.
	Disconnected bool
}

// OpenInfo is what an open is and has at one moment.
type OpenInfo struct {
	OpenRef
	Access, ShareMode uint32
	IsDirectory       bool
	// DeletePending: the file, or the stream, goes at its last close.
	DeletePending bool
	// Ranges is the number of byte-range locks it holds.
	Ranges int
	// Oplock is OplockLease when the open belongs to a lease, as in Grant.
	Oplock OplockLevel
	// Held is the lease or oplock, nil if there is none. The opens of one lease have
	// records with one ID; Sharers is their number.
	Held    *EnhancedLock
	Sharers int
	// Durable is nil unless the open survives a lost connection.
	Durable *DurableInfo
}

// DurableInfo is how an open survives a lost connection.
type DurableInfo struct {
	V2, Persistent, Resilient bool
	CreateGuid                [16]byte
	// Timeout is how long it is kept after a disconnect. Expires is when that is
	// over; zero while it is connected.
	Timeout time.Duration
	Expires time.Time
}

// RangeInfo is a byte-range lock, or one that somebody waits for.
type RangeInfo struct {
	OpenRef
	ID             uint64 // zero if Waiting
	Offset, Length uint64 // bytes
	Exclusive      bool
	Waiting        bool
	Since          time.Time // it was granted, or asked for
}

// Opens tells of all opens, disconnected ones included, in no particular order. It
// is made for many: nothing is held while the loop runs, and the mutex of a file
// never for more than some of its opens. So what comes and goes meanwhile may be
// told or not.
func (m *OplockManager) Opens() iter.Seq[*OpenInfo] {
	return func(yield func(*OpenInfo) bool) {
		var page []OpenInfo
		var rest []*Open
		for f := range m.eachFile() {
			page, rest = page[:0], rest[:0]
			f.mu.Lock()
			f.eachStreamLocked(func(s *stream) {
				for o := s.first; o != nil; o = o.next {
					if len(page) < inspectPage {
						page = append(page, o.infoLocked())
					} else {
						rest = append(rest, o)
					}
				}
			})
			f.mu.Unlock()
			for left := rest; ; {
				for i := range page {
					if !yield(&page[i]) {
						return
					}
				}
				if len(left) == 0 {
					break
				}
				page, left = f.inspect(page[:0], left)
			}
		}
	}
}

// inspect describes the next opens of a list, but for those that are closed by now,
// and returns what is left of it.
func (f *file) inspect(page []OpenInfo, list []*Open) ([]OpenInfo, []*Open) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := min(len(list), inspectPage)
	for _, o := range list[:n] {
		if !o.closed {
			page = append(page, o.infoLocked())
		}
	}
	return page, list[n:]
}

// Ranges tells of all byte-range locks, and of those that are waited for, as Opens
// does of opens.
func (m *OplockManager) Ranges() iter.Seq[*RangeInfo] {
	return func(yield func(*RangeInfo) bool) {
		var streams []*stream
		for f := range m.eachFile() {
			streams = streams[:0]
			f.mu.Lock()
			f.eachStreamLocked(func(s *stream) {
				if s.ranges.n > 0 || len(s.waiters) > 0 {
					streams = append(streams, s)
				}
			})
			f.mu.Unlock()
			for _, s := range streams {
				if !s.eachRange(yield) {
					return
				}
			}
		}
	}
}

// eachRange tells of the locks of a stream; false says that the loop has ended.
func (s *stream) eachRange(yield func(*RangeInfo) bool) bool {
	var page []RangeInfo
	var waiters []*lockWaiter
	for last := (*rangeNode)(nil); ; {
		page = page[:0]
		s.file.mu.Lock()
		if last == nil {
			waiters = append(waiters, s.waiters...)
		}
		nodes := appendAfter(nil, s.ranges.root, last)
		for _, n := range nodes {
			page = append(page, n.infoLocked())
		}
		if len(nodes) < inspectPage {
			for _, w := range waiters {
				if !w.ended {
					page = w.appendInfosLocked(page)
				}
			}
		}
		s.file.mu.Unlock()
		for i := range page {
			if !yield(&page[i]) {
				return false
			}
		}
		if len(nodes) < inspectPage {
			return true
		}
		last = nodes[len(nodes)-1]
	}
}

// appendAfter adds the locks of a subtree that come after one, or the first ones, to
// a list of at most inspectPage. The one need not be in the tree any more.
func appendAfter(list []*rangeNode, t, after *rangeNode) []*rangeNode {
	for t != nil && len(list) < inspectPage {
		if after == nil || t.order(after) > 0 {
			if list = appendAfter(list, t.left, after); len(list) == inspectPage {
				break
			}
			list = append(list, t)
		}
		t = t.right
	}
	return list
}

// eachFile goes through the files that exist, shard by shard. As with allFiles they
// may have ended meanwhile.
func (m *OplockManager) eachFile() iter.Seq[*file] {
	return func(yield func(*file) bool) {
		var list []*file
		for i := range m.shards {
			sh := &m.shards[i]
			list = list[:0]
			sh.mu.Lock()
			for _, f := range sh.files {
				list = append(list, f)
			}
			sh.mu.Unlock()
			for _, f := range list {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// refLocked names the open.
func (o *Open) refLocked() OpenRef {
	r := OpenRef{
		Owner:        o.owner,
		Key:          o.file.key,
		Stream:       o.stream.name,
		Volume:       o.volume,
		Path:         o.path,
		Payload:      o.payload,
		Disconnected: o.disconnected,
	}
	if d := o.durable; d != nil {
		r.User, r.Share = d.User, d.Share
	}
	return r
}

// infoLocked describes the open.
func (o *Open) infoLocked() OpenInfo {
	info := OpenInfo{
		OpenRef:       o.refLocked(),
		Access:        o.access,
		ShareMode:     o.share,
		IsDirectory:   o.isDir,
		DeletePending: o.pendingLocked(),
		Ranges:        o.nlocks,
	}
	if h := o.holder; h != nil {
		info.Oplock = o.grantLocked().Oplock
		l := h.recordLocked(o.isDir)
		info.Held, info.Sharers = &l, h.opens
	}
	if d := o.durable; d != nil {
		info.Durable = &DurableInfo{
			V2: d.V2, Persistent: d.persistent, Resilient: d.Resilient, CreateGuid: d.CreateGuid,
			Timeout: d.timeout,
		}
		if o.disconnected {
			info.Durable.Expires = d.expires
		}
	}
	return info
}

// infoLocked describes a lock that is held.
func (a *rangeNode) infoLocked() RangeInfo {
	return RangeInfo{
		OpenRef: a.owner.refLocked(), ID: a.id,
		Offset: a.off, Length: a.length, Exclusive: a.exclusive, Since: a.granted,
	}
}

// appendInfosLocked describes the locks that are waited for.
func (w *lockWaiter) appendInfosLocked(list []RangeInfo) []RangeInfo {
	for _, r := range w.ranges {
		list = append(list, RangeInfo{
			OpenRef: w.open.refLocked(), Waiting: true,
			Offset: r.Offset, Length: r.Length, Exclusive: r.Exclusive, Since: w.since,
		})
	}
	return list
}

// Disconnected finds an open that waits for its client, for who wants to close it.
func (m *OplockManager) Disconnected(id OpenID) (*Open, bool) {
	o := m.byID(id)
	if o == nil {
		return nil, false
	}
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o, o.disconnected && !o.closed
}
