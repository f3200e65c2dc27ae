package smb

import (
	"io/fs"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Access to files is checked once, when they are opened, by the descriptor of
// the file and the access level of the share; the result is frozen in the open.

// dataWriting are the rights that a read-only file denies (MS-FSA 2.1.5.1.2.1).
const dataWriting = wire.AccessWriteData | wire.AccessAppendData

// checkAccess decides what a user is granted on an existing object (MS-FSA
// 2.1.5.1.2.1). desired is what he asks for; further is what the disposition
// needs on top and does not grant. Errors: STATUS_ACCESS_DENIED,
// STATUS_PRIVILEGE_NOT_HELD, STATUS_CANNOT_DELETE.
func (r *request) checkAccess(n vfs.Node, at *vfs.Attr, path string, desired, further uint32) (granted uint32, err error) {
	return r.checkIntent(n, at, path, desired, further, 0)
}

// checkIntent is checkAccess for who is granted the rights of backup whatever the
// descriptor says, because of privileges and of what he says he is about to do.
func (r *request) checkIntent(n vfs.Node, at *vfs.Attr, path string, desired, further, backup uint32) (granted uint32, err error) {
	granted, d, err := r.decideAccess(n, at, path, desired, further, backup)
	r.auditAccess(d, path, secdesc.MapGeneric(desired)|further, granted|further, err)
	return granted, err
}

// decideAccess is checkIntent without telling anybody. It returns the descriptor that
// has decided, if that could be had.
func (r *request) decideAccess(n vfs.Node, at *vfs.Attr, path string, desired, further, backup uint32) (granted uint32, d *secdesc.Descriptor, err error) {
	t, who := r.tree, r.sess.user.Load()
	token := t.granted().token
	want := secdesc.MapGeneric(desired)
	maximum := want&secdesc.MaximumAccess != 0
	most := t.allows()
	d, stored, err := r.srv().descriptor(r.ctx(), t.share, n, at, who)
	if err != nil {
		return 0, nil, err
	}
	if (want|further)&^(most|secdesc.MaximumAccess|secdesc.AccessSystemSecurity) != 0 {
		return 0, d, ntstatus.AccessDenied
	}
	granted, err = secdesc.CheckFile(d, token, want|further, backup)
	if t.share.mayDeny(stored) && (err != nil || maximum) {
		// What the directory grants counts as well. It is only asked where the
		// answer can depend on it.
		if extra := r.parentRights(path, who) | t.executeRights(n, d); extra != 0 {
			granted, err = secdesc.CheckFile(d, token, want|further, extra|backup)
		}
	}
	if err != nil {
		return 0, d, err
	}
	granted &= most | secdesc.AccessSystemSecurity
	if !maximum {
		granted = want
	}
	readOnly := at.DOSSet && at.DOS&vfs.DOSReadOnly != 0 && n.Type() != vfs.TypeDirectory
	if readOnly {
		if (want|further)&dataWriting != 0 {
			return 0, d, ntstatus.AccessDenied
		}
		granted &^= dataWriting
	}
	if cred := t.cred(); cred != nil {
		granted, err = r.kernelAllows(n, at, path, cred, granted, want|further)
	}
	return granted, d, err
}

// mayDeny reports whether a descriptor can deny anything: one that somebody has stored
// can, and one that was made up of something else than good will.
func (sh *share) mayDeny(stored bool) bool { return stored || sh.DefaultACL != ACLEveryone }

// executeRights is the right to execute a file that the user may read, on a share with
// ExecuteWithRead.
func (t *tree) executeRights(n vfs.Node, d *secdesc.Descriptor) uint32 {
	if !t.share.ExecuteWithRead || n.Type() == vfs.TypeDirectory {
		return 0
	}
	return secdesc.ExecuteRights(d, t.granted().token)
}

// parentRights is what the directory of a path lets a user do with what is in
// it, whatever the descriptor of that says.
func (r *request) parentRights(path string, who *principal) uint32 {
	if path == "" {
		return 0
	}
	dir, _ := names.Split(path)
	d, err := r.directoryDescriptor(dir, who)
	if err != nil || d == nil {
		return 0
	}
	return secdesc.ParentRights(d, r.tree.granted().token)
}

// directoryDescriptor is the descriptor of the directory at path.
func (r *request) directoryDescriptor(path string, who *principal) (*secdesc.Descriptor, error) {
	sh := r.tree.share
	root := sh.FS.Root()
	defer root.Release()
	n, _, err := root.Lookup(r.ctx(), nil, path, sh.named(vfs.LookupOptions{}))
	if err != nil {
		return nil, err
	}
	defer n.Release()
	at, err := n.Attr(r.ctx(), nil)
	if err != nil {
		return nil, err
	}
	d, _, err := r.srv().descriptor(r.ctx(), sh, n, &at, who)
	return d, err
}

// maximalAccess is all that a user may do with an object (MS-SMB2 3.3.5.9.5). Nobody is
// told that it was asked for.
func (r *request) maximalAccess(n vfs.Node, at *vfs.Attr, path string) (uint32, error) {
	rights, _, err := r.decideAccess(n, at, path, secdesc.MaximumAccess, 0, 0)
	return rights, err
}

// parentOf is the path of the directory of a path.
func parentOf(path string) string {
	dir, _ := names.Split(path)
	return dir
}

// mayAdd checks the right to make something in the directory at path, and returns the
// descriptor of that if somebody has stored one: nothing else passes anything on.
func (r *request) mayAdd(dir vfs.Node, path string, need, backup uint32) (from *secdesc.Descriptor, err error) {
	sh, who := r.tree.share, r.sess.user.Load()
	var at vfs.Attr
	if sh.DefaultACL != ACLEveryone || sh.Unix {
		if at, err = dir.Attr(r.ctx(), nil); err != nil {
			return nil, err
		}
	}
	d, stored, err := r.srv().descriptor(r.ctx(), sh, dir, &at, who)
	if err != nil || !sh.mayDeny(stored) {
		return nil, err
	}
	if stored {
		from = d
	}
	_, err = secdesc.CheckFile(d, r.tree.granted().token, need, backup)
	r.auditAccess(d, path, need, need, err)
	return from, err
}

// newDescriptor is the descriptor that a new object in a directory with the
// stored descriptor from is stored with, or nil if it needs none: because nobody
// asks for one and the directory passes nothing on.
func (r *request) newDescriptor(from, explicit *secdesc.Descriptor, isDir bool) *secdesc.Descriptor {
	sh := r.tree.share
	inherits := secdesc.HasInheritable(from, isDir)
	switch {
	case !sh.caps.Has(vfs.CapSecurity):
		return nil
	case explicit == nil && !inherits && sh.DefaultACL != ACLWindows && !secdesc.HasInheritableAudit(from, isDir):
		return nil
	}
	owner, group := r.sess.user.Load().token.User, r.srv().machine.account(secdesc.RIDUsers)
	d := secdesc.Inherit(from, sh.asSent(explicit), owner, group, isDir)
	if explicit == nil && !inherits {
		// Only what is to be audited is passed on.
		switch sh.DefaultACL {
		case ACLEveryone:
			d.DACL = everyoneDACL(owner)
		case ACLPosix:
			mode := fs.FileMode(sh.FileMode)
			if isDir {
				mode = fs.FileMode(sh.DirMode) | fs.ModeDir
			}
			d.DACL = secdesc.FromMode(owner, group, mode).DACL
		}
	}
	return d
}

// asSent is a descriptor that a client gives as the share takes it. By the rules a list
// counts as inherited only if the client asks for that with a second bit (MS-DTYP
// 2.4.6); programs that copy descriptors send the first one alone.
func (sh *share) asSent(d *secdesc.Descriptor) *secdesc.Descriptor {
	if d == nil || !sh.KeepInherited {
		return d
	}
	c := *d
	if c.Control&secdesc.DACLAutoInherited != 0 {
		c.Control |= secdesc.DACLAutoInheritReq
	}
	if c.Control&secdesc.SACLAutoInherited != 0 {
		c.Control |= secdesc.SACLAutoInheritReq
	}
	return &c
}

// mayGive checks whether a client may give these parts of a descriptor to a file: an
// owner that he can stand for, and a SACL only with the privilege. Errors:
// STATUS_INVALID_OWNER, STATUS_PRIVILEGE_NOT_HELD.
func mayGive(t *secdesc.Token, d *secdesc.Descriptor) error {
	switch {
	case d == nil:
	case !d.Owner.IsZero() && !t.MayOwn(d.Owner):
		return ntstatus.InvalidOwner
	case d.SACL.Audits() && !t.Holds(secdesc.PrivSecurity):
		return ntstatus.PrivilegeNotHeld
	}
	return nil
}
