package boltstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"sync"

	"go.etcd.io/bbolt"

	"lessor/locking"
)

// Store is a LockStore in a file. Open makes one.
type Store struct {
	// Immutable after construction.
	path string
	opts Options

	mu     sync.RWMutex // guards what follows; see doc.go
	db     *bbolt.DB    // nil when it must be opened anew, and when closed
	closed bool
}

var _ locking.LockStore = (*Store)(nil)

// Path is where the store is.
func (s *Store) Path() string { return s.path }

// view runs a transaction that only reads.
func (s *Store) view(fn func(*bbolt.Tx) error) error {
	return s.with(func(db *bbolt.DB) error { return db.View(fn) })
}

// update runs a transaction. After one that failed, the file is opened anew: what
// bbolt has in memory need not be what is on the disk then.
func (s *Store) update(fn func(*bbolt.Tx) error) error {
	var broken *bbolt.DB
	err := s.with(func(db *bbolt.DB) error {
		err := guarded(s.path, func() error { return db.Update(fn) })
		if err != nil {
			broken = db
		}
		return err
	})
	if broken != nil {
		s.discard(broken)
	}
	return err
}

// with calls fn with the database, opened anew if that is necessary.
func (s *Store) with(fn func(*bbolt.DB) error) error {
	s.mu.RLock()
	if s.db == nil {
		s.mu.RUnlock()
		if err := s.reopen(); err != nil {
			return err
		}
		s.mu.RLock()
	}
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return locking.ErrStoreClosed
	case s.db == nil:
		return fmt.Errorf("lock store %s: the last transaction failed", s.path)
	}
	return fn(s.db)
}

// reopen opens the database after a transaction that failed.
func (s *Store) reopen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.db != nil {
		return nil
	}
	db, err := openFile(s.path, s.opts)
	s.db = db
	return err
}

// discard closes a database that may be at odds with its file.
func (s *Store) discard(db *bbolt.DB) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db == db {
		s.db = nil
		_ = db.Close()
	}
}

// Load implements locking.LockStore.
func (s *Store) Load(q locking.LockQuery, fn func(*locking.PersistedLock) error) error {
	return s.each(bucketLocks, func(k, content []byte) error {
		p, err := locking.DecodeLock(content[8:])
		if err != nil {
			return corrupt(s.path, "lock %x: %v", k, err)
		}
		if !q.MatchesLock(p) {
			return nil
		}
		return fn(p)
	})
}

// LoadOpens implements locking.LockStore.
func (s *Store) LoadOpens(fn func(*locking.PersistedOpen) error) error {
	return s.each(bucketOpens, func(k, content []byte) error {
		p, err := locking.DecodeOpen(content)
		if err != nil {
			return corrupt(s.path, "open %x: %v", k, err)
		}
		return fn(p)
	})
}

// each calls fn with every entry of a bucket, in order.
func (s *Store) each(bucket []byte, fn func(k, content []byte) error) error {
	return s.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			content, err := unseal(bucket, k, v)
			if err != nil {
				return corrupt(s.path, "%s: %x: %v", bucket, k, err)
			}
			return fn(k, content)
		})
	})
}

// Commit implements locking.LockStore.
func (s *Store) Commit(changes []locking.Change) error {
	if len(changes) == 0 {
		return s.with(func(*bbolt.DB) error { return nil })
	}
	return s.update(func(tx *bbolt.Tx) error {
		w := writer{tx.Bucket(bucketOpens), tx.Bucket(bucketLocks), tx.Bucket(bucketOwned)}
		for i := range changes {
			if err := w.apply(&changes[i]); err != nil {
				return fmt.Errorf("lock store %s: %w", s.path, err)
			}
		}
		return nil
	})
}

// writer carries out changes within a transaction.
type writer struct{ opens, locks, owned *bbolt.Bucket }

func (w *writer) apply(c *locking.Change) error {
	switch {
	case c.PutOpen != nil:
		content, err := locking.EncodeOpen(c.PutOpen)
		if err != nil {
			return err
		}
		id := number(uint64(c.PutOpen.Owner.OpenID))
		return w.opens.Put(id, seal(bucketOpens, id, content))
	case c.PutLock != nil:
		return w.putLock(c.PutLock)
	case c.DeleteOpen != 0:
		return w.deleteOpen(number(uint64(c.DeleteOpen)))
	case c.DeleteLock != 0:
		return w.deleteLock(number(c.DeleteLock))
	}
	return nil
}

func (w *writer) putLock(p *locking.PersistedLock) error {
	content, err := locking.EncodeLock(p)
	if err != nil {
		return err
	}
	id, owner := number(p.ID), number(uint64(p.Owner.OpenID))
	if old := w.locks.Get(id); old == nil || !bytes.Equal(ownerOf(old), owner) {
		if old != nil {
			if err := w.owned.Delete(ownedKey(ownerOf(old), id)); err != nil {
				return err
			}
		}
		k := ownedKey(owner, id)
		if err := w.owned.Put(k, seal(bucketOwned, k)); err != nil {
			return err
		}
	}
	return w.locks.Put(id, seal(bucketLocks, id, owner, content))
}

func (w *writer) deleteLock(id []byte) error {
	old := w.locks.Get(id)
	if old == nil {
		return nil
	}
	if err := w.owned.Delete(ownedKey(ownerOf(old), id)); err != nil {
		return err
	}
	return w.locks.Delete(id)
}

// deleteOpen removes an open and what it owns.
func (w *writer) deleteOpen(open []byte) error {
	c := w.owned.Cursor()
	for {
		// A deletion leaves a cursor in a place that is not worth relying on.
		k, _ := c.Seek(open)
		if !bytes.HasPrefix(k, open) {
			return w.opens.Delete(open)
		}
		k = bytes.Clone(k)
		if err := w.locks.Delete(k[8:]); err != nil {
			return err
		}
		if err := w.owned.Delete(k); err != nil {
			return err
		}
	}
}

// identity reads an entry of the bucket meta.
func (s *Store) identity(key []byte) (content []byte, err error) {
	err = s.view(func(tx *bbolt.Tx) error {
		v, err := unseal(bucketMeta, key, tx.Bucket(bucketMeta).Get(key))
		if err != nil {
			return corrupt(s.path, "%s: %v", key, err)
		}
		content = bytes.Clone(v)
		return nil
	})
	return content, err
}

// ServerGUID implements locking.LockStore.
func (s *Store) ServerGUID() (guid [16]byte, err error) {
	v, err := s.identity(keyGUID)
	copy(guid[:], v)
	return guid, err
}

// ServerEpoch implements locking.LockStore.
func (s *Store) ServerEpoch() (uint64, error) {
	v, err := s.identity(keyEpoch)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint64(v), nil
}

// NextServerEpoch implements locking.LockStore.
func (s *Store) NextServerEpoch() (epoch uint64, err error) {
	err = s.update(func(tx *bbolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		v, err := unseal(bucketMeta, keyEpoch, meta.Get(keyEpoch))
		if err != nil {
			return corrupt(s.path, "%s: %v", keyEpoch, err)
		}
		epoch = binary.BigEndian.Uint64(v) + 1
		return meta.Put(keyEpoch, seal(bucketMeta, keyEpoch, number(epoch)))
	})
	return epoch, err
}

// Close implements locking.LockStore. It waits for transactions that run.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return locking.ErrStoreClosed
	}
	s.closed = true
	if s.db == nil {
		return nil
	}
	db := s.db
	s.db = nil
	return db.Close()
}
