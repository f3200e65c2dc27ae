package smb

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
)

// On shares with Share.Unix everything is done as the Unix user of the client: vfs gets a
// Cred, and the kernel decides besides the descriptors. Who is whom is found when a tree
// is connected. Owners of files are shown as the accounts whose Unix users they are.

// UnixUsers knows which Unix users the users of clients are. Its methods may be called
// from many goroutines at once.
type UnixUsers interface {
	// Cred is the Unix user of a client, with all groups. The error says, for the log, why
	// there is none; it may take as long as a directory does to answer.
	Cred(ctx context.Context, id *auth.Identity) (*vfs.Cred, error)
	// User is the account of Config.Accounts whose Unix user has the id.
	User(uid uint32) (auth.User, bool)
}

// Reasons why a client has no Unix user.
var (
	errGuestUnix = errors.New("guests and anonymous clients have none")
	errRootUnix  = errors.New("nobody is served as root")
)

// unixTimeout bounds the questions to a directory.
const unixTimeout = 15 * time.Second

// maxUnixSIDs bounds the SIDs that are remembered.
const maxUnixSIDs = 1 << 16

// nobodyCred is what a client is for the file system whose tree is nobody's any more.
var nobodyCred = &vfs.Cred{UID: 65534, GID: 65534}

// unixUsers is UnixUsers with what has been seen of it.
type unixUsers struct {
	// Immutable after construction.
	users UnixUsers // may be nil
	srv   *Server

	mu   sync.Mutex // leaf; guards sids
	sids map[uint32]secdesc.SID
}

func newUnixUsers(s *Server) *unixUsers {
	return &unixUsers{users: s.cfg.Unix, srv: s, sids: make(map[uint32]secdesc.SID)}
}

// cred finds the Unix user of a client.
func (u *unixUsers) cred(p *principal) (*vfs.Cred, error) {
	if p.Guest || p.Anonymous || u.users == nil {
		return nil, errGuestUnix
	}
	ctx, cancel := context.WithTimeout(context.Background(), unixTimeout)
	defer cancel()
	c, err := u.users.Cred(ctx, p.Identity)
	switch {
	case err != nil:
		return nil, err
	case c.UID == 0:
		return nil, errRootUnix
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.sids) < maxUnixSIDs {
		u.sids[c.UID] = p.token.User
	}
	return c, nil
}

