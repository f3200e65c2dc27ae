package smbtorture

import (
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// What a share with a snapshot has, in both: two files, and a stream of one in the snapshot.
const (
	snapshotFile   = "file"
	snapshotLink   = "subdir/hardlink"
	snapshotStream = "user.DosStream.stream:$DATA" // as Samba stores a stream, with a zero behind
)

// makeSnapshot makes files in a directory, and others of the same names in a snapshot of it.
func makeSnapshot(dir, name string) error {
	then := filepath.Join(dir, ".snapshots", name)
	for _, top := range []string{dir, then} {
		if err := os.MkdirAll(filepath.Join(top, filepath.Dir(snapshotLink)), 0o755); err != nil {
			return err
		}
		for _, file := range []string{snapshotFile, snapshotLink} {
			if err := os.WriteFile(filepath.Join(top, file), []byte(top), 0o644); err != nil {
				return err
			}
		}
	}
	return unix.Setxattr(filepath.Join(then, snapshotFile), snapshotStream, append(make([]byte, 100), 0), 0)
}
