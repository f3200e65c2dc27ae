package smb

import (
	"sync/atomic"

	"lessor/smb/wire"
)

// tree is a connection of a session to a share (MS-SMB2 3.3.1.9).
type tree struct {
	// Immutable after construction.
	id    uint32
	sess  *session
	share *share
	// encrypt refuses what is not sealed.
	encrypt bool
	// live is set in a tree that a CREATE in a snapshot has for itself: the tree that the
	// client has connected. See previous.go.
	live *tree

	// access is what the user may do at most; at first it is the MaximalAccess of
	// the reply. See allows.
	access atomic.Pointer[treeAccess]
	closed atomic.Bool
	opens  atomic.Int64 // for lists of connections
}

// accessMasks are the maximal rights of each level of share access (MS-SMB2
// 2.2.10).
var accessMasks = [...]uint32{
	AccessNone: 0,
	AccessRead: wire.AccessReadData | wire.AccessReadEA | wire.AccessExecute | wire.AccessReadAttributes |
		wire.AccessReadControl | wire.AccessSynchronize,
	AccessWrite: wire.AccessAll,
}

// writable reports whether the tree allows any change.
func (t *tree) writable() bool { return t.allows()&wire.AccessWriteData != 0 }