// sid is the account that a Unix user is: of the user file, one that was here, or none.
func (u *unixUsers) sid(uid uint32) secdesc.SID {
	if u.users != nil {
		if a, ok := u.users.User(uid); ok && a.RID != 0 {
			return u.srv.machine.account(a.RID)
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if sid, ok := u.sids[uid]; ok {
		return sid
	}
	return secdesc.UnixUser(uid)
}

// uid undoes sid.
func (u *unixUsers) uid(sid secdesc.SID) (uint32, bool) {
	if n, ok := unixNumber(sid, unixUser); ok {
		return n, true
	}
	u.mu.Lock()
	for n, s := range u.sids {
		if s == sid {
			u.mu.Unlock()
			return n, true
		}
	}
	u.mu.Unlock()
	rid := sid.Sub(max(sid.Count(), 1) - 1)
	if u.users == nil || u.srv.cfg.Accounts == nil || sid != u.srv.machine.account(rid) {
		return 0, false
	}
	a, _ := u.srv.cfg.Accounts.ByRID(rid)
	if a == nil {
		return 0, false
	}
	c, err := u.users.Cred(context.Background(), &auth.Identity{User: a.Name, UID: a.UID, HasUID: a.HasUID, RID: a.RID})
	if err != nil {
		return 0, false
	}
	return c.UID, true
}

// embody finds the Unix user for a tree. Without one it grants nothing.
func (sh *share) embody(a *treeAccess) {
	if a.mask == 0 {
		a.cred = nobodyCred
		return
	}
	c, err := sh.ForceUser, error(nil)
	if c == nil {
		c, err = sh.unix.cred(a.who)
	}
	if err != nil {
		a.mask, a.cred, a.refused = 0, nobodyCred, err
		return
	}
	if sh.HasForceGroup {
		own := *c
		own.GID = sh.ForceGroup
		own.Groups = append(slices.Clone(own.Groups), sh.ForceGroup)
		c = &own
	}
	a.cred = c
	// By these names, too, descriptors mean the user that are made of owners, permission
	// bits and POSIX ACLs.
	t := *a.who.token
	t.Groups = append(slices.Clone(t.Groups), secdesc.UnixUser(c.UID), secdesc.UnixGroup(c.GID))
	for _, g := range c.Groups {
		t.Groups = append(t.Groups, secdesc.UnixGroup(g))
	}
	a.token = &t
}

// force puts what the share demands of new objects into opts.
func (sh *share) force(opts *vfs.CreateOptions) {
	bits, plain := sh.ForceFileMode, uint32(0o644)
	if opts.Type == vfs.TypeDirectory {
		bits, plain = sh.ForceDirMode, 0o755
	}
	if bits != 0 {
		if opts.Mode == 0 && !opts.ModeSet {
			opts.Mode = plain
		}
		opts.Mode |= bits
	}
	if sh.HasForceGroup && !sh.Unix {
		opts.Group, opts.GroupSet = sh.ForceGroup, true
	}
}

// owner is the SID of the owner of a file for who.
func (sh *share) owner(at *vfs.Attr, who *principal) secdesc.SID {
	if sh.ForceUser != nil && sh.ForceUser.UID == at.UID {
		return who.token.User // for all clients are that user
	}
	return sh.unix.sid(at.UID)
}

// ownedBy makes the owner of a stored descriptor that of the file: somebody may have
// changed it since.
func (sh *share) ownedBy(d *secdesc.Descriptor, at *vfs.Attr, who *principal) {
	if sh.Unix {
		d.Owner = sh.owner(at, who)
	}
}

// setOwners carries out the change of an owner or a group by a descriptor, where Unix has
// them: as the user, who may give a file to another one of his groups and no more, or as
// the server for who may give it to anybody (MS-FSA 2.1.5.17). Errors:
// STATUS_INVALID_OWNER for who is no Unix user, STATUS_ACCESS_DENIED.
func (r *request) setOwners(o *open, at *vfs.Attr, d *secdesc.Descriptor, info uint32) error {
	set := vfs.SetAttr{}
	if info&secdesc.OwnerInformation != 0 && !d.Owner.IsZero() {
		uid, ok := o.share().unix.uid(d.Owner)
		if d.Owner == r.sess.user.Load().token.User {
			uid, ok = o.cred().UID, true
		}
		switch {
		case !ok || uid == 0 && at.UID != 0:
			return ntstatus.InvalidOwner
		case uid != at.UID:
			set.Mask, set.UID = vfs.SetUID, uid
		}
	}
	if info&secdesc.GroupInformation != 0 {
		if gid, ok := unixNumber(d.Group, unixGroup); ok && gid != at.GID {
			set.Mask, set.GID = set.Mask|vfs.SetGID, gid
		}
	}
	if set.Mask == 0 {
		return nil
	}
	cred := o.cred()
	if r.sess.user.Load().token.Holds(secdesc.PrivRestore) {
		cred = nil
	}
	return o.grip.base.SetAttr(r.ctx(), cred, &set)
}

// kernelAllows takes out of what descriptors grant what the kernel does not let the user
// do. What was asked for by name is refused here only if nothing else asks the kernel in
// time: of a file that is the deletion, as its data is asked for when it is opened, and of a
// directory everything.
func (r *request) kernelAllows(n vfs.Node, at *vfs.Attr, path string, cred *vfs.Cred, granted, asked uint32) (uint32, error) {
	if (granted|asked)&wire.AccessDelete != 0 && path != "" {
		if err := r.mayUnlink(at, path, cred); err != nil {
			if asked&wire.AccessDelete != 0 || !errors.Is(err, fs.ErrPermission) {
				return 0, err
			}
			granted &^= wire.AccessDelete
		}
	}
	if asked&secdesc.MaximumAccess == 0 && n.Type() != vfs.TypeDirectory || n.Type() == vfs.TypeSymlink {
		return granted, nil
	}
	had := granted
	toRead, toSearch := wire.AccessReadData|wire.AccessReadEA|wire.AccessExecute, uint32(0)
	if n.Type() == vfs.TypeDirectory {
		toRead, toSearch = wire.AccessReadData|wire.AccessReadEA, wire.AccessExecute
	}
	for _, part := range []struct {
		want vfs.Access
		mask uint32
	}{
		{vfs.AccessRead, toRead},
		{vfs.AccessSearch, toSearch},
		{vfs.AccessWrite, dataWriting | wire.AccessWriteEA | secdesc.FileDeleteChild},
	} {
		if granted&part.mask == 0 {
			continue
		}
		switch err := n.Access(r.ctx(), cred, part.want); {
		case err == nil:
		case !errors.Is(err, fs.ErrPermission):
			return 0, err
		default:
			granted &^= part.mask
		}
	}
	if had&^granted&asked != 0 {
		return 0, ntstatus.AccessDenied
	}
	return granted, nil
}

// mayUnlink asks the kernel whether the user may take a name out of its directory, and
// minds the sticky bit of that, which leaves names to the owners of file and directory.
func (r *request) mayUnlink(at *vfs.Attr, path string, cred *vfs.Cred) error {
	root := r.tree.share.FS.Root()
	defer root.Release()
	dir, _, err := root.Lookup(r.ctx(), nil, parentOf(path), r.tree.share.named(vfs.LookupOptions{}))
	if err != nil {
		return err
	}
	defer dir.Release()
	if err := dir.Access(r.ctx(), cred, vfs.AccessWrite|vfs.AccessSearch); err != nil {
		return err
	}
	above, err := dir.Attr(r.ctx(), nil)
	if err != nil {
		return err
	}
	const sticky = 0o1000
	if above.Mode&sticky != 0 && cred.UID != at.UID && cred.UID != above.UID {
		return ntstatus.AccessDenied
	}
	return nil
}
