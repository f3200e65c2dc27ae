package boltstore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"lessor/locking"
	"lessor/locking/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Reopen {
		path := filepath.Join(t.TempDir(), "locks.db")
		return func() (locking.LockStore, error) { return Open(path, Options{}) }
	})
}

// newStore makes a store that is closed with the test.
func newStore(t *testing.T) (s *Store, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "locks.db")
	return openStore(t, path), path
}

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, locking.ErrStoreClosed) {
			t.Errorf("Close: %v", err)
		}
	})
	return s
}

func mustCommit(t *testing.T, s *Store, changes ...locking.Change) {
	t.Helper()
	if err := s.Commit(changes); err != nil {
		t.Fatal(err)
	}
}

// content is everything in a store.
type content struct {
	Locks []*locking.PersistedLock
	Opens []*locking.PersistedOpen
}

func load(s *Store) (c content, err error) {
	err = errors.Join(
		s.Load(locking.LockQuery{}, func(p *locking.PersistedLock) error {
			c.Locks = append(c.Locks, p)
			return nil
		}),
		s.LoadOpens(func(p *locking.PersistedOpen) error {
			c.Opens = append(c.Opens, p)
			return nil
		}))
	return c, err
}

func wantContent(t *testing.T, s *Store, want content) {
	t.Helper()
	got, err := load(s)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("content differs (-want +got):\n%s", d)
	}
}

func TestFile(t *testing.T) {
	s, path := newStore(t)
	info, err := os.Stat(path)
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 {
		t.Errorf("%v, %v; want the store and nothing else", list, err)
	}
	if s.Path() != path {
		t.Errorf("Path: %s", s.Path())
	}
	if _, err := Open(filepath.Join(path, "x"), Options{}); err == nil {
		t.Error("opened below a file")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "missing", "locks.db"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("opened without a directory: %v", err)
	}
	if _, err := Open(t.TempDir(), Options{}); err == nil || errors.Is(err, ErrCorrupt) {
		t.Errorf("a directory: %v", err)
	}
}

// wantRefusal expects an error that a person can act on.
func wantRefusal(t *testing.T, path string, err, kind error, remedy string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("%v, want %v", err, kind)
	}
	if !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), remedy) {
		t.Errorf("%q names not the file or no remedy", err)
	}
}

