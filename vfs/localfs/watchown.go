//go:build linux

package localfs

import (
	"sync"
	"time"

	"lessor/vfs"
)

// ownOps remembers what this process did just now, for a watch whose kernel does
// not know who has caused an event. An event belongs to us if we did the same, to
// the same object, at any time since the last look into the queue. So a change
// by somebody else can be taken for ours if both fall into one such period,
// which is some milliseconds long; the next one is seen again.
type ownOps struct {
	mu    sync.Mutex // leaf; guards the rest
	tick  uint64     // looks into the queue
	ops   map[ownKey]ownState
	purge int // at so many ops old ones are looked for
}

// ownKey is a name in a directory that was made, removed or moved; or, without a
// name, a file whose data or attributes were changed.
type ownKey struct {
	id   vfs.NodeID
	name string
}

type ownState struct {
	running int
	tick    uint64 // of the last end
	at      time.Time
}

// Where nothing is marked there are no events, and nobody looks into the queue.
// minOwnOps is how many operations are remembered at least before old ones are
// forgotten, and ownOpsAge how old they must be.
const (
	minOwnOps = 4096
	ownOpsAge = time.Second
)

func newOwnOps() *ownOps { return &ownOps{ops: make(map[ownKey]ownState), purge: minOwnOps} }

// ownOp is an operation of ours at work.
type ownOp struct {
	own *ownOps
	key ownKey
}

// touching says that this process begins to change an object, or a name in a
// directory. The caller calls done when it has.
func (f *FS) touching(id vfs.NodeID, name string) ownOp {
	own := f.own.Load()
	if own == nil {
		return ownOp{}
	}
	key := ownKey{id, name}
	own.mu.Lock()
	defer own.mu.Unlock()
	if len(own.ops) >= own.purge {
		own.purgeLocked()
	}
	s := own.ops[key]
	s.running++
	own.ops[key] = s
	return ownOp{own, key}
}

// done ends an operation.
func (o ownOp) done() {
	if o.own == nil {
		return
	}
	o.own.mu.Lock()
	defer o.own.mu.Unlock()
	s := o.own.ops[o.key]
	s.running--
	s.tick, s.at = o.own.tick, time.Now()
	o.own.ops[o.key] = s
}

// purgeLocked forgets what is old.
func (own *ownOps) purgeLocked() {
	for k, s := range own.ops {
		if s.running == 0 && time.Since(s.at) > ownOpsAge {
			delete(own.ops, k)
		}
	}
	own.purge = max(minOwnOps, 2*len(own.ops))
}

// look says that the queue is looked into again, and forgets what can have no
// events in it any more.
func (own *ownOps) look() {
	if own == nil {
		return
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	for k, s := range own.ops {
		if s.running == 0 && s.tick < own.tick {
			delete(own.ops, k)
		}
	}
	own.tick++
}

// has reports whether an event may be our own.
func (own *ownOps) has(id vfs.NodeID, name string) bool {
	if own == nil {
		return false
	}
	own.mu.Lock()
	defer own.mu.Unlock()
	_, ok := own.ops[ownKey{id, name}]
	return ok
}
