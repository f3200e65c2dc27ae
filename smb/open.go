package smb

import (
	"context"
	"sync"
	"sync/atomic"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/rpc"
	"lessor/smb/wire"
	"lessor/vfs"
)

// open is one open of a client (MS-SMB2 3.3.1.10). What is true of the file,
// rather than of this one handle, lives in package locking.
type open struct {
	// Immutable after construction.
	id       wire.FileID
	sess     *session
	tree     *tree
	lock     *locking.Open // nil for a pipe
	grip     *grip         // nil for a pipe
	pipe     *rpc.Pipe     // nil for a file
	access   uint32        // granted access mask
	options  uint32        // CreateOptions
	action   uint32        // CreateAction of the reply
	made     uint32        // CreateAction of the CREATE that made it, for replays
	leased   bool          // the open belongs to a lease
	leaseKey locking.LeaseKey
	durable  bool        // made durable, of any kind
	posix    bool        // opened with the POSIX create context
	app      appInstance // zero if the client named none

	// What a durable open was granted, for the reply to a replay.
	durableTimeout, durableFlags uint32

	// refs counts the table of the session and every request at work. The last
	// one gives the grip back.
	refs atomic.Int32
	// wrote says that data was written through this open since the parent
	// directory's leases were last told (see changedSize).
	wrote atomic.Bool
	// renamed says that a file was renamed through this open.
	renamed atomic.Bool
	// resilient says that FSCTL_LMR_REQUEST_RESILIENCY was granted.
	resilient atomic.Bool
	// sequence is the state of MS-SMB2 3.3.5.2.10.
	sequence channelSequence

	// unlink says that the name goes away at the close of this open (POSIX
	// semantics of a deletion).
	unlink atomic.Bool

	// replayable: a replay of its CREATE gets the open again, as nothing else has named
	// it so far, or as it is persistent (Open.IsReplayEligible).
	replayable atomic.Bool

	mu     openMutex // level 4; guards what follows
	closed bool
	// scan is the cursor of QUERY_DIRECTORY and watch the subscription of
	// CHANGE_NOTIFY; both are made when first used.
	scan  *dirScan
	watch *watch
	// position is CurrentByteOffset (MS-FSCC 2.4.40), which no request but a
	// query and a set of it looks at.
	position int64
	// modeChange are the bits of FileModeInformation that differ from options
	// since the client has set it, and eaNext is where the next query of extended
	// attributes goes on.
	modeChange uint32
	eaNext     int
	quotaNext  uint64 // the user at which the next query of quotas goes on
	// frozen are the times that the client took over (MS-FSA 2.1.5.15.2).
	frozen   vfs.AttrMask
	resumeID uint64 // key of FSCTL_SRV_REQUEST_RESUME_KEY; 0 until asked for
	// alarms are those of LOCKs that wait for a program outside of the server.
	alarms map[*alarm]struct{}
	// unpinFunc is unpin, for replies that are sent from the file.
	unpinFunc func()
}

// openMutex is the mutex of level 4 in the lock order.
type openMutex = sync.Mutex

// fileID is the FileId of an open. Both halves are the same: the persistent one
// is unique for ever already, so nothing is gained by a second number, and a
// break notification can be built from what package locking knows.
func fileID(id locking.OpenID) wire.FileID {
	return wire.FileID{Persistent: uint64(id), Volatile: uint64(id)}
}

// grip is the hold on the stored object behind an open. A durable open that is
// reconnected becomes another open with the same grip.
type grip struct {
	refs atomic.Int32 // opens; the last one releases it

	// Immutable after construction.
	share *share
	base  vfs.Node // the file or directory
	node  vfs.Node // what is open: base, or one of its named streams
	dir   bool
	// stream is the name of the stream as stored; empty for the unnamed one.
	stream string
	client locking.ClientID // that parentLease is of
	write  bool             // the handle is for writing as well
	sync   bool             // every write is on stable storage before its reply
	count  *ioCount         // nil: nobody wants to know

	// renamed is the newer name of the stream that an open of this grip gave it.
	renamed atomic.Pointer[string]
	// link is the symbolic link that an open of this grip has put in the place of the
	// object, which is gone.
	link atomic.Pointer[vfs.Node]

	outside outsideLocks

	// late is where writes through the open are noted on a share with DelayWriteTime; nil
	// until the first one.
	late atomic.Pointer[lateWriter]

	// unlease lets other programs open the file that have waited for the oplock of the
	// first open to end; nil if nobody has to. It is set before anybody else knows the
	// grip.
	unlease func()

	// watched are the changes by others that are listened for because the client
	// caches the object; nil if there are none. It is set before anybody else knows
	// the grip.
	watched vfs.Watched

	mu sync.Mutex // leaf, held across the opening of the handle; guards what follows
	// handle is there from the start where data is to be read or written, and
	// else when first needed: many opens only look at attributes.
	handle vfs.Handle
	// parent is the directory that the object was opened in, and parentLease the
	// lease of the client on it.
	parent      locking.Key
	parentLease locking.LeaseKey
	hasParent   bool
}

