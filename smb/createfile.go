package smb

import (
	"context"
	"errors"
	"io/fs"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// attempt tries to open or make the object once, under the name gate (DESIGN:
// the life of a CREATE). *locking.Blocked means that the caller waits and tries
// again from the start, because the name may mean another file by then.
func (r *request) attempt(c *creation) (*created, error) {
	sh := r.tree.share
	leave := sh.gate(r.locks(), c.disk)
	defer leave()
	root := sh.FS.Root()
	defer root.Release()
	opts := vfs.LookupOptions{
		Fold:     c.folds(sh),
		Form:     c.oneForm(sh),
		NoFollow: c.posix || c.q.CreateOptions&wire.OptionOpenReparsePoint != 0,
		Parent:   mayCreate(c.q.CreateDisposition),
		Hint:     c.hint(),
	}
	if sh.KernelOplocks {
		opts.Hint = vfs.OpenMode{} // an open would break what is looked at first by package locking
	}
	node, actual, err := root.Lookup(r.ctx(), r.cred(), c.disk, opts)
	switch {
	case err == nil:
		res := &created{base: node, path: actual}
		if err := r.openExisting(c, res); err != nil {
			res.discard(r)
			return nil, err
		}
		return res, nil
	case errors.Is(err, fs.ErrNotExist) && opts.Parent:
		defer node.Release()
		res, err := r.makeNew(c, node, actual)
		if err != nil {
			return nil, r.stoppedOnLink(c, err)
		}
		return res, nil
	}
	if err = r.stoppedOnLink(c, err); errors.Is(err, vfs.ErrNotDir) {
		err = ntstatus.ObjectPathNotFound // a component in the middle is a file
	}
	return nil, err
}

// folds reports whether names are found in any case.
func (c *creation) folds(sh *share) bool { return !c.posix && !sh.CaseSensitive }

// oneForm reports whether names are found in either form.
func (c *creation) oneForm(sh *share) bool { return !c.posix && sh.oneForm() }

// cred is for whom the file system is asked.
func (r *request) cred() *vfs.Cred { return r.tree.cred() }

// openExisting opens a file or directory that was found (MS-FSA 2.1.5.1.2), or
// makes a stream of it.
func (r *request) openExisting(c *creation, res *created) error {
	q := c.q
	res.dir = res.base.Type() == vfs.TypeDirectory && c.path.Stream == ""
	res.node = res.base
	if c.path.Stream != "" {
		r.takeOver(res.base, res.path)
		stream, err := r.stream(res.base, c.path.Stream, false)
		if errors.Is(err, fs.ErrNotExist) && mayCreate(q.CreateDisposition) {
			return r.makeStream(c, res)
		}
		if err != nil {
			return err
		}
		res.node, res.stream = stream, r.storedStream(res.base, c.path.Stream)
	}
	if q.CreateDisposition == wire.DispositionCreate {
		return ntstatus.ObjectNameCollision
	}
	if err := r.mustKnowEas(c, res.base); err != nil {
		return err
	}
	at, err := res.node.Attr(r.ctx(), r.cred())
	if err != nil {
		return err
	}
	res.attr = at
	if err := r.stoppedOnReparse(c, res); err != nil {
		return err
	}
	switch {
	case c.dir && !res.dir:
		return ntstatus.NotADirectory
	case res.dir && (q.CreateOptions&wire.OptionNonDirectoryFile != 0 || c.path.Type == names.StreamData):
		return ntstatus.FileIsADirectory
	case res.dir && overwrites(q.CreateDisposition):
		return ntstatus.InvalidParameter
	}
	if overwrites(q.CreateDisposition) && isReparsePoint(&at) && at.Type != vfs.TypeRegular {
		return ntstatus.AccessDenied // there is no data
	}
	if err := r.grantExisting(c, res); err != nil {
		return err
	}
	res.action = wire.FileOpened
	if err := r.lockAndOpen(c, res); err != nil {
		return err
	}
	if overwrites(q.CreateDisposition) {
		return r.overwrite(c, res)
	}
	return nil
}

// grantExisting checks access to an existing object, with what its disposition
// needs (MS-FSA 2.1.5.1.2).
func (r *request) grantExisting(c *creation, res *created) error {
	q := c.q
	var further uint32
	switch q.CreateDisposition {
	case wire.DispositionSupersede:
		further = wire.AccessDelete | wire.AccessWriteData // the data goes as well
	case wire.DispositionOverwrite, wire.DispositionOverwriteIf:
		further = wire.AccessWriteData
	}
	if overwrites(q.CreateDisposition) && res.stream == "" {
		// A hidden or system file is only replaced by one that is so again.
		if stored := dosOf(&res.attr) & (vfs.DOSHidden | vfs.DOSSystem); stored&^q.FileAttributes != 0 {
			return ntstatus.AccessDenied
		}
		if dosOf(&res.attr)&vfs.DOSReadOnly != 0 {
			return ntstatus.AccessDenied
		}
	}
	granted, err := r.checkIntent(res.base, &res.attr, res.path, q.DesiredAccess, further, c.backup)
	if err != nil {
		return err
	}
	if q.CreateOptions&wire.OptionDeleteOnClose != 0 {
		if !res.dir && !c.posix && dosOf(&res.attr)&vfs.DOSReadOnly != 0 {
			return ntstatus.CannotDelete // MS-FSA 2.1.5.1.2.1
		}
		if granted&wire.AccessDelete == 0 {
			return ntstatus.AccessDenied
		}
		if res.path == "" {
			return ntstatus.CannotDelete
		}
	}
	res.granted = granted
	return nil
}

// dosOf returns the attribute bits that were stored.
func dosOf(at *vfs.Attr) uint32 {
	if !at.DOSSet {
		return 0
	}
	return at.DOS
}

// storedStream is the name of a stream in the case in which it is stored.
func (r *request) storedStream(base vfs.Node, name string) string {
	list, err := base.Streams(r.ctx(), r.cred())
	if err != nil {
		return name
	}
	for i := range list {
		if names.EqualFold(list[i].Name, name) {
			return list[i].Name
		}
	}
	return name
}

// lockAndOpen registers the open with the lock manager and opens the handle.
func (r *request) lockAndOpen(c *creation, res *created) error {
	req := &c.lock
	req.Path = res.path
	req.Access = res.granted
	req.Overwrite = overwrites(c.q.CreateDisposition) && !res.isNew
	req.IsDirectory = res.dir
	if res.dir && req.Lease != nil && req.Lease.Version != 2 {
		req.NoCaching = true // MS-SMB2 3.3.5.9.8: directories have leases of version 2 only
	}
	if r.tree.share.KernelOplocks && !res.dir {
		req.WholeOplock = true
		req.NoCaching = req.NoCaching || req.Lease != nil
	}
	lock, grant, err := r.locks().Open(locking.Key(res.base.ID().Key()), names.Fold(res.stream), req)
	if err != nil {
		return err
	}
	res.lock, res.grant = lock, grant
	return r.openHandle(res)
}

// openHandle opens the object for data, if data is to be read or written.
// Directories and opens that only look at attributes do without until they need
// one.
func (r *request) openHandle(res *created) error {
	switch res.node.Type() {
	case vfs.TypeDirectory, vfs.TypeSymlink, vfs.TypeOther:
		return nil
	}
	mode := vfs.OpenMode{
		Read:  res.granted&(wire.AccessReadData|wire.AccessExecute) != 0,
		Write: res.granted&dataWriting != 0,
	}
	if !mode.Read && !mode.Write {
		return nil
	}
	// A write-only open reads as well where the kernel allows it: copychunk and
	// partial pages need no second handle then.
	h, err := res.node.Open(r.ctx(), r.cred(), mode)
	if err != nil {
		return err
	}
	res.handle = h
	return nil
}

// overwrite replaces the content of an existing file or stream (MS-FSA
// 2.1.5.1.2, FILE_SUPERSEDE and FILE_OVERWRITE).
func (r *request) overwrite(c *creation, res *created) error {
	ctx, cred := r.ctx(), r.cred()
	set := vfs.SetAttr{Mask: vfs.SetSize}
	if res.stream == "" {
		set.Mask |= vfs.SetDOS
		set.DOS = c.q.FileAttributes&attributesCreate | vfs.DOSArchive
		if c.q.CreateDisposition != wire.DispositionSupersede {
			set.DOS |= dosOf(&res.attr) & attributesCreate
		}
		if defaultDOS(set.DOS, false) && !res.attr.DOSSet {
			set.Mask &^= vfs.SetDOS
		}
	}
	if err := res.node.SetAttr(ctx, cred, &set); err != nil {
		return err
	}
	if res.stream == "" {
		r.tree.share.late.moved(res.attr.ID)
		if err := r.dropStreamsAndEAs(res); err != nil {
			return err
		}
		if err := r.storeEAs(c, res); err != nil {
			return err
		}
	}
	res.action = wire.FileOverwritten
	if c.q.CreateDisposition == wire.DispositionSupersede {
		res.action = wire.FileSuperseded
	}
	r.reserve(c, res)
	at, err := res.node.Attr(ctx, cred)
	if err != nil {
		return err
	}
	res.attr = at
	r.tree.share.changed(res.path, vfs.ActionModified, vfs.FilterSize|vfs.FilterLastWrite|vfs.FilterAttributes)
	return nil
}

// dropStreamsAndEAs removes what an overwritten file loses besides its data.
func (r *request) dropStreamsAndEAs(res *created) error {
	ctx, cred := r.ctx(), r.cred()
	if r.tree.share.caps.Has(vfs.CapStreams) {
		list, err := res.base.Streams(ctx, cred)
		if err != nil {
			return err
		}
		for i := range list {
			if err := res.base.RemoveStream(ctx, cred, list[i].Name); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	if r.tree.share.caps.Has(vfs.CapXattr) {
		list, err := res.base.ListXattr(ctx, cred)
		if err != nil {
			return err
		}
		for _, name := range list {
			if err := res.base.SetXattr(ctx, cred, name, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeNew makes a file or directory (MS-FSA 2.1.5.1.1). actual is the stored
// path of the directory and the last name as given.
func (r *request) makeNew(c *creation, parent vfs.Node, actual string) (*created, error) {
	q, ctx := c.q, r.ctx()
	if !r.tree.writable() {
		return nil, ntstatus.AccessDenied
	}
	if r.tree.live != nil {
		return nil, ntstatus.MediaWriteProtected
	}
	need := wire.AccessAddFile
	if c.dir {
		need = wire.AccessAddSubdirectory
	}
	if parent.Type() != vfs.TypeDirectory {
		return nil, ntstatus.ObjectPathNotFound
	}
	if err := r.notJunction(parent); err != nil {
		return nil, err
	}
	from, err := r.mayAdd(parent, parentOf(actual), need, c.backup)
	if err != nil {
		return nil, err
	}
	if err := mayGive(r.sess.user.Load().token, c.ctx.sd); err != nil {
		return nil, err
	}
	if q.CreateOptions&wire.OptionDeleteOnClose != 0 && q.FileAttributes&wire.FileAttributeReadonly != 0 {
		return nil, ntstatus.CannotDelete
	}
	if q.FileAttributes&wire.FileAttributeEncrypted != 0 {
		return nil, ntstatus.AccessDenied // nobody would encrypt it (MS-FSA 2.1.5.1.1)
	}
	if c.dir && q.FileAttributes&wire.FileAttributeTemporary != 0 {
		return nil, ntstatus.InvalidParameter
	}
	if c.dir && overwrites(q.CreateDisposition) {
		return nil, ntstatus.InvalidParameter
	}
	sh := r.tree.share
	opts := vfs.CreateOptions{Type: vfs.TypeRegular, Mode: sh.FileMode, Fold: c.folds(sh), Form: c.oneForm(sh), Hint: c.hint()}
	dos := q.FileAttributes & attributesCreate
	if c.dir {
		opts.Type, opts.Mode, opts.Hint.Write = vfs.TypeDirectory, sh.DirMode, false
	} else {
		dos |= vfs.DOSArchive
	}
	c.setMode(&opts)
	sh.force(&opts)
	if !defaultDOS(dos, c.dir) && c.path.Stream == "" {
		opts.DOS, opts.DOSSet = dos, true
	}
	sd := r.newDescriptor(from, c.ctx.sd, c.dir)
	_, base := names.Split(actual)
	node, err := parent.Create(ctx, r.cred(), base, opts)
	if err != nil {
		return nil, err
	}
	res := &created{
		base: node, node: node, dir: c.dir, path: actual, action: wire.FileCreated,
		isNew: true, newBase: true, parent: locking.Key(parent.ID().Key()),
	}
	if err := r.finishNew(c, res, sd); err != nil {
		res.discard(r)
		return nil, err
	}
	r.announceNew(c, res)
	return res, nil
}

// defaultDOS reports whether attribute bits are those that a file has of which
// nobody has stored any, so that there is nothing to store.
func defaultDOS(dos uint32, dir bool) bool {
	if dir {
		return dos == 0
	}
	return dos == vfs.DOSArchive
}

// finishNew gives a new object what a CREATE says about it, and opens it.
func (r *request) finishNew(c *creation, res *created, sd *secdesc.Descriptor) error {
	ctx, cred := r.ctx(), r.cred()
	if sd != nil {
		b, err := sd.Append(nil)
		if err != nil {
			return err
		}
		if err := res.base.SetSecurity(ctx, cred, b); err != nil {
			return err
		}
	}
	if err := r.storeEAs(c, res); err != nil {
		return err
	}
	if err := r.keepPlain(c, res); err != nil {
		return err
	}
	if c.path.Stream != "" {
		stream, err := r.stream(res.base, c.path.Stream, true)
		if err != nil {
			return err
		}
		res.node, res.stream = stream, c.path.Stream
	}
	if err := r.openNew(c, res); err != nil {
		return err
	}
	r.auditAccess(sd, res.path, 0, res.granted, nil)
	return nil
}

// openNew opens what was just made. Its maker gets what he asks for (MS-FSA
// 2.1.5.1.1); only what "maximum" means is looked up.
func (r *request) openNew(c *creation, res *created) error {
	at, err := res.node.Attr(r.ctx(), r.cred())
	if err != nil {
		return err
	}
	res.attr = at
	want := secdesc.MapGeneric(c.q.DesiredAccess)
	if want&wire.AccessSystemSecurity != 0 && !r.sess.user.Load().token.Holds(secdesc.PrivSecurity) {
		return ntstatus.PrivilegeNotHeld
	}
	if want&^(r.tree.allows()|wire.AccessMaximumAllowed|wire.AccessSystemSecurity) != 0 {
		return ntstatus.AccessDenied
	}
	res.granted = want
	if want&wire.AccessMaximumAllowed != 0 {
		plain := at
		plain.DOSSet = false // a new read-only file is writable through its first open
		rights, _, err := r.decideAccess(res.base, &plain, res.path, wire.AccessMaximumAllowed, 0, c.backup)
		if err != nil {
			return err
		}
		res.granted = want&^wire.AccessMaximumAllowed | rights
	}
	if err := r.lockAndOpen(c, res); err != nil {
		return err
	}
	r.reserve(c, res)
	return nil
}

// makeStream makes a stream of an existing file or directory.
func (r *request) makeStream(c *creation, res *created) error {
	if r.tree.live != nil {
		return ntstatus.MediaWriteProtected
	}
	at, err := res.base.Attr(r.ctx(), r.cred())
	if err != nil {
		return err
	}
	if _, err := r.checkIntent(res.base, &at, res.path, wire.AccessWriteData, 0, c.backup); err != nil {
		return err
	}
	stream, err := r.stream(res.base, c.path.Stream, true)
	if err != nil {
		return err
	}
	res.node, res.stream, res.dir = stream, c.path.Stream, false
	res.isNew, res.action = true, wire.FileCreated
	if err := r.openNew(c, res); err != nil {
		return err
	}
	r.announceNew(c, res)
	return nil
}

// reserve provides the storage that a client says it will need. It is a hint:
// where it cannot be had, the writes will tell.
func (r *request) reserve(c *creation, res *created) {
	if c.ctx.hasAlloc && c.ctx.alloc > 0 && c.ctx.alloc < 1<<62 && res.handle != nil && res.granted&dataWriting != 0 {
		if err := res.handle.Alloc(r.ctx(), 0, int64(c.ctx.alloc), vfs.AllocReserve); err == nil {
			if at, err := res.node.Attr(r.ctx(), r.cred()); err == nil {
				res.attr = at
			}
		}
	}
}

// storeEAs stores the extended attributes of a CREATE (MS-FSA 2.1.5.1.1).
func (r *request) storeEAs(c *creation, res *created) error {
	if !c.ctx.hasEA || len(c.ctx.ea) == 0 {
		return nil
	}
	if !r.tree.share.caps.Has(vfs.CapXattr) {
		return ntstatus.EasNotSupported
	}
	return r.changeEas(res.base, c.ctx.ea)
}

// announceNew tells watchers and directory leases of a new name.
func (r *request) announceNew(c *creation, res *created) {
	sh := r.tree.share
	if res.newBase {
		sh.changed(res.path, vfs.ActionAdded, nameFilter(res.dir))
		var key locking.LeaseKey
		has := false
		if l := c.lock.Lease; l != nil {
			key, has = l.ParentKey, l.HasParent
		}
		r.locks().Changed(res.parent, key, has, r.sess.client.id)
	}
	if res.stream != "" {
		sh.changed(res.path+":"+res.stream, vfs.ActionAddedStream, vfs.FilterStreamName)
	}
}

// unmake removes what a CREATE has made that then failed.
func (r *request) unmake(res *created) {
	ctx := context.WithoutCancel(r.ctx()) // it may have failed because the connection is gone
	var err error
	if !res.newBase {
		if r.staysEmpty(res.stream) {
			return
		}
		err = res.base.RemoveStream(ctx, nil, res.stream)
	} else {
		root := r.tree.share.FS.Root()
		defer root.Release()
		dir, base := names.Split(res.path)
		var parent vfs.Node
		if parent, _, err = root.Lookup(ctx, nil, dir, vfs.LookupOptions{}); err == nil {
			err = parent.Remove(ctx, nil, base)
			parent.Release()
		}
	}
	if err != nil {
		r.conn.log.Warn().Err(err).Str("path", res.path).Msg("cannot remove what a failed CREATE has made")
	}
}
