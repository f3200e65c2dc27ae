package smb

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync/atomic"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Previous versions: a share may have snapshots (Share.Snapshots), and a CREATE opens a
// file as it was then, by a time in a create context (MS-SMB2 2.2.13.2.7) or in a component
// of its path (MS-SMB 2.2.1.1.1).
//
// Such a CREATE is carried out on another share, which has the settings of the real one and the
// file system of the snapshot, and on a tree that is made for it alone. The open keeps
// that share, in its grip, and belongs to the real tree. So everything that looks at an
// open sees the snapshot, descriptors included, and package locking takes its files for those of
// another volume. Nobody caches them: there is nothing to be told of.
//
// What would change a snapshot is refused here, with STATUS_MEDIA_WRITE_PROTECTED as Samba does.
// An open for writing succeeds, as it does there. The file system refuses, too.

// Snapshots finds the snapshots of a share. Its methods are called by many goroutines.
type Snapshots interface {
	// List returns the times of all snapshots in whole seconds, each once, the newest first.
	List(ctx context.Context) ([]time.Time, error)
	// Open returns the snapshot of a time, as a file system that refuses every change and
	// in which files have other ids than those of the share and of other snapshots. Release gives
	// it back and is called once. Errors: fs.ErrNotExist.
	Open(ctx context.Context, at time.Time) (snapshot vfs.FS, release func(), err error)
}

// gmtToken is the form of a time in a path (MS-SMB 2.2.1.1.1).
const gmtToken = "@GMT-2006.01.02-15.04.05"

// past is the snapshot that a share is made of.
type past struct {
	refs    atomic.Int32
	release func()
}

// hold takes a reference, and drop gives one back.
func (p *past) hold() {
	if p != nil {
		p.refs.Add(1)
	}
}

func (p *past) drop() {
	if p != nil && p.refs.Add(-1) == 0 {
		p.release()
	}
}

// isPast reports whether the open is of a snapshot.
func (o *open) isPast() bool { return o.grip != nil && o.grip.share.past != nil }

