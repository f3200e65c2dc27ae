//go:build linux

package localfs

import (
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// No call sets the change time of a file. One that a client sets is remembered
// here, together with the time that the kernel had at that moment: as long as that
// stands, nothing has changed since, and the client's time is what counts. A
// restart forgets it, and so does a file system with more than maxChanges of them.

// maxChanges bounds the change times that are remembered.
const maxChanges = 4096

// changes holds the change times that were set.
type changes struct {
	count atomic.Int64 // len(byID), so that nothing set costs nothing

	mu   sync.Mutex // leaf; guards byID
	byID map[vfs.NodeID]change
}

// change is one change time: shown instead of real.
type change struct {
	real  unix.StatxTimestamp
	shown time.Time
}

// setChange remembers a change time for the file as it is now.
func (n *node) setChange(t time.Time) error {
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		return errnoErr(e)
	}
	c := &n.fs.changes
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.byID == nil {
		c.byID = make(map[vfs.NodeID]change)
	}
	if _, has := c.byID[n.id]; !has && len(c.byID) >= maxChanges {
		for id := range c.byID { // any one
			delete(c.byID, id)
			break
		}
	}
	c.byID[n.id] = change{st.Ctime, t}
	c.count.Store(int64(len(c.byID)))
	return nil
}

// apply puts the change time that was set into a, if it still counts for a file
// whose change time is ctime.
func (c *changes) apply(a *vfs.Attr, ctime unix.StatxTimestamp) {
	if c.count.Load() == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	set, has := c.byID[a.ID]
	switch {
	case !has:
	case set.real == ctime:
		a.Change = set.shown
	case statxTime(set.real).Before(statxTime(ctime)):
		delete(c.byID, a.ID)
		c.count.Store(int64(len(c.byID)))
	}
}
