package smb

import (
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// treeConnect carries out TREE_CONNECT (MS-SMB2 3.3.5.7).
func (r *request) treeConnect(q *wire.TreeConnectRequest, a *wire.TreeConnectResponse) error {
	if r.conn.dialect() == wire.Dialect311 && !r.protected() && !r.sess.guest {
		// In 3.1.1 this request proves that NEGOTIATE was not tampered with.
		return &protocolError{"unprotected tree connect"}
	}
	name, ok := shareOf(q.Path)
	if !ok {
		return ntstatus.BadNetworkName
	}
	shares := r.srv().shares.Load()
	sh := shares.lookup(name)
	if sh == nil {
		if why := shares.offline[foldShare(name)]; why != "" {
			if dropped, ok := r.srv().strangers.allow("offline " + foldShare(name)); ok {
				r.conn.log.Warn().Str("share", name).Str("reason", why).Int("similar", dropped).Msg("share is not available")
			}
		}
		return ntstatus.BadNetworkName
	}
	err := r.joinShare(sh, a)
	r.auditConnect(sh, err)
	return err
}

// joinShare connects the session to a share.
func (r *request) joinShare(sh *share, a *wire.TreeConnectResponse) error {
	user := r.sess.user.Load()
	grant := sh.grants(user)
	if !r.mayConnect(sh, grant) {
		return ntstatus.AccessDenied
	}
	t := &tree{sess: r.sess, share: sh, encrypt: r.sess.encrypt || sh.encrypt()}
	t.access.Store(grant)
	if r.conn.mustSeal(t.encrypt) && r.sess.seal == nil {
		r.conn.log.Warn().Str("user", user.User).Str("share", sh.Name).Msg("access to share denied: it must be encrypted and the client cannot")
		return ntstatus.AccessDenied
	}
	if err := r.sess.addTree(t); err != nil {
		return err
	}
	sh.metrics.treeConnected()
	r.hdr.TreeID = t.id
	r.prev.tree, r.prev.treeID = t, t.id
	r.tree = t
	r.conn.log.Info().Str("user", user.User).Str("share", sh.Name).Msg("share connected")
	a.ShareType = wire.ShareTypeDisk
	a.MaximalAccess = grant.mask
	if sh.ipc {
		a.ShareType = wire.ShareTypePipe
		a.ShareFlags = wire.ShareFlagNoCaching
		return nil
	}
	if r.conn.mustSeal(sh.encrypt()) {
		a.ShareFlags |= wire.ShareFlagEncryptData
	}
	if sh.Compress && r.conn.codec() != nil {
		a.ShareFlags |= wire.ShareFlagCompressData
	}
	if sh.AccessBased {
		a.ShareFlags |= wire.ShareFlagAccessBasedDirectoryEnum
	}
	if sh.ContinuousAvailability && r.conn.dialect() >= wire.Dialect300 {
		a.Capabilities |= wire.ShareCapContinuousAvailability
	}
	return nil
}

// mayConnect reports whether the share lets this address and this user in. The log
// says why it does not.
func (r *request) mayConnect(sh *share, grant *treeAccess) bool {
	who := grant.who
	why := "access to share denied"
	switch {
	case !sh.admitsHost(r.conn.addr):
		r.srv().metrics.hostRefused("share")
		why += ": address not allowed"
	case grant.mask != 0:
		return true
	case grant.refused != nil:
		why += ": the user has no Unix identity: " + grant.refused.Error()
	case who.Anonymous:
		why += ": anonymous sessions have IPC$ alone"
	case who.Guest && !sh.Guest:
		why += ": it is not for guests"
	}
	if dropped, ok := r.srv().strangers.allow(why + sh.Name); ok {
		r.conn.log.Warn().Str("user", who.User).Str("share", sh.Name).Int("similar", dropped).Msg(why)
	}
	return false
}

// shareOf takes the name of the share out of "\\server\share".
func shareOf(path string) (string, bool) {
	rest, ok := strings.CutPrefix(path, `\\`)
	if !ok {
		return "", false
	}
	_, name, ok := strings.Cut(rest, `\`)
	if !ok || name == "" || strings.Contains(name, `\`) {
		return "", false
	}
	return name, true
}

// addTree gives the tree an id and makes it known.
func (s *session) addTree(t *tree) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opens == nil {
		return ntstatus.UserSessionDeleted
	}
	if len(s.trees) >= s.srv.cfg.Limits.TreesPerSession {
		return errTrees
	}
	for s.nextTree++; s.nextTree == 0 || s.nextTree == ^uint32(0) || s.trees[s.nextTree] != nil; s.nextTree++ {
	}
	t.id = s.nextTree
	s.trees[t.id] = t
	return nil
}

// treeDisconnect carries out TREE_DISCONNECT (MS-SMB2 3.3.5.8).
func (r *request) treeDisconnect(*wire.TreeDisconnectRequest, *wire.TreeDisconnectResponse) error {
	t := r.tree
	r.sess.mu.Lock()
	delete(r.sess.trees, t.id)
	r.sess.mu.Unlock()
	if t.closed.Swap(true) {
		return ntstatus.NetworkNameDeleted
	}
	for _, o := range r.sess.takeOpens(t) {
		o.end(false)
	}
	t.left()
	return nil
}
