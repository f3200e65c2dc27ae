package smb

import (
	"lessor/vfs"
	"lessor/vfs/names"
)

// NameForms says what becomes of names that Unicode can write in two ways, an é being one
// character (form C) or an e with an accent behind it (form D). Clients of Apple take
// both for one name and ask for form C, while what was copied from a Mac by other
// ways often has form D. Opens with POSIX semantics take names as they are in any case.
type NameForms uint8

const (
	// NameFormsApart takes both forms for two names.
	NameFormsApart NameForms = iota
	// NameFormsMatch takes them for one name, which is stored and shown as it came.
	NameFormsMatch
	// NameFormsC takes them for one name, stores new names in form C, and shows all in it.
	//
	// If both lie in one directory, because somebody else than a client has made them, the
	// one in form C has the name. The other is shown with private characters in the place of all bytes that
	// are not ASCII (names.Spell), and can be opened, renamed and deleted by that name.
	NameFormsC
)

// oneForm reports whether names that differ in their form alone are one.
func (sh *share) oneForm() bool { return sh.NameForms != NameFormsApart }

// rule says which names are one.
func (sh *share) rule() names.Rule { return names.Rule{Fold: !sh.CaseSensitive, Form: sh.oneForm()} }

// named adds to the options of a look-up which names are one on the share.
func (sh *share) named(o vfs.LookupOptions) vfs.LookupOptions {
	o.Fold, o.Form = !sh.CaseSensitive, sh.oneForm()
	return o
}

// form is the form in which a name is stored and shown.
func (sh *share) form(name string) string {
	if sh.NameForms == NameFormsC {
		return names.NFC(name)
	}
	return name
}

// hasSpelled reports whether a name or path could have one in it that is shown by its
// bytes.
func (sh *share) hasSpelled(path string) bool {
	if sh.NameForms != NameFormsC || names.IsASCII(path) {
		return false
	}
	_, spelled := names.Unspell(path)
	return spelled
}

// entryName is the name under which clients see an entry of a directory.
func (r *request) entryName(sh *share, dir vfs.Node, disk string) string {
	if sh.NameForms != NameFormsC || names.IsASCII(disk) || names.NFC(disk) == disk || !r.shadowed(sh, dir, disk) {
		return sh.clientName(disk)
	}
	return names.MapReserved(names.Spell(disk))
}

// shadowed reports whether another entry of a directory has the name that clients would see
// this one under.
func (r *request) shadowed(sh *share, dir vfs.Node, disk string) bool {
	n, actual, err := dir.Lookup(r.ctx(), r.cred(), names.NFC(disk), vfs.LookupOptions{Form: true, NoFollow: true})
	if err != nil {
		return false
	}
	n.Release()
	if actual == disk {
		return false
	}
	if similar, ok := sh.lines.allow("twins"); ok {
		sh.log.Warn().Str("share", sh.Name).Str("name", actual).Int("similar", similar).
			Msg("two files have the same name but for its form in Unicode: one is shown by its bytes, rename it")
	}
	return true
}

// shownName is the name of an entry as the client of the open sees it.
func (l *listing) shownName(disk string) string {
	if l.o.posix {
		return l.o.shownName(disk)
	}
	return l.r.entryName(l.o.share(), l.o.grip.base, disk)
}

// matches reports whether an entry is one that the client wants to see.
func (l *listing) matches(e *vfs.DirEntry) bool {
	name := l.shownName(e.Name)
	if l.o.rule().Form {
		name = names.NFC(name)
	}
	return l.s.pattern.Match(name)
}