// file returns the handle of the object, which lives as long as the grip.
func (g *grip) file(ctx context.Context, cred *vfs.Cred) (vfs.Handle, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.handle == nil {
		h, err := g.node.Open(ctx, cred, vfs.OpenMode{Read: true})
		if err != nil {
			return nil, err
		}
		g.handle = h
	}
	return g.handle, nil
}

// release gives one reference back, and with the last one everything.
func (g *grip) release() {
	if g.refs.Add(-1) != 0 {
		return
	}
	g.lateClosed(0)
	if g.watched != nil {
		g.watched.Stop()
	}
	if g.handle != nil {
		g.share.closed(g.handle.Close())
	}
	if g.node != g.base {
		g.node.Release()
	}
	g.base.Release()
	if link := g.link.Load(); link != nil {
		(*link).Release()
	}
	g.share.past.drop()
}

// object is what attributes are asked of: what is open, or the link that has taken its
// place.
func (g *grip) object() vfs.Node {
	if link := g.link.Load(); link != nil {
		return *link
	}
	return g.node
}

// identity is what has the file id: the file, or the link that has taken its place.
func (g *grip) identity() vfs.Node {
	if link := g.link.Load(); link != nil {
		return *link
	}
	return g.base
}

// isOf reports whether a node found under the name of the grip's object is to be taken
// for it: a link may have taken its place, or may have led to it, and then it is the
// link that the name means. A link that was made since the object lost its name is
// another matter.
func (g *grip) isOf(node vfs.Node) bool {
	if g == nil || node.Type() != vfs.TypeSymlink {
		return false
	}
	if link := g.link.Load(); link != nil {
		return (*link).ID() == node.ID()
	}
	at, err := g.base.Attr(context.Background(), nil)
	return err == nil && at.NLink > 0
}

// parentOf returns where changes of the object are to be told.
func (g *grip) parentOf() (dir locking.Key, lease locking.LeaseKey, has bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.parent, g.parentLease, g.hasParent
}

// movedTo says that the object now stands in another directory.
func (g *grip) movedTo(dir locking.Key) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.parent = dir
}

// pin takes a reference, unless the last one is gone already.
func (o *open) pin() bool {
	for {
		n := o.refs.Load()
		if n == 0 {
			return false
		}
		if o.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// unpin gives a reference back.
func (o *open) unpin() {
	if o.refs.Add(-1) == 0 && o.grip != nil {
		o.grip.release()
	}
}

// persistent reports whether the open was made a persistent one.
func (o *open) persistent() bool { return o.durableFlags&wire.DurableV2Persistent != 0 }

// isPipe reports whether the open is a named pipe.
func (o *open) isPipe() bool { return o.pipe != nil }

// cred is for whom the file system is asked.
func (o *open) cred() *vfs.Cred { return o.tree.cred() }

// share is the share that the open is on.
func (o *open) share() *share {
	if o.grip != nil {
		return o.grip.share
	}
	return o.tree.share
}

// path is the current path below the root of the share, joined by '/'.
func (o *open) path() string {
	if o.lock == nil {
		return ""
	}
	return o.lock.Path()
}

// can refuses what the open was not granted: all rights of mask are needed.
func (o *open) can(mask uint32) error {
	if o.access&mask != mask {
		return ntstatus.AccessDenied
	}
	return nil
}

// canAny refuses unless one of the rights of mask was granted.
func (o *open) canAny(mask uint32) error {
	if o.access&mask == 0 {
		return ntstatus.AccessDenied
	}
	return nil
}

// file returns the handle for data or listing.
func (o *open) file(ctx context.Context) (vfs.Handle, error) {
	if o.grip == nil {
		return nil, ntstatus.InvalidDeviceRequest
	}
	return o.grip.file(ctx, o.cred())
}

// attr returns the current attributes of what is open.
func (o *open) attr(ctx context.Context) (vfs.Attr, error) {
	return o.grip.object().Attr(ctx, o.cred())
}
