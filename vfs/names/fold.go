package names

import (
	"unicode"
	"unicode/utf8"
)

// upcasePages holds the upper case of the basic plane in pages of 256; a page
// without any lower-case letter is nil. Constant after initialisation.
var upcasePages = buildUpcase()

// buildUpcase derives the table of NTFS from Unicode's simple case mappings. NTFS
// keeps a mapping where the way back leads to the same character, so that µ, ı,
// ſ, ϐ, the title-case digraphs and their like stay as they are. The final sigma
// is the exception. Georgian and Cherokee got their second case long after the
// table of NTFS was frozen.
func buildUpcase() *[256]*[256]uint16 {
	pages := new([256]*[256]uint16)
	for _, cr := range unicode.CaseRanges {
		for c := cr.Lo; c <= cr.Hi && c <= 0xFFFF; c++ {
			r := rune(c)
			up := unicode.ToUpper(r)
			if up == r || up > 0xFFFF || !ntfsFolds(r, up) {
				continue
			}
			page := pages[c>>8]
			if page == nil {
				page = new([256]uint16)
				for i := range page {
					page[i] = uint16(c&0xFF00) | uint16(i)
				}
				pages[c>>8] = page
			}
			page[c&0xFF] = uint16(up)
		}
	}
	return pages
}

// ntfsFolds tells whether NTFS maps r to up.
func ntfsFolds(r, up rune) bool {
	switch {
	case r == 'ς':
		return true
	case r >= 0x10D0 && r <= 0x10FF, r >= 0x13F8 && r <= 0x13FD, r >= 0xAB70 && r <= 0xABBF:
		return false
	default:
		return unicode.ToLower(up) == r
	}
}

// upcase returns the upper case of one character as decode gives it.
func upcase(r rune) rune {
	if r < utf8.RuneSelf {
		if r >= 'a' && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	if r > 0xFFFF {
		return r
	}
	if page := upcasePages[r>>8]; page != nil {
		return rune(page[r&0xFF])
	}
	return r
}

// Fold returns s with every UTF-16 unit in upper case, by the table of NTFS.
// Two names are the same without regard to case exactly when their folded forms
// are equal. It returns s itself, without allocation, if nothing changes.
func Fold(s string) string {
	for i := 0; i < len(s); {
		r, n := decode(s, i)
		if upcase(r) != r {
			dst := make([]byte, i, len(s)+4)
			copy(dst, s[:i])
			return string(appendFold(dst, s, i))
		}
		i += n
	}
	return s
}

// AppendFold appends the folded form of s to dst, for look-ups in a map that
// need no allocation.
func AppendFold(dst []byte, s string) []byte { return appendFold(dst, s, 0) }

// appendFold appends the folded form of s[i:].
func appendFold(dst []byte, s string, i int) []byte {
	for i < len(s) {
		if c := s[i]; c < utf8.RuneSelf {
			dst = append(dst, byte(upcase(rune(c))))
			i++
			continue
		}
		r, n := decode(s, i)
		dst = appendRune(dst, upcase(r))
		i += n
	}
	return dst
}

// EqualFold reports whether a and b are the same name without regard to case,
// that is Fold(a) == Fold(b). It does not allocate.
func EqualFold(a, b string) bool {
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		r, n := decode(a, i)
		q, m := decode(b, j)
		if r != q && upcase(r) != upcase(q) {
			return false
		}
		i += n
		j += m
	}
	return i == len(a) && j == len(b)
}
