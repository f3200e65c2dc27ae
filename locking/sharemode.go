package locking

// shareAccess are the rights that take part in share modes (MS-FSA
// 2.1.5.1.2.2).
const shareAccess = accessReadData | accessWriteData | accessAppendData | accessExecute | accessDelete

const (
	readAccess  = accessReadData | accessExecute
	writeAccess = accessWriteData | accessAppendData

	// oplockStatAccess are the rights of an open that takes no part in share
	// modes and breaks nothing; leaseStatAccess those of an open that breaks
	// no lease.
	oplockStatAccess = accessReadAttr | accessWriteAttr | accessSync
	leaseStatAccess  = oplockStatAccess | accessReadCtrl
)

// isOplockStat reports whether an open with this access only looks at
// attributes.
func isOplockStat(access uint32) bool { return access&^oplockStatAccess == 0 }

// isLeaseStat is isOplockStat for leases, where reading the security
// descriptor counts as looking at attributes too (behaviour note on MS-FSA
// 2.1.5.1.2).
func isLeaseStat(access uint32) bool { return access&^leaseStatAccess == 0 }

// shareModes counts what the opens of a stream do and what they deny to
// others, so that a conflict is found without walking over them.
type shareModes struct {
	read, write, del             int
	denyRead, denyWrite, denyDel int
}

// add enters (n = 1) or removes (n = -1) an open.
func (c *shareModes) add(access, share uint32, n int) {
	if access&shareAccess == 0 {
		return
	}
	if access&readAccess != 0 {
		c.read += n
	}
	if access&writeAccess != 0 {
		c.write += n
	}
	if access&accessDelete != 0 {
		c.del += n
	}
	if share&shareRead == 0 {
		c.denyRead += n
	}
	if share&shareWrite == 0 {
		c.denyWrite += n
	}
	if share&shareDelete == 0 {
		c.denyDel += n
	}
}

// conflict reports whether a new open would violate the share mode of an
// existing one, or the other way round (MS-FSA 2.1.5.1.2.2).
func (c *shareModes) conflict(access, share uint32) bool {
	if access&shareAccess == 0 {
		return false
	}
	switch {
	case access&readAccess != 0 && c.denyRead > 0,
		access&writeAccess != 0 && c.denyWrite > 0,
		access&accessDelete != 0 && c.denyDel > 0,
		share&shareRead == 0 && c.read > 0,
		share&shareWrite == 0 && c.write > 0,
		share&shareDelete == 0 && c.del > 0:
		return true
	}
	return false
}

// conflictingLocked finds an open that stands in the way of one with this access and
// share mode. It is looked for when it is known that there is one.
func (s *stream) conflictingLocked(access, share uint32) *Open {
	for o := s.first; o != nil; o = o.next {
		var one shareModes
		if one.add(o.access, o.share, 1); one.conflict(access, share) {
			return o
		}
	}
	return nil
}

// denyingDeleteLocked finds an open of a named stream because of which the file
// cannot be opened for deletion.
func (f *file) denyingDeleteLocked() *Open {
	for _, s := range f.streams {
		if o := s.conflictingLocked(accessDelete, shareRead|shareWrite|shareDelete); o != nil {
			return o
		}
	}
	return nil
}

// sharingConflict carries out OplockManager.SharingConflict.
func (m *OplockManager) sharingConflict(key Key, access, share uint32) bool {
	f := m.holdExisting(key)
	if f == nil {
		return false
	}
	defer m.drop(f, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.base.modes.conflict(access, share)
}

// streamsDenyDeleteLocked reports whether an open of a named stream forbids
// the file to be opened for deletion: a file goes with all its streams
// (MS-FSA 2.1.5.1.2.2).
func (f *file) streamsDenyDeleteLocked() bool {
	for _, s := range f.streams {
		if s.modes.denyDel > 0 {
			return true
		}
	}
	return false
}
