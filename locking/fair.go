package locking

import (
	"sync"
	"sync/atomic"
)

// How many of the byte-range locks that there may be one client gets
// (Options.MaxLocks): at most a third of what is left then. So one that takes all it
// can get has a quarter of the whole, the next one three sixteenths, and there is
// always something for the next client to come, however many have been greedy
// before. That counts, as clients choose their ids. Nothing is taken back from who
// was first: it only gets no more.

// fairShare is one part of what a client leaves to others, which is that many parts
// at least.
const fairShare = 3

// clientRanges counts the byte-range locks of one client.
type clientRanges struct {
	// Immutable after construction.
	client ClientID

	opens int // that refer to it; guarded by the mutex of the shard

	held atomic.Int64
}

// clientShard is a part of the table of clients that have locked ranges.
type clientShard struct {
	mu      sync.Mutex // leaf: clients, and clientRanges.opens
	clients map[ClientID]*clientRanges
	_       [40]byte
}

// rangesOf returns the counter of a client, made if necessary, for one open more.
func (m *OplockManager) rangesOf(client ClientID) *clientRanges {
	sh := &m.clientShards[shardOf(client)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.clients[client]
	if c == nil {
		c = &clientRanges{client: client}
		if sh.clients == nil {
			sh.clients = make(map[ClientID]*clientRanges)
		}
		sh.clients[client] = c
	}
	c.opens++
	return c
}

// dropRanges gives the reference of an open back.
func (m *OplockManager) dropRanges(c *clientRanges) {
	sh := &m.clientShards[shardOf(c.client)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c.opens--; c.opens == 0 {
		delete(sh.clients, c.client)
	}
}

// counterLocked is where the locks of the open are counted. It is looked up once for an
// open that locks anything.
func (o *Open) counterLocked() *clientRanges {
	if o.counter == nil {
		o.counter = o.m.rangesOf(o.owner.ClientID)
	}
	return o.counter
}

// recountLocked counts the locks of an open for its owner of now: a reclaim changes it,
// and a closed open, which has no locks, is counted for nobody.
func (o *Open) recountLocked() {
	c := o.counter
	if c == nil || !o.closed && c.client == o.owner.ClientID {
		return
	}
	o.counter = nil
	c.held.Add(int64(-o.nlocks))
	o.m.dropRanges(c)
	if o.nlocks > 0 {
		o.counterLocked().held.Add(int64(o.nlocks))
	}
}

// mayTakeLocked reports whether the open may take n byte-range locks more. The sums
// over several opens are not exact where those lock at once, and need not be.
func (o *Open) mayTakeLocked(n int) bool {
	if n > o.m.opts.MaxLocksPerOpen-o.nlocks {
		return false
	}
	all := o.m.stats.ranges.Load() + int64(n)
	return fairShare*(o.counterLocked().held.Load()+int64(n)) <= int64(o.m.opts.MaxLocks)-all
}
