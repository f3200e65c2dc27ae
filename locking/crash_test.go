package locking

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The worst crash: a store that commits only when somebody waits for it, and a
// server that dies between any two operations. What a client was told must be
// there afterwards, and what it lost without knowing must not.

func (s *fakeStore) Load(_ LockQuery, fn func(*PersistedLock) error) error {
	for _, id := range slices.Sorted(maps.Keys(s.Locks)) {
		l := s.Locks[id]
		if err := fn(&l); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeStore) LoadOpens(fn func(*PersistedOpen) error) error {
	for _, id := range slices.SortedFunc(maps.Keys(s.Opens), cmp.Compare[OpenID]) {
		o := s.Opens[id]
		if err := fn(&o); err != nil {
			return err
		}
	}
	return nil
}

func (s *fakeStore) ServerEpoch() (uint64, error) { return s.epoch, nil }

// crashOp is an operation of the model: what it is and up to three small numbers.
type crashOp struct {
	Kind    string
	A, B, C int
}

var crashOps = []string{
	"open", "open", "open", "close", "lock", "lock", "unlock", "write", "write", "deliver", "deliver",
	"disconnect", "reconnect", "reconnect", "rename", "mark", "commit", "wait", "expire", "crash",
}

func randomCrashOp(r *rand.Rand) crashOp {
	return crashOp{crashOps[r.IntN(len(crashOps))], r.IntN(3), r.IntN(4), r.IntN(16)}
}

// crashHandle is what a client knows of one of its opens.
type crashHandle struct {
	o          *Open
	id         OpenID
	client     *crashClient
	file       int
	guid       [16]byte
	persistent bool
	durable    bool
	lost       time.Time // when its connection was
	path       string
	locks      map[Range]bool
	sequences  [lockBuckets]uint8 // told to have succeeded, plus one
	stale      [lockBuckets]uint8 // was invalidated, which the store need not know yet
}

// crashClient is a client that believes to have leases until it is told otherwise.
type crashClient struct {
	testClient
	n         int
	connected bool
	handles   []*crashHandle
	belief    [2]LeaseState // by file
}

// crashModel runs one history.
type crashModel struct {
	s       *fakeStore
	m       *OplockManager
	epoch   uint64
	next    uint64 // of open ids in this epoch
	clients [3]*crashClient
	marked  [2]bool           // for deletion, by file
	ids     map[uint64]string // what each lock id was used for
	log     []string
}

func (x *crashModel) failf(format string, args ...any) error {
	return fmt.Errorf("%s\n%s", fmt.Sprintf(format, args...), strings.Join(x.log, "\n"))
}

// start starts a server on what the store holds.
func (x *crashModel) start(c content) error {
	x.epoch++
	x.next = 0
	x.s = &fakeStore{content: c, gate: make(chan struct{}), epoch: x.epoch}
	x.m = New(Options{Store: x.s, KeepDurable: true})
	_, err := x.m.Restore()
	return err
}

// stop ends the server, whatever becomes of its store.
func (x *crashModel) stop() {
	close(x.s.gate)
	_ = x.m.Close()
}

// run lets fn wait for the store, and the store commit no more than that.
func (x *crashModel) run(fn func()) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn()
	}()
	for range 1000 {
		synctest.Wait()
		select {
		case <-done:
			return nil
		default:
		}
		select {
		case x.s.gate <- struct{}{}:
		default:
			return x.failf("an operation waits, and not for the store")
		}
	}
	return x.failf("an operation waits for ever")
}

func (x *crashModel) key(file int) Key { return Key{byte(file + 1)} }

// leaseKey is the key of a client for a file.
func leaseKey(client, file int) LeaseKey { return LeaseKey{byte(client + 1), byte(file + 1)} }

// handle picks an open of a connected client, nil if there is none.
func (x *crashModel) handle(op crashOp) *crashHandle {
	c := x.clients[op.A]
	if !c.connected || len(c.handles) == 0 {
		return nil
	}
	return c.handles[op.B%len(c.handles)]
}

