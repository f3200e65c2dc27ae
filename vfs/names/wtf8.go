package names

import "unicode/utf8"

const (
	// rawBase + b is how decode reports a byte b that belongs to no valid
	// sequence: above all of Unicode, so that it equals nothing but itself.
	rawBase = 0x110000

	surrogateMin = 0xD800
	surrogateLow = 0xDC00
	surrogateMax = 0xDFFF
)

// decode returns the character at s[i:] and its length in bytes. A surrogate in
// three bytes is a character, an invalid byte is rawBase plus its value.
func decode(s string, i int) (rune, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	if r != utf8.RuneError || n > 1 {
		return r, n
	}
	if i+2 < len(s) && s[i] == 0xED && s[i+1]&0xE0 == 0xA0 && s[i+2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[i+1]&0x3F)<<6 | rune(s[i+2]&0x3F), 3
	}
	return rawBase + rune(s[i]), 1
}

// appendRune appends what decode returned r for.
func appendRune(dst []byte, r rune) []byte {
	switch {
	case r < utf8.RuneSelf:
		return append(dst, byte(r))
	case r >= rawBase:
		return append(dst, byte(r-rawBase))
	case r >= surrogateMin && r <= surrogateMax:
		return append(dst, 0xED, 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	default:
		return utf8.AppendRune(dst, r)
	}
}

// UTF16Len returns the length of s in UTF-16 units, the measure in which
// Windows limits names. An invalid byte counts as one unit.
func UTF16Len(s string) int {
	n := 0
	for i := 0; i < len(s); {
		if s[i] < utf8.RuneSelf {
			i++
			n++
			continue
		}
		r, size := decode(s, i)
		if r > 0xFFFF && r < rawBase {
			n++
		}
		n++
		i += size
	}
	return n
}

// IsASCII reports whether s has no byte above 0x7F, so that it has but one form in
// Unicode.
func IsASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}
