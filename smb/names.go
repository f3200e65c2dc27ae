package smb

import (
	"strings"

	"lessor/vfs/names"
)

// clientName is the name, or the path joined by '/', under which clients see what
// is stored under disk. It costs nothing for names without surprises.
func (sh *share) clientName(disk string) string { return eachName(disk, names.FromDisk) }

// diskName is the stored form of a name, or of a path joined by '/', that a
// client gave and that has passed the checks of package names. It undoes
// clientName.
func (sh *share) diskName(client string) string { return eachName(client, names.ToDisk) }

// eachName applies a translation of names to every name of a path: it must not
// matter to a name in what directory it stands.
func eachName(path string, translate func(string) string) string {
	if isASCII(path) {
		return path
	}
	if strings.IndexByte(path, '/') < 0 {
		return translate(path)
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = translate(parts[i])
	}
	return strings.Join(parts, "/")
}

// isASCII reports whether s has no byte above 0x7F.
func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
