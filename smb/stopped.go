package smb

import (
	"errors"
	"io/fs"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// stoppedOnLink says what became of a CREATE whose path was not found: it is
// STATUS_STOPPED_ON_SYMLINK if the path crosses a symbolic link that the server
// does not follow, which is any where the share follows none, and else one that
// leads nowhere or out of the share. Listings show these as reparse points. The
// client is told where the link leads and goes on by itself (MS-SMB2 3.3.5.9 and
// 2.2.2.2.1).
//
// A link that the server follows is no obstacle, whatever the client thinks of
// it: most clients of Windows are set up not to follow links of servers.
func (r *request) stoppedOnLink(c *creation, err error) error {
	sh := r.tree.share
	if !sh.caps.Has(vfs.CapSymlinks) || c.path.Stream != "" || !mayBeLink(c, err) {
		return err
	}
	dir := sh.FS.Root()
	defer func() { dir.Release() }()
	opts := vfs.LookupOptions{Fold: c.folds(sh)}
	rest, left := c.disk, c.path.Name // the stored and the client's form have equally many components
	for more := true; more; {
		var name string
		name, rest, more = strings.Cut(rest, "/")
		_, left, _ = strings.Cut(left, "/")
		next, _, failed := dir.Lookup(r.ctx(), r.cred(), name, opts)
		if failed == nil {
			dir.Release()
			dir = next
			continue
		}
		if !more && c.q.CreateOptions&wire.OptionOpenReparsePoint != 0 {
			return err // the client means the link itself, and there is none
		}
		if stopped := r.linkError(c, dir, name, left, more); stopped != nil {
			return stopped
		}
		return err
	}
	return err
}

// mayBeLink reports whether an error may come from a link that is not followed.
// What exists and cannot be found is one, but nobody may make a new object in its
// place.
func mayBeLink(c *creation, err error) bool {
	if errors.Is(err, fs.ErrExist) {
		return c.q.CreateDisposition != wire.DispositionCreate
	}
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrPathNotFound) || errors.Is(err, vfs.ErrNotDir)
}

// linkError is the status for the link called name in dir, with where it leads;
// nil if it is none. left is what the client's path has behind it, if there is
// more.
func (r *request) linkError(c *creation, dir vfs.Node, name, left string, more bool) error {
	opts := vfs.LookupOptions{Fold: c.folds(r.tree.share), NoFollow: true}
	link, _, err := dir.Lookup(r.ctx(), r.cred(), name, opts)
	if err != nil {
		return nil
	}
	defer link.Release()
	if link.Type() != vfs.TypeSymlink {
		return nil
	}
	target, err := link.Readlink(r.ctx(), r.cred())
	if err != nil {
		return nil
	}
	return r.stoppedOn(c, target, left, more)
}

// stoppedOnReparse refuses a CREATE that leads to a reparse point and does not mean
// that itself. Only a link says where else to look: the client learns it from the
// reparse point of another kind, which it opens next (MS-FSA 2.1.5.1).
func (r *request) stoppedOnReparse(c *creation, res *created) error {
	switch {
	case !isReparsePoint(&res.attr) || c.q.CreateOptions&wire.OptionOpenReparsePoint != 0:
		return nil
	case res.attr.Type != vfs.TypeSymlink:
		return ntstatus.IoReparseTagNotHandled
	}
	target, err := res.base.Readlink(r.ctx(), r.cred())
	if err != nil {
		return err
	}
	return r.stoppedOn(c, target, "", false)
}

// stoppedOn is the status for a link, with where it leads.
func (r *request) stoppedOn(c *creation, target, left string, more bool) error {
	shown := r.tree.share.shownLink(target, c.posix)
	d := wire.SymlinkErrorResponse{SubstituteName: shown.SubstituteName, PrintName: shown.PrintName, Flags: shown.Flags}
	if more {
		left = `\` + left
	}
	if c.path.Dir {
		left += `\`
	}
	d.UnparsedPathLength = uint16(wire.UTF16Len(left)) // part of a name that has a length of 16 bits
	return &errorData{ntstatus.StoppedOnSymlink, d.Append(nil)}
}
