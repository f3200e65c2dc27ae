package locking

// Who stands in the way where the manager is only asked, and somebody else refuses. As
// with Refused, the owner may be gone in truth. It is the zero value if nobody who is
// connected stands in the way.

// ownerLocked is the owner of an open that is connected.
func ownerLocked(o *Open) Owner {
	if o == nil || o.disconnected {
		return Owner{}
	}
	return o.owner
}

// opener asks about a file, which may have no opens.
func (m *OplockManager) opener(key Key, find func(*file) *Open) Owner {
	f := m.holdExisting(key)
	if f == nil {
		return Owner{}
	}
	defer m.drop(f, 1)
	f.mu.Lock()
	defer f.mu.Unlock()
	return ownerLocked(find(f))
}

// Opener is the owner of one of the opens of a file.
func (m *OplockManager) Opener(key Key) Owner { return m.opener(key, (*file).firstOpenLocked) }

// OpenerAgainst is the owner of an open on account of which SharingConflict says yes.
func (m *OplockManager) OpenerAgainst(key Key, access, share uint32) Owner {
	return m.opener(key, func(f *file) *Open { return f.base.conflictingLocked(access, share) })
}

// OpenerUnder is the owner of an open on account of which HasOpensUnder says yes.
func (m *OplockManager) OpenerUnder(volume uint64, path string) (owner Owner) {
	m.eachOpenUnder(volume, path, func(_ *file, o *Open) bool {
		owner = ownerLocked(o)
		return false
	})
	return owner
}
