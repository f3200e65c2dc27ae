package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// replayCreate answers a CREATE with a create GUID that this client has used
// before (MS-SMB2 3.3.5.9.10): if it says so, with the open that the first one
// has made. done is false if the CREATE is a new one.
func (r *request) replayCreate(q *wire.CreateRequest, ctx *createContexts, a *wire.CreateResponse) (done bool, err error) {
	v2 := ctx.durableV2
	if v2 == nil {
		return false, nil
	}
	if ctx.durable {
		return false, ntstatus.InvalidParameter
	}
	lock, found := r.locks().OpenByCreateGuid(r.sess.client.id, v2.CreateGuid)
	if !found {
		return false, nil
	}
	if r.hdr.Flags&wire.FlagReplay == 0 {
		return false, ntstatus.DuplicateObjectid
	}
	o := r.sess.pinOpen(fileID(lock.ID()))
	if o == nil {
		// It is of another session, or waits for its client: a CREATE cannot get
		// it, a reconnect can.
		return false, ntstatus.AccessDenied
	}
	r.keep(o)
	lease := r.leaseRequest(q, ctx)
	if (lease != nil) != o.leased {
		return false, ntstatus.AccessDenied
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return false, err
	}
	grant := lock.Grant()
	o.answer(a, &at, grant)
	var reply wire.CreateContextList
	if lease != nil {
		reply.Put(wire.TagRqLs, leaseResponse(lease.Key, grant))
	}
	if o.durable {
		reply.Put(wire.TagDH2Q, o.durableResponse())
	}
	a.Contexts = reply.Bytes
	r.opened(o)
	return true, nil
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
		return
	}
	// Then it waits for its client, or is being closed already.
	if c, ok := o.lock.CloseDisconnected(); ok {
		o.sess.srv.apps.remove(o)
		o.sess.srv.remove(o.grip, c)
		o.unpin()
	}
}

// durableResponse is the context that says again what the open was granted.
func (o *open) durableResponse() *wire.DurableResponseV2 {
	return &wire.DurableResponseV2{Timeout: o.durableTimeout, Flags: o.durableFlags}
}
