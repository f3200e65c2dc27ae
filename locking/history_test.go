package locking

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// soakSteps is how many steps the histories have together: those of "make soak", or
// as many as an ordinary run of the tests has time for.
func soakSteps(t *testing.T) int {
	t.Helper()
	v := os.Getenv("LESSOR_SOAK_STEPS")
	if v == "" {
		return 20_000
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("LESSOR_SOAK_STEPS=%q is not a number of steps", v)
	}
	return n
}

// durableTimeout is another one for each open, so that none end at the same moment.
func durableTimeout(id OpenID) time.Duration {
	return DefaultDurableTimeout + time.Duration(id)*time.Microsecond
}

// pair is the manager beside the model.
type pair struct {
	e       *env
	s       *fakeStore
	m       model
	opens   map[OpenID]*Open
	client  map[OpenID]int // 0 to 2
	key     map[OpenID]int // of the lease, 0 if there is none
	purged  []OpenID
	waiting []waitingOpen
	locks   []waitingLock
	delete  *Closed // what the last close has left
	steps   int
}

// waitingOpen is an open that must come back, and when.
type waitingOpen struct {
	r *OpenRequest
	b *Blocked
}

// waitingLock is a lock that is waited for on both sides.
type waitingLock struct {
	w *modelWait
	b *Blocked
}

