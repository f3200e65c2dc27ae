package locking

import (
	"cmp"
	"slices"
	"time"
)

// A client with a lease on a directory may keep the directory open for as long as
// it likes, and clients that walk a tree do so with every directory of it. The
// server's handles end before their patience does, and then the next open fails
// for reasons that nobody understands. So the server asks for some back in time.

// ShedHandles breaks the handle caching of leases on directories, those granted
// first before the others, so that clients close what they only keep open: of
// the leases of one client, or of everybody's if client is nil. It breaks limit
// leases at most and returns how many it has broken. Nobody waits for the
// acknowledgements.
func (m *OplockManager) ShedHandles(client *ClientID, limit int) int {
	type candidate struct {
		f       *file
		h       *holder
		granted time.Time
	}
	if !m.HasDirectoryLeases() {
		return 0
	}
	var list []candidate
	for _, f := range m.allFiles() {
		f.mu.Lock()
		for _, h := range f.base.holders {
			if h.shedableLocked(client) {
				list = append(list, candidate{f, h, h.granted})
			}
		}
		f.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b candidate) int {
		return cmp.Or(a.granted.Compare(b.granted), cmp.Compare(a.h.id, b.h.id))
	})
	n := 0
	for _, c := range list {
		if n == limit {
			break
		}
		c.f.mu.Lock()
		if slices.Contains(c.f.base.holders, c.h) && c.h.shedableLocked(client) {
			c.h.breakLocked(c.h.state &^ LeaseHandle)
			n++
		}
		c.f.unlockNoWait()
	}
	return n
}

// shedableLocked reports whether the holder is a lease on a directory that keeps
// handles open and is not asked for them already.
func (h *holder) shedableLocked(client *ClientID) bool {
	return h.dir && h.lease && h.state&LeaseHandle != 0 && !h.breaking && h.connected > 0 &&
		(client == nil || h.owner.ClientID == *client)
}
