package smb

import (
	"context"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// setDisposition marks what is open for deletion at its last close, or takes the
// mark away (MS-FSA 2.1.5.15.3).
func (r *request) setDisposition(o *open, b []byte) error {
	var q wire.FileDispositionInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	return r.dispose(o, q.DeletePending, false, false)
}

// setDispositionEx does so with flags (MS-FSA 2.1.5.15.4 of later revisions). With
// POSIX semantics the name goes away when this open is closed, whoever else has the
// file open.
func (r *request) setDispositionEx(o *open, b []byte) error {
	const known = wire.DispositionExDelete | wire.DispositionExPosixSemantics | wire.DispositionExForceImageSectionCheck |
		wire.DispositionExOnClose | wire.DispositionExIgnoreReadonlyAttribute
	var q wire.FileDispositionInformationEx
	if err := q.Decode(b); err != nil {
		return err
	}
	if q.Flags&^known != 0 {
		return ntstatus.InvalidParameter
	}
	if q.Flags&wire.DispositionExOnClose != 0 {
		// This is about the FILE_DELETE_ON_CLOSE of the open, which stays what it is.
		if del := o.options&wire.OptionDeleteOnClose != 0; del != (q.Flags&wire.DispositionExDelete != 0) {
			return ntstatus.NotSupported
		}
		return nil
	}
	del := q.Flags&wire.DispositionExDelete != 0
	return r.dispose(o, del, del && q.Flags&wire.DispositionExPosixSemantics != 0, q.Flags&wire.DispositionExIgnoreReadonlyAttribute != 0)
}

// dispose sets or takes away the mark for deletion.
func (r *request) dispose(o *open, del, posix, evenReadonly bool) error {
	posix = posix || o.posix
	if del {
		if err := r.mayDelete(o, evenReadonly || o.posix); err != nil {
			return err
		}
		if err := r.breakOthers(o, locking.CauseDelete); err != nil {
			return err
		}
	}
	if err := o.lock.SetDelete(del); err != nil {
		return err
	}
	o.unlink.Store(posix && o.grip.stream == "")
	if del && o.grip.dir {
		r.srv().dirDeleted(o.lock.Key())
	}
	return nil
}

// mayDelete refuses what cannot be deleted: the root of the share, a read-only
// file, a directory that is not empty.
func (r *request) mayDelete(o *open, evenReadonly bool) error {
	if o.path() == "" && o.grip.stream == "" {
		return ntstatus.CannotDelete
	}
	if o.grip.dir {
		return r.checkEmpty(o.share(), o.grip.base)
	}
	if evenReadonly {
		return nil
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if dosOf(&at)&vfs.DOSReadOnly != 0 {
		return ntstatus.CannotDelete
	}
	return nil
}

// checkEmpty refuses a directory that has entries; those that do not exist for clients
// go with it where the share says so. It does so with a handle of its own, because that
// of the open has a cursor.
func (r *request) checkEmpty(sh *share, dir vfs.Node) error {
	only, empty, err := sh.onlyVetoed(r.ctx(), nil, dir)
	if err == nil && !empty && (!only || !sh.DeleteVetoed) {
		err = ntstatus.DirectoryNotEmpty
	}
	return err
}

// unlinkNow removes the name of a file that was deleted with POSIX semantics,
// while others may have it open: they keep the file and not the name. It is
// called when the open that did so is closed.
func (o *open) unlinkNow() {
	if o.posix && o.options&wire.OptionDeleteOnClose != 0 {
		o.unlink.Store(o.lock.SetDelete(true) == nil)
	}
	if !o.unlink.Load() || !o.lock.DeletePending() {
		return
	}
	ctx := context.Background()
	c := locking.Closed{Delete: true, Key: o.lock.Key(), DeletePath: o.path()}
	if err := o.sess.srv.removePath(o.grip.share, o.grip, c, o.sess); err != nil {
		return // the last close tries again
	}
	if at, err := o.grip.base.Attr(ctx, nil); err == nil && at.NLink > 0 && o.path() == c.DeletePath {
		// The file has other names, which stay.
		_ = o.lock.SetDelete(false)
	}
}
