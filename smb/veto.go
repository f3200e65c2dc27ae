package smb

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Names that a share treats in a way of its own: those that do not exist for clients
// (Share.Veto), and those that are shown with FILE_ATTRIBUTE_HIDDEN (Share.Hide). Both
// are patterns of single names, matched without regard to case wherever the name stands
// in a path, in the form in which clients see it.
//
// A name that does not exist is kept from clients at the four places where names come
// in or go out: the path of a CREATE, the new name of a rename or a link, listings, and
// change notifications. What is found through a symbolic link that somebody else than a
// client has made is where that person wanted it to be.

// nameRules are the compiled patterns of a share.
type nameRules struct {
	veto, hide []names.Pattern
}

// compileNames prepares patterns.
func compileNames(list []string) []names.Pattern {
	out := make([]names.Pattern, 0, len(list))
	for _, text := range list {
		out = append(out, names.Compile(oneSpelling(text)))
	}
	return out
}

// oneSpelling is what all names have in common that a look-up could take for one. It is in
// form C again, in which most letters are one character for a ? of a pattern.
func oneSpelling(name string) string {
	if names.IsASCII(name) {
		return name
	}
	return names.NFC(names.Key(name))
}

// matchesAny reports whether one of the patterns matches a name, in whatever form of
// Unicode.
func matchesAny(list []names.Pattern, name string) bool {
	one := oneSpelling(name)
	// A letter that has no upper case in one piece is one character in form C alone.
	name = names.NFC(name)
	for i := range list {
		if p := &list[i]; p.Match(name) || one != name && p.Match(one) {
			return true
		}
	}
	return false
}

// vetoed reports whether a name, as stored, does not exist for clients.
func (sh *share) vetoed(name string) bool {
	return len(sh.rules.veto) > 0 && name != "" && matchesAny(sh.rules.veto, sh.clientName(name))
}

// vetoedPath reports whether a path, as stored, leads through a name that does not
// exist for clients, and whether that is its last one alone.
func (sh *share) vetoedPath(path string) (vetoed, last bool) {
	if hidden, itself := sh.isSnapshotDir(path); hidden {
		return true, itself
	}
	if len(sh.rules.veto) == 0 {
		return false, false
	}
	for rest := path; rest != ""; {
		var name string
		var more bool
		name, rest, more = strings.Cut(rest, "/")
		if sh.vetoed(name) {
			return true, !more
		}
	}
	return false, false
}

// checkVeto refuses the path of a CREATE that leads to what does not exist for clients.
// Nothing can be made there either.
func (r *request) checkVeto(path string, disposition uint32) error {
	switch vetoed, last := r.tree.share.vetoedPath(path); {
	case !vetoed:
		return nil
	case !last:
		return ntstatus.ObjectPathNotFound
	case mayCreate(disposition):
		return ntstatus.AccessDenied
	default:
		return ntstatus.ObjectNameNotFound
	}
}

// checkVetoedName refuses a new name that would not exist for clients.
func (sh *share) checkVetoedName(path string) error {
	if vetoed, _ := sh.vetoedPath(path); vetoed {
		return ntstatus.AccessDenied
	}
	return nil
}

// attributes is dosAttributes with what the share says about names.
func (sh *share) attributes(at *vfs.Attr, name string) uint32 {
	a := dosAttributes(at, name, !sh.ShowDotFiles)
	if sh.hides(name) {
		a = a&^wire.FileAttributeNormal | wire.FileAttributeHidden
	}
	return a
}

// hides reports whether a name, as clients see it, is shown as hidden whatever was
// stored.
func (sh *share) hides(name string) bool {
	return len(sh.rules.hide) > 0 && name != "" && matchesAny(sh.rules.hide, name)
}

// onlyVetoed reports whether all that a directory has does not exist for clients, and
// whether it is empty.
func (sh *share) onlyVetoed(ctx context.Context, cred *vfs.Cred, dir vfs.Node) (only, empty bool, err error) {
	h, err := dir.Open(ctx, cred, vfs.OpenMode{Read: true})
	if err != nil {
		return false, false, err
	}
	defer func() { _ = h.Close() }()
	empty = true
	var batch [16]vfs.DirEntry
	for {
		n, err := h.ReadDir(ctx, cred, batch[:])
		if errors.Is(err, io.EOF) {
			return true, empty, nil
		}
		if err != nil {
			return false, false, err
		}
		empty = false
		for i := range batch[:n] {
			if !sh.vetoed(batch[i].Name) {
				return false, false, nil
			}
		}
	}
}

// removeDirectory removes an empty directory. One that is empty for clients alone loses
// what else it has first, if the share says so, unless inUse says that somebody has some of
// that open: from a time when it existed for clients.
func (sh *share) removeDirectory(ctx context.Context, parent vfs.Node, dir vfs.Node, name string, inUse func() bool) error {
	err := parent.Remove(ctx, nil, name)
	if !errors.Is(err, vfs.ErrNotEmpty) || !sh.DeleteVetoed || len(sh.rules.veto) == 0 {
		return err
	}
	if only, _, lookErr := sh.onlyVetoed(ctx, nil, dir); lookErr != nil || !only || inUse() {
		return err
	}
	if err := emptyDirectory(ctx, dir, maxVetoedDepth, sh.vetoed); err != nil {
		return err
	}
	return parent.Remove(ctx, nil, name)
}

// maxVetoedDepth bounds how deep emptyDirectory goes.
const maxVetoedDepth = 64

// emptyDirectory removes everything in a directory, without following links; nothing, if
// there is an entry by now that may does not let go.
func emptyDirectory(ctx context.Context, dir vfs.Node, depth int, may func(name string) bool) error {
	if depth == 0 {
		return vfs.ErrNotEmpty
	}
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	var list []vfs.DirEntry
	batch := make([]vfs.DirEntry, scanBatch)
	for {
		n, err := h.ReadDir(ctx, nil, batch)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		list = append(list, batch[:n]...)
	}
	if slices.ContainsFunc(list, func(e vfs.DirEntry) bool { return !may(e.Name) }) {
		return vfs.ErrNotEmpty
	}
	for i := range list {
		if err := removeTree(ctx, dir, list[i].Name, depth); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// removeTree removes one entry of a directory with everything below it.
func removeTree(ctx context.Context, dir vfs.Node, name string, depth int) error {
	n, _, err := dir.Lookup(ctx, nil, name, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return err
	}
	defer n.Release()
	if n.Type() == vfs.TypeDirectory {
		if err := emptyDirectory(ctx, n, depth-1, func(string) bool { return true }); err != nil {
			return err
		}
	}
	return dir.Remove(ctx, nil, name)
}

// notify tells the watchers of the share about changes that belong together, as far as
// they exist for clients: of a rename between a name that does and one that does not,
// half is left.
func (sh *share) notify(events ...vfs.Event) {
	if len(sh.rules.veto) == 0 {
		sh.hub.Notify(events...)
		return
	}
	shown := make([]vfs.Event, 0, len(events))
	for _, e := range events {
		path := e.Path
		if e.Action >= vfs.ActionAddedStream {
			path, _, _ = strings.Cut(path, ":")
		}
		if vetoed, _ := sh.vetoedPath(path); !vetoed {
			shown = append(shown, e)
		}
	}
	if len(shown) < len(events) {
		for i := range shown {
			switch shown[i].Action {
			case vfs.ActionRenamedOld:
				shown[i].Action = vfs.ActionRemoved
			case vfs.ActionRenamedNew:
				shown[i].Action = vfs.ActionAdded
			}
		}
	}
	sh.hub.Notify(shown...)
}
