package smb

import (
	"context"
	"errors"
	"io/fs"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Changes of extended attributes (MS-FSA 2.1.5.15.5; MS-FSCC 2.4.16). All of a list are
// made, or none.

// maxEas is how many bytes all extended attributes of a file take at most, as eaSizeOf
// counts them: the size has 16 bits where NTFS stores it.
const maxEas = 0xffff

// maxEaChanges bounds the entries of a list: as many as a file can have, taken away and set.
const maxEaChanges = 2 * maxEas / eaHeader

// checkEas refuses what no file can have.
func checkEas(list []wire.EaEntry) error {
	if len(list) > maxEaChanges {
		return ntstatus.EaTooLarge
	}
	for i := range list {
		switch e := &list[i]; {
		case !validEaName(e.EaName):
			return ntstatus.InvalidEaName
		case e.Flags&^wire.EaNeed != 0:
			return ntstatus.InvalidEaFlag
		}
	}
	return nil
}

// storedEa is an extended attribute as it was; the value is nil if there was none.
type storedEa struct {
	name  string
	value []byte
}

// changeEas sets or, with an empty value, removes extended attributes of a file. That a
// file needs one of them to be understood (FILE_NEED_EA) is not stored.
func (r *request) changeEas(n vfs.Node, list []wire.EaEntry) error {
	if err := checkEas(list); err != nil {
		return err
	}
	ctx, cred := r.ctx(), r.cred()
	size, err := r.eaSizeOf(n)
	if err != nil {
		return err
	}
	before := make(map[string]storedEa, len(list))
	after := make(map[string]int, len(list)) // the place in list of what a name gets last
	total := max(int(size), eaListHeader)
	for i := range list {
		e := &list[i]
		folded := names.Fold(e.EaName)
		was, seen := before[folded]
		if !seen {
			was.name = e.EaName
			was.value, err = n.Xattr(ctx, cred, e.EaName)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			before[folded] = was
			total -= eaCost(was.name, was.value)
		} else {
			total -= eaCost(e.EaName, list[after[folded]].EaValue)
		}
		after[folded] = i
		total += eaCost(e.EaName, e.EaValue)
	}
	if total > maxEas {
		return ntstatus.EaTooLarge
	}
	for i := range list {
		e := &list[i]
		value := e.EaValue
		if len(value) == 0 {
			value = nil
		}
		if err := n.SetXattr(ctx, cred, e.EaName, value); err != nil {
			r.restoreEas(ctx, n, before)
			return eaError(err)
		}
	}
	return nil
}

// eaCost is what an extended attribute takes of maxEas; one without a value does not
// exist.
func eaCost(name string, value []byte) int {
	if len(value) == 0 {
		return 0
	}
	return eaHeader + len(name) + 1 + len(value)
}

// restoreEas puts back what was there. What there was room for before, there is room for
// once the rest is gone.
func (r *request) restoreEas(ctx context.Context, n vfs.Node, before map[string]storedEa) {
	for _, e := range before {
		if e.value == nil {
			_ = n.SetXattr(ctx, r.cred(), e.name, nil)
		}
	}
	for _, e := range before {
		if e.value != nil {
			_ = n.SetXattr(ctx, r.cred(), e.name, e.value)
		}
	}
}

// eaError is the status for an error of the storage.
func eaError(err error) error {
	switch {
	case errors.Is(err, vfs.ErrInvalidName):
		// checkEas has let it pass, so it is a name that the storage has for what it
		// keeps itself. Samba answers that way, too.
		return ntstatus.AccessDenied
	case errors.Is(err, vfs.ErrTooLarge), errors.Is(err, vfs.ErrNoSpace), errors.Is(err, vfs.ErrNameTooLong):
		return ntstatus.EaTooLarge
	}
	return err
}
