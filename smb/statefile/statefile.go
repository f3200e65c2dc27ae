package statefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace writes data to a new file of mode 0600 beside path, makes it durable and puts it
// in the place of path. prepare, which may be nil, is called with the file before anything is
// in it. The result describes the new file. After an error path is as it was, unless it is one
// of making the new name durable.
func Replace(path string, data []byte, prepare func(*os.File) error) (info fs.FileInfo, err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if prepare != nil {
		if err := prepare(f); err != nil {
			return nil, err
		}
	}
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, err
	}
	return info, SyncDir(dir)
}

// SyncDir makes the names in a directory durable.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// SameVersion reports whether two descriptions are of the same file with nothing changed in
// between.
func SameVersion(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.ModTime().Equal(b.ModTime()) && a.Size() == b.Size() && a.Mode() == b.Mode()
}
