package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// lockLen is the length of each range that is locked; ranges are named by their
// number, which is their offset in units of it.
const lockLen = 10

// ledger is what the workers have to agree about.
type ledger struct {
	mu     sync.Mutex      // guards what follows
	acked  int             // operations until enough is closed
	enough chan struct{}   // nil when it is
	holder map[int]*worker // of the ranges of the shared file, from the answer to a lock until it is given back
}

func newLedger() *ledger { return &ledger{holder: make(map[int]*worker)} }

// after returns a channel that is closed when n operations were acknowledged.
func (l *ledger) after(n int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked, l.enough = n, make(chan struct{})
	return l.enough
}

func (l *ledger) ack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.acked--; l.acked <= 0 && l.enough != nil {
		close(l.enough)
		l.enough = nil
	}
}

// hold enters a lock on the shared file; it returns who has it already.
func (l *ledger) hold(n int, w *worker) *worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.holder[n]
	l.holder[n] = w
	return was
}

// holds returns who holds a range of the shared file, nil if nobody does.
func (l *ledger) holds(n int) *worker {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holder[n]
}

func (l *ledger) free(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.holder, n)
}

// resolve enters what the workers really hold after a restart.
func (l *ledger) resolve(t *testing.T, all []*worker) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.holder)
	for _, w := range all {
		for n := range w.shared.locks {
			if other := l.holder[n]; other != nil {
				t.Errorf("range %d of the shared file belongs to workers %d and %d", n, w.n, other.n)
			}
			l.holder[n] = w
		}
	}
}

// handle is an open of a worker, and what it was told about it.
type handle struct {
	granted    *client.File // as it was opened: what a reconnect repeats
	file       *client.File // as it is now
	persistent bool
	locks      map[int]bool      // acknowledged
	unsure     *wire.LockRequest // on its way
	unsureN    int               // the range that unsure is about
	sequences  [4]uint8          // last used, by bucket
	marked     bool              // for deletion
	marking    bool              // a change of the mark is on its way
	closing    bool              // the close is on its way
	renaming   string            // a rename to this name is on its way
	renamed    bool              // since the server was started
}

// worker is a client that survives the crashes.
type worker struct {
	t    *testing.T
	n    int
	guid wire.GUID
	book *ledger
	rand *rand.Rand
	made int // files so far

	conn      *client.Conn
	ca, plain *client.Tree
	shared    *handle
	handles   []*handle
	opening   *client.CreateArgs // of a persistent open, on its way
}

func (w *worker) ctx() context.Context { return context.Background() }

// connect connects as the client that the worker always is.
func (w *worker) connect(s *harness.Server) {
	c, err := client.Dial(w.ctx(), s.Addr, client.Options{
		User: s.User, Password: s.Password, ClientGuid: w.guid, Timeout: 30 * time.Second,
	})
	if err != nil {
		w.t.Errorf("worker %d: %v", w.n, err)
		return
	}
	w.conn = c
	sess, err := c.SessionSetup(w.ctx())
	if err == nil {
		w.ca, err = sess.TreeConnect(w.ctx(), "ca")
	}
	if err == nil {
		w.plain, err = sess.TreeConnect(w.ctx(), "plain")
	}
	if err != nil {
		w.t.Errorf("worker %d: %v", w.n, err)
	}
}

// openShared opens the file that all workers share, without caching.
func (w *worker) openShared() {
	f, err := w.ca.Create(w.ctx(), client.CreateArgs{Name: "shared", Durable: &client.Durable{Persistent: true}})
	if err != nil || !f.Persistent() {
		w.t.Fatalf("worker %d: the shared file is not persistent: %v", w.n, err)
	}
	w.shared = newHandle(f)
}

func newHandle(f *client.File) *handle {
	return &handle{granted: f, file: f, persistent: f.Persistent(), locks: map[int]bool{}}
}

