package smb

import (
	"errors"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// The POSIX extensions of SMB 3.1.1 (smb3posix.org). A connection negotiates them, and
// a CREATE with their context makes an open with POSIX semantics: names are what the
// disk has, symbolic links are shown and not followed, permission bits are those of
// the file, nobody is kept from deleting or renaming by another open, and what was
// deleted has no name from then on. Other opens of the same connection are as ever.

// negotiatePosix answers the context of the extensions: with the one version that
// there is, if the client knows it.
func (r *request) negotiatePosix(q *wire.NegotiateRequest, a *wire.NegotiateResponse, n *negotiated) error {
	data, ok := wire.FindNegotiateContext(q.Contexts, wire.ContextPosix)
	if !ok || r.srv().cfg.NoPosix {
		return nil
	}
	var versions wire.PosixExtensions
	if err := versions.Decode(data); err != nil {
		return ntstatus.InvalidParameter
	}
	if !versions.Has(wire.PosixExtensionsGUID) {
		return nil
	}
	n.posix = true
	a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextPosix,
		&wire.PosixExtensions{Versions: []byte(wire.PosixExtensionsGUID)}))
	return nil
}

// hasPosix reports whether opens of the tree can have POSIX semantics.
func (r *request) hasPosix() bool { return r.conn.neg.Load().posix && !r.tree.share.NoPosix }

// noMode is sent by clients of Linux that mean no permission bits at all: all bits of
// their type for a mode.
const noMode = 0xffff

// posixModes are the bits that a client may give to a file. Those to run a file as
// another user are not among them: all files belong to the account of the server,
// and it is not for clients to let local users act as that.
func posixModes(mode uint32, dir bool) uint32 {
	const setGroup, plain = 0o2000, 0o1777
	if dir {
		return mode & (plain | setGroup)
	}
	return mode & plain
}

// setMode puts the permission bits of a new object into opts, if the client has
// said any.
func (c *creation) setMode(opts *vfs.CreateOptions) {
	if c.posix && c.ctx.posix.Mode&noMode != noMode {
		opts.Mode, opts.ModeSet = posixModes(c.ctx.posix.Mode, c.dir), true
	}
}

// posixPath is the stored form of a path that a CREATE with POSIX semantics gave.
// Names are stored as they come but for private characters, which older clients of
// Linux put in the place of what Windows forbids even here: if there is no such file,
// what they stand for is meant.
func (r *request) posixPath(path string) string {
	path = eachName(path, names.ToDisk)
	if !hasPrivate(path) {
		return path
	}
	done := ""
	for name := range strings.SplitSeq(path, "/") {
		if hasPrivate(name) && !r.existsExactly(names.Join(done, name)) {
			name = names.UnmapReserved(name)
		}
		done = names.Join(done, name)
	}
	return done
}

// existsExactly reports whether a path exists on the share in this case.
func (r *request) existsExactly(path string) bool {
	root := r.tree.share.FS.Root()
	defer root.Release()
	n, _, err := root.Lookup(r.ctx(), r.cred(), path, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return false
	}
	n.Release()
	return true
}

// folds reports whether names that the open is asked with are found in any case.
func (o *open) folds() bool { return !o.posix && !o.share().CaseSensitive }

// rule says which names are one for the open.
func (o *open) rule() names.Rule {
	if o.posix {
		return names.Rule{}
	}
	return o.share().rule()
}

// shownName is the name of a directory entry as the client of the open sees it.
func (o *open) shownName(disk string) string {
	if o.posix {
		return names.FromDisk(disk)
	}
	return o.share().clientName(disk)
}

// Types of files in the mode of the extensions, above its permission bits.
const (
	posixFile uint32 = iota
	posixDirectory
	posixSymlink
	posixCharDevice
	posixBlockDevice
	posixFIFO
	posixSocket

	posixTypeShift = 12
)

// posixType is the type of a file. A reparse point that stands for a special file is
// one.
func posixType(at *vfs.Attr) uint32 {
	switch at.Type {
	case vfs.TypeDirectory:
		return posixDirectory
	case vfs.TypeSymlink:
		return posixSymlink
	case vfs.TypeOther:
		return specialFiles[at.Special].posix
	}
	if at.Reparse != "" { // of a file; a directory is one whatever its tag says
		return storedType(at.Reparse)
	}
	return posixFile
}

