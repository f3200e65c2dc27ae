package memfs

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"lessor/vfs"
	"lessor/vfs/names"
)

// checkStreamName tells whether a stream can have the name.
func checkStreamName(name string) error {
	if name == "" || strings.ContainsAny(name, ":/\x00") {
		return vfs.ErrInvalidName
	}
	if len(name) > maxName {
		return vfs.ErrNameTooLong
	}
	return nil
}

// nameCost returns what a named stream costs besides its data.
func nameCost(name string) int64 { return namedCost + 2*int64(len(name)) }

// Streams lists the named streams.
func (n *node) Streams(context.Context, *vfs.Cred) ([]vfs.StreamInfo, error) {
	if n.st != nil {
		return nil, nil
	}
	n.ino.mu.RLock()
	defer n.ino.mu.RUnlock()
	var out []vfs.StreamInfo
	for _, st := range n.ino.streams {
		out = append(out, vfs.StreamInfo{Name: st.name, Size: st.data.size, Alloc: st.data.allocated()})
	}
	slices.SortFunc(out, func(a, b vfs.StreamInfo) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// Stream returns a Node of a named stream.
func (n *node) Stream(_ context.Context, _ *vfs.Cred, name string, create bool) (vfs.Node, error) {
	if err := checkStreamName(name); err != nil {
		return nil, err
	}
	if n.st != nil {
		return nil, errors.ErrUnsupported
	}
	if !n.decorated() {
		return nil, fs.ErrNotExist
	}
	ino, folded := n.ino, names.Fold(name)
	ino.mu.Lock()
	defer ino.mu.Unlock()
	st := ino.streams[folded]
	switch {
	case ino.freed:
		return nil, vfs.ErrStale
	case st != nil && create:
		return nil, fs.ErrExist
	case st == nil && !create:
		return nil, fs.ErrNotExist
	case create:
		if err := ino.payLocked(0, nameCost(name)); err != nil {
			return nil, err
		}
		st = &stream{name: name}
		if ino.streams == nil {
			ino.streams = make(map[string]*stream)
		}
		ino.streams[folded] = st
		ino.change = timeNow()
	}
	return ino.refStream(st), nil
}

// findStreamLocked returns a named stream and its folded name. The caller holds
// mu.
func (n *node) findStreamLocked(name string) (st *stream, folded string, err error) {
	folded = names.Fold(name)
	if n.st == nil {
		st = n.ino.streams[folded]
	}
	if st == nil {
		return nil, folded, fs.ErrNotExist
	}
	return st, folded, nil
}

// RemoveStream deletes a named stream.
func (n *node) RemoveStream(_ context.Context, _ *vfs.Cred, name string) error {
	if err := checkStreamName(name); err != nil {
		return err
	}
	n.ino.mu.Lock()
	defer n.ino.mu.Unlock()
	st, folded, err := n.findStreamLocked(name)
	if err != nil {
		return err
	}
	n.ino.endStreamLocked(st, folded)
	n.ino.change = timeNow()
	return nil
}

// endStreamLocked takes a stream off the file, which those who hold it will
// notice. The caller holds mu.
func (ino *inode) endStreamLocked(st *stream, folded string) {
	delete(ino.streams, folded)
	cost := nameCost(st.name)
	ino.meta -= cost
	st.gone = true
	ino.fs.space.give(cost + st.data.clear())
}

// RenameStream gives a named stream another name.
func (n *node) RenameStream(_ context.Context, _ *vfs.Cred, oldName, newName string, replace bool) error {
	for _, name := range []string{oldName, newName} {
		if err := checkStreamName(name); err != nil {
			return err
		}
	}
	ino := n.ino
	ino.mu.Lock()
	defer ino.mu.Unlock()
	st, oldFolded, err := n.findStreamLocked(oldName)
	if err != nil {
		return err
	}
	there, newFolded, err := n.findStreamLocked(newName)
	taken := err == nil && there != st
	if taken && !replace {
		return fs.ErrExist
	}
	if err := ino.payLocked(nameCost(st.name), nameCost(newName)); err != nil {
		return err
	}
	if taken {
		ino.endStreamLocked(there, newFolded)
	}
	delete(ino.streams, oldFolded)
	st.name = newName
	ino.streams[newFolded] = st
	ino.change = timeNow()
	return nil
}