// start starts a server on what is stored, as it would be read from a file.
func (p *pair) start(t *rapid.T) {
	c := newContent()
	for id, l := range p.s.Locks {
		b, err := EncodeLock(&l)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeLock(b)
		if err != nil {
			t.Fatal(err)
		}
		c.Locks[id] = *back
	}
	for id, o := range p.s.Opens {
		b, err := EncodeOpen(&o)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeOpen(b)
		if err != nil {
			t.Fatal(err)
		}
		c.Opens[id] = *back
	}
	p.s = &fakeStore{content: c, epoch: p.s.epoch + 1}
	p.purged = nil
	p.e.m = New(Options{Store: p.s, KeepDurable: true, OnPurge: func(id OpenID, _ any, _ Closed) {
		p.e.c[3].mu.Lock() // only for the list
		defer p.e.c[3].mu.Unlock()
		p.purged = append(p.purged, id)
	}})
	if _, err := p.e.m.Restore(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server as it stands. What is on its way to the store gets there: what
// becomes of it otherwise is what TestCrashModel is about.
func (p *pair) kill(t *rapid.T) {
	p.compareTold(t)
	p.e.m.Flush()
	p.s.mu.Lock()
	left := p.s.clone()
	p.s.mu.Unlock()
	if err := p.e.m.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range p.e.c {
		c.take()
	}
	p.s.content = left
	p.waiting, p.locks, p.delete, p.m.sent = nil, nil, nil, nil
	p.m.kill()
	p.start(t)
	synctest.Wait()
	p.opens = make(map[OpenID]*Open)
	for _, o := range p.m.opens {
		if p.opens[o.id] = p.e.m.byID(o.id); p.opens[o.id] == nil {
			t.Fatalf("open %d is gone", o.id)
		}
	}
}

// restart ends the server in good order: all connections end, and what cannot wait
// for its client is closed.
func (p *pair) restart(t *rapid.T) {
	for _, o := range slices.Clone(p.m.opens) {
		if !o.lost && slices.Contains(p.m.opens, o) {
			p.lose(t, o)
		}
	}
	p.finish()
	p.kill(t)
}

func (p *pair) leaseName(r *OpenRequest) string {
	if r.Lease == nil {
		return ""
	}
	return fmt.Sprint("L", r.Lease.Key[0])
}

// attempt makes one attempt on both sides.
func (p *pair) attempt(t *rapid.T, r *OpenRequest, before *Blocked) {
	over := before != nil && ready(before)
	want := p.m.open(r, p.leaseName(r))
	o, _, err := p.e.m.Open(fileA, "", r)
	var b *Blocked
	got := ""
	switch {
	case errors.As(err, &b):
		got = "wait"
		p.waiting = append(p.waiting, waitingOpen{r, b})
	case errors.Is(err, ErrSharing):
		got = "sharing"
	case errors.Is(err, ErrDeletePending):
		got = "pending"
	case errors.Is(err, ErrNotAvailable):
		got = "unavailable"
	case err != nil:
		t.Fatal(err)
	default:
		p.opens[o.ID()] = o
	}
	if got != want {
		t.Fatalf("open %+v: %q, want %q", r, got, want)
	}
	if before != nil && got == "" && !over {
		t.Fatalf("open %+v: it waits though there is nothing in its way", r)
	}
}

func (p *pair) draw(t *rapid.T) *OpenRequest {
	key := rapid.IntRange(1, 4).Draw(t, "key")
	r := p.e.req(key % 3)
	r.Access = rapid.SampledFrom([]uint32{accessAll, accessAll, accessRead, accessReadAttr, accessReadAttr | accessReadCtrl, accessDelete}).Draw(t, "access")
	if rapid.IntRange(0, 5).Draw(t, "limit") == 0 {
		r.Share = rapid.Uint32Range(0, 7).Draw(t, "share")
	}
	r.Overwrite = rapid.IntRange(0, 4).Draw(t, "overwrite") == 0
	r.DeleteOnClose = rapid.IntRange(0, 3).Draw(t, "delete") == 0
	p.client[r.Owner.OpenID] = key % 3
	if rapid.Bool().Draw(t, "lease") {
		p.key[r.Owner.OpenID] = key
		lease(key, LeaseState(rapid.Uint32Range(0, 7).Draw(t, "state")))(r)
	} else {
		r.Oplock = OplockLevel(rapid.IntRange(0, 3).Draw(t, "level"))
	}
	return r
}

// any picks an open that is connected.
func (p *pair) any(t *rapid.T) *modelOpen {
	return pick(t, p.m.opens, func(o *modelOpen) bool { return !o.lost })
}

// pick draws one of a list for which sel holds.
func pick[T any](t *rapid.T, list []T, sel func(T) bool) T {
	list = slices.DeleteFunc(slices.Clone(list), func(x T) bool { return !sel(x) })
	if len(list) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(list).Draw(t, "which")
}

// ack acknowledges something, in time or late, rightly or wrongly.
func (p *pair) ack(t *rapid.T) {
	breaking := func(c *modelCache) bool { return c.breaking }
	if !slices.ContainsFunc(p.m.holders, breaking) {
		breaking = func(*modelCache) bool { return true }
	}
	c := pick(t, p.m.holders, breaking)
	if !c.lease {
		p.ackOplock(t, c)
		return
	}
	s := LeaseState(rapid.Uint32Range(0, 7).Draw(t, "state"))
	if c.breaking && !IsValidFileLeaseState(s) {
		s = c.requested
	}
	var want error
	switch {
	case !c.breaking:
		want = ErrNotBreaking
	case s&^c.requested != 0:
		want = ErrBadAck
	default:
		p.m.ack(c, s)
	}
	key := int(c.name[1] - '0')
	if _, err := p.e.m.Ack(p.e.c[key%3].id, keyOf[key], s); err != want {
		t.Fatalf("ack of %s with %v: %v, want %v", c.name, s, err, want)
	}
}

func (p *pair) ackOplock(t *rapid.T, c *modelCache) {
	o := p.m.opensOf(c)[0]
	l := rapid.SampledFrom([]OplockLevel{OplockNone, OplockII, OplockII, OplockExclusive, OplockBatch, OplockLease}).Draw(t, "level")
	var want error
	switch {
	case !c.breaking || l == OplockExclusive || l == OplockBatch:
		want = ErrInvalidOplockProtocol
	case l == OplockLease:
		want = ErrInvalidOplockLevel
	}
	if c.breaking && want == nil {
		p.m.settle(c, l.state()&c.requested)
	} else if c.breaking {
		p.m.settle(c, 0)
	}
	if _, err := p.opens[o.id].AckOplock(l); err != want {
		t.Fatalf("ack of %s with %v: %v, want %v", c.name, l, err, want)
	}
}

func (p *pair) ranges(t *rapid.T) []Range {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Range {
		return Range{rapid.Uint64Range(0, 9).Draw(t, "offset"), rapid.Uint64Range(0, 3).Draw(t, "length"), rapid.Bool().Draw(t, "exclusive")}
	}), 1, 3).Draw(t, "ranges")
}

// sequence draws a lock sequence; ok is false if the request was carried out before.
func (p *pair) sequence(t *rapid.T, o *modelOpen) (q Sequence, ok bool) {
	q = Sequence{rapid.Uint32Range(0, 2).Draw(t, "bucket"), uint8(rapid.IntRange(0, 3).Draw(t, "number"))}
	for _, w := range p.m.waits {
		if w.o == o && w.seq.Index == q.Index {
			// A client has one request at a time for each bucket, but may send it again.
			q.Number = w.seq.Number
		}
	}
	want := o.carriedOut(q)
	if q.Index > 0 && !want {
		o.sequences[q.Index-1] = 0
	}
	if got, err := p.opens[o.id].LockSequence(q); err != nil || got != want {
		t.Fatalf("sequence %v: replay %v, want %v; %v", q, got, want, err)
	}
	return q, !want
}