func (x *crashModel) step(op crashOp) (err error) {
	x.log = append(x.log, fmt.Sprint(op))
	c, h := x.clients[op.A], x.handle(op)
	switch op.Kind {
	case "open":
		if c.connected && len(c.handles) < 4 {
			err = x.open(c, op.B%2, op.C)
		}
	case "close":
		if h != nil {
			err = x.run(h.closes)
			c.forget(h)
		}
	case "lock":
		if h != nil {
			err = x.lock(h, op.C)
		}
	case "unlock":
		if h != nil {
			err = x.unlock(h)
		}
	case "write":
		if h != nil {
			var res error
			err = x.run(func() { res = h.o.Break(CauseWrite) })
			if err == nil && res == nil {
				err = x.noHarm(c, h.file)
			}
		}
	case "rename":
		if h != nil {
			to := fmt.Sprint("f", op.C)
			err = x.run(func() { h.o.Renamed(to) })
			x.renamed(h, to)
		}
	case "mark":
		if h != nil {
			var res error
			err = x.run(func() { res = h.o.SetDelete(op.C%3 == 0) })
			err = errors.Join(err, res)
			x.marked[h.file] = op.C%3 == 0
		}
	case "deliver":
		if c.connected {
			err = x.deliver(c)
		}
	case "disconnect":
		x.disconnect(c)
	case "reconnect":
		if !c.connected {
			err = x.reconnect(c)
		}
	case "commit":
		synctest.Wait()
		select {
		case x.s.gate <- struct{}{}:
		default:
		}
	case "wait":
		time.Sleep(DefaultBreakTimeout)
	case "expire":
		time.Sleep(DefaultDurableTimeout + time.Second)
	case "crash":
		return x.crash()
	}
	synctest.Wait()
	if err == nil {
		err = x.check(x.s.snapshot())
	}
	return err
}

// closes closes a handle and deletes what that leaves to delete.
func (h *crashHandle) closes() {
	if c := h.o.Close(); c.Delete {
		c.Deleted()
	}
}

func (c *crashClient) forget(h *crashHandle) {
	c.handles = slices.DeleteFunc(c.handles, func(x *crashHandle) bool { return x == h })
	for _, x := range c.handles {
		if x.file == h.file {
			return
		}
	}
	c.belief[h.file] = 0
}

// open opens a file: persistent, durable or plain, by the low bits of how.
func (x *crashModel) open(c *crashClient, file, how int) error {
	x.next++
	h := &crashHandle{id: OpenID(x.epoch<<40 | x.next), client: c, file: file, locks: map[Range]bool{}}
	h.guid = [16]byte{1: byte(x.epoch), 2: byte(x.next), 3: byte(c.n)}
	// All opens of a file have the path of the first.
	h.path = "f"
	for _, other := range x.clients {
		for _, o := range other.handles {
			if o.file == file {
				h.path = o.path
			}
		}
	}
	req := &OpenRequest{
		Client: c, Owner: Owner{ClientID: c.id, SessionID: x.epoch, OpenID: h.id}, Path: h.path,
		Access: accessAll, Share: shareAll, Oplock: OplockLease, Overwrite: how&8 != 0,
		Lease: &LeaseRequest{Key: leaseKey(c.n, file), State: LeaseRWH, Version: 2},
	}
	if how&4 != 0 {
		req.Lease.State = LeaseRH
	}
	var grant Grant
	var durable DurableGrant
	var res, dres error
	err := x.run(func() {
		if h.o, grant, res = x.m.Open(x.key(file), "", req); res == nil && how&3 != 0 {
			durable, dres = h.o.Durable(DurableRequest{V2: true, Persistent: how&1 != 0, CreateGuid: h.guid, User: "u", Share: "s"})
		}
	})
	if err != nil || dres != nil {
		return errors.Join(err, dres)
	}
	if res != nil {
		return nil
	}
	h.durable, h.persistent = durable.Granted, durable.Persistent
	c.handles = append(c.handles, h)
	c.belief[file] = grant.Lease
	x.marked[file] = false
	return x.noHarm(c, file)
}

