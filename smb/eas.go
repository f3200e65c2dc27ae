package smb

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"lessor/locking"
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
		case isNeedEa(e.EaName):
			return ntstatus.AccessDenied // as other names that the storage uses itself
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

// enterEas keeps others from changing the extended attributes of a file until leave is called: what
// they change between the reading and the writing would be lost. It is the innermost gate: no path
// has a NUL.
func (r *request) enterEas(n vfs.Node) (leave func()) {
	return r.locks().Enter(locking.Key(n.ID().Key()), "\x00ea")
}

// changeEas sets or, with an empty value, removes extended attributes of a file, and notes
// which of them it cannot be understood without (FILE_NEED_EA).
func (r *request) changeEas(n vfs.Node, list []wire.EaEntry) error {
	if err := checkEas(list); err != nil {
		return err
	}
	leave := r.enterEas(n)
	defer leave()
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
	if err := r.noteNeeded(ctx, n, list); err != nil {
		r.restoreEas(ctx, n, before)
		return eaError(err)
	}
	return nil
}

// needEaName is an extended attribute that clients do not see. It has the names, folded and
// parted by NUL, of those that somebody has set with FILE_NEED_EA (MS-FSCC 2.4.15), so that
// it goes along when a program copies a file with its attributes. For smbd, which does not
// know it, it is one more attribute. Of a name that the file has no attribute of it says
// nothing.
const needEaName = "lessor.NeedEA"

func isNeedEa(name string) bool { return names.EqualFold(name, needEaName) }

// listEas lists the extended attributes that clients see.
func (r *request) listEas(n vfs.Node, cred *vfs.Cred) ([]string, error) {
	list, err := n.ListXattr(r.ctx(), cred)
	return slices.DeleteFunc(list, isNeedEa), err
}

// neededEas are the folded names of the extended attributes that a file cannot be
// understood without, and perhaps of some that it does not have.
func (r *request) neededEas(n vfs.Node) ([]string, error) {
	value, err := n.Xattr(r.ctx(), nil, needEaName)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errors.ErrUnsupported) || len(value) == 0 {
		return nil, nil
	}
	return strings.Split(string(value), "\x00"), err
}

// eaFlags are the flags of an extended attribute, given what neededEas returned.
func eaFlags(needed []string, name string) uint8 {
	if len(needed) > 0 && slices.Contains(needed, names.Fold(name)) {
		return wire.EaNeed
	}
	return 0
}

// noteNeeded notes what a list of changes says about FILE_NEED_EA.
func (r *request) noteNeeded(ctx context.Context, n vfs.Node, list []wire.EaEntry) error {
	was, err := r.neededEas(n)
	if err != nil {
		return err
	}
	needed := slices.Clone(was)
	for i := range list {
		e := &list[i]
		folded := names.Fold(e.EaName)
		at := slices.Index(needed, folded)
		switch need := e.Flags&wire.EaNeed != 0 && len(e.EaValue) > 0; {
		case need && at < 0:
			needed = append(needed, folded)
		case !need && at >= 0:
			needed = slices.Delete(needed, at, at+1)
		}
	}
	if slices.Equal(needed, was) {
		return nil
	}
	var value []byte
	if len(needed) > 0 {
		value = []byte(strings.Join(needed, "\x00"))
	}
	return n.SetXattr(ctx, r.cred(), needEaName, value)
}

// mustKnowEas refuses who knows no extended attributes a file that has one which it cannot
// be understood without (MS-FSA 2.1.5.1.2).
func (r *request) mustKnowEas(c *creation, n vfs.Node) error {
	if c.q.CreateOptions&wire.OptionNoEAKnowledge == 0 || c.path.Stream != "" || !r.tree.share.caps.Has(vfs.CapXattr) {
		return nil
	}
	needed, err := r.neededEas(n)
	if err != nil || len(needed) == 0 {
		return err
	}
	list, err := r.listEas(n, nil)
	if err != nil {
		return err
	}
	for _, name := range list {
		if eaFlags(needed, name) != 0 {
			return ntstatus.AccessDenied
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
