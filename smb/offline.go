package smb

import "lessor/vfs"

// Abandon ends what clients have on shares with this file system, because it has gone away:
// their trees, with all that is open, opens that wait for their clients, and tokens of copies. They are told
// that the share is deleted, and connect again. It is called after SetShares has put another
// file system, or none, in its place, and returns the number of trees.
func (s *Server) Abandon(fs vfs.FS) int {
	s.mu.Lock()
	sessions := make([]*session, 0, len(s.sessions))
	for _, sess := range s.sessions {
		sessions = append(sessions, sess)
	}
	s.mu.Unlock()
	trees := 0
	for _, sess := range sessions {
		for _, t := range sess.takeTrees(fs) {
			trees++
			for _, o := range sess.takeOpens(t) {
				o.end(false)
			}
			t.left()
		}
	}
	var held []uint64
	for info := range s.locks.Opens() {
		if o, ok := info.Payload.(*open); ok && info.Disconnected && o.share().FS == fs {
			held = append(held, uint64(info.Owner.OpenID))
		}
	}
	for _, id := range held {
		s.closeHeld(id)
	}
	s.offloads.drop(func(t *offload) bool { return t.share.FS == fs })
	s.locks.Flush()
	return trees
}

// takeTrees takes the trees on a file system out of the session.
func (s *session) takeTrees(fs vfs.FS) []*tree {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*tree
	for id, t := range s.trees {
		if t.share.FS == fs && !t.share.ipc && !t.closed.Swap(true) {
			delete(s.trees, id)
			list = append(list, t)
		}
	}
	return list
}
