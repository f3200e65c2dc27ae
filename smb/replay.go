package smb

import (
	"sync"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// createKey names a CREATE by the GUID that its client has chosen.
type createKey struct {
	client locking.ClientID
	guid   wire.GUID
}

// pendingCreates are the CREATEs with a GUID that are at work: a replay of one
// that waits for a break has no open to find yet.
type pendingCreates struct {
	mu   sync.Mutex // leaf; guards keys
	keys map[createKey]struct{}
}

// begin registers a CREATE. It reports false if it is at work already.
func (p *pendingCreates) begin(k createKey) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, ok := p.keys[k]; ok {
		return false
	}
	if p.keys == nil {
		p.keys = make(map[createKey]struct{})
	}
	p.keys[k] = struct{}{}
	return true
}

// end forgets a CREATE.
func (p *pendingCreates) end(k createKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.keys, k)
}

// replayCreate answers a CREATE with a create GUID that this client has used
// before (MS-SMB2 3.3.5.9.10): if it says so, with the open that the first one
// has made. done is false if the CREATE is a new one; it is then registered, and
// the caller calls end when it is over.
func (r *request) replayCreate(q *wire.CreateRequest, ctx *createContexts, a *wire.CreateResponse) (done bool, end func(), err error) {
	v2 := ctx.durableV2
	if v2 == nil {
		return false, func() {}, nil
	}
	if ctx.durable {
		return false, nil, ntstatus.InvalidParameter
	}
	replay := r.hdr.Flags&wire.FlagReplay != 0
	key := createKey{r.sess.client.id, v2.CreateGuid}
	if !r.srv().creates.begin(key) {
		if replay {
			// The first one still waits.
			if r.srv().cfg.WindowsReplay {
				return false, nil, ntstatus.AccessDenied
			}
			return false, nil, ntstatus.FileNotAvailable
		}
		return false, nil, ntstatus.DuplicateObjectid
	}
	end = func() { r.srv().creates.end(key) }
	lock, found := r.locks().OpenByCreateGuid(r.sess.client.id, v2.CreateGuid)
	if !found {
		return false, end, nil
	}
	o := r.sess.pinOpen(fileID(lock.ID()))
	if o != nil && !o.replayable.Load() {
		// What has been used since is not made anew by a replay; the GUID is free.
		o.unpin()
		return false, end, nil
	}
	if o != nil {
		r.keep(o)
	}
	defer end()
	switch {
	case !replay:
		return false, nil, r.refuseFor(lock, o, ntstatus.DuplicateObjectid)
	case o == nil:
		if o = r.reclaimReplay(q, ctx, lock); o == nil {
			// It is of another session, or waits for its client and is not persistent:
			// a CREATE cannot get it, a reconnect can.
			return false, nil, r.refuseFor(lock, o, ntstatus.AccessDenied)
		}
	}
	err = r.answerReplay(q, ctx, o, a)
	return err == nil, nil, err
}

// refuseFor is a refusal on account of an open with the same GUID. One of another
// session may be gone in truth, and then a CREATE with its GUID is a new one.
func (r *request) refuseFor(lock *locking.Open, o *open, st ntstatus.Status) error {
	if o != nil || lock.Disconnected() {
		return st
	}
	return refusedBy(lock.Owner(), st)
}

// reclaimReplay gives a client the persistent open that its CREATE has made, if it
// lost the connection, or the server, before it had the answer: without that it does
// not have the FileId that a reconnect names. It returns nil if the open is not to be
// had like that.
func (r *request) reclaimReplay(q *wire.CreateRequest, ctx *createContexts, lock *locking.Open) *open {
	if ctx.durableV2.Flags&wire.DurableV2Persistent == 0 {
		return nil
	}
	claim := locking.Claim{
		Client: r.sess.client, SessionID: r.sess.id,
		User: r.sess.userKey(), Share: foldShare(r.tree.share.Name),
		V2: true, CreateGuid: ctx.durableV2.CreateGuid, Persistent: true,
	}
	if lease := r.leaseRequest(q, ctx); lease != nil {
		claim.HasLease, claim.LeaseKey, claim.LeaseVersion = true, lease.Key, lease.Version
		claim.Path = r.claimedPath(q.Name)
	}
	o, _, err := r.reclaim(lock.ID(), &claim)
	if err != nil {
		return nil
	}
	return o
}

// answerReplay answers a CREATE once more.
func (r *request) answerReplay(q *wire.CreateRequest, ctx *createContexts, o *open, a *wire.CreateResponse) error {
	lease := r.leaseRequest(q, ctx)
	if (lease != nil) != o.leased || lease != nil && lease.Key != o.leaseKey {
		return ntstatus.AccessDenied
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	grant := o.lock.Grant()
	var reply wire.CreateContextList
	durable := o.durable
	switch {
	case lease != nil:
		reply.Put(wire.TagRqLs, leaseResponse(lease.Key, grant))
	case !o.persistent():
		// The level of the reply is what this request asks for, though the open has
		// what the first one got; and so with durability, which rests on it.
		grant.Oplock, _ = oplockFromWire(q.RequestedOplockLevel)
		durable = durable && grant.Oplock == locking.OplockBatch
	}
	o.answer(a, &at, grant)
	a.CreateAction = o.made
	if durable {
		reply.Put(wire.TagDH2Q, o.durableResponse())
	}
	a.Contexts = reply.Bytes
	r.opened(o)
	return nil
}

// closeAppInstance closes the opens that an application has left on another
// client, when it comes back on this one (MS-SMB2 3.3.5.9.13). Errors:
// STATUS_FILE_FORCED_CLOSED if what is open belongs to a newer instance.
func (r *request) closeAppInstance(ctx *createContexts) error {
	if ctx.appID == nil || ctx.durableV2 == nil {
		return nil
	}
	for _, o := range r.srv().apps.others(r.sess.client, ctx.appID.AppInstanceID) {
		if !o.app.newer(ctx.appVersion) {
			return ntstatus.FileForcedClosed
		}
		o.forceClose()
	}
	return nil
}

// forceClose closes an open that its client has not closed, connected or not.
func (o *open) forceClose() {
	if o.sess.takeOpen(o) {
		o.shut()
		o.sess.srv.locks.Flush()
		return
	}
	// Then it waits for its client, or is being closed already.
	if c, ok := o.lock.CloseDisconnected(); ok {
		o.sess.srv.apps.remove(o)
		o.auditClosed()
		o.sess.srv.remove(o.grip, c, o.sess)
		o.unpin()
	}
}

// durableResponse is the context that says again what the open was granted.
func (o *open) durableResponse() *wire.DurableResponseV2 {
	return &wire.DurableResponseV2{Timeout: o.durableTimeout, Flags: o.durableFlags}
}
