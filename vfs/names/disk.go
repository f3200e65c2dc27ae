package names

// A byte that is not part of valid WTF-8 is shown to clients as the character
// escapeBase plus its value, so escapes lie in U+F780 to U+F7FF.
//
// Such a character may also stand in a name in its own right, put there by a
// client or by a local program. To keep both directions free of collisions, let
//
//	esc(d)  be d with each invalid byte, and each byte of a character in the
//	        escape range, written as an escape
//	dec(x)  be x with each character in the escape range as the byte it means
//
// so that dec(esc(d)) = d for all d. FromDisk(d) is esc(d) where d is not valid,
// or where d itself is already the appearance of another disk name, that is
// where FromDisk(dec(d)) = d; otherwise it is d. The definition is sound, as
// dec(d) is shorter than d, and it is one to one and onto: ToDisk(x) is dec(x) if
// that appears as x, else x itself.
const (
	escapeBase = 0xF700
	escapeMin  = escapeBase + 0x80
	escapeMax  = escapeBase + 0xFF
)

func isEscape(r rune) bool { return r >= escapeMin && r <= escapeMax }

// FromDisk returns the name under which clients see a directory entry. Clean
// UTF-8, and lone surrogates in their three-byte form, stay as they are and cost
// no allocation. The result is always valid WTF-8, and ToDisk leads back.
func FromDisk(disk string) string {
	valid, escapes := scan(disk)
	if valid && (!escapes || FromDisk(unescape(disk)) != disk) {
		return disk
	}
	return escape(disk)
}

// ToDisk returns the bytes that a name from a client has on disk. It undoes
// FromDisk, and any valid WTF-8 survives the way to disk and back. The result
// has a '/', NUL, "." or ".." only where the name has it.
func ToDisk(name string) string {
	if _, escapes := scan(name); !escapes {
		return name
	}
	if disk := unescape(name); FromDisk(disk) == name {
		return disk
	}
	return name
}

// scan reports whether s is valid WTF-8 and whether it has characters in the
// escape range. Two surrogates that make up a pair are not valid: on the wire
// they would become another character.
func scan(s string) (valid, escapes bool) {
	valid = true
	high := false
	for i := 0; i < len(s); {
		r, n := decode(s, i)
		i += n
		if r >= rawBase || high && isLow(r) {
			valid = false
		}
		high = isHigh(r)
		escapes = escapes || isEscape(r)
	}
	return valid, escapes
}

func isHigh(r rune) bool { return r >= surrogateMin && r < surrogateLow }
func isLow(r rune) bool  { return r >= surrogateLow && r <= surrogateMax }

// escape writes invalid bytes, characters of the escape range, and high
// surrogates before low ones as escapes.
func escape(s string) string {
	out := make([]byte, 0, len(s)+16)
	for i := 0; i < len(s); {
		r, n := decode(s, i)
		bad := r >= rawBase || isEscape(r)
		if isHigh(r) && i+n < len(s) {
			next, _ := decode(s, i+n)
			bad = isLow(next)
		}
		if bad {
			for _, b := range []byte(s[i : i+n]) {
				out = appendRune(out, escapeBase+rune(b))
			}
		} else {
			out = append(out, s[i:i+n]...)
		}
		i += n
	}
	return string(out)
}

// unescape writes every character of the escape range as the byte that it means.
func unescape(s string) string {
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		r, n := decode(s, i)
		if isEscape(r) {
			out = append(out, byte(r-escapeBase))
		} else {
			out = append(out, s[i:i+n]...)
		}
		i += n
	}
	return string(out)
}