func (p *pair) lock(t *rapid.T) {
	o := p.any(t)
	ranges, wait := p.ranges(t), rapid.Bool().Draw(t, "wait")
	q, ok := p.sequence(t, o)
	if !ok {
		return
	}
	w := p.m.lock(o, ranges, wait, q)
	err := p.opens[o.id].LockOnce(ranges, wait, q)
	var b *Blocked
	switch {
	case errors.As(err, &b) && w != nil:
		p.locks = append(p.locks, waitingLock{w, b}) // over already, if that has served it
	case w == nil && errors.Is(err, ErrLockNotGranted), w != nil && w.done && err == nil:
	default:
		t.Fatalf("lock of %v: %v, want %+v", ranges, err, w)
	}
	if err := p.opens[o.id].LockSequenceDone(q, err == nil); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) unlock(t *rapid.T) {
	o := p.any(t)
	ranges := p.ranges(t)
	if len(o.locks) > 0 && rapid.IntRange(0, 3).Draw(t, "held") > 0 {
		ranges[0] = rapid.SampledFrom(o.locks).Draw(t, "lock")
	}
	q, ok := p.sequence(t, o)
	if !ok {
		return
	}
	want := p.m.unlock(o, ranges, q)
	err := p.opens[o.id].UnlockOnce(ranges, q)
	if (err == nil) != want || !want && err != ErrRangeNotLocked {
		t.Fatalf("unlock of %v: %v, want %v", ranges, err, want)
	}
	if err := p.opens[o.id].LockSequenceDone(q, err == nil); err != nil {
		t.Fatal(err)
	}
}

func (p *pair) cancel(t *rapid.T) {
	l := pick(t, p.locks, func(waitingLock) bool { return true })
	want := !l.w.done || l.w.err != nil
	if !l.w.done {
		p.m.waits = slices.DeleteFunc(p.m.waits, func(w *modelWait) bool { return w == l.w })
		l.w.done, l.w.err = true, ErrCanceled
	}
	if got := l.b.Cancel(); got != want {
		t.Fatalf("cancel: %v, want %v", got, want)
	}
}

// io reads or writes in a range that may be locked.
func (p *pair) io(t *rapid.T) {
	o, r := p.any(t), p.ranges(t)[0]
	want := ioRead
	if r.Exclusive {
		want = ioWrite
	}
	refused := r.Length > 0 && p.m.conflict(o, r, want)
	if err := p.opens[o.id].CheckIO(r.Offset, r.Length, r.Exclusive); errors.Is(err, ErrLocked) != refused || err != nil && !refused {
		t.Fatalf("access to %v: %v, want it refused: %v", r, err, refused)
	}
}

// close closes an open. The deletion that it may leave goes on until finish.
func (p *pair) close(t *rapid.T, o *modelOpen) {
	want := p.m.close(o)
	c := p.opens[o.id].Close()
	delete(p.opens, o.id)
	if c.Delete != want || c.LastOnFile != (len(p.m.opens) == 0) {
		t.Fatalf("close of %d: %+v, want deletion %v, left %d", o.id, c, want, len(p.m.opens))
	}
	if want {
		p.delete = &c
	}
}

func (p *pair) finish() {
	if p.delete != nil {
		p.delete.Deleted()
		p.delete = nil
		p.m.deleted()
	}
}

// lose lets the connection of an open end.
func (p *pair) lose(t *rapid.T, o *modelOpen) {
	want := p.m.disconnect(o)
	if got := p.opens[o.id].Disconnect(); got != want {
		t.Fatalf("open %d is kept: %v, want %v", o.id, got, want)
	}
	if !want {
		p.close(t, o)
	}
}

func (p *pair) makeDurable(t *rapid.T) {
	persistent := rapid.Bool().Draw(t, "persistent")
	o := pick(t, p.m.opens, func(o *modelOpen) bool { return !o.lost && !o.persistent && !(o.durable && !persistent) })
	want := persistent || o.cache != nil && !o.cache.breaking && o.cache.state&LeaseHandle != 0
	g, err := p.opens[o.id].Durable(DurableRequest{
		V2: true, Persistent: persistent, CreateGuid: [16]byte{1: byte(o.id), 2: byte(o.id >> 8)}, User: "u", Share: "s", Timeout: durableTimeout(o.id),
	})
	if err != nil || g.Granted != want || g.Persistent != persistent && want {
		t.Fatalf("durable: %+v, %v, want %v", g, err, want)
	}
	if want {
		o.durable, o.persistent = true, persistent
	}
}

