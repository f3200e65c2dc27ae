// Package memstore is a LockStore in memory, for tests and for servers that
// need nothing to survive a restart. It is the reference for the other
// stores.
//
// It keeps the encoded forms, so that it shares nothing with its callers and
// refuses what a store on disk would refuse. One mutex guards everything.
package memstore

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"sync"

	"lessor/locking"
)

// Store is a LockStore in memory. Make it with New.
type Store struct {
	mu     sync.Mutex // guards everything below
	state  *State
	closed bool
}

// State is what a store contains. It outlives the store, as a disk would.
type State struct {
	guid  [16]byte
	epoch uint64
	locks map[uint64][]byte
	opens map[locking.OpenID][]byte
}

// NewState returns an empty content.
func NewState() *State {
	return &State{
		locks: make(map[uint64][]byte),
		opens: make(map[locking.OpenID][]byte),
	}
}

// New opens a store over an empty content.
func New() *Store { return Open(NewState()) }

// Open opens a store over a content that another store has left behind. Only
// one store may be open over it at a time.
func Open(s *State) *Store { return &Store{state: s} }

var _ locking.LockStore = (*Store)(nil)

// Load implements locking.LockStore.
func (s *Store) Load(q locking.LockQuery, fn func(*locking.PersistedLock) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return locking.ErrStoreClosed
	}
	return each(s.state.locks, func(b []byte) error {
		p, err := locking.DecodeLock(b)
		if err != nil {
			return err
		}
		if !q.MatchesLock(p) {
			return nil
		}
		return fn(p)
	})
}

// LoadOpens implements locking.LockStore.
func (s *Store) LoadOpens(fn func(*locking.PersistedOpen) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return locking.ErrStoreClosed
	}
	return each(s.state.opens, func(b []byte) error {
		p, err := locking.DecodeOpen(b)
		if err != nil {
			return err
		}
		return fn(p)
	})
}

// each walks over a table in the order of its keys.
func each[K cmp.Ordered](table map[K][]byte, fn func([]byte) error) error {
	for _, k := range slices.Sorted(maps.Keys(table)) {
		if err := fn(table[k]); err != nil {
			return err
		}
	}
	return nil
}

// Commit implements locking.LockStore.
func (s *Store) Commit(changes []locking.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return locking.ErrStoreClosed
	}
	// Encode everything first: a change that cannot be stored must leave
	// nothing behind.
	encoded := make([][]byte, len(changes))
	for i, c := range changes {
		var err error
		switch {
		case c.PutOpen != nil:
			encoded[i], err = locking.EncodeOpen(c.PutOpen)
		case c.PutLock != nil:
			encoded[i], err = locking.EncodeLock(c.PutLock)
		}
		if err != nil {
			return fmt.Errorf("memstore: %w", err)
		}
	}
	for i, c := range changes {
		if err := s.applyLocked(c, encoded[i]); err != nil {
			return err
		}
	}
	return nil
}

// applyLocked carries out one change.
func (s *Store) applyLocked(c locking.Change, encoded []byte) error {
	switch {
	case c.PutOpen != nil:
		s.state.opens[c.PutOpen.Owner.OpenID] = encoded
	case c.PutLock != nil:
		s.state.locks[c.PutLock.ID] = encoded
	case c.DeleteOpen != 0:
		delete(s.state.opens, c.DeleteOpen)
		for id, b := range s.state.locks {
			p, err := locking.DecodeLock(b)
			if err != nil {
				return err
			}
			if p.Owner.OpenID == c.DeleteOpen {
				delete(s.state.locks, id)
			}
		}
	case c.DeleteLock != 0:
		delete(s.state.locks, c.DeleteLock)
	}
	return nil
}

// ServerGUID implements locking.LockStore.
func (s *Store) ServerGUID() ([16]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return [16]byte{}, locking.ErrStoreClosed
	}
	if s.state.guid == ([16]byte{}) {
		if _, err := rand.Read(s.state.guid[:]); err != nil {
			return [16]byte{}, fmt.Errorf("memstore: server guid: %w", err)
		}
	}
	return s.state.guid, nil
}

// ServerEpoch implements locking.LockStore.
func (s *Store) ServerEpoch() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, locking.ErrStoreClosed
	}
	return s.state.epoch, nil
}

// NextServerEpoch implements locking.LockStore.
func (s *Store) NextServerEpoch() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, locking.ErrStoreClosed
	}
	s.state.epoch++
	return s.state.epoch, nil
}

// Close implements locking.LockStore.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return locking.ErrStoreClosed
	}
	s.closed = true
	return nil
}
