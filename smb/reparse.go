package smb

import (
	"encoding/binary"
	"strings"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Reparse points (MS-FSA 2.1.5.10.12, .37; MS-FSCC 2.1.2). Symbolic links of the file
// system have the form that clients know: a target is stored with slashes and shown
// with backslashes; it is relative unless it begins with a separator. What clients store
// otherwise is kept with the file.

// getReparsePoint carries out FSCTL_GET_REPARSE_POINT.
func (r *request) getReparsePoint(o *open, c *control) error {
	const header = 8
	at, err := o.attr(r.ctx())
	switch {
	case err != nil:
		return err
	case !isReparsePoint(&at):
		return ntstatus.NotAReparsePoint
	case c.room < header:
		return ntstatus.BufferTooSmall
	}
	b, err := r.reparsePoint(o, &at)
	if err != nil {
		return err
	}
	if len(b) > c.room {
		c.out(b[:c.room])
		return r.withBody(ntstatus.BufferOverflow)
	}
	c.out(b)
	return nil
}

// reparsePoint is the reparse point that an object is or is shown as.
func (r *request) reparsePoint(o *open, at *vfs.Attr) ([]byte, error) {
	switch at.Type {
	case vfs.TypeSymlink:
		target, err := o.grip.object().Readlink(r.ctx(), o.cred())
		if err != nil {
			return nil, err
		}
		link := o.share().shownLink(target, o.posix)
		return link.Append(nil), nil
	case vfs.TypeOther:
		return specialReparse(at).Append(nil), nil
	default:
		return []byte(at.Reparse), nil
	}
}

// shownLink is the target of a symbolic link as clients see it. On an open with POSIX
// semantics it is as it is stored.
func (sh *share) shownLink(target string, posix bool) wire.SymlinkReparse {
	shown := sh.clientTarget(target)
	if !posix {
		shown = strings.ReplaceAll(shown, "/", `\`)
	}
	link := wire.SymlinkReparse{SubstituteName: shown, PrintName: shown}
	if !strings.HasPrefix(target, "/") {
		link.Flags = wire.SymlinkFlagRelative
	}
	return link
}

// setReparsePoint carries out FSCTL_SET_REPARSE_POINT. The client has made an
// empty file or directory, which a symbolic link takes the place of. All else is
// stored with the file.
func (r *request) setReparsePoint(o *open, c *control) error {
	r.audits(AuditReparse, o.path())
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	if len(c.in) > wire.MaxReparseDataSize {
		return ntstatus.IoReparseDataInvalid
	}
	target, isLink, err := linkTarget(c.in, o.posix)
	if err != nil {
		return err
	}
	if !isLink {
		return r.storeReparse(o, c.in)
	}
	if !o.share().caps.Has(vfs.CapSymlinks) {
		return errUnsupportedFsctl
	}
	if o.grip.stream != "" || o.path() == "" || o.grip.base.Type() == vfs.TypeSymlink {
		return ntstatus.InvalidParameter
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if !o.grip.dir && at.Size != 0 {
		return ntstatus.InvalidParameter
	}
	target = eachName(target, names.ToDisk)
	if err := o.share().checkVetoedName(target); err != nil {
		return err
	}
	return r.makeLink(o, target)
}

// storeReparse makes the file that is open a reparse point, or changes it.
func (r *request) storeReparse(o *open, b []byte) error {
	if !o.share().caps.Has(vfs.CapReparse) {
		return errUnsupportedFsctl
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	tag := storedTag(string(b))
	switch was := reparseTag(&at); {
	case o.grip.stream != "":
		return ntstatus.NotSupported
	case tag == wire.ReparseTagMountPoint && !o.grip.dir:
		return ntstatus.NotADirectory
	case was != 0 && was != tag:
		return ntstatus.IoReparseTagMismatch
	case o.grip.dir && o.path() == "":
		return ntstatus.InvalidParameter // it would shut the share
	case o.grip.dir && was == 0:
		// Nobody finds what is in it from now on.
		if err := r.checkEmpty(o.share(), o.grip.base); err != nil {
			return err
		}
	}
	if err := o.grip.base.SetReparse(r.ctx(), o.cred(), b); err != nil {
		return err
	}
	o.touched(vfs.FilterAttributes)
	return nil
}

// notJunction refuses to make something in a directory that is a reparse point: it
// stands for another place, which the server does not know.
func (r *request) notJunction(dir vfs.Node) error {
	if !r.tree.share.caps.Has(vfs.CapReparse) {
		return nil
	}
	at, err := dir.Attr(r.ctx(), r.cred())
	if err == nil && isReparsePoint(&at) {
		err = ntstatus.IoReparseTagNotHandled
	}
	return err
}

// linkTarget takes the target of a symbolic link, with slashes, out of a reparse
// point of one of the kinds that clients use for one; isLink is false for others. On an
// open with POSIX semantics a backslash is nothing special.
func linkTarget(b []byte, posix bool) (target string, isLink bool, err error) {
	const reserved = 1 // tags up to this one mean nothing (MS-FSCC 2.1.2.1)
	var p wire.ReparsePoint
	if err := p.Decode(b); err != nil {
		return "", false, ntstatus.IoReparseDataInvalid
	}
	if p.Tag <= reserved {
		return "", false, ntstatus.IoReparseTagInvalid
	}
	switch p.Tag {
	case wire.ReparseTagSymlink:
		var link wire.SymlinkReparse
		if err := link.Decode(b); err != nil {
			return "", false, ntstatus.IoReparseDataInvalid
		}
		if target = link.SubstituteName; !posix {
			target = strings.ReplaceAll(target, `\`, "/")
		}
	case wire.ReparseTagNFS:
		var nfs wire.NfsReparse
		if err := nfs.Decode(b); err != nil {
			return "", false, ntstatus.IoReparseDataInvalid
		}
		if nfs.Type != wire.NfsSpecialLink {
			return "", false, nil
		}
		target = nfs.Target
	case wire.ReparseTagLxSymlink:
		// WSL: a version and UTF-8.
		if len(p.Data) < 4 || binary.LittleEndian.Uint32(p.Data) != 2 {
			return "", false, ntstatus.IoReparseDataInvalid
		}
		target = string(p.Data[4:])
	default:
		return "", false, nil
	}
	if target == "" || strings.IndexByte(target, 0) >= 0 || len(target) > maxLinkTarget {
		return "", false, ntstatus.IoReparseDataInvalid
	}
	return target, true, nil
}

// maxLinkTarget is the longest target of a symbolic link in bytes, that of Linux.
const maxLinkTarget = 4095

// makeLink puts a symbolic link in the place of the object that is open, under
// the gate of its name. The open stays one of the object that is gone, but that its
// attributes and its deletion are those of the link (see grip.link).
func (r *request) makeLink(o *open, target string) error {
	if err := r.breakOthers(o, locking.CauseDelete); err != nil {
		return err
	}
	sh, ctx := o.share(), r.ctx()
	path := o.path()
	leave := sh.gate(r.locks(), path)
	defer leave()
	dir, base := names.Split(path)
	root := sh.FS.Root()
	defer root.Release()
	parent, _, err := root.Lookup(ctx, o.cred(), dir, vfs.LookupOptions{})
	if err != nil {
		return err
	}
	defer parent.Release()
	there, _, err := parent.Lookup(ctx, o.cred(), base, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return err
	}
	id := there.ID()
	there.Release()
	if id != o.grip.base.ID() {
		return ntstatus.ObjectNameNotFound
	}
	if err := parent.Remove(ctx, o.cred(), base); err != nil {
		return err
	}
	link, err := parent.Symlink(ctx, o.cred(), base, target)
	if err != nil {
		return err
	}
	if !o.grip.link.CompareAndSwap(nil, &link) {
		link.Release()
	}
	o.touched(vfs.FilterAttributes)
	return nil
}

// deleteReparsePoint carries out FSCTL_DELETE_REPARSE_POINT (MS-FSA 2.1.5.10.6). The
// client names the tag and gives no data. A symbolic link or a special file of the
// storage cannot become a file.
func (r *request) deleteReparsePoint(o *open, c *control) error {
	r.audits(AuditReparse, o.path())
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	var p wire.ReparsePoint
	switch decoded := p.Decode(c.in); {
	case !isReparsePoint(&at):
		return ntstatus.NotAReparsePoint
	case decoded != nil || len(p.Data) > 0:
		return ntstatus.IoReparseDataInvalid
	case p.Tag != reparseTag(&at):
		return ntstatus.IoReparseTagMismatch
	case at.Reparse == "":
		return ntstatus.NotSupported
	}
	if err := o.grip.base.SetReparse(r.ctx(), o.cred(), nil); err != nil {
		return err
	}
	o.touched(vfs.FilterAttributes)
	return nil
}
