package locking

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/test/leaks"
)

func TestMain(m *testing.M) { leaks.VerifyTestMain(m) }

// Access masks as clients use them.
const (
	accessAll   = 0x001f01ff
	accessStat  = accessReadAttr | accessWriteAttr | accessSync
	shareAll    = shareRead | shareWrite | shareDelete
	accessRead  = 0x00120089
	accessWrite = 0x00120116
)

var (
	fileA = Key{1}
	fileB = Key{2}
	dirD  = Key{3}
	keyOf = [...]LeaseKey{{}, {1}, {2}, {3}, {4}}
)

// testClient records the breaks it is sent.
type testClient struct {
	id   ClientID
	mu   sync.Mutex
	sent []Break
	dead bool
}

func (c *testClient) ID() ClientID { return c.id }

func (c *testClient) Break(b Break) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead {
		return false
	}
	c.sent = append(c.sent, b)
	return true
}

// take returns the breaks since the last call.
func (c *testClient) take() []Break {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.sent
	c.sent = nil
	return s
}

// env is a manager with clients.
type env struct {
	t    testing.TB
	m    *OplockManager
	c    [4]*testClient
	next OpenID
}

func newEnv(t testing.TB, opts Options) *env {
	e := &env{t: t, m: New(opts)}
	for i := range e.c {
		e.c[i] = &testClient{id: ClientID{byte(i + 1)}}
	}
	t.Cleanup(func() {
		if err := e.m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return e
}

// req makes a request of client c for everything, sharing everything.
func (e *env) req(c int, change ...func(*OpenRequest)) *OpenRequest {
	e.next++
	r := &OpenRequest{
		Client: e.c[c],
		Owner:  Owner{ClientID: e.c[c].id, SessionID: uint64(c) + 100, OpenID: e.next},
		Path:   "dir/file",
		Access: accessAll,
		Share:  shareAll,
	}
	for _, f := range change {
		f(r)
	}
	return r
}

func oplock(l OplockLevel) func(*OpenRequest) { return func(r *OpenRequest) { r.Oplock = l } }
func access(a uint32) func(*OpenRequest)      { return func(r *OpenRequest) { r.Access = a } }
func share(s uint32) func(*OpenRequest)       { return func(r *OpenRequest) { r.Share = s } }
func path(p string) func(*OpenRequest)        { return func(r *OpenRequest) { r.Path = p } }
func overwrite(r *OpenRequest)                { r.Overwrite = true }
func deleteOnClose(r *OpenRequest)            { r.DeleteOnClose = true }
func directory(r *OpenRequest)                { r.IsDirectory = true }

// lease asks for a version 2 lease with epoch 0x10 times the key.
func lease(key int, s LeaseState) func(*OpenRequest) {
	return func(r *OpenRequest) {
		r.Oplock = OplockLease
		r.Lease = &LeaseRequest{Key: keyOf[key], State: s, Version: 2, Epoch: uint16(key) << 4}
	}
}

// try makes one attempt.
func (e *env) try(key Key, stream string, r *OpenRequest) (*Open, Grant, error) {
	return e.m.Open(key, stream, r)
}

// open expects success on the unnamed stream of a file.
func (e *env) open(key Key, c int, change ...func(*OpenRequest)) (*Open, Grant) {
	e.t.Helper()
	return e.openStream(key, "", c, change...)
}

func (e *env) openStream(key Key, stream string, c int, change ...func(*OpenRequest)) (*Open, Grant) {
	e.t.Helper()
	o, g, err := e.try(key, stream, e.req(c, change...))
	if err != nil {
		e.t.Fatalf("open: %v", err)
	}
	return o, g
}

// blocked expects that an open must wait.
func (e *env) blocked(key Key, r *OpenRequest) *Blocked {
	e.t.Helper()
	_, _, err := e.try(key, "", r)
	return isBlocked(e.t, err)
}

func isBlocked(t testing.TB, err error) *Blocked {
	t.Helper()
	var b *Blocked
	if !errors.As(err, &b) {
		t.Fatalf("got %v, want *Blocked", err)
	}
	return b
}

// ready reports whether the wait is over.
func ready(b *Blocked) bool {
	select {
	case <-b.Wait:
		return true
	default:
		return false
	}
}

func wantErr(t testing.TB, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Fatalf("got error %v, want %v", got, want)
	}
}

func wantNone(t testing.TB, c *testClient) {
	t.Helper()
	if b := c.take(); len(b) != 0 {
		t.Fatalf("unexpected breaks: %+v", b)
	}
}

// wantLeaseBreak expects exactly one lease break.
func wantLeaseBreak(t testing.TB, c *testClient, key int, from, to LeaseState, ack bool) Break {
	t.Helper()
	got := c.take()
	if len(got) != 1 {
		t.Fatalf("got %d breaks %+v, want one %v to %v", len(got), got, from, to)
	}
	b := got[0]
	if !b.Lease || b.LeaseKey != keyOf[key] || b.From != from || b.To != to || b.AckRequired != ack {
		t.Fatalf("got break %+v, want key %d %v to %v ack %v", b, key, from, to, ack)
	}
	return b
}

// wantOplockBreak expects exactly one oplock break of the open.
func wantOplockBreak(t testing.TB, c *testClient, o *Open, to OplockLevel, ack bool) {
	t.Helper()
	got := c.take()
	if len(got) != 1 || got[0].Lease || got[0].Owner.OpenID != o.ID() || got[0].Level != to || got[0].AckRequired != ack {
		t.Fatalf("got breaks %+v, want open %d to %v ack %v", got, o.ID(), to, ack)
	}
}

func (e *env) ack(c, key int, s LeaseState) {
	e.t.Helper()
	if got, err := e.m.Ack(e.c[c].id, keyOf[key], s); err != nil || got != s {
		e.t.Fatalf("Ack(%v): %v, %v", s, got, err)
	}
}

// retry repeats an open that was blocked.
func (e *env) retry(b *Blocked, key Key, r *OpenRequest) (*Open, Grant) {
	e.t.Helper()
	if !ready(b) {
		e.t.Fatal("still blocked")
	}
	if err := b.Result(); err != nil {
		e.t.Fatalf("Result: %v", err)
	}
	o, g, err := e.try(key, "", r)
	if err != nil {
		e.t.Fatalf("second attempt: %v", err)
	}
	return o, g
}

func (e *env) close(opens ...*Open) {
	for _, o := range opens {
		o.Close()
	}
}

// idle expects that nothing is registered any more.
func (e *env) idle() {
	e.t.Helper()
	if d := cmp.Diff(Stats{}, e.m.Stats()); d != "" {
		e.t.Fatalf("counters of an idle manager (-want +got):\n%s", d)
	}
}

func state(t testing.TB, s string) LeaseState {
	t.Helper()
	var v LeaseState
	for _, c := range s {
		switch c {
		case 'R':
			v |= LeaseRead
		case 'W':
			v |= LeaseWrite
		case 'H':
			v |= LeaseHandle
		default:
			t.Fatalf("bad state %q", s)
		}
	}
	return v
}

func level(t testing.TB, s string) OplockLevel {
	t.Helper()
	switch s {
	case "":
		return OplockNone
	case "s":
		return OplockII
	case "x":
		return OplockExclusive
	case "b":
		return OplockBatch
	}
	t.Fatalf("bad level %q", s)
	return 0
}
