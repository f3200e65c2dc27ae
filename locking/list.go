package locking

// list carries out OplockManager.List.
func (m *OplockManager) list(q LockQuery) []EnhancedLock {
	var all []EnhancedLock
	add := func(l EnhancedLock) {
		if q.matches(&l) {
			all = append(all, l)
		}
	}
	for _, f := range m.allFiles() {
		if q.Key != nil && *q.Key != f.key {
			continue
		}
		f.mu.Lock()
		f.eachStreamLocked(func(s *stream) {
			for _, h := range s.holders {
				add(h.recordLocked(s.isDirLocked()))
			}
			for o := s.first; o != nil; o = o.next {
				for n := o.locks; n != nil; n = n.next {
					add(n.recordLocked())
				}
			}
		})
		f.mu.Unlock()
	}
	return all
}

// isDirLocked reports whether the stream is a directory.
func (s *stream) isDirLocked() bool { return s.first != nil && s.first.isDir }

// recordLocked describes a lease or oplock for List and for the store.
func (h *holder) recordLocked(isDir bool) EnhancedLock {
	l := EnhancedLock{
		ID:         h.id,
		Owner:      h.owner,
		Key:        h.stream.file.key,
		Stream:     h.stream.name,
		Lease:      h.infoLocked(isDir),
		AcquiredAt: h.granted,
	}
	if h.state&LeaseWrite != 0 {
		l.Type = LockExclusive
	}
	return l
}

// recordLocked describes a byte-range lock for List and for the store.
func (a *rangeNode) recordLocked() EnhancedLock {
	l := EnhancedLock{
		ID:         a.id,
		Owner:      a.owner.owner,
		Key:        a.owner.file.key,
		Stream:     a.owner.stream.name,
		Offset:     a.off,
		Length:     a.length,
		AcquiredAt: a.granted,
	}
	if a.exclusive {
		l.Type = LockExclusive
	}
	return l
}
