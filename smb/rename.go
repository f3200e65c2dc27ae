package smb

import (
	"errors"
	"io/fs"
	"strings"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// naming is a rename or a new hard link at work.
type naming struct {
	o    *open
	path string // the new path, as stored if it were there
	// link makes a further name instead of moving the old one.
	link bool
	// replace lets a file of the new name go, readonly even a read-only one, and
	// posix even one that is open (MS-FSCC 2.4, FileRenameInformationEx).
	replace, readonly, posix bool
}

// errMoved says that the file got another name before its gate was taken.
var errMoved = errors.New("the name has changed meanwhile")

func (r *request) setRename(o *open, b []byte) error {
	var q wire.FileRenameInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	return r.rename(&naming{o: o, replace: q.ReplaceIfExists}, q.RootDirectory, q.FileName)
}

func (r *request) setRenameEx(o *open, b []byte) error {
	n, q, err := decodeNamingEx(o, b)
	if err != nil {
		return err
	}
	return r.rename(n, q.RootDirectory, q.FileName)
}

func (r *request) setLink(o *open, b []byte) error {
	var q wire.FileLinkInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	return r.link(&naming{o: o, link: true, replace: q.ReplaceIfExists}, q.RootDirectory, q.FileName)
}

func (r *request) setLinkEx(o *open, b []byte) error {
	n, q, err := decodeNamingEx(o, b)
	if err != nil {
		return err
	}
	n.link = true
	return r.link(n, q.RootDirectory, q.FileName)
}

// decodeNamingEx reads the structure with flags. Those about the storage of the
// target have no meaning here.
func decodeNamingEx(o *open, b []byte) (*naming, *wire.FileRenameInformationEx, error) {
	var q wire.FileRenameInformationEx
	if err := q.Decode(b); err != nil {
		return nil, nil, err
	}
	return &naming{
		o:        o,
		replace:  q.Flags&wire.RenameReplaceIfExists != 0,
		posix:    q.Flags&wire.RenamePosixSemantics != 0,
		readonly: q.Flags&wire.RenameIgnoreReadonlyAttribute != 0,
	}, &q, nil
}

// rename gives what is open another name (MS-FSA 2.1.5.15.11).
func (r *request) rename(n *naming, root uint64, name string) error {
	o := n.o
	switch {
	case root != 0 || name == "":
		return ntstatus.InvalidParameter // MS-SMB2 3.3.5.21.1
	case name[0] == ':' || o.grip.stream != "":
		return r.renameStream(n, name)
	case o.path() == "":
		return ntstatus.InvalidParameter
	}
	if err := r.parseTarget(n, name); err != nil {
		return err
	}
	return r.settle(n)
}

// link makes a hard link (MS-FSA 2.1.5.15.6).
func (r *request) link(n *naming, root uint64, name string) error {
	o := n.o
	switch {
	case root != 0 || name == "":
		return ntstatus.InvalidParameter
	case !r.tree.writable():
		return ntstatus.AccessDenied
	case o.grip.dir:
		return ntstatus.FileIsADirectory
	case o.grip.stream != "":
		return ntstatus.InvalidParameter
	case !o.share().caps.Has(vfs.CapHardLinks):
		return ntstatus.NotSupported
	}
	if err := r.parseTarget(n, name); err != nil {
		return err
	}
	return r.settle(n)
}

// parseTarget takes the new path apart. Clients of other makers begin it with a
// backslash, which a path relative to the share has not.
func (r *request) parseTarget(n *naming, name string) error {
	if !n.o.posix {
		name = strings.TrimPrefix(name, `\`)
	}
	r.audit.newPath = name
	if err := n.o.share().checkTargetTime(name); err != nil && !n.o.posix {
		return err
	}
	p, disk, err := r.parsePath(name, n.o.posix)
	switch {
	case err != nil:
		return err
	case p.Name == "":
		return ntstatus.InvalidParameter
	case p.Stream != "" || p.Type != names.StreamNone || p.Dir && !n.o.grip.dir:
		return ntstatus.ObjectNameInvalid
	}
	if err := n.o.share().checkVetoedName(disk); err != nil {
		return err
	}
	n.path = disk
	r.audit.newPath = disk
	if n.o.posix {
		n.posix, n.readonly = true, true
	}
	return nil
}

// settle tries until nothing has to be waited for.
func (r *request) settle(n *naming) error {
	for {
		err := r.tryNaming(n)
		var b *locking.Blocked
		switch {
		case errors.As(err, &b):
			if err := r.awaitBreak(b); err != nil {
				return err
			}
		case err != errMoved: //nolint:errorlint // our own, never wrapped
			return err
		}
	}
}

// gates takes the name gates of two paths in their order.
func (sh *share) gates(locks *locking.OplockManager, a, b string) (leave func()) {
	fa, fb := sh.fold(a), sh.fold(b)
	if fa == fb {
		return sh.gate(locks, a)
	}
	if fa > fb {
		a, b = b, a
	}
	first := sh.gate(locks, a)
	second := sh.gate(locks, b)
	return func() {
		second()
		first()
	}
}

// tryNaming renames or links once, under the gates of both names. *locking.Blocked
// means that the caller waits, without the gates, and tries again.
func (r *request) tryNaming(n *naming) error {
	o, sh := n.o, n.o.share()
	from := o.path()
	leave := sh.gates(r.locks(), from, n.path)
	defer leave()
	if o.path() != from {
		return errMoved
	}
	if err := r.freeSource(n, from); err != nil {
		return err
	}
	m := move{naming: n, from: from}
	defer m.release()
	if err := r.findPlaces(&m); err != nil {
		return err
	}
	if n.link {
		return r.addName(&m)
	}
	return r.makeMove(&m)
}

// freeSource ends the caching that the new name would deceive, and refuses to move
// what others depend on: a directory with something open below it, a file of which
// a named stream is open.
func (r *request) freeSource(n *naming, from string) error {
	o, sh := n.o, n.o.share()
	if n.link {
		return o.lock.Break(locking.CauseLink)
	}
	if err := o.lock.Break(locking.CauseRename); err != nil {
		return err
	}
	if !o.grip.dir {
		if o.lock.OtherStreamsOpen() {
			return ntstatus.AccessDenied
		}
		return nil
	}
	if err := r.locks().BreakUnder(sh.space, from); err != nil {
		return err
	}
	if r.isMac() {
		return nil // as on Unix, which its programs are used to
	}
	hasOpens := r.locks().HasOpensUnder
	if o.posix {
		hasOpens = r.locks().HasStrictOpensUnder
	}
	if hasOpens(sh.space, from) {
		return refusedBy(r.locks().OpenerUnder(sh.space, from), ntstatus.AccessDenied)
	}
	return nil
}

// move is where a name is moved from and to.
type move struct {
	*naming
	from           string
	oldDir, newDir vfs.Node
	oldName        string
	newName        string
	to             string   // the new path as stored
	target         vfs.Node // what has the new name, or nil
	targetName     string   // the name of target as stored, perhaps in another case
}

// release gives the nodes back.
func (m *move) release() {
	for _, n := range [...]vfs.Node{m.oldDir, m.newDir, m.target} {
		if n != nil {
			n.Release()
		}
	}
}

// findPlaces looks both directories up, and what has the new name, and checks
// whether the user may do this.
func (r *request) findPlaces(m *move) error {
	o, sh := m.o, m.o.share()
	ctx, cred := r.ctx(), o.cred()
	root := sh.FS.Root()
	defer root.Release()
	opts := vfs.LookupOptions{Fold: o.folds(), Form: o.rule().Form}
	var dir string
	var err error
	dir, m.oldName = names.Split(m.from)
	if m.oldDir, _, err = root.Lookup(ctx, cred, dir, opts); err != nil {
		return err
	}
	dir, m.newName = names.Split(m.path)
	var stored string
	m.newDir, stored, err = root.Lookup(ctx, cred, dir, opts)
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrNotDir) || err == nil && m.newDir.Type() != vfs.TypeDirectory:
		return ntstatus.ObjectPathNotFound
	case err != nil:
		return err
	}
	m.to = names.Join(stored, m.newName)
	// Windows opens the directory for a moment, to add a file, and shares reading
	// and writing.
	const share = wire.ShareAccessRead | wire.ShareAccessWrite
	if key := locking.Key(m.newDir.ID().Key()); !o.posix && r.locks().SharingConflict(key, wire.AccessAddFile, share) {
		return refusedBy(r.locks().OpenerAgainst(key, wire.AccessAddFile, share), ntstatus.SharingViolation)
	}
	need := wire.AccessAddFile
	if o.grip.dir {
		need = wire.AccessAddSubdirectory
	}
	if _, err := r.mayAdd(m.newDir, parentOf(m.to), need, 0); err != nil {
		return err
	}
	opts.NoFollow = true
	m.target, m.targetName, err = m.newDir.Lookup(ctx, cred, m.newName, opts)
	if errors.Is(err, fs.ErrNotExist) {
		m.target = nil
		return nil
	}
	if err != nil {
		return err
	}
	if m.isItself() {
		return nil
	}
	return r.mayReplace(m)
}

// isItself reports whether the new name is the old one, perhaps in another case or form.
func (m *move) isItself() bool {
	if m.target == nil || m.link || m.target.ID() != m.o.grip.base.ID() || m.oldDir.ID() != m.newDir.ID() {
		return false
	}
	return m.o.rule().Same(m.oldName, m.newName)
}

// mayReplace checks whether what has the new name may be replaced (MS-FSA
// 2.1.5.15.11).
func (r *request) mayReplace(m *move) error {
	if !m.replace {
		return ntstatus.ObjectNameCollision
	}
	if m.target.ID() == m.o.grip.base.ID() {
		return nil // another link of the same file
	}
	isDir := m.target.Type() == vfs.TypeDirectory
	if (isDir || m.o.grip.dir) && (!m.posix || isDir != m.o.grip.dir) {
		return ntstatus.AccessDenied
	}
	at, err := m.target.Attr(r.ctx(), m.o.cred())
	if err != nil {
		return err
	}
	if dosOf(&at)&vfs.DOSReadOnly != 0 && !m.readonly {
		return ntstatus.AccessDenied
	}
	if m.target.Type() != vfs.TypeSymlink {
		if _, err := r.checkAccess(m.target, &at, m.to, wire.AccessDelete, 0); err != nil {
			return err
		}
	}
	key := locking.Key(m.target.ID().Key())
	opens, err := r.locks().BreakFile(key, locking.CauseOverwrite, r.sess.client.id, locking.LeaseKey{}, false)
	switch {
	case err != nil:
		return err
	case opens > 0 && !m.posix:
		return refusedBy(r.locks().Opener(key), ntstatus.AccessDenied)
	}
	return nil
}

// addName makes the new name.
func (r *request) addName(m *move) error {
	if m.target != nil && m.target.ID() == m.o.grip.base.ID() {
		return nil
	}
	name, replaces := m.place()
	undo, err := r.saveReplaced(m, replaces)
	if err != nil {
		return err
	}
	if err := m.newDir.Link(r.ctx(), m.o.cred(), m.o.grip.base, name, replaces); err != nil {
		undo()
		return err
	}
	r.settleCase(m, name)
	m.o.share().changed(m.to, vfs.ActionAdded, vfs.FilterFileName)
	r.locks().Changed(locking.Key(m.newDir.ID().Key()), locking.LeaseKey{}, false, r.sess.client.id)
	return nil
}

// place is the name to put the file under first, and whether that replaces
// something: what has the new name in another case has to go in the same step.
func (m *move) place() (name string, replaces bool) {
	if m.target == nil || m.isItself() {
		return m.newName, false
	}
	return m.targetName, true
}

// settleCase gives a file that took the place of another the case that the client
// wants. If that fails it keeps the case of the other.
func (r *request) settleCase(m *move, name string) {
	if name == m.newName {
		return
	}
	if err := m.newDir.Rename(r.ctx(), m.o.cred(), name, m.newDir, m.newName, false); err != nil {
		dir, _ := names.Split(m.to)
		m.to = names.Join(dir, name)
	}
}

// makeMove moves the name, and tells who knows the file by it.
func (r *request) makeMove(m *move) error {
	o, sh := m.o, m.o.share()
	if m.isItself() && m.oldName == m.newName {
		return nil
	}
	if o.posix && m.target != nil && m.target.ID() == o.grip.base.ID() {
		return nil // rename of POSIX: of two names of one file, both stay
	}
	name, replaces := m.place()
	undo, err := r.saveReplaced(m, replaces)
	if err != nil {
		return err
	}
	o.lock.Renaming(m.to)
	if err := m.oldDir.Rename(r.ctx(), o.cred(), m.oldName, m.newDir, name, replaces); err != nil {
		o.lock.Renaming("")
		undo()
		return err
	}
	r.settleCase(m, name)
	oldKey, newKey := locking.Key(m.oldDir.ID().Key()), locking.Key(m.newDir.ID().Key())
	_, lease, has := o.grip.parentOf()
	o.lock.Renamed(m.to)
	if o.grip.dir {
		r.locks().RenamedUnder(sh.space, m.from, m.to)
	}
	o.grip.movedTo(newKey)
	r.locks().Changed(oldKey, lease, has, r.sess.client.id)
	if oldKey != newKey {
		r.locks().Changed(newKey, locking.LeaseKey{}, false, r.sess.client.id)
	}
	if sh.hub.Watched() {
		sh.notify(renameEvents(m.from, m.to, oldKey == newKey, o.grip.dir)...)
	}
	if o.grip.dir {
		r.srv().dirMoved(sh)
	} else {
		o.renamed.Store(true)
	}
	return nil
}

// renameEvents is what watchers are told of a rename: within a directory both
// names, between directories that one is gone and one has come.
func renameEvents(from, to string, within, isDir bool) []vfs.Event {
	filter := nameFilter(isDir)
	gone, come := vfs.ActionRemoved, vfs.ActionAdded
	if within {
		gone, come = vfs.ActionRenamedOld, vfs.ActionRenamedNew
	}
	return []vfs.Event{
		{Path: from, Action: gone, Filter: filter},
		{Path: to, Action: come, Filter: filter},
	}
}
