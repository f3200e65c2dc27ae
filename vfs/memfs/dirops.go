package memfs

import (
	"context"
	"errors"
	"io/fs"

	"lessor/vfs"
	"lessor/vfs/names"
)

// maxTarget is the length in bytes of the longest target of a symbolic link, as
// on Linux.
const maxTarget = 4095

// checkEntry tells whether a call may act on a name of this directory.
func (n *node) checkEntry(name string) error {
	if n.Type() != vfs.TypeDirectory {
		return vfs.ErrNotDir
	}
	return checkName(name)
}

// Create makes a file or directory.
func (n *node) Create(_ context.Context, cred *vfs.Cred, name string, opts vfs.CreateOptions) (vfs.Node, error) {
	mode, cost := opts.Mode, int64(inodeCost)
	switch opts.Type {
	case vfs.TypeRegular:
		if mode == 0 && !opts.ModeSet {
			mode = n.ino.fs.opts.FileMode
		}
	case vfs.TypeDirectory:
		if mode == 0 && !opts.ModeSet {
			mode = n.ino.fs.opts.DirMode
		}
		cost += dirCost
	default:
		return nil, errors.ErrUnsupported
	}
	made, err := n.enter(name, names.Rule{Fold: opts.Fold, Form: opts.Form}, cost, func() *inode {
		ino := n.ino.fs.newInodeLocked(opts.Type, mode, cred)
		if opts.GroupSet {
			ino.gid = opts.Group
		}
		if opts.DOSSet {
			ino.dos, ino.dosSet = opts.DOS&vfs.DOSMask, true
		}
		if !opts.Birth.IsZero() {
			ino.birth = opts.Birth
		}
		return ino
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// enter gives a new inode, which build makes and which costs so much, a name in
// this directory, and returns a node of it.
func (n *node) enter(name string, rule names.Rule, cost int64, build func() *inode) (*node, error) {
	if err := n.checkEntry(name); err != nil {
		return nil, err
	}
	f, d := n.ino.fs, n.ino.dir
	f.tree.Lock()
	defer f.tree.Unlock()
	if n.ino.unlinked.Load() {
		return nil, vfs.ErrStale
	}
	if d.match(name, rule) != nil {
		return nil, fs.ErrExist
	}
	if err := f.space.take(cost + nameCostIn(name)); err != nil {
		return nil, err
	}
	ino := build()
	if ino.dir != nil {
		ino.dir.parent = n.ino
	}
	d.add(name, ino)
	n.ino.entriesChanged()
	return ino.ref(), nil
}

// Symlink makes a symbolic link.
func (n *node) Symlink(_ context.Context, cred *vfs.Cred, name, target string) (vfs.Node, error) {
	if err := n.checkEntry(name); err != nil {
		return nil, err
	}
	switch {
	case target == "":
		return nil, fs.ErrInvalid
	case len(target) > maxTarget:
		return nil, vfs.ErrNameTooLong
	}
	made, err := n.enter(name, names.Rule{}, inodeCost+int64(len(target)), func() *inode {
		ino := n.ino.fs.newInodeLocked(vfs.TypeSymlink, 0o777, cred)
		ino.target = target
		return ino
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// Link gives a file a further name.
func (n *node) Link(_ context.Context, _ *vfs.Cred, target vfs.Node, name string, replace bool) error {
	if err := n.checkEntry(name); err != nil {
		return err
	}
	f, d := n.ino.fs, n.ino.dir
	t, err := f.own(target)
	if err != nil {
		return err
	}
	switch t.Type() {
	case vfs.TypeDirectory:
		return vfs.ErrIsDir
	case vfs.TypeStream:
		return fs.ErrInvalid
	}
	f.tree.Lock()
	end, err := f.linkLocked(d, t.ino, name, replace)
	f.tree.Unlock()
	if end != nil {
		end.free()
	}
	return err
}

// linkLocked enters a further name of an inode and returns the one that it
// replaced, if that is at its end. The caller holds tree.
func (f *FS) linkLocked(d *directory, target *inode, name string, replace bool) (end *inode, err error) {
	if d.self.unlinked.Load() || target.unlinked.Load() {
		return nil, vfs.ErrStale
	}
	there := d.exact[name]
	switch {
	case there == nil:
		if err := f.space.take(nameCostIn(name)); err != nil {
			return nil, err
		}
		d.add(name, target)
	case !replace:
		return nil, fs.ErrExist
	case there.ino == target:
		return nil, nil
	case there.ino.typ == vfs.TypeDirectory:
		return nil, vfs.ErrIsDir
	default:
		if there.ino.linkLocked(-1) {
			end = there.ino
		}
		there.ino = target
	}
	target.linkLocked(1)
	d.self.entriesChanged()
	return end, nil
}

// Remove unlinks a file or removes an empty directory.
func (n *node) Remove(_ context.Context, _ *vfs.Cred, name string) error {
	if err := n.checkEntry(name); err != nil {
		return err
	}
	f, d := n.ino.fs, n.ino.dir
	f.tree.Lock()
	e := d.exact[name]
	if e == nil {
		f.tree.Unlock()
		return fs.ErrNotExist
	}
	if e.ino.dir != nil && len(e.ino.dir.exact) > 0 {
		f.tree.Unlock()
		return vfs.ErrNotEmpty
	}
	f.dropEntryLocked(d, e)
	end := e.ino.linkLocked(-1)
	f.tree.Unlock()
	if end {
		e.ino.free()
	}
	return nil
}

// dropEntryLocked takes a name out of a directory. The caller holds tree.
func (f *FS) dropEntryLocked(d *directory, e *entry) {
	d.remove(e)
	f.space.give(nameCostIn(e.name))
	d.self.entriesChanged()
}

// Rename moves a name.
func (n *node) Rename(_ context.Context, _ *vfs.Cred, oldName string, newDir vfs.Node, newName string, replace bool) error {
	if err := n.checkEntry(oldName); err != nil {
		return err
	}
	f := n.ino.fs
	to, err := f.own(newDir)
	if err != nil {
		return err
	}
	if err := to.checkEntry(newName); err != nil {
		return err
	}
	f.tree.Lock()
	end, err := f.renameLocked(n.ino.dir, oldName, to.ino.dir, newName, replace)
	f.tree.Unlock()
	if end != nil {
		end.free()
	}
	return err
}

// renameLocked moves a name and returns the inode that it replaced, if that is
// at its end. The caller holds tree.
func (f *FS) renameLocked(from *directory, oldName string, to *directory, newName string, replace bool) (end *inode, err error) {
	e := from.exact[oldName]
	if e == nil {
		return nil, fs.ErrNotExist
	}
	if to.self.unlinked.Load() {
		return nil, vfs.ErrStale
	}
	there := to.exact[newName]
	if there == e {
		return nil, nil
	}
	if there != nil && !replace {
		return nil, fs.ErrExist
	}
	if e.ino.dir != nil && to.below(e.ino) {
		return nil, fs.ErrInvalid
	}
	switch {
	case there == nil:
		// The old name is still paid.
		if err := f.space.exchange(nameCostIn(oldName), nameCostIn(newName)); err != nil {
			return nil, err
		}
		from.remove(e)
		to.add(newName, e.ino)
		from.self.entriesChanged()
	case from.below(there.ino):
		return nil, vfs.ErrNotEmpty
	default:
		if err := replaceable(there.ino, e.ino); err != nil {
			return nil, err
		}
		// If both are links of one file, the old name merely goes away.
		f.dropEntryLocked(from, e)
		if there.ino.linkLocked(-1) {
			end = there.ino
		}
		there.ino = e.ino
	}
	if e.ino.dir != nil {
		e.ino.dir.parent = to.self
	}
	e.ino.touched()
	to.self.entriesChanged()
	return end, nil
}

// replaceable tells whether an inode may take the name of another.
func replaceable(old, by *inode) error {
	switch {
	case old.dir == nil && by.dir == nil:
		return nil
	case by.dir == nil:
		return vfs.ErrIsDir
	case old.dir == nil:
		return vfs.ErrNotDir
	case len(old.dir.exact) > 0:
		return vfs.ErrNotEmpty
	default:
		return nil
	}
}