// work does one thing after another until the server is gone.
func (w *worker) work() {
	for {
		var err error
		switch d := w.rand.IntN(20); {
		case len(w.handles) < 3 || d < 4 && len(w.handles) < 15:
			err = w.open()
		case d < 10:
			err = w.lock(w.pick(), w.rand.IntN(8))
		case d < 16:
			err = w.lock(w.shared, w.rand.IntN(12))
		case d < 17:
			err = w.mark(w.pick())
		case d < 18:
			h := w.pick()
			if _, err = h.file.Write(w.ctx(), uint64(w.rand.IntN(100))*1000+1000, make([]byte, 1000)); err == nil {
				err = h.file.Flush(w.ctx())
			}
		case d < 19:
			err = w.rename(w.pick())
		default:
			err = w.close(w.pick())
		}
		if err != nil {
			if status, ok := client.StatusOf(err); ok {
				w.t.Errorf("worker %d: %v", w.n, status)
			}
			return
		}
		w.book.ack()
	}
}

func (w *worker) pick() *handle { return w.handles[w.rand.IntN(len(w.handles))] }

// open makes a file.
func (w *worker) open() error {
	w.made++
	a := client.CreateArgs{
		Name:        fmt.Sprintf("w%d-%d", w.n, w.made),
		Disposition: client.Create,
		Durable:     &client.Durable{},
	}
	switch w.rand.IntN(4) {
	case 0:
		a.Oplock = wire.OplockBatch
	case 1:
		a.Lease = &client.Lease{Key: client.NewGUID(), State: client.RH}
	default:
		a.Lease = &client.Lease{Key: client.NewGUID(), State: client.RWH}
	}
	tree := w.plain
	if w.rand.IntN(2) == 0 {
		tree = w.ca
		a.Durable.Persistent = true
	}
	if a.Durable.Persistent {
		a.Durable.CreateGuid = client.NewGUID()
		w.opening = &a
	}
	f, err := tree.Create(w.ctx(), a)
	if err != nil {
		return err
	}
	w.opening = nil
	if !f.Durable() || f.Persistent() != a.Durable.Persistent || a.Lease != nil && f.LeaseState() != a.Lease.State {
		w.t.Errorf("worker %d: %s: durable %v, persistent %v, lease %s", w.n, a.Name, f.Durable(), f.Persistent(), client.LeaseString(f.LeaseState()))
	}
	w.handles = append(w.handles, newHandle(f))
	return nil
}

// lock takes range n, or gives it back if the worker has it.
func (w *worker) lock(h *handle, n int) error {
	held := h.locks[n]
	element := client.Exclusive(uint64(n*lockLen), lockLen)
	if held {
		element = client.Unlock(uint64(n*lockLen), lockLen)
		if h == w.shared {
			w.book.free(n)
		}
	}
	bucket := w.rand.IntN(len(h.sequences))
	h.sequences[bucket] = (h.sequences[bucket] + 1) % 16
	h.unsureN = n
	h.unsure = &wire.LockRequest{
		LockSequence: uint32(bucket+1)<<4 | uint32(h.sequences[bucket]), Locks: []wire.LockElement{element},
	}
	err := w.send(h)
	if _, answered := client.StatusOf(err); answered {
		h.unsure = nil
	}
	switch {
	case err == ntstatus.LockNotGranted && h == w.shared && !held:
		return nil
	case err != nil:
		return err
	case held:
		delete(h.locks, n)
		return nil
	}
	h.locks[n] = true
	if h == w.shared {
		if other := w.book.hold(n, w); other != nil {
			w.t.Errorf("range %d was granted to worker %d while worker %d has it", n, w.n, other.n)
		}
	}
	return nil
}

// send sends the LOCK that is on its way.
func (w *worker) send(h *handle) error {
	m := *h.unsure
	m.FileID = h.file.ID
	resp, err := w.conn.Do(w.ctx(), h.file.Request(&m))
	if err != nil {
		return err
	}
	return resp.Err()
}

// mark marks a file for deletion or takes the mark away.
func (w *worker) mark(h *handle) error {
	if !h.persistent {
		return nil
	}
	h.marking = true
	if err := h.file.SetDelete(w.ctx(), !h.marked); err != nil {
		return err
	}
	h.marked, h.marking = !h.marked, false
	return nil
}

