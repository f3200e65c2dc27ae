package directory

import (
	"container/list"
	"time"

	"lessor/smb/rpc"
)

// maxCached is how many answers are kept; the one that was asked for longest ago goes.
const maxCached = 16384

// cache remembers answers. Its owner guards it.
type cache struct {
	byKey map[string]*list.Element
	order list.List // of *answer, the one asked for last in front
}

type answer struct {
	key     string
	acc     rpc.Account // zero: there is nobody
	expires time.Time
}

func newCache() cache { return cache{byKey: make(map[string]*list.Element)} }

// get returns an answer, and whether it is still good.
func (c *cache) get(key string, now time.Time) (acc rpc.Account, found, fresh bool) {
	e, ok := c.byKey[key]
	if !ok {
		return acc, false, false
	}
	c.order.MoveToFront(e)
	a := e.Value.(*answer)
	return a.acc, true, now.Before(a.expires)
}

func (c *cache) put(key string, acc rpc.Account, expires time.Time) {
	if e, ok := c.byKey[key]; ok {
		e.Value = &answer{key, acc, expires}
		c.order.MoveToFront(e)
		return
	}
	c.byKey[key] = c.order.PushFront(&answer{key, acc, expires})
	for len(c.byKey) > maxCached {
		last := c.order.Back()
		delete(c.byKey, last.Value.(*answer).key)
		c.order.Remove(last)
	}
}
