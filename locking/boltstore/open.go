package boltstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// formatVersion is the version of the layout in doc.go.
const formatVersion = 1

// fileMode is that of the file: it names users and what they have open.
const fileMode = 0o600

// DefaultLockTimeout is how long Open waits for another process to end: a
// server that is being restarted may still be closing.
const DefaultLockTimeout = 2 * time.Second

// Options are the settings of a Store. The zero value is usable.
type Options struct {
	// LockTimeout is how long Open waits while another process has the file
	// open; 0 is the default.
	LockTimeout time.Duration
}

var (
	bucketMeta  = []byte("meta")
	bucketOpens = []byte("opens")
	bucketLocks = []byte("locks")
	bucketOwned = []byte("owned")

	keyVersion = []byte("version")
	keyGUID    = []byte("guid")
	keyEpoch   = []byte("epoch")
)

// Open opens the store in a file, which it makes, with mode 0600, if there is
// none. The directory must exist. Errors: ErrInUse, ErrNewer, ErrCorrupt, with a
// text that says what to do, and those of the operating system.
func Open(path string, opts Options) (*Store, error) {
	if opts.LockTimeout <= 0 {
		opts.LockTimeout = DefaultLockTimeout
	}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if err := create(path, opts); err != nil {
			return nil, fmt.Errorf("lock store %s: %w", path, err)
		}
	case err != nil:
		return nil, fmt.Errorf("lock store: %w", err)
	case info.IsDir():
		return nil, fmt.Errorf("lock store %s: it is a directory", path)
	case info.Size() == 0:
		return nil, corrupt(path, "it is empty")
	}
	db, err := openFile(path, opts)
	if err != nil {
		return nil, err
	}
	return &Store{path: path, opts: opts, db: db}, nil
}

// create makes an empty store under another name and gives it its own when it
// is complete. Of two processes that try, one wins and both are content.
func create(path string, opts Options) (err error) {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	f, err := os.CreateTemp(dir, base+".*.new") // its mode is 0600
	if err != nil {
		return err
	}
	tmp := f.Name()
	defer func() { _ = os.Remove(tmp) }()
	if err := f.Close(); err != nil {
		return err
	}
	db, err := bbolt.Open(tmp, fileMode, boltOptions(opts))
	if err != nil {
		return err
	}
	err = db.Update(initialise)
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Link(tmp, path); errors.Is(err, fs.ErrExist) {
		return nil
	} else if err != nil {
		// A file system without hard links.
		if err := os.Rename(tmp, path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// syncDir makes the name of a new file survive the machine.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// initialise fills a new file.
func initialise(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketMeta, bucketOpens, bucketLocks, bucketOwned} {
		if _, err := tx.CreateBucket(name); err != nil {
			return err
		}
	}
	var guid [16]byte
	if _, err := rand.Read(guid[:]); err != nil {
		return err
	}
	meta := tx.Bucket(bucketMeta)
	return errors.Join(
		meta.Put(keyVersion, seal(bucketMeta, keyVersion, number(formatVersion))),
		meta.Put(keyGUID, seal(bucketMeta, keyGUID, guid[:])),
		meta.Put(keyEpoch, seal(bucketMeta, keyEpoch, number(0))),
	)
}

func boltOptions(opts Options) *bbolt.Options {
	return &bbolt.Options{
		Timeout: opts.LockTimeout,
		// What is free follows from what is in use. To write it with every
		// transaction would make all of them slow for ever after a day with
		// very many locks.
		NoFreelistSync: true,
		FreelistType:   bbolt.FreelistMapType,
		NoStatistics:   true,
	}
}

// openFile opens an existing file and refuses it if anything about it is wrong.
// It looks over it before bbolt does, which takes a file on trust and looks for
// free pages on a goroutine of its own, where nobody can catch a panic.
func openFile(path string, opts Options) (*bbolt.DB, error) {
	o := boltOptions(opts)
	o.ReadOnly = true
	db, file, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	err = guarded(path, func() error {
		return db.View(func(tx *bbolt.Tx) error { return check(path, file, tx) })
	})
	if cerr := db.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("lock store %s: %w", path, cerr)
	}
	if err != nil {
		return nil, err
	}
	db, _, err = openBolt(path, boltOptions(opts))
	return db, err
}

// openBolt is bbolt.Open with errors that a person understands. It never makes a
// file.
func openBolt(path string, o *bbolt.Options) (db *bbolt.DB, file *os.File, err error) {
	o.OpenFile = func(name string, flag int, mode os.FileMode) (*os.File, error) {
		f, err := os.OpenFile(name, flag&^os.O_CREATE, mode)
		file = f
		return f, err
	}
	err = guarded(path, func() (err error) {
		db, err = bbolt.Open(path, fileMode, o)
		return err
	})
	var osErr *fs.PathError
	var errno syscall.Errno
	switch {
	case err == nil:
		return db, file, nil
	case errors.Is(err, berrors.ErrTimeout):
		return nil, nil, inUse(path)
	case errors.Is(err, ErrCorrupt):
		_ = file.Close() // and with it the lock: bbolt has lost its way
		return nil, nil, err
	case errors.As(err, &osErr), errors.As(err, &errno):
		return nil, nil, fmt.Errorf("lock store %s: %w", path, err)
	}
	return nil, nil, corrupt(path, "%v", err)
}

// guarded makes an error of a panic: bbolt panics when a page is not what it
// should be, and so does, here, an access to a part of the file that is not
// there.
func guarded(path string, fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = corrupt(path, "%v", p)
		}
	}()
	return fn()
}
