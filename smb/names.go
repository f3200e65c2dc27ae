package smb

import (
	"strings"

	"lessor/vfs"
	"lessor/vfs/names"
)

// clientName is the name, or the path joined by '/', under which clients see what
// is stored under disk. What Windows allows in no name, such as a colon, is shown
// as the private character that macOS and mount.cifs use for it; what is not valid
// UTF-8 is shown escaped. It costs nothing for names without surprises.
func (sh *share) clientName(disk string) string {
	if isPlain(disk) {
		return disk
	}
	return eachName(disk, func(name string) string { return names.MapReserved(sh.form(names.FromDisk(name))) })
}

// clientStream is clientName for a stream, whose name may have nearly every
// character.
func (sh *share) clientStream(disk string) string { return names.FromDisk(disk) }

// clientTarget is clientName for the target of a symbolic link, which need not be
// a path of the share.
func (sh *share) clientTarget(disk string) string { return eachName(disk, names.FromDisk) }

// clientEvent is the path of an event as clients see it: that of a stream has its
// name behind a colon.
func (sh *share) clientEvent(path string, action vfs.Action) string {
	stream := ""
	if colon := strings.LastIndexByte(path, ':'); colon >= 0 && action >= vfs.ActionAddedStream {
		path, stream = path[:colon], ":"+sh.clientStream(path[colon+1:])
	}
	return strings.ReplaceAll(sh.clientName(path), "/", `\`) + stream
}

// diskName is the stored form of a name, or of a path joined by '/', that a
// client gave and that has passed the checks of package names. Private characters
// are stored as they come, as other servers do; storedPath finds files that have
// the forbidden ones in their place.
func (sh *share) diskName(client string) string {
	return eachName(client, func(name string) string { return sh.form(names.ToDisk(name)) })
}

// eachName applies a translation of names to every name of a path: it must not
// matter to a name in what directory it stands.
func eachName(path string, translate func(string) string) string {
	if strings.IndexByte(path, '/') < 0 {
		return translate(path)
	}
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = translate(parts[i])
	}
	return strings.Join(parts, "/")
}

// plain has the bytes that mean the same on the disk and to clients wherever they
// stand in a name, and the separator of paths.
var plain = func() (t [256]bool) {
	for c := byte(' ') + 1; c < 0x7f; c++ {
		t[c] = strings.IndexByte(`"*:<>?\|.`, c) < 0
	}
	return t
}()

// isPlain reports whether a name or path looks the same to clients: no byte that
// needs a translation, and no space or period at the end of a name.
func isPlain(path string) bool {
	for i := range len(path) {
		c := path[i]
		if plain[c] {
			continue
		}
		if c != ' ' && c != '.' || i+1 == len(path) || path[i+1] == '/' {
			return false
		}
	}
	return true
}
