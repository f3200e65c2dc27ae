package smb

import (
	"errors"
	"strings"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// creation is a CREATE at work. It is kept when the CREATE has to wait for a
// break and begins anew.
type creation struct {
	q    *wire.CreateRequest
	ctx  *createContexts
	path names.Path
	disk string // Path.Name as it is stored
	lock locking.OpenRequest
	dir  bool // a directory is asked for
	// backup are rights that the client has whatever a descriptor says: see
	// secdesc.BackupRights.
	backup uint32
	// posix: the open has POSIX semantics.
	posix bool
}

// created is the result of a CREATE before it has become an open.
type created struct {
	base, node vfs.Node
	dir        bool
	stream     string // as stored
	path       string // as stored
	attr       vfs.Attr
	granted    uint32
	lock       *locking.Open
	grant      locking.Grant
	handle     vfs.Handle
	action     uint32
	parent     locking.Key // zero if it was not looked at
	unlease    func()      // see grip.unlease
	isNew      bool        // something was made, and is removed on failure
	newBase    bool        // the file itself, not only a stream of it
}

// The bits of CreateOptions that SMB2 gives no meaning to, and those that no
// server supports over it (MS-SMB2 2.2.13 and 3.3.5.9).
const (
	optionsInvalid     uint32 = 0xff000000
	optionsUnsupported        = wire.OptionReserveOpfilter | wire.OptionOpenByFileID | optionCreateTreeConnection

	optionCreateTreeConnection uint32 = 0x00000080
)

// attributesInvalid are the bits that FileAttributes may not have, and
// attributesCreate those that a new object takes from it (MS-FSA 2.1.5.1.1).
const (
	attributesInvalid uint32 = 0xffff8048
	attributesCreate         = vfs.DOSReadOnly | vfs.DOSHidden | vfs.DOSSystem | vfs.DOSArchive | vfs.DOSTemporary |
		vfs.DOSOffline | vfs.DOSNotIndexed
)

// create carries out CREATE (MS-SMB2 3.3.5.9).
func (r *request) create(q *wire.CreateRequest, a *wire.CreateResponse) error {
	if r.tree.share.ipc {
		return r.createPipe(q, a)
	}
	r.audits(auditDisposition(q.CreateDisposition), auditPath(q.Name))
	ctx, err := r.parseContexts(q.Contexts)
	if err != nil {
		return err
	}
	if ctx.reconnect != nil || ctx.reconnectV2 != nil {
		// Of the request, nothing but this context counts (MS-SMB2 3.3.5.9.7).
		return r.reconnectOpen(q, ctx, a)
	}
	if q.ImpersonationLevel > wire.ImpersonationDelegate {
		return ntstatus.BadImpersonationLevel
	}
	done, end, err := r.replayCreate(q, ctx, a)
	if done || err != nil {
		return err
	}
	defer end()
	if ctx.durableV2 != nil {
		r.outliveConn()
	}
	leave, err := r.enterSnapshot(q, ctx)
	if err != nil {
		return err
	}
	defer leave()
	c, err := r.newCreation(q, ctx)
	if err != nil {
		return err
	}
	if err := r.closeAppInstance(ctx); err != nil {
		return err
	}
	r.opening = c.disk
	var outside outsideLease
	for {
		res, err := r.attempt(c)
		var b *locking.Blocked
		if errors.As(err, &b) {
			if err := r.awaitBreak(b); err != nil {
				return err
			}
			continue
		}
		if errors.Is(err, vfs.ErrLeased) && outside.goesOn() {
			if err := r.awaitBreak(outside.blocked()); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		return r.admit(c, res, a)
	}
}

// resolveParents takes ".." components out of the path of a CREATE, together with
// those before them. Clients should not send any (MS-FSCC 2.1.5.1), and some do. What
// would lead out of the share stays, and is refused by package names.
func resolveParents(path string) string {
	if !strings.Contains(path, "..") {
		return path
	}
	parts := strings.Split(path, `\`)
	kept := parts[:0]
	for _, p := range parts {
		if n := len(kept); p == ".." && n > 0 && kept[n-1] != ".." && kept[n-1] != "" {
			kept = kept[:n-1]
			continue
		}
		kept = append(kept, p)
	}
	return strings.Join(kept, `\`)
}

// newCreation checks what can be checked without looking at any file.
func (r *request) newCreation(q *wire.CreateRequest, ctx *createContexts) (*creation, error) {
	if err := checkCreate(q); err != nil {
		return nil, err
	}
	path, disk, err := r.parsePath(q.Name, ctx.posix != nil)
	if err != nil {
		return nil, err
	}
	if err := r.checkVeto(disk, q.CreateDisposition); err != nil {
		return nil, err
	}
	if path.Dir && q.CreateOptions&wire.OptionNonDirectoryFile != 0 {
		return nil, ntstatus.ObjectNameInvalid
	}
	c := &creation{q: q, ctx: ctx, path: path, disk: disk, posix: ctx.posix != nil}
	c.dir = q.CreateOptions&wire.OptionDirectoryFile != 0 || path.Type == names.StreamIndex || path.Dir
	if path.Stream != "" && !r.tree.share.caps.Has(vfs.CapStreams) || path.Type != names.StreamNone && r.tree.share.NoStreams {
		return nil, ntstatus.ObjectNameInvalid
	}
	if c.dir && (path.Stream != "" || path.Type == names.StreamData) {
		return nil, ntstatus.NotADirectory
	}
	if q.CreateOptions&wire.OptionOpenForBackupIntent != 0 {
		c.backup = secdesc.BackupRights(r.sess.user.Load().token)
	}
	if err := r.checkPast(q); err != nil {
		return nil, err
	}
	if !r.tree.writable() {
		if q.CreateDisposition != wire.DispositionOpen && q.CreateDisposition != wire.DispositionOpenIf {
			return nil, ntstatus.AccessDenied
		}
		if q.CreateOptions&wire.OptionDeleteOnClose != 0 {
			return nil, ntstatus.AccessDenied
		}
	}
	level, ok := oplockFromWire(q.RequestedOplockLevel)
	if !ok {
		level = locking.OplockNone
	}
	id := r.srv().newOpenID()
	sh := r.tree.share
	c.lock = locking.OpenRequest{
		Client:        r.sess.client,
		Owner:         locking.Owner{ClientID: r.sess.client.id, SessionID: r.sess.id, OpenID: id},
		Volume:        sh.space,
		Share:         q.ShareAccess,
		Oplock:        level,
		NoCaching:     sh.NoLeases,
		DeleteOnClose: q.CreateOptions&wire.OptionDeleteOnClose != 0,
	}
	if c.posix {
		// There are no share modes, and a deletion concerns the name: see open.unlinkNow.
		c.lock.Posix, c.lock.DeleteOnClose = true, false
		c.lock.Share |= wire.ShareAccessRead | wire.ShareAccessWrite | wire.ShareAccessDelete
	}
	if lease := r.leaseRequest(q, ctx); lease != nil {
		c.lock.Lease = lease
	} else if level == locking.OplockLease {
		c.lock.Oplock = locking.OplockNone
	}
	c.lock.HoldBreaks = c.lock.Oplock != locking.OplockNone
	if ctx.durableV2 != nil {
		c.lock.CreateGuid = ctx.durableV2.CreateGuid
	}
	return c, nil
}

// parsePath takes the path of a CREATE apart, and finds out how it is stored.
func (r *request) parsePath(name string, posix bool) (p names.Path, disk string, err error) {
	if !posix && isQuotaFile(name) {
		return p, "", nil
	}
	if posix {
		if p, err = names.ParsePOSIX(name); err != nil {
			return p, "", err
		}
		return p, r.posixPath(p.Name), nil
	}
	if r.tree.share.Mac.Import {
		name = strings.ReplaceAll(name, "/", `\`) // as Samba takes it
	}
	if p, err = names.Parse(resolveParents(name)); err != nil {
		return p, "", err
	}
	return p, r.storedPath(r.tree.share.diskName(p.Name)), nil
}

// checkCreate checks the fields of a CREATE against each other (MS-FSA 2.1.5.1
// and MS-SMB2 3.3.5.9).
func checkCreate(q *wire.CreateRequest) error {
	o := q.CreateOptions
	switch {
	case q.DesiredAccess == 0, q.DesiredAccess&wire.AccessReserved != 0:
		return ntstatus.AccessDenied
	case o&optionsInvalid != 0, q.ShareAccess&^7 != 0, q.CreateDisposition > wire.DispositionOverwriteIf,
		q.FileAttributes&attributesInvalid != 0:
		return ntstatus.InvalidParameter
	case o&optionsUnsupported != 0:
		return ntstatus.NotSupported
	case o&wire.OptionDirectoryFile != 0 && o&wire.OptionNonDirectoryFile != 0:
		return ntstatus.InvalidParameter
	case o&wire.OptionDirectoryFile != 0 && overwrites(q.CreateDisposition):
		return ntstatus.InvalidParameter
	case o&wire.OptionDeleteOnClose != 0 &&
		q.DesiredAccess&(wire.AccessDelete|wire.AccessGenericAll|wire.AccessMaximumAllowed) == 0:
		return ntstatus.InvalidParameter
	}
	return nil
}

// overwrites reports whether a disposition replaces the content of an existing
// file.
func overwrites(disposition uint32) bool {
	switch disposition {
	case wire.DispositionSupersede, wire.DispositionOverwrite, wire.DispositionOverwriteIf:
		return true
	}
	return false
}

// mayCreate reports whether a disposition makes a file that is missing.
func mayCreate(disposition uint32) bool {
	return disposition != wire.DispositionOpen && disposition != wire.DispositionOverwrite
}

// hint says how the object will probably be opened.
func (c *creation) hint() vfs.OpenMode {
	a := c.q.DesiredAccess
	maximum := a&(wire.AccessMaximumAllowed|wire.AccessGenericAll) != 0
	return vfs.OpenMode{
		Read: maximum || a&(wire.AccessReadData|wire.AccessExecute|wire.AccessGenericRead|wire.AccessGenericExecute) != 0,
		Write: !c.dir && (maximum || a&(wire.AccessWriteData|wire.AccessAppendData|wire.AccessGenericWrite) != 0 ||
			overwrites(c.q.CreateDisposition)),
	}
}

// discard undoes what an attempt has got so far.
func (res *created) discard(r *request) {
	if res.handle != nil {
		_ = res.handle.Close()
	}
	if res.lock != nil {
		g := &grip{share: r.tree.share, base: res.base, node: res.node, stream: res.stream, dir: res.dir}
		r.srv().remove(g, res.lock.Abandon(), r.sess)
	}
	if res.isNew {
		r.unmake(res)
	}
	if res.node != nil && res.node != res.base {
		res.node.Release()
	}
	if res.base != nil {
		res.base.Release()
	}
}

// admit makes an open of a successful attempt and answers.
func (r *request) admit(c *creation, res *created, a *wire.CreateResponse) error {
	sh := r.tree.share
	if sh.KernelOplocks {
		r.holdUpOthers(res)
	}
	g := &grip{
		share: sh, base: res.base, node: res.node, dir: res.dir, stream: res.stream,
		write: res.granted&dataWriting != 0, sync: c.q.CreateOptions&wire.OptionWriteThrough != 0,
		handle: res.handle, parent: res.parent, unlease: res.unlease, count: sh.newCount(),
	}
	if l := c.lock.Lease; l != nil && l.HasParent {
		g.client, g.parentLease, g.hasParent = r.sess.client.id, l.ParentKey, true
	}
	g.refs.Store(1)
	sh.past.hold()
	if c.lock.Lease != nil || res.grant.Oplock != locking.OplockNone {
		g.listen(r, res)
	}
	o := &open{
		id: fileID(res.lock.ID()), sess: r.sess, tree: r.tree.real(), lock: res.lock, grip: g,
		access: res.granted, options: c.q.CreateOptions, action: res.action, made: res.action,
		leased: c.lock.Lease != nil, posix: c.posix,
	}
	if c.lock.Lease != nil {
		o.leaseKey = c.lock.Lease.Key
	}
	o.replayable.Store(c.ctx.durableV2 != nil)
	o.refs.Store(2) // the table's, and that of this request
	var reply wire.CreateContextList
	r.makeDurable(c, o, &reply)
	if err := r.sess.addOpen(o); err != nil {
		o.refs.Store(1)
		r.srv().remove(g, res.lock.Abandon(), r.sess)
		if res.isNew {
			r.unmake(res)
		}
		o.unpin()
		return err
	}
	r.keep(o)
	if id := c.ctx.appID; id != nil {
		o.app.id = id.AppInstanceID
		if v := c.ctx.appVersion; v != nil {
			o.app.version, o.app.versioned = *v, true
		}
		r.srv().apps.add(o)
	}
	r.answerContexts(c, res, &reply)
	o.answer(a, &res.attr, res.grant)
	if !c.posix && isQuotaFile(c.q.Name) {
		answerQuotaFile(a)
	}
	a.Contexts = reply.Bytes
	r.opened(o)
	r.auditCreated(o)
	if c.lock.HoldBreaks {
		r.afterwards(o.lock.Announced)
	}
	return nil
}

// opened makes o the file that related messages mean.
func (r *request) opened(o *open) {
	r.prev.fileID, r.prev.hasFile, r.prev.failed = o.id, true, nil
}

// answer fills in the reply to a CREATE.
func (o *open) answer(a *wire.CreateResponse, at *vfs.Attr, grant locking.Grant) {
	b := o.basic(at)
	a.OplockLevel = oplockToWire(grant.Oplock)
	a.CreateAction = o.action
	a.CreationTime, a.LastAccessTime = b.CreationTime, b.LastAccessTime
	a.LastWriteTime, a.ChangeTime = b.LastWriteTime, b.ChangeTime
	a.FileAttributes = b.FileAttributes
	if !o.grip.dir {
		a.EndofFile = uint64(at.Size)
		a.AllocationSize = uint64(allocationSize(at))
	}
	a.FileID = o.id
	if b.FileAttributes&wire.FileAttributeReparsePoint != 0 {
		a.Flags = wire.CreateFlagReparsePoint
	}
}

// answerContexts adds the contexts of the reply, other than that of durability.
func (r *request) answerContexts(c *creation, res *created, reply *wire.CreateContextList) {
	if c.lock.Lease != nil {
		reply.Put(wire.TagRqLs, leaseResponse(c.lock.Lease.Key, res.grant))
	}
	if m := c.ctx.maximal; m != nil {
		r.answerMaximal(m, res, reply)
	}
	if c.ctx.diskID {
		id := res.base.ID()
		reply.Put(wire.TagQFid, &wire.OnDiskIDResponse{DiskFileID: r.macFileID(id.Inode), VolumeID: id.Volume})
	}
	if c.ctx.aapl != nil {
		r.answerAAPL(c.ctx.aapl, reply)
	}
	if c.posix {
		info := posixAttributes(&res.attr)
		reply.Put(wire.TagPosix, &info)
	}
}

// answerMaximal answers MxAc (MS-SMB2 3.3.5.9.5).
func (r *request) answerMaximal(m *wire.MaximalAccessRequest, res *created, reply *wire.CreateContextList) {
	if m.Timestamp != 0 && m.Timestamp == wire.FiletimeOf(r.tree.share.writeTime(&res.attr)) {
		reply.Put(wire.TagMxAc, &wire.MaximalAccessResponse{QueryStatus: uint32(ntstatus.NoneMapped)})
		return
	}
	rights, err := r.maximalAccess(res.base, &res.attr, res.path)
	reply.Put(wire.TagMxAc, &wire.MaximalAccessResponse{QueryStatus: uint32(statusOf(err)), MaximalAccess: rights})
}

// afterwards runs fn when the reply to this message has been queued.
func (r *request) afterwards(fn func()) {
	if before := r.after; before != nil {
		r.after = func() { before(); fn() }
		return
	}
	r.after = fn
}

// createPipe opens a named pipe (MS-SMB2 3.3.5.9, on IPC$).
func (r *request) createPipe(q *wire.CreateRequest, a *wire.CreateResponse) error {
	if q.ImpersonationLevel > wire.ImpersonationDelegate {
		return ntstatus.BadImpersonationLevel
	}
	if strings.Contains(q.Name, `\`) {
		return ntstatus.ObjectNameNotFound // "\pipe\" before a name is of SMB1
	}
	pipe, err := r.srv().openPipe(q.Name, r.sess, r.conn.remote)
	if err != nil {
		return err
	}
	o := &open{
		id: fileID(r.srv().newOpenID()), sess: r.sess, tree: r.tree, pipe: pipe,
		access: wire.AccessAll, options: q.CreateOptions, action: wire.FileOpened,
	}
	o.refs.Store(2)
	if err := r.sess.addOpen(o); err != nil {
		pipe.Close()
		return err
	}
	r.keep(o)
	a.CreateAction = wire.FileOpened
	a.FileAttributes = wire.FileAttributeNormal
	a.AllocationSize = pipeAllocation
	a.FileID = o.id
	r.opened(o)
	return nil
}

// pipeAllocation is the AllocationSize that Windows reports for pipes.
const pipeAllocation = 4096