// once sends a LOCK with a sequence. done is false if it was carried out before, or
// failed.
func (x *crashModel) once(h *crashHandle, n int, send func(Sequence) error) (done bool, err error) {
	q := Sequence{uint32(1 + n%3), uint8(n % 5)}
	b, v := q.Index-1, q.Number+1
	if h.sequences[b] == 0 && h.stale[b] == v {
		return false, nil // nobody goes back to what was before the last one
	}
	want, replay := h.sequences[b] == v, false
	var res error
	err = x.run(func() {
		if replay, res = h.o.LockSequence(q); !replay && res == nil {
			res = send(q)
			res = errors.Join(res, h.o.LockSequenceDone(q, res == nil))
		}
	})
	switch {
	case err != nil:
		return false, err
	case replay != want || want && res != nil:
		return false, x.failf("sequence %v: replay %v, want %v; %v", q, replay, want, res)
	case want:
		return false, nil
	case h.sequences[b] != 0:
		h.stale[b] = h.sequences[b]
	}
	h.sequences[b] = 0
	if res == nil {
		h.sequences[b], h.stale[b] = v, 0
	}
	return res == nil, nil
}

// lock takes two ranges at once.
func (x *crashModel) lock(h *crashHandle, n int) error {
	r := []Range{{uint64(n), 1, true}, {uint64(n + 1), 1, n%3 == 0}}
	done, err := x.once(h, n, func(q Sequence) error { return h.o.LockOnce(r, false, q) })
	if err != nil || !done {
		return err
	}
	h.locks[r[0]], h.locks[r[1]] = true, true
	return x.noHarm(h.client, h.file)
}

// unlock gives the first lock back; of two of one range, the exclusive one goes.
func (x *crashModel) unlock(h *crashHandle) error {
	if len(h.locks) == 0 {
		return nil
	}
	r := slices.MinFunc(slices.Collect(maps.Keys(h.locks)), func(a, b Range) int {
		if c := cmp.Compare(a.Offset, b.Offset); c != 0 || a.Exclusive == b.Exclusive {
			return c
		} else if a.Exclusive {
			return -1
		}
		return 1
	})
	var bad error
	done, err := x.once(h, int(r.Offset)+1, func(q Sequence) error {
		bad = h.o.UnlockOnce([]Range{r}, q)
		return bad
	})
	if done {
		delete(h.locks, r)
	}
	return errors.Join(err, bad)
}

// renamed follows a rename: all opens with the same path have the new one.
func (x *crashModel) renamed(h *crashHandle, to string) {
	for _, c := range x.clients {
		for _, o := range c.handles {
			if o.file == h.file {
				o.path = to
			}
		}
	}
}

// deliver lets a client see the notifications that were sent to it.
func (x *crashModel) deliver(c *crashClient) error {
	for _, b := range c.take() {
		file := int(b.LeaseKey[1]) - 1
		c.belief[file] &= b.To
		if b.AckRequired {
			if err := x.run(func() { _, _ = x.m.Ack(c.id, b.LeaseKey, b.To) }); err != nil {
				return err
			}
		}
	}
	return nil
}

// disconnect cuts a client off. What it was sent and has not seen is gone.
func (x *crashModel) disconnect(c *crashClient) {
	if !c.connected {
		return
	}
	c.connected = false
	c.mu.Lock()
	c.dead, c.sent = true, nil
	c.mu.Unlock()
	for _, h := range slices.Clone(c.handles) {
		if h.o.Disconnect() {
			h.lost = time.Now()
		} else {
			h.o.Close()
			c.forget(h)
		}
	}
}

