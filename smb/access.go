package smb

import (
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
	t, who := r.tree, r.sess.user.Load()
	want := secdesc.MapGeneric(desired)
	maximum := want&secdesc.MaximumAccess != 0
	most := t.allows()
	if (want|further)&^(most|secdesc.MaximumAccess|secdesc.AccessSystemSecurity) != 0 {
		return 0, ntstatus.AccessDenied
	}
	d, stored, err := r.srv().descriptor(r.ctx(), n, at, who)
	if err != nil {
		return 0, err
	}
	granted, err = secdesc.CheckFile(d, who.token, want|further, 0)
	if stored && (err != nil || maximum) {
		// What the directory grants counts as well. It is only asked where the
		// answer can depend on it.
		if extra := r.parentRights(path, who); extra != 0 {
			granted, err = secdesc.CheckFile(d, who.token, want|further, extra)
		}
	}
	if err != nil {
		return 0, err
	}
	granted &= most | secdesc.AccessSystemSecurity
	if !maximum {
		granted = want
	}
	readOnly := at.DOSSet && at.DOS&vfs.DOSReadOnly != 0 && n.Type() != vfs.TypeDirectory
	if readOnly {
		if (want|further)&dataWriting != 0 {
			return 0, ntstatus.AccessDenied
		}
		granted &^= dataWriting
	}
	return granted, nil
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
	return secdesc.ParentRights(d, who.token)
}

// directoryDescriptor is the descriptor of the directory at path.
func (r *request) directoryDescriptor(path string, who *principal) (*secdesc.Descriptor, error) {
	sh := r.tree.share
	root := sh.FS.Root()
	defer root.Release()
	n, _, err := root.Lookup(r.ctx(), who.cred, path, vfs.LookupOptions{Fold: !sh.CaseSensitive})
	if err != nil {
		return nil, err
	}
	defer n.Release()
	at, err := n.Attr(r.ctx(), who.cred)
	if err != nil {
		return nil, err
	}
	d, _, err := r.srv().descriptor(r.ctx(), n, &at, who)
	return d, err
}

// maximalAccess is all that a user may do with an object (MS-SMB2 3.3.5.9.5).
func (r *request) maximalAccess(n vfs.Node, at *vfs.Attr, path string) (uint32, error) {
	return r.checkAccess(n, at, path, secdesc.MaximumAccess, 0)
}

// storedDescriptor is the descriptor of n that somebody has stored, or nil.
func (r *request) storedDescriptor(n vfs.Node) (*secdesc.Descriptor, error) {
	if !r.tree.share.caps.Has(vfs.CapSecurity) {
		return nil, nil
	}
	b, err := n.Security(r.ctx(), r.cred())
	if err != nil || b == nil {
		return nil, err
	}
	return secdesc.Decode(b)
}

// newDescriptor is the descriptor that a new object in a directory with the
// stored descriptor from is stored with, or nil if it needs none: because nobody
// asks for one and the directory passes nothing on.
func (r *request) newDescriptor(from, explicit *secdesc.Descriptor, isDir bool) *secdesc.Descriptor {
	if !r.tree.share.caps.Has(vfs.CapSecurity) || explicit == nil && !secdesc.HasInheritable(from, isDir) {
		return nil
	}
	owner := r.sess.user.Load().token.User
	return secdesc.Inherit(from, explicit, owner, r.srv().machine.account(secdesc.RIDUsers), isDir)
}