// wantGone checks that a file that was marked is deleted.
func (w *worker) wantGone(h *handle) error {
	if !h.marked {
		return nil
	}
	_, err := w.ca.Create(w.ctx(), client.CreateArgs{Name: h.granted.Args.Name, Disposition: client.Open})
	if _, answered := client.StatusOf(err); !answered {
		return err
	}
	if err != ntstatus.ObjectNameNotFound {
		w.t.Errorf("worker %d: %s was marked for deletion and closed: %v", w.n, h.granted.Args.Name, err)
	}
	return nil
}

func (w *worker) rename(h *handle) error {
	if h.marked {
		return nil // what is to be deleted is not renamed
	}
	w.made++
	h.renaming = fmt.Sprintf("w%d-%d", w.n, w.made)
	if err := h.file.Rename(w.ctx(), h.renaming, false); err != nil {
		return err
	}
	h.granted.Args.Name, h.renaming, h.renamed = h.renaming, "", true
	return nil
}

func (w *worker) close(h *handle) error {
	h.closing = true
	if err := h.file.Close(w.ctx()); err != nil {
		return err
	}
	w.drop(h)
	return w.wantGone(h)
}

func (w *worker) drop(h *handle) {
	w.handles = slices.DeleteFunc(w.handles, func(x *handle) bool { return x == h })
}

// replayOpen sends the CREATE of a persistent open once more that was not answered.
// If the open was made it is the worker's, else only the file may be there.
func (w *worker) replayOpen(sum *tally) {
	a := w.opening
	w.opening = nil
	if a == nil {
		return
	}
	f, err := w.ca.With(client.Replay).Create(w.ctx(), *a)
	if err == nil {
		if !f.Persistent() || f.Response.CreateAction != wire.FileCreated || a.Lease != nil && f.LeaseState() != a.Lease.State {
			w.t.Errorf("worker %d: replay of the CREATE of %s: %+v", w.n, a.Name, f.Response)
		}
		// What follows is no replay.
		f = &client.File{Tree: w.ca, ID: f.ID, Name: f.Name, Args: f.Args, Response: f.Response, Lease: f.Lease, DurableV2: f.DurableV2}
		w.handles = append(w.handles, newHandle(f))
		sum.replayed(0, 1)
		return
	}
	b := *a
	b.Durable, b.Disposition = nil, client.Open
	b.Reconnect = &client.Reconnect{Version: 2, CreateGuid: a.Durable.CreateGuid, Persistent: true}
	_, rerr := w.ca.Create(w.ctx(), b)
	if err != ntstatus.ObjectNameCollision || rerr != ntstatus.ObjectNameNotFound {
		w.t.Errorf("worker %d: replay of the CREATE of %s: %v; reconnect: %v", w.n, a.Name, err, rerr)
	}
}

// reclaim asks for everything that the worker had.
func (w *worker) reclaim(sum *tally) {
	defer w.replayOpen(sum)
	for _, h := range append(slices.Clone(w.handles), w.shared) {
		tree := w.plain
		if h.persistent {
			tree = w.ca
		}
		f, err := tree.Create(w.ctx(), h.granted.ReconnectArgs())
		if h.renaming != "" && err == ntstatus.InvalidParameter {
			h.granted.Args.Name = h.renaming // the new name is the right one
			f, err = tree.Create(w.ctx(), h.granted.ReconnectArgs())
		}
		renamed := h.renamed
		h.renamed = false
		switch {
		case err == nil:
		case h.closing && err == ntstatus.ObjectNameNotFound:
			w.drop(h)
			if err := w.wantGone(h); err != nil {
				w.t.Errorf("worker %d: %v", w.n, err)
			}
			continue
		case !h.persistent && (err == ntstatus.ObjectNameNotFound || renamed && err == ntstatus.InvalidParameter):
			sum.add(0, 0, 1, 0)
			w.drop(h)
			continue
		default:
			w.t.Errorf("worker %d: %s (persistent %v) does not come back: %v", w.n, h.granted.Args.Name, h.persistent, err)
			w.drop(h)
			continue
		}
		h.file = f
		if f.ID != h.granted.ID {
			w.t.Errorf("worker %d: %s came back as %v, was %v", w.n, h.granted.Args.Name, f.ID, h.granted.ID)
		}
		if f.LeaseState() != h.granted.LeaseState() || f.Response.OplockLevel != h.granted.Response.OplockLevel {
			w.t.Errorf("worker %d: %s came back with %s, had %s", w.n, h.granted.Args.Name,
				client.LeaseString(f.LeaseState()), client.LeaseString(h.granted.LeaseState()))
		}
		w.verifyMark(h)
		switch {
		case h.closing:
			if err := w.close(h); err != nil {
				w.t.Errorf("worker %d: %v", w.n, err)
			}
		case h.persistent:
			sum.add(1, 0, 0, 0)
		default:
			sum.add(0, 1, 0, 0)
		}
	}
}

