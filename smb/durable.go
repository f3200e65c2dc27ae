package smb

import (
	"encoding/binary"
	"strings"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Durable, persistent and resilient opens: how an open becomes one, and how its
// client gets it back. While it is disconnected, package locking keeps it, with
// the open as payload; after a restart there is no payload, and what is needed to
// make one is in the record.

// makeDurable answers the durable handle contexts of a CREATE that succeeded
// (MS-SMB2 3.3.5.9.6, 3.3.5.9.10).
func (r *request) makeDurable(c *creation, o *open, reply *wire.CreateContextList) {
	v2 := c.ctx.durableV2
	if !c.ctx.durable && v2 == nil {
		return
	}
	if o.posix && o.options&wire.OptionDeleteOnClose != 0 {
		return // what it deletes is deleted when it ends (open.unlinkNow), which must not depend on its client
	}
	req := locking.DurableRequest{User: r.sess.userKey(), Share: foldShare(r.tree.share.Name), Extra: o.extra()}
	if v2 != nil {
		req.V2, req.CreateGuid = true, v2.CreateGuid
		req.Timeout = time.Duration(v2.Timeout) * time.Millisecond
		req.Persistent = v2.Flags&wire.DurableV2Persistent != 0 && r.tree.share.ContinuousAvailability &&
			r.conn.dialect() >= wire.Dialect300
	}
	grant, err := o.lock.Durable(req)
	if err != nil {
		r.conn.log.Error().Err(err).Msg("lock store failed: the open is not persistent")
		return
	}
	if !grant.Granted {
		return
	}
	o.durable = true
	o.lock.SetPayload(o)
	if v2 == nil {
		reply.Put(wire.TagDHnQ, &wire.DurableResponse{})
		return
	}
	o.durableTimeout = uint32(grant.Timeout / time.Millisecond)
	if grant.Persistent {
		o.durableFlags = wire.DurableV2Persistent
	}
	reply.Put(wire.TagDH2Q, o.durableResponse())
}

// extra is what package locking keeps of an open for after a restart: the
// CreateOptions, of which the highest byte is never set, with the CreateAction plus
// one and the mark of POSIX semantics in that byte, and the name of the stream.
func (o *open) extra() []byte {
	v := o.options&^optionsInvalid | (o.made+1)<<24
	if o.posix {
		v |= extraPosix
	}
	b := binary.LittleEndian.AppendUint32(nil, v)
	return append(b, o.grip.stream...)
}

// extraPosix is the mark of POSIX semantics.
const extraPosix uint32 = 1 << 31

// setExtra is the reverse of extra, but for the stream.
func (o *open) setExtra(b []byte) {
	o.made = wire.FileOpened
	if len(b) < 4 {
		return
	}
	v := binary.LittleEndian.Uint32(b)
	o.options, o.posix = v&^optionsInvalid, v&extraPosix != 0
	if made := (v &^ extraPosix) >> 24; made != 0 {
		o.made = made - 1
	}
}

// reconnectOpen gives a client a durable open back (MS-SMB2 3.3.5.9.7,
// 3.3.5.9.12).
func (r *request) reconnectOpen(q *wire.CreateRequest, ctx *createContexts, a *wire.CreateResponse) error {
	claim := locking.Claim{
		Client: r.sess.client, SessionID: r.sess.id,
		User: r.sess.userKey(), Share: foldShare(r.tree.share.Name),
	}
	var id wire.FileID
	if v2 := ctx.reconnectV2; v2 != nil {
		if ctx.durable || ctx.durableV2 != nil || ctx.reconnect != nil {
			return ntstatus.InvalidParameter
		}
		id = v2.FileID
		claim.V2, claim.CreateGuid = true, v2.CreateGuid
		claim.Persistent = v2.Flags&wire.DurableV2Persistent != 0
	} else {
		if ctx.durableV2 != nil {
			return ntstatus.InvalidParameter
		}
		id = ctx.reconnect.FileID
	}
	lease := r.leaseOf(ctx)
	if lease != nil {
		claim.HasLease, claim.LeaseKey, claim.LeaseVersion = true, lease.Key, lease.Version
		if claim.Path = q.Name; ctx.posix != nil {
			claim.Path = r.posixPath(strings.TrimPrefix(q.Name, "/"))
		} else {
			claim.Path = r.claimedPath(q.Name)
		}
	}
	o, grant, err := r.reclaim(locking.OpenID(id.Persistent), &claim)
	if err != nil {
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	o.answer(a, &at, grant)
	var reply wire.CreateContextList
	if lease != nil {
		reply.Put(wire.TagRqLs, leaseResponse(lease.Key, grant))
	}
	if o.posix {
		info := posixAttributes(&at)
		reply.Put(wire.TagPosix, &info)
	}
	a.Contexts = reply.Bytes
	r.opened(o)
	return nil
}

// reclaim makes an open that waits for its client one of this session.
func (r *request) reclaim(id locking.OpenID, claim *locking.Claim) (*open, locking.Grant, error) {
	lock, rec, err := r.locks().Reclaim(id, *claim)
	if err != nil {
		return nil, locking.Grant{}, err
	}
	o, err := r.revive(lock, &rec)
	if err != nil {
		r.srv().removeLost(r.tree.share, lock.Close())
		return nil, locking.Grant{}, err
	}
	if claim.HasLease {
		o.leaseKey = claim.LeaseKey
	}
	if err := r.sess.addOpen(o); err != nil {
		o.end(true) // it waits for its client again
		return nil, locking.Grant{}, err
	}
	o.pin()
	r.keep(o)
	return o, rec.Grant, nil
}

// revive makes an open of a reclaimed one.
func (r *request) revive(lock *locking.Open, rec *locking.Record) (*open, error) {
	o := &open{
		id: fileID(lock.ID()), sess: r.sess, tree: r.tree, lock: lock,
		access: rec.Access, action: wire.FileOpened, leased: rec.Grant.Oplock == locking.OplockLease, durable: true,
	}
	o.refs.Store(1)
	if old, ok := lock.Payload().(*open); ok {
		o.grip, o.options, o.made, o.posix, o.app = old.grip, old.options, old.made, old.posix, old.app
		o.durableTimeout, o.durableFlags = old.durableTimeout, old.durableFlags
		o.grip.refs.Add(1)
		o.inherit(old)
		r.srv().apps.moved(old, o)
		old.unpin() // the reference of the table that it was in
	} else {
		g, err := r.regrip(lock, rec)
		if err != nil {
			return nil, err
		}
		o.grip = g
		o.setExtra(rec.Extra)
		o.durableTimeout = uint32(rec.Timeout / time.Millisecond)
		if rec.Persistent {
			o.durableFlags = wire.DurableV2Persistent
		}
		o.showAgain(r.ctx())
		if r.tree.share.KernelOplocks {
			// Nobody was held up meanwhile.
			rec.Grant = lock.GiveUpOplock()
		}
	}
	o.replayable.Store(o.persistent())
	lock.SetPayload(o)
	return o, nil
}

// inherit takes over what a client has left on an open that it lost.
func (o *open) inherit(old *open) {
	old.mu.Lock()
	position, frozen, resume := old.position, old.frozen, old.resumeID
	old.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.position, o.frozen, o.resumeID = position, frozen, resume
	o.wrote.Store(old.wrote.Load())
}

// regrip takes hold of the object of an open from before a restart. It must be
// the same object still: another one under the same name is not the client's.
func (r *request) regrip(lock *locking.Open, rec *locking.Record) (*grip, error) {
	sh := r.tree.share
	root := sh.FS.Root()
	defer root.Release()
	hint := vfs.OpenMode{
		Read:  rec.Access&(wire.AccessReadData|wire.AccessExecute) != 0,
		Write: rec.Access&dataWriting != 0 && !rec.IsDirectory,
	}
	base, err := r.lookupKey(root, rec.Path, rec.Key, hint)
	if err != nil && rec.NextPath != "" {
		if base, err = r.lookupKey(root, rec.NextPath, rec.Key, hint); err == nil {
			lock.Renamed(rec.NextPath)
		}
	}
	if err != nil {
		return nil, err
	}
	g := &grip{share: sh, base: base, node: base, dir: rec.IsDirectory, write: hint.Write}
	g.refs.Store(1)
	if rec.Grant.Oplock != locking.OplockNone {
		g.watched, _ = sh.listen(base, false)
	}
	if len(rec.Extra) > 4 {
		g.stream = string(rec.Extra[4:])
		if names.Fold(g.stream) != rec.Stream {
			g.stream = rec.Stream // it was renamed since
		}
		node, err := r.stream(base, g.stream, false)
		if err != nil {
			g.release()
			return nil, ntstatus.ObjectNameNotFound
		}
		g.node = node
	}
	if (hint.Read || hint.Write) && !g.dir {
		if g.handle, err = g.node.Open(r.ctx(), r.cred(), hint); err != nil {
			g.release()
			return nil, err
		}
	}
	return g, nil
}

// lookupKey finds the object with a key by its path.
func (r *request) lookupKey(root vfs.Node, path string, key locking.Key, hint vfs.OpenMode) (vfs.Node, error) {
	n, _, err := root.Lookup(r.ctx(), r.cred(), path, vfs.LookupOptions{Hint: hint})
	if err != nil {
		return nil, ntstatus.ObjectNameNotFound
	}
	if locking.Key(n.ID().Key()) != key {
		n.Release()
		return nil, ntstatus.ObjectNameNotFound
	}
	return n, nil
}

// removeLost deletes what an open without a grip has left to delete.
func (s *Server) removeLost(sh *share, c locking.Closed) {
	if !c.Delete {
		return
	}
	defer c.Deleted()
	if err := s.removePath(sh, nil, c, nil); err != nil {
		s.noteDeletion(sh, c.DeletePath, err)
	}
}
