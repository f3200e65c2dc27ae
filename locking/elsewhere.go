package locking

// What the storage has to say: somebody has changed it without asking anybody
// here. It has happened already, so nobody waits for anything.

// OpenName is one name of a file by which it is open.
type OpenName struct {
	Key         Key
	Path        string
	IsDirectory bool
}

// FindOpens returns what is open on a volume under a path that sel accepts, each
// file and path once, disconnected opens included. With caching, only files count
// whose unnamed stream somebody caches. sel must not call the manager.
func (m *OplockManager) FindOpens(volume uint64, caching bool, sel func(path string) bool) []OpenName {
	var list []OpenName
	for _, f := range m.allFiles() {
		if !caching || f.base.caching.Load() != 0 {
			list = f.appendNames(list, volume, sel)
		}
	}
	return list
}

// appendNames adds the names of a file by which it is open. Most files have one,
// and few have many opens.
func (f *file) appendNames(list []OpenName, volume uint64, sel func(path string) bool) []OpenName {
	f.mu.Lock()
	defer f.mu.Unlock()
	first := len(list)
	f.eachStreamLocked(func(s *stream) {
	opens:
		for o := s.first; o != nil; o = o.next {
			if o.volume != volume || !sel(o.path) {
				continue
			}
			for i := range list[first:] {
				if list[first+i].Path == o.path {
					continue opens
				}
			}
			list = append(list, OpenName{Key: f.key, Path: o.path, IsDirectory: o.isDir})
		}
	})
	return list
}

// RenamedFile sets a new path for the opens of a file that had another one.
func (m *OplockManager) RenamedFile(key Key, volume uint64, from, to string) {
	f := m.holdExisting(key)
	if f == nil {
		return
	}
	defer m.drop(f, 1)
	if o := f.openNamed(volume, from); o != nil {
		o.renamed(to)
	}
}

// openNamed returns an open of the file under a path, or nil.
func (f *file) openNamed(volume uint64, path string) (found *Open) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.eachStreamLocked(func(s *stream) {
		for o := s.first; o != nil && found == nil; o = o.next {
			if o.volume == volume && o.path == path {
				found = o
			}
		}
	})
	return found
}
