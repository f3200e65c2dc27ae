package smb

import (
	"context"
	"errors"
	"fmt"
	"os"

	"lessor/smb/secdesc"
	"lessor/vfs"
)

// The account that the server runs as. Files that belong to it are files of the
// share, whoever made them.
var (
	serviceUID = uint32(max(os.Geteuid(), 0))
	serviceGID = uint32(max(os.Getegid(), 0))
)

// DefaultACL says what counts for a file of which nobody has stored a security
// descriptor, and which inherits none.
type DefaultACL uint8

// The values of DefaultACL.
const (
	// ACLEveryone lets everybody do everything: the access level of the share alone
	// decides. Permission bits mean nothing.
	ACLEveryone DefaultACL = iota
	// ACLPosix lets the owner, the permission bits and the POSIX ACL of the file decide.
	// FS should be one that heeds their changes (localfs.Options.HeedModes).
	ACLPosix
	// ACLWindows lets the owner and the system do everything and others nothing, as
	// Windows does. New files are stored with that.
	ACLWindows
)

// descriptor returns the security descriptor of a file or directory of sh that counts
// for who: the stored one, or one that is made up (stored is false) where nobody
// has ever set any. n is never a stream, as those have the descriptor of their
// file. The result may be shared and must not be changed.
//
// Errors: those of the storage, and of a stored descriptor that cannot be read:
// then nobody gets in, rather than everybody.
func (s *Server) descriptor(ctx context.Context, sh *share, n vfs.Node, at *vfs.Attr, who *principal) (d *secdesc.Descriptor, stored bool, err error) {
	b, err := n.Security(ctx, nil)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		return nil, false, err
	case b != nil:
		if d, err = secdesc.Decode(b); err != nil {
			return nil, false, fmt.Errorf("stored security descriptor: %w", err)
		}
		sh.ownedBy(d, at, who)
		return d, true, nil
	}
	d, err = s.madeUp(ctx, sh, n, at, who)
	return d, false, err
}

// madeUp is the descriptor of a file that has none.
func (s *Server) madeUp(ctx context.Context, sh *share, n vfs.Node, at *vfs.Attr, who *principal) (*secdesc.Descriptor, error) {
	owner, group := s.unixOwners(at, who)
	if sh.Unix {
		owner, group = sh.owner(at, who), secdesc.UnixGroup(at.GID)
	}
	switch sh.DefaultACL {
	case ACLPosix:
		acl, err := n.PosixACL(ctx, nil)
		if err != nil {
			return nil, err
		}
		if acl == nil {
			acl = vfs.ACLOfMode(at.Mode)
		}
		return secdesc.FromPosix(posixACL(owner, group, at.Type == vfs.TypeDirectory, acl)), nil
	case ACLWindows:
		return &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
			Owner: owner, Group: group, DACL: secdesc.DefaultDACL(owner)}, nil
	}
	return &secdesc.Descriptor{
		Control: secdesc.SelfRelative | secdesc.DACLPresent,
		Owner:   owner,
		Group:   group,
		DACL:    everyoneDACL(owner),
	}, nil
}

// everyoneDACL is the list of ACLEveryone.
func everyoneDACL(owner secdesc.SID) *secdesc.ACL {
	return secdesc.NewACL(
		secdesc.Allow(owner, secdesc.FileAllAccess, 0),
		secdesc.Allow(secdesc.System, secdesc.FileAllAccess, 0),
		secdesc.Allow(secdesc.World, secdesc.FileAllAccess, 0),
	)
}

// unixOwners are the SIDs of the Unix owner and group of a file. Files of the server's
// own account are files of the share, whoever made them: each user sees them as his own.
func (s *Server) unixOwners(at *vfs.Attr, who *principal) (owner, group secdesc.SID) {
	owner, group = who.token.User, s.machine.account(secdesc.RIDUsers)
	if at.UID != serviceUID && !(who.HasUID && at.UID == who.UID) {
		owner = secdesc.UnixUser(at.UID)
	}
	if at.GID != serviceGID {
		group = secdesc.UnixGroup(at.GID)
	}
	return owner, group
}

// posixACL puts a POSIX ACL into terms of SIDs.
func posixACL(owner, group secdesc.SID, dir bool, acl []vfs.ACLEntry) *secdesc.PosixACL {
	mask := uint8(7)
	for _, e := range acl {
		if e.Tag == vfs.ACLMask {
			mask = e.Perm
		}
	}
	p := &secdesc.PosixACL{Owner: owner, Group: group, IsDir: dir}
	for _, e := range acl {
		switch e.Tag {
		case vfs.ACLUserObj:
			p.OwnerPerm = e.Perm
		case vfs.ACLUser:
			p.Users = append(p.Users, secdesc.PosixEntry{SID: secdesc.UnixUser(e.ID), Perm: e.Perm & mask})
		case vfs.ACLGroupObj:
			p.GroupPerm = e.Perm & mask
		case vfs.ACLGroup:
			p.Groups = append(p.Groups, secdesc.PosixEntry{SID: secdesc.UnixGroup(e.ID), Perm: e.Perm & mask})
		case vfs.ACLOther:
			p.OtherPerm = e.Perm
		}
	}
	return p
}