// reconnect gives a client what is left of its opens. A persistent one must be
// there, unless its time was up.
func (x *crashModel) reconnect(c *crashClient) error {
	c.connected = true
	c.mu.Lock()
	c.dead = false
	c.mu.Unlock()
	for _, h := range slices.Clone(c.handles) {
		claim := Claim{
			Client: c, SessionID: x.epoch, User: "u", Share: "s", V2: true, CreateGuid: h.guid, Persistent: h.persistent,
			HasLease: true, LeaseKey: leaseKey(c.n, h.file), LeaseVersion: 2, Path: h.path,
		}
		var rec Record
		var res error
		if err := x.run(func() { h.o, rec, res = x.m.Reclaim(h.id, claim) }); err != nil {
			return err
		}
		if res == nil && time.Since(h.lost) >= DefaultDurableTimeout {
			// It had ended, which the store did not know yet: what has become of the file
			// since is not in its record. The server finds the file gone or another one.
			if err := x.run(h.closes); err != nil {
				return err
			}
			c.forget(h)
			continue
		}
		if res == nil {
			c.belief[h.file] = rec.Grant.Lease
			if h.persistent && h.o.DeletePending() != x.marked[h.file] {
				return x.failf("open %x came back marked %v, want %v", h.id, h.o.DeletePending(), x.marked[h.file])
			}
			continue
		}
		if h.persistent && time.Since(h.lost) < DefaultDurableTimeout {
			return x.failf("client %d, open %x: %v", c.n, h.id, res)
		}
		c.forget(h)
	}
	return nil
}

// crash ends the server at once and starts it on what the store holds.
func (x *crashModel) crash() error {
	left := x.s.snapshot()
	for _, c := range x.clients {
		for _, h := range slices.Clone(c.handles) {
			if !h.durable {
				c.forget(h)
			} else if c.connected {
				h.lost = time.Now()
			}
		}
		c.connected = false
		c.mu.Lock()
		c.dead, c.sent = true, nil
		c.mu.Unlock()
	}
	x.stop()
	if err := x.start(left); err != nil {
		return err
	}
	// The time of all of them begins anew.
	for _, c := range x.clients {
		for _, h := range c.handles {
			if time.Since(h.lost) < DefaultDurableTimeout {
				h.lost = time.Now()
			}
		}
	}
	return nil
}

// runCrashModel runs a history in a bubble of its own.
func runCrashModel(t *testing.T, ops []crashOp) (err error) {
	synctest.Test(t, func(*testing.T) {
		x := &crashModel{ids: make(map[uint64]string)}
		for i := range x.clients {
			x.clients[i] = &crashClient{testClient: testClient{id: ClientID{byte(i + 1)}}, n: i, connected: true}
		}
		if err = x.start(newContent()); err != nil {
			return
		}
		defer func() { x.stop() }()
		for _, op := range ops {
			if err = x.step(op); err != nil {
				return
			}
		}
	})
	return err
}

func TestCrashModel(t *testing.T) {
	const length = 400
	histories := 2 * soakSteps(t) / length
	seed, begin := rand.Uint64(), time.Now()
	for i := range uint64(histories) {
		r := rand.New(rand.NewPCG(seed, i))
		var ops []crashOp
		for range length {
			ops = append(ops, randomCrashOp(r))
		}
		err := runCrashModel(t, ops)
		if err == nil {
			continue
		}
		// What is not needed for the failure only hides it.
		for i := len(ops) - 1; i >= 0; i-- {
			less := slices.Delete(slices.Clone(ops), i, i+1)
			if lessErr := runCrashModel(t, less); lessErr != nil {
				ops, err = less, lessErr
			}
		}
		t.Fatal(err)
	}
	t.Logf("%d steps in %d histories, %v", histories*length, histories, time.Since(begin).Round(time.Millisecond))
}
