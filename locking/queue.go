package locking

import (
	"cmp"
	"maps"
	"slices"
)

// change is a Change on its way to the store.
type change struct {
	Change
	open OpenID // whose it is
	// fresh: the store has never been told of the record. Then there is nothing to
	// remove should the record end before the change is stored.
	fresh bool
}

// queue is what is to be stored, by open: for each record the last change only.
// Records of different opens are independent, and so are the locks of one, so
// their order does not matter within a transaction.
type queue map[OpenID]*queuedOpen

// queuedOpen is what is to be stored of one open.
type queuedOpen struct {
	gone  bool           // first, the open is removed with all it has
	put   *PersistedOpen // nil: the open itself has not changed
	fresh bool           // see change; of put
	locks map[uint64]queuedLock
}

// queuedLock is what is to be stored of one lock.
type queuedLock struct {
	put   *PersistedLock // nil: the lock is removed
	fresh bool           // see change; of put
}

// add queues a change.
func (q queue) add(c change) {
	o := q[c.open]
	if o == nil {
		o = &queuedOpen{}
		q[c.open] = o
	}
	switch {
	case c.DeleteOpen != 0:
		if o.put != nil && o.fresh && !o.gone {
			delete(q, c.open)
			return
		}
		*o = queuedOpen{gone: true}
	case c.PutOpen != nil:
		o.fresh = c.fresh || o.put != nil && o.fresh
		o.put = c.PutOpen
	case c.PutLock != nil:
		l, there := o.locks[c.PutLock.ID]
		// One that is to be removed is in the store.
		fresh := c.fresh && (!there || l.put != nil) || l.put != nil && l.fresh
		o.setLock(c.PutLock.ID, queuedLock{put: c.PutLock, fresh: fresh})
	case c.DeleteLock != 0:
		if l := o.locks[c.DeleteLock]; l.put != nil && l.fresh {
			delete(o.locks, c.DeleteLock)
			return
		}
		o.setLock(c.DeleteLock, queuedLock{})
	}
}

func (o *queuedOpen) setLock(id uint64, l queuedLock) {
	if o.locks == nil {
		o.locks = make(map[uint64]queuedLock)
	}
	o.locks[id] = l
}

// addOlder adds what was to be stored before q and could not be. Whether the store
// has it nevertheless, nobody knows.
func (q queue) addOlder(older queue) {
	for id, was := range older {
		was.forgetFresh()
		now := q[id]
		if now == nil {
			q[id] = was
			continue
		}
		if now.gone {
			continue
		}
		now.gone = was.gone
		if now.put == nil {
			now.put = was.put
		}
		for lock, l := range was.locks {
			if _, newer := now.locks[lock]; !newer {
				now.setLock(lock, l)
			}
		}
	}
}

func (o *queuedOpen) forgetFresh() {
	o.fresh = false
	for id, l := range o.locks {
		if l.fresh {
			o.locks[id] = queuedLock{put: l.put}
		}
	}
}

// changes returns the queue as a store wants it, in the order of ids.
func (q queue) changes() []Change {
	var all []Change
	for _, id := range slices.Sorted(maps.Keys(q)) {
		o := q[id]
		if o.gone {
			all = append(all, Change{DeleteOpen: id})
		}
		if o.put != nil {
			all = append(all, Change{PutOpen: o.put})
		}
		for _, lock := range slices.SortedFunc(maps.Keys(o.locks), cmp.Compare[uint64]) {
			if l := o.locks[lock]; l.put != nil {
				all = append(all, Change{PutLock: l.put})
			} else {
				all = append(all, Change{DeleteLock: lock})
			}
		}
	}
	return all
}