func (p *pair) reconnect(t *rapid.T) {
	o := pick(t, p.m.opens, func(o *modelOpen) bool { return o.lost })
	claim := Claim{
		Client: p.e.c[p.client[o.id]], User: "u", Share: "s", V2: true, Persistent: o.persistent, Path: "dir/file",
		CreateGuid: [16]byte{1: byte(o.id), 2: byte(o.id >> 8)},
	}
	if key := p.key[o.id]; key > 0 {
		claim.HasLease, claim.LeaseKey, claim.LeaseVersion = true, keyOf[key], 2
	}
	p.m.reconnect(o)
	got, _, err := p.e.m.Reclaim(o.id, claim)
	if err != nil || got != p.opens[o.id] {
		t.Fatalf("reconnect of %d: %v", o.id, err)
	}
}

// actions are what may happen, some of it more often.
func (p *pair) actions() map[string]func(*rapid.T) {
	open := func(t *rapid.T) { p.attempt(t, p.draw(t), nil) }
	lose := func(t *rapid.T) { p.lose(t, p.any(t)) }
	return map[string]func(*rapid.T){
		"open": open, "open too": open, "open as well": open, "open once more": open,
		"retry": func(t *rapid.T) {
			w := pick(t, p.waiting, func(waitingOpen) bool { return true })
			p.waiting = slices.DeleteFunc(p.waiting, func(x waitingOpen) bool { return x == w })
			p.attempt(t, w.r, w.b)
		},
		"close": func(t *rapid.T) { p.close(t, p.any(t)) },
		"cause": func(t *rapid.T) {
			o := p.any(t)
			c := rapid.SampledFrom([]Cause{CauseWrite, CauseTruncate, CauseRename, CauseDelete}).Draw(t, "cause")
			want := p.m.cause(o, c)
			if err := p.opens[o.id].Break(c); (err != nil) != want {
				t.Fatalf("cause %d: %v, want wait %v", c, err, want)
			}
		},
		"ack": p.ack, "ack too": p.ack, "lock": p.lock, "lock too": p.lock, "unlock": p.unlock, "cancel": p.cancel, "io": p.io,
		"mark": func(t *rapid.T) {
			o := p.any(t)
			p.m.doomed = rapid.Bool().Draw(t, "doomed")
			if err := p.opens[o.id].SetDelete(p.m.doomed); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *rapid.T) {
			if p.delete == nil {
				t.Skip("nothing is being deleted")
			}
			p.finish()
		},
		"durable": p.makeDurable, "durable too": p.makeDurable,
		"disconnect": lose, "disconnect too": lose,
		"reconnect": p.reconnect,
		"later": func(t *rapid.T) {
			d := time.Second
			switch rapid.IntRange(0, 11).Draw(t, "what") {
			case 0:
				p.restart(t)
			case 1:
				p.kill(t)
			case 2:
				d = DefaultDurableTimeout + time.Second
			case 3, 4:
				d = DefaultBreakTimeout
			}
			time.Sleep(d)
			p.m.pass(d)
		},
		"": p.compare,
	}
}

// history runs one history. It is called within a bubble.
func (p *pair) history(rt *rapid.T) {
	p.e = &env{}
	for i := range p.e.c {
		p.e.c[i] = &testClient{id: ClientID{byte(i + 1)}}
	}
	p.s = newFakeStore()
	p.opens, p.client, p.key = make(map[OpenID]*Open), make(map[OpenID]int), make(map[OpenID]int)
	p.start(rt)
	defer func() {
		if err := p.e.m.Close(); err != nil {
			rt.Fatal(err)
		}
	}()
	rt.Repeat(p.actions())
	// Nothing is left in the end.
	p.finish()
	for _, o := range slices.Clone(p.m.opens) {
		if c := p.opens[o.id].Close(); c.Delete {
			c.Deleted()
		}
	}
	synctest.Wait()
	p.e.m.Flush()
	if s := p.e.m.Stats(); s != (Stats{}) {
		rt.Fatalf("counters at the end: %+v", s)
	}
	if c := p.s.snapshot(); len(c.Opens)+len(c.Locks) > 0 {
		rt.Fatalf("stored in the end: %+v", c)
	}
}

// TestHistories compares random histories with the model.
func TestHistories(t *testing.T) {
	set := func(name, value string) {
		f := flag.Lookup(name)
		was := f.Value.String()
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(was) })
	}
	set("rapid.checks", "20")
	set("rapid.steps", "100")
	begin, steps, histories := time.Now(), 0, 0
	for want := soakSteps(t); steps < want; {
		rapid.Check(t, func(rt *rapid.T) {
			var p pair
			defer func() { steps, histories = steps+p.steps, histories+1 }()
			rapid.SyncTest(rt, p.history)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%d steps in %d histories, %v", steps, histories, time.Since(begin).Round(time.Millisecond))
}