// verifyMark compares the mark for deletion with what was acknowledged.
func (w *worker) verifyMark(h *handle) {
	s, err := h.file.Standard(w.ctx())
	if err != nil || s.DeletePending != h.marked && !h.marking {
		w.t.Errorf("worker %d: %s: marked %v, should be %v (%v)", w.n, h.granted.Args.Name, s.DeletePending, h.marked, err)
	}
	h.marked, h.marking = s.DeletePending, false
}

// replayLock sends the LOCK once more that was not answered. Of a persistent open that
// nobody else competes with it succeeds, whether it was carried out before or not.
func (w *worker) replayLock(h *handle, sum *tally) {
	if h.unsure == nil {
		return
	}
	sum.replayed(1, 0)
	err := w.send(h)
	unlock := h.unsure.Locks[0].Flags&wire.LockFlagUnlock != 0
	switch {
	case err == nil && unlock:
		delete(h.locks, h.unsureN)
	case err == nil:
		h.locks[h.unsureN] = true
		if other := w.book.holds(h.unsureN); h == w.shared && other != nil && other != w {
			w.t.Errorf("range %d belonged to workers %d and %d", h.unsureN, w.n, other.n)
		}
	case h == w.shared && !unlock && err == ntstatus.LockNotGranted:
	default:
		w.t.Errorf("worker %d: %s (persistent %v): replay of the LOCK of range %d (unlock %v): %v",
			w.n, h.granted.Args.Name, h.persistent, h.unsureN, unlock, err)
	}
	h.unsure = nil
}

// verify compares the locks of all opens with what was acknowledged: by taking each
// once more, which others and the same open are refused as long as it is held.
func (w *worker) verify(sum *tally) {
	for _, h := range append(slices.Clone(w.handles), w.shared) {
		if h.renaming != "" {
			// As a client does that never had the answer.
			if err := h.file.Rename(w.ctx(), h.renaming, false); err != nil {
				w.t.Errorf("worker %d: rename of %s to %s once more: %v", w.n, h.granted.Args.Name, h.renaming, err)
			}
			h.granted.Args.Name, h.renaming, h.renamed = h.renaming, "", true
		}
		for n := range 12 {
			err := h.file.Lock(w.ctx(), client.Exclusive(uint64(n*lockLen), lockLen))
			switch {
			case err == nil && h.locks[n]:
				w.t.Errorf("worker %d: %s: lock %d is gone", w.n, h.granted.Args.Name, n)
			case err == nil:
				if err := h.file.Lock(w.ctx(), client.Unlock(uint64(n*lockLen), lockLen)); err != nil {
					w.t.Errorf("worker %d: %s: unlock of range %d: %v", w.n, h.granted.Args.Name, n, err)
				}
			case err != ntstatus.LockNotGranted:
				w.t.Errorf("worker %d: %s: lock of range %d: %v", w.n, h.granted.Args.Name, n, err)
			case !h.locks[n] && h != w.shared:
				w.t.Errorf("worker %d: %s: lock %d was given back and is there", w.n, h.granted.Args.Name, n)
			}
			// Whose it is, the open must know.
			if !h.locks[n] {
				continue
			}
			sum.add(0, 0, 0, 1)
			err = h.file.Lock(w.ctx(), client.Unlock(uint64(n*lockLen), lockLen))
			if err == nil {
				err = h.file.Lock(w.ctx(), client.Exclusive(uint64(n*lockLen), lockLen))
				if err == ntstatus.LockNotGranted && h == w.shared {
					delete(h.locks, n) // somebody who verifies was faster
					err = nil
				}
			}
			if err != nil {
				w.t.Errorf("worker %d: %s: range %d: %v", w.n, h.granted.Args.Name, n, err)
			}
		}
	}
}