func TestOneProcessAtATime(t *testing.T) {
	s, path := newStore(t)
	_, err := Open(path, Options{LockTimeout: time.Millisecond})
	wantRefusal(t, path, err, ErrInUse, "second server")
	mustCommit(t, s, locking.Change{PutOpen: storetest.OpenRecord(1)})
	// Who waits is served when the other one has ended.
	opened := make(chan *Store)
	go func() {
		s, err := Open(path, Options{LockTimeout: time.Minute})
		if err != nil {
			t.Error(err)
		}
		opened <- s
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = <-opened
	wantContent(t, s, content{Opens: []*locking.PersistedOpen{storetest.OpenRecord(1)}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// edit changes a closed store behind its back.
func edit(t *testing.T, path string, fn func(*bbolt.Tx) error) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(fn), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestVersion(t *testing.T) {
	// The records have a version of their own, but only the one of the file is
	// looked at in time.
	if formatVersion != 1 || locking.PersistedVersion != 1 {
		t.Error("PersistedVersion and formatVersion must be raised together")
	}
	s, path := newStore(t)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	edit(t, path, func(tx *bbolt.Tx) error {
		m := tx.Bucket(bucketMeta)
		return errors.Join(m.Put(keyVersion, seal(bucketMeta, keyVersion, number(2))), tx.DeleteBucket(bucketOwned))
	})
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(path, Options{})
	wantRefusal(t, path, err, ErrNewer, "install that version again")
	if after, err := os.ReadFile(path); err != nil || string(before) != string(after) {
		t.Errorf("a refused file was changed (%v)", err)
	}
}

func TestCorrupt(t *testing.T) {
	s, path := newStore(t)
	for id := range uint64(200) {
		mustCommit(t, s, locking.Change{PutOpen: storetest.OpenRecord(locking.OpenID(id + 1))},
			locking.Change{PutLock: storetest.Lock(id+1, locking.OpenID(id+1), true)})
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(bucket, key string, value []byte) func(*testing.T) {
		return func(t *testing.T) {
			edit(t, path, func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), value) })
		}
	}
	drop := func(bucket string, key []byte) func(*testing.T) {
		return func(t *testing.T) {
			edit(t, path, func(tx *bbolt.Tx) error {
				if key == nil {
					return tx.DeleteBucket([]byte(bucket))
				}
				return tx.Bucket([]byte(bucket)).Delete(key)
			})
		}
	}
	write := func(b []byte) func(*testing.T) {
		return func(t *testing.T) {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, damage := range map[string]func(*testing.T){
		"empty":             write(nil),
		"short":             write(good[:100]),
		"one page":          write(good[:4096]),
		"half":              write(good[:len(good)/2]),
		"text":              write([]byte(strings.Repeat("this is no database\n", 1000))),
		"zeros":             write(make([]byte, len(good))),
		"no version":        drop("meta", keyVersion),
		"no guid":           drop("meta", keyGUID),
		"no epoch":          drop("meta", keyEpoch),
		"version of 1 byte": put("meta", "version", seal(bucketMeta, keyVersion, []byte{1})),
		"unsealed":          put("meta", "epoch", number(7)),
		"no meta":           drop("meta", nil),
		"no opens":          drop("opens", nil),
		"no locks":          drop("locks", nil),
		"no owned":          drop("owned", nil),
		"lock not owned":    drop("owned", ownedKey(number(7), number(7))),
		"owned, but gone":   drop("locks", number(7)),
		"owned twice":       put("owned", string(ownedKey(number(8), number(7))), seal(bucketOwned, ownedKey(number(8), number(7)))),
		"bad key":           put("opens", "abc", seal(bucketOpens, []byte("abc"))),
		"moved":             put("opens", string(number(999)), seal(bucketOpens, number(7), []byte("{}"))),
	} {
		t.Run(name, func(t *testing.T) {
			write(good)(t)
			damage(t)
			_, err := Open(path, Options{})
			wantRefusal(t, path, err, ErrCorrupt, "move it away")
			// Nothing keeps the file afterwards.
			write(good)(t)
			if err := openStore(t, path).Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
	t.Run("record", func(t *testing.T) {
		write(good)(t)
		put("opens", string(number(7)), seal(bucketOpens, number(7), []byte("{}")))(t)
		put("locks", string(number(7)), seal(bucketLocks, number(7), number(7), []byte("[]")))(t)
		s := openStore(t, path)
		wantRefusal(t, path, s.Load(locking.LockQuery{}, func(*locking.PersistedLock) error { return nil }), ErrCorrupt, "move it away")
		wantRefusal(t, path, s.LoadOpens(func(*locking.PersistedOpen) error { return nil }), ErrCorrupt, "move it away")
	})
}

// A damaged byte in what is in use is found, or does no harm; it never ends the
// process.
func TestDamagedBytes(t *testing.T) {
	s, path := newStore(t)
	var all []locking.Change
	for id := range uint64(25) {
		all = append(all, locking.Change{PutOpen: storetest.OpenRecord(locking.OpenID(id + 1))},
			locking.Change{PutLock: storetest.Lock(id+1, locking.OpenID(id+1), true)})
	}
	mustCommit(t, s, all...)
	want, err := load(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	tried, found := 0, 0
	// The first two pages are those that bbolt switches over by: when one is bad
	// it takes the other, as after a crash. The beginning of a page says most.
	for at := 2 * os.Getpagesize(); at < len(good); at++ {
		if at%os.Getpagesize() < 80 && at%13 != 0 || at%os.Getpagesize() >= 80 && at%1999 != 0 {
			continue
		}
		tried++
		bad := []byte(string(good))
		bad[at] ^= 0x55
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(path, Options{})
		if err != nil {
			wantRefusal(t, path, err, ErrCorrupt, "move it away")
			found++
			continue
		}
		wantContent(t, s, want)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d damages found in a file of %d bytes", found, tried, len(good))
	if found < tried/10 {
		t.Error("too few")
	}
}

// After a transaction that fails nothing of it is left, and the next one is
// carried out.
func TestFailedTransaction(t *testing.T) {
	s, _ := newStore(t)
	mustCommit(t, s, locking.Change{PutOpen: storetest.OpenRecord(1)})
	many := func(from uint64) (c []locking.Change) {
		for id := range uint64(500) {
			c = append(c, locking.Change{PutOpen: storetest.OpenRecord(locking.OpenID(from + id))})
		}
		return c
	}
	s.db.MaxSize = 1 // the disk is full
	if err := s.Commit(many(1000)); err == nil {
		t.Fatal("commit succeeded")
	}
	wantContent(t, s, content{Opens: []*locking.PersistedOpen{storetest.OpenRecord(1)}})
	mustCommit(t, s, many(2000)...)
	got, err := load(s)
	if err != nil || len(got.Opens) != 501 || got.Opens[1].Owner.OpenID != 2000 {
		t.Errorf("%d opens, %v", len(got.Opens), err)
	}
	// A panic of bbolt is an error too.
	db := s.db
	if err := s.update(func(*bbolt.Tx) error { panic("page 7 is bad") }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("panic: %v", err)
	}
	if e, err := s.NextServerEpoch(); e != 1 || err != nil || s.db == db {
		t.Errorf("afterwards: %d, %v", e, err)
	}
	// And closing in between is no accident.
	if err := s.update(func(*bbolt.Tx) error { return errors.New("no") }); err == nil {
		t.Error("no error")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s.NextServerEpoch(); !errors.Is(err, locking.ErrStoreClosed) {
		t.Errorf("after Close: %v", err)
	}
}