// cutToken takes the first component that is a time out of a path.
func cutToken(path string) (rest string, at time.Time, found bool) {
	if !strings.Contains(path, "@GMT-") {
		return path, at, false
	}
	parts := strings.Split(path, `\`)
	for i, name := range parts {
		if len(name) != len(gmtToken) {
			continue
		}
		at, err := time.Parse(gmtToken, name)
		if err != nil || at.Format(gmtToken) != name {
			continue
		}
		return strings.Join(append(parts[:i:i], parts[i+1:]...), `\`), at, true
	}
	return path, at, false
}

// timeOf finds out at what time a CREATE means its file, and takes it out of the path.
func (r *request) timeOf(q *wire.CreateRequest, ctx *createContexts) (at time.Time, has bool, err error) {
	if ctx.timewarp != nil && ctx.timewarp.Timestamp != 0 {
		at, has = ctx.timewarp.Timestamp.Time().Truncate(time.Second), true
	}
	if ctx.posix != nil || r.tree.share.Snapshots == nil {
		return at, has, nil
	}
	rest, token, found := cutToken(q.Name)
	if !found {
		return at, has, nil
	}
	if has && !token.Equal(at) {
		return at, false, ntstatus.ObjectNameNotFound
	}
	q.Name = rest
	return token, true, nil
}

// enterSnapshot lets the rest of a CREATE find its file in the snapshot that it means, if it
// means one. Leave is called when it is done.
func (r *request) enterSnapshot(q *wire.CreateRequest, ctx *createContexts) (leave func(), err error) {
	at, has, err := r.timeOf(q, ctx)
	if err != nil || !has {
		return func() {}, err
	}
	live := r.tree
	sh, err := live.share.at(r.ctx(), at)
	if err != nil {
		return nil, err
	}
	r.tree = &tree{id: live.id, sess: live.sess, share: sh, encrypt: live.encrypt, live: live}
	r.tree.access.Store(live.access.Load())
	return func() {
		r.tree = live
		sh.past.drop()
	}, nil
}

// at is the share as it was.
func (sh *share) at(ctx context.Context, at time.Time) (*share, error) {
	if sh.Snapshots == nil {
		return nil, ntstatus.ObjectNameNotFound
	}
	snap, release, err := sh.Snapshots.Open(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ntstatus.ObjectNameNotFound // MS-SMB2 3.3.5.9
	}
	if err != nil {
		return nil, err
	}
	d := *sh
	d.past = &past{release: release}
	d.past.refs.Store(1)
	d.FS = snap
	d.hub = vfs.NewHub(d.rule().Key)
	d.caps = d.Share.caps()
	d.bin, d.limit, d.local, d.backups, d.tunnel = nil, nil, nil, nil, &tunnel{}
	d.NoLeases, d.ContinuousAvailability, d.PosixLocks, d.KernelOplocks = true, false, false, false
	if err := d.measure(ctx); err != nil {
		d.past.drop()
		return nil, err
	}
	return &d, nil
}

// real is the tree that the client has connected.
func (t *tree) real() *tree {
	if t.live != nil {
		return t.live
	}
	return t
}

// checkPast refuses a CREATE that would change a snapshot. What it makes if the file is missing
// is refused where it is made.
func (r *request) checkPast(q *wire.CreateRequest) error {
	if r.tree.live == nil {
		return nil
	}
	if q.CreateDisposition != wire.DispositionOpen && q.CreateDisposition != wire.DispositionOpenIf ||
		q.CreateOptions&wire.OptionDeleteOnClose != 0 {
		return ntstatus.MediaWriteProtected
	}
	return nil
}

// changesFile are the control codes that change the file that they are sent to.
var changesFile = map[uint32]bool{
	wire.FsctlSrvCopychunk: true, wire.FsctlSrvCopychunkWrite: true, wire.FsctlDuplicateExtentsToFile: true,
	wire.FsctlDuplicateExtentsToFileEx: true, wire.FsctlSetCompression: true, wire.FsctlSetSparse: true,
	wire.FsctlSetZeroData: true, wire.FsctlFileLevelTrim: true, wire.FsctlSetReparsePoint: true,
	wire.FsctlDeleteReparsePoint: true, wire.FsctlOffloadWrite: true, wire.FsctlSetObjectID: true,
	wire.FsctlSetObjectIDExtended: true, wire.FsctlDeleteObjectID: true,
}

// checkPastControl refuses a control code that would change a snapshot.
func (o *open) checkPastControl(code uint32) error {
	if o != nil && o.isPast() && changesFile[code] {
		return ntstatus.MediaWriteProtected
	}
	return nil
}

// checkPastInfo refuses a SET_INFO that would change a snapshot: all do but those that
// change the open alone.
func (o *open) checkPastInfo(q *wire.SetInfoRequest) error {
	own := q.InfoType == wire.InfoTypeFile && (q.FileInfoClass == wire.FileInfoPosition || q.FileInfoClass == wire.FileInfoMode)
	if o.isPast() && !own {
		return ntstatus.MediaWriteProtected
	}
	return nil
}

// checkTargetTime refuses a new name in a snapshot.
func (sh *share) checkTargetTime(name string) error {
	if sh.Snapshots != nil {
		if _, _, found := cutToken(name); found {
			return ntstatus.MediaWriteProtected
		}
	}
	return nil
}

// snapshots carries out FSCTL_SRV_ENUMERATE_SNAPSHOTS (MS-SMB2 3.3.5.15.1). It tells those
// of the share, as 2.2.32.2 says, and not only those that have the file: which these are is
// seen when it is opened.
func (r *request) snapshots(o *open, c *control) error {
	if c.room < wire.SnapshotArraySize {
		return ntstatus.InvalidParameter
	}
	s := r.tree.share.Snapshots
	if s == nil {
		c.answer(&wire.SnapshotArray{})
		return nil
	}
	times, err := s.List(r.ctx())
	if err != nil {
		return err
	}
	a := wire.SnapshotArray{NumberOfSnapShots: uint32(len(times))}
	if len(times) > 0 {
		tokens := make([]string, len(times))
		for i, at := range times {
			tokens[i] = at.UTC().Format(gmtToken)
		}
		size := wire.SnapshotsSize(tokens)
		a.SnapShotArraySize = uint32(size)
		if snapshotArrayHeader+size <= c.room {
			a.SnapShots = tokens
		}
	}
	c.answer(&a)
	return nil
}

// snapshotArrayHeader is the length of a SRV_SNAPSHOT_ARRAY before its tokens.
const snapshotArrayHeader = 12

// isSnapshotDir reports whether a path, as stored, is the directory of snapshots, which clients
// do not see, or lies below it.
func (sh *share) isSnapshotDir(path string) (hidden, itself bool) {
	if sh.SnapshotDir == "" || len(path) == 0 {
		return false, false
	}
	path, dir := sh.fold(path), sh.fold(sh.SnapshotDir)
	rest, ok := strings.CutPrefix(path, dir)
	return ok && (rest == "" || rest[0] == '/'), rest == ""
}

// hidesEntry reports whether an entry of a directory is that directory.
func (sh *share) hidesEntry(dir, name string) bool {
	if sh.SnapshotDir == "" {
		return false
	}
	at, base := names.Split(sh.SnapshotDir)
	return names.EqualFold(base, name) && sh.fold(at) == sh.fold(dir) && sh.fold(base) == sh.fold(name)
}
