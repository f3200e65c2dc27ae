package names

import (
	"hash/fnv"
	"strings"
)

// shortDigits are the characters of the hash in a short name.
const shortDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUV"

// ShortName makes up a DOS name of at most 8 and 3 characters (MS-FSCC 2.1.5.2.1)
// for a long one. It depends on nothing but its arguments; salt, such as a file
// number, tells files apart whose names differ in case alone. A name that is a
// DOS name already has no other, and the result is empty.
func ShortName(name string, salt uint32) string {
	if isShort(name) {
		return ""
	}
	base, ext := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		base, ext = name[:dot], name[dot+1:]
	}
	h := fnv.New32a()
	_, _ = h.Write(AppendFold(nil, name))
	sum := h.Sum32() ^ salt*0x9E3779B1
	out := make([]byte, 0, 12)
	out = appendShort(out, base, 2)
	for range 4 {
		out = append(out, shortDigits[sum&31])
		sum >>= 5
	}
	out = append(out, '~', '1'+byte(sum%9))
	if ext = string(appendShort(nil, ext, 3)); ext != "" {
		out = append(append(out, '.'), ext...)
	}
	return string(out)
}

// isShort tells whether name is a DOS name but for the case of its letters.
func isShort(name string) bool {
	base, ext, dotted := strings.Cut(name, ".")
	if base == "" || len(base) > 8 || len(ext) > 3 || dotted && ext == "" {
		return false
	}
	return len(appendShort(nil, base, 8)) == len(base) && len(appendShort(nil, ext, 3)) == len(ext)
}

// appendShort appends up to n characters of s that a DOS name may have.
func appendShort(dst []byte, s string, n int) []byte {
	for i := 0; i < len(s) && n > 0; i++ {
		c := s[i]
		if c >= 'a' && c <= 'z' {
			c -= 'a' - 'A'
		}
		if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || strings.IndexByte("!#$%&'()-@^_`{}~", c) >= 0 {
			dst = append(dst, c)
			n--
		}
	}
	return dst
}
