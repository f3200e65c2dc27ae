package names

import (
	"strings"

	"golang.org/x/text/unicode/norm"
)

// Unicode can write many a letter in two ways: é is one character in normal form C, and an
// e with an accent behind it in form D (UAX #15). macOS takes both for one name and sends
// form C; its older file systems stored form D, and what copies files from there keeps it.

// NFC returns s in normal form C. It returns s itself, without allocation, if that is in
// it already, as all of ASCII is. What is not UTF-8 stays.
func NFC(s string) string {
	if IsASCII(s) || norm.NFC.QuickSpanString(s) == len(s) {
		return s
	}
	if c := norm.NFC.String(s); c != s {
		return c
	}
	return s
}

// nfd returns s in normal form D.
func nfd(s string) string {
	if IsASCII(s) || norm.NFD.QuickSpanString(s) == len(s) {
		return s
	}
	return norm.NFD.String(s)
}

// Rule says which names are one, besides those that are equal byte by byte.
type Rule struct {
	Fold bool // those that differ in case alone, as Fold has it
	Form bool // those that have the same normal form C
}

// Key is what all names have in common that are one by some Rule. It is made of form D,
// because a letter with an accent may have no upper case in one piece.
func Key(s string) string { return Fold(nfd(s)) }

// Key is what all names have in common that are one by the Rule, and no others.
func (r Rule) Key(s string) string {
	if r.Form {
		s = nfd(s)
	}
	if r.Fold {
		s = Fold(s)
	}
	return s
}

// Same reports whether two names are one.
func (r Rule) Same(a, b string) bool {
	switch {
	case a == b:
		return true
	case r.Form:
		return r.Key(a) == r.Key(b)
	default:
		return r.Fold && EqualFold(a, b)
	}
}

// Applies reports whether the Rule could make s one with another name.
func (r Rule) Applies(s string) bool { return r.Fold || r.Form && !IsASCII(s) }

// Closer reports whether a is to be preferred to b where both are one with name, and
// not equal to each other: name itself comes first, then what differs in its form alone,
// then what differs in its case alone, then the rest, in the order of bytes.
func (r Rule) Closer(a, b, name string) bool {
	if a == name || b == name {
		return a == name
	}
	if r.Form && r.Fold {
		form := NFC(name)
		if x, y := NFC(a) == form, NFC(b) == form; x != y {
			return x
		}
		if x, y := EqualFold(a, name), EqualFold(b, name); x != y {
			return x
		}
	}
	return a < b
}

// Spell writes every byte of a name that is not ASCII as the character that stands for an
// invalid byte: so a name can be shown that differs from another one in its form alone.
// Clients leave these characters as they are. Unspell leads back.
func Spell(name string) string {
	out := make([]byte, 0, 2*len(name))
	for i := range len(name) {
		if c := name[i]; c >= 0x80 {
			out = appendRune(out, escapeBase+rune(c))
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

// Unspell undoes Spell; spelled is false if name has no such character.
func Unspell(name string) (disk string, spelled bool) {
	// The first two bytes of U+F780 to U+F7BF, and of U+F7C0 to U+F7FF.
	if !strings.Contains(name, "\xef\x9e") && !strings.Contains(name, "\xef\x9f") {
		return name, false
	}
	disk = unescape(name)
	return disk, disk != name
}
