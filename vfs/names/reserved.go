package names

import "strings"

// Clients that must store a name which Windows forbids put private characters in
// the place of the forbidden ones: mount.cifs with mapposix and macOS use the
// table of Services for Macintosh. By default a server stores these characters as
// they come. A share whose files are also used locally may translate instead.

// reservedBase maps the control characters 0x01 to 0x1F to U+F001 to U+F01F.
const reservedBase = 0xF000

// reservedChars are the forbidden characters which have a private one, in the
// order of the private ones from reservedFirst on. A space and a period are
// forbidden only at the end of a name.
const (
	reservedChars = `"*:<>?\| .`
	reservedFirst = 0xF020
)

// MapReserved replaces the characters of a disk name which Windows forbids by
// private ones, including a space or period at the end.
func MapReserved(disk string) string {
	bad := func(i int) bool {
		c := disk[i]
		return c < 0x20 || c < 0x80 && forbidden(c) && c != '/' ||
			i == len(disk)-1 && (c == ' ' || c == '.')
	}
	if disk == "." || disk == ".." {
		return disk
	}
	for i := range len(disk) {
		if !bad(i) {
			continue
		}
		out := append(make([]byte, 0, len(disk)+8), disk[:i]...)
		for ; i < len(disk); i++ {
			switch c := disk[i]; {
			case !bad(i):
				out = append(out, c)
			case c < 0x20:
				out = appendRune(out, reservedBase+rune(c))
			default:
				out = appendRune(out, reservedFirst+rune(strings.IndexByte(reservedChars, c)))
			}
		}
		return string(out)
	}
	return disk
}

// UnmapReserved undoes MapReserved, for disk names that have no such private
// character themselves; name has passed CheckComponent. A name that would become "." or ".." stays as it is; the result
// never has a '/' or NUL that the name had not.
func UnmapReserved(name string) string {
	if IsASCII(name) {
		return name
	}
	out := make([]byte, 0, len(name))
	for i := 0; i < len(name); {
		r, n := decode(name, i)
		last := i+n == len(name)
		switch {
		case r > reservedBase && r < reservedBase+0x20:
			out = append(out, byte(r-reservedBase))
		case r >= reservedFirst && r < reservedFirst+rune(len(reservedChars)) && (last || r < reservedFirst+8):
			out = append(out, reservedChars[r-reservedFirst])
		default:
			out = append(out, name[i:i+n]...)
		}
		i += n
	}
	if s := string(out); s != "." && s != ".." {
		return s
	}
	return name
}
