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

// Reparse points: symbolic links of the file system in the form that clients
// know (MS-FSA 2.1.5.10.12, .37; MS-FSCC 2.1.2). A target is stored with slashes
// and shown with backslashes; it is relative unless it begins with a separator.

// getReparsePoint carries out FSCTL_GET_REPARSE_POINT.
func (r *request) getReparsePoint(o *open, c *control) error {
	const header = 8
	if o.grip.node.Type() != vfs.TypeSymlink {
		return ntstatus.NotAReparsePoint
	}
	if c.room < header {
		return ntstatus.BufferTooSmall
	}
	target, err := o.grip.node.Readlink(r.ctx(), o.cred())
	if err != nil {
		return err
	}
	link := o.share().shownLink(target)
	b := link.Append(nil)
	if len(b) > c.room {
		c.out(b[:c.room])
		return r.withBody(ntstatus.BufferOverflow)
	}
	c.out(b)
	return nil
}

// shownLink is the target of a symbolic link as clients see it.
func (sh *share) shownLink(target string) wire.SymlinkReparse {
	shown := strings.ReplaceAll(sh.clientTarget(target), "/", `\`)
	link := wire.SymlinkReparse{SubstituteName: shown, PrintName: shown}
	if !strings.HasPrefix(target, "/") {
		link.Flags = wire.SymlinkFlagRelative
	}
	return link
}

// setReparsePoint carries out FSCTL_SET_REPARSE_POINT. The client has made an
// empty file or directory, which a symbolic link takes the place of.
func (r *request) setReparsePoint(o *open, c *control) error {
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	if len(c.in) > wire.MaxReparseDataSize {
		return ntstatus.IoReparseDataInvalid
	}
	target, err := linkTarget(c.in)
	if err != nil {
		return err
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
	return r.makeLink(o, o.share().diskName(target))
}

// linkTarget takes the target of a symbolic link, with slashes, out of a reparse
// point of one of the kinds that clients use for one.
func linkTarget(b []byte) (string, error) {
	var p wire.ReparsePoint
	if err := p.Decode(b); err != nil {
		return "", ntstatus.IoReparseDataInvalid
	}
	var target string
	switch p.Tag {
	case wire.ReparseTagSymlink:
		var link wire.SymlinkReparse
		if err := link.Decode(b); err != nil {
			return "", ntstatus.IoReparseDataInvalid
		}
		target = strings.ReplaceAll(link.SubstituteName, `\`, "/")
	case wire.ReparseTagNFS:
		var nfs wire.NfsReparse
		if err := nfs.Decode(b); err != nil {
			return "", ntstatus.IoReparseDataInvalid
		}
		if nfs.Type != wire.NfsSpecialLink {
			return "", ntstatus.NotSupported // devices, FIFOs and sockets are not served
		}
		target = nfs.Target
	case wire.ReparseTagLxSymlink:
		// WSL: a version and UTF-8.
		if len(p.Data) < 4 || binary.LittleEndian.Uint32(p.Data) != 2 {
			return "", ntstatus.IoReparseDataInvalid
		}
		target = string(p.Data[4:])
	default:
		return "", ntstatus.NotSupported
	}
	if target == "" || strings.IndexByte(target, 0) >= 0 || len(target) > maxLinkTarget {
		return "", ntstatus.IoReparseDataInvalid
	}
	return target, nil
}

// maxLinkTarget is the longest target of a symbolic link in bytes, that of Linux.
const maxLinkTarget = 4095

// makeLink puts a symbolic link in the place of the object that is open, under
// the gate of its name. The open stays one of the object that is gone; all that
// clients do with it is to close it.
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
	link.Release()
	o.touched(vfs.FilterAttributes)
	return nil
}

// deleteReparsePoint carries out FSCTL_DELETE_REPARSE_POINT: a symbolic link
// cannot become a file again.
func (r *request) deleteReparsePoint(o *open, _ *control) error {
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	if o.grip.node.Type() != vfs.TypeSymlink {
		return ntstatus.NotAReparsePoint
	}
	return ntstatus.NotSupported
}