// posixAttributes is what the extensions tell about a file beyond the rest.
func posixAttributes(at *vfs.Attr) wire.PosixCreateResponse {
	return wire.PosixCreateResponse{
		Links:      at.NLink,
		ReparseTag: reparseTag(at),
		Mode:       posixType(at)<<posixTypeShift | at.Mode&0o7777,
		Owner:      secdesc.UnixUser(at.UID).Append(nil),
		Group:      secdesc.UnixGroup(at.GID).Append(nil),
	}
}

// posixInfo is posixAttributes for the answer to a query. There, a directory is one by
// its attributes alone: clients of Linux before 6.12 add a type to the mode that they
// get, and cannot mount where that has one already.
func posixInfo(at *vfs.Attr) wire.PosixCreateResponse {
	p := posixAttributes(at)
	if at.Type == vfs.TypeDirectory {
		p.Mode &^= posixDirectory << posixTypeShift
	}
	return p
}

// describePosix fills in what an entry of FileInfoPosix has of its own. Nothing is
// told of what is above the share.
func (l *listing) describePosix(at *vfs.Attr) {
	d, p := &l.entry, posixInfo(at)
	if d.FileName == ".." && l.o.path() == "" {
		nobody := secdesc.NewSID(0, 0).Append(nil)
		d.FileID, at.ID = 0, vfs.NodeID{}
		p.Owner, p.Group = nobody, nobody
	}
	d.DeviceID, d.Links, d.Mode, d.Owner, d.Group = uint32(at.ID.Volume), p.Links, p.Mode, p.Owner, p.Group
}

// Kinds of NFS SIDs, S-1-5-88-kind-number, where the number is a user, group or mode
// of Unix. The kinds of users and groups are those of S-1-22-kind-number as well.
const (
	nfsAuthority, nfsRID = 5, 88
	unixAuthority        = 22

	unixUser, unixGroup, unixMode uint32 = 1, 2, 3
)

// unixNumber returns the number behind a SID of Unix of that kind, in either form.
func unixNumber(s secdesc.SID, kind uint32) (uint32, bool) {
	switch {
	case s.Authority() == nfsAuthority && s.Count() == 3 && s.Sub(0) == nfsRID && s.Sub(1) == kind,
		s.Authority() == unixAuthority && s.Count() == 2 && s.Sub(0) == kind && kind != unixMode:
		return s.RID(), true
	}
	return 0, false
}

// unixParts takes out of a change of a descriptor what means owners or mode of Unix,
// and returns which parts remain. An access list with a mode is nothing but that.
func unixParts(d *secdesc.Descriptor, info uint32, dir bool) (set vfs.SetAttr, rest uint32) {
	take := func(part uint32, s secdesc.SID, kind uint32, mask vfs.AttrMask, to *uint32) {
		if n, ok := unixNumber(s, kind); ok && info&part != 0 {
			*to = n
			set.Mask |= mask
			rest &^= part
		}
	}
	rest = info
	take(secdesc.OwnerInformation, d.Owner, unixUser, vfs.SetUID, &set.UID)
	take(secdesc.GroupInformation, d.Group, unixGroup, vfs.SetGID, &set.GID)
	if d.DACL != nil {
		for i := range d.DACL.ACEs {
			take(secdesc.DACLInformation, d.DACL.ACEs[i].SID, unixMode, vfs.SetMode, &set.Mode)
		}
	}
	set.Mode = posixModes(set.Mode, dir)
	return set, rest
}

// setUnix changes owners and mode. To change an owner is for administrators, as it is
// for root on Unix.
func (r *request) setUnix(o *open, at *vfs.Attr, set *vfs.SetAttr) error {
	if set.Mask&vfs.SetUID != 0 && set.UID == at.UID {
		set.Mask &^= vfs.SetUID
	}
	if set.Mask&vfs.SetGID != 0 && set.GID == at.GID {
		set.Mask &^= vfs.SetGID
	}
	cred := o.cred()
	if set.Mask&(vfs.SetUID|vfs.SetGID) != 0 {
		switch {
		case r.srv().isAdmin(r.sess.user.Load()):
			cred = nil
		case cred == nil:
			return ntstatus.AccessDenied
		}
	}
	if set.Mask == 0 {
		return nil
	}
	if err := o.grip.base.SetAttr(r.ctx(), cred, set); err != nil {
		return err
	}
	if o.share().DefaultACL == ACLPosix {
		// What was said last counts, and the owner and mode are that now.
		if err := o.grip.base.SetSecurity(r.ctx(), o.cred(), nil); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	o.touched(vfs.FilterSecurity | vfs.FilterAttributes)
	return nil
}
