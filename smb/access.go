package smb

import (
	"context"

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
	if (want|further)&^(t.access|secdesc.MaximumAccess|secdesc.AccessSystemSecurity) != 0 {
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
	granted &= t.access | secdesc.AccessSystemSecurity
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

// newDescriptor is the descriptor that a new object is stored with, or nil if it
// needs none: because nobody asks for one and the directory passes nothing on.
func (r *request) newDescriptor(ctx context.Context, parent vfs.Node, explicit *secdesc.Descriptor, isDir bool) (*secdesc.Descriptor, error) {
	if !r.tree.share.caps.Has(vfs.CapSecurity) {
		return nil, nil
	}
	who := r.sess.user.Load()
	b, err := parent.Security(ctx, who.cred)
	if err != nil {
		return nil, err
	}
	var from *secdesc.Descriptor
	if b != nil {
		if from, err = secdesc.Decode(b); err != nil {
			return nil, err
		}
	}
	if explicit == nil && !secdesc.HasInheritable(from, isDir) {
		return nil, nil
	}
	return secdesc.Inherit(from, explicit, who.token.User, r.srv().machine.account(secdesc.RIDUsers), isDir), nil
}
