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

// descriptor returns the security descriptor of a file or directory that counts
// for who: the stored one, or one that is made up (stored is false) where nobody
// has ever set any. n is never a stream, as those have the descriptor of their
// file. The result may be shared and must not be changed.
//
// Errors: those of the storage, and of a stored descriptor that cannot be read:
// then nobody gets in, rather than everybody.
func (s *Server) descriptor(ctx context.Context, n vfs.Node, at *vfs.Attr, who *principal) (d *secdesc.Descriptor, stored bool, err error) {
	b, err := n.Security(ctx, who.cred)
	switch {
	case errors.Is(err, errors.ErrUnsupported):
	case err != nil:
		return nil, false, err
	case b != nil:
		if d, err = secdesc.Decode(b); err != nil {
			return nil, false, fmt.Errorf("stored security descriptor: %w", err)
		}
		return d, true, nil
	}
	return s.madeUp(at, who), false, nil
}

// madeUp is the descriptor of a file that has none. All files belong to the
// account of the server and the access level of the share decides what a user
// may do, so everybody has all rights here; each user sees the files of the
// server as his own.
func (s *Server) madeUp(at *vfs.Attr, who *principal) *secdesc.Descriptor {
	owner, group := who.token.User, s.machine.account(secdesc.RIDUsers)
	if at.UID != serviceUID {
		owner = secdesc.UnixUser(at.UID)
	}
	if at.GID != serviceGID {
		group = secdesc.UnixGroup(at.GID)
	}
	return &secdesc.Descriptor{
		Control: secdesc.SelfRelative | secdesc.DACLPresent,
		Owner:   owner,
		Group:   group,
		DACL: secdesc.NewACL(
			secdesc.Allow(owner, secdesc.FileAllAccess, 0),
			secdesc.Allow(secdesc.System, secdesc.FileAllAccess, 0),
			secdesc.Allow(secdesc.World, secdesc.FileAllAccess, 0),
		),
	}
}
