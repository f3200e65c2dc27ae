package locking

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// gated is a manager whose store stores one transaction for each token.
func gated(t *testing.T, opts Options) (*env, *fakeStore) {
	s := newFakeStore()
	s.gate = make(chan struct{})
	opts.Store = s
	e := newEnv(t, opts)
	t.Cleanup(func() { close(s.gate) }) // before the manager is closed
	return e, s
}

// answer lets the store go on until somebody has his answer.
func answer[T any](s *fakeStore, c <-chan T) T {
	for {
		select {
		case s.gate <- struct{}{}:
		case v := <-c:
			return v
		}
	}
}

// What a client has lost without knowing is out of the store before others go on with the
// file, even if nobody had the file open in between.
func TestClosedFileIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := gated(t, Options{KeepDurable: true})
		o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
		e.durable(o)
		s.gate <- struct{}{}
		synctest.Wait()
		<-e.blocked(fileA, e.req(1)).Wait // who then gives up; the break ends by its time-out
		if o.Disconnect() {
			t.Fatal("an open without handle caching is kept")
		}
		o.Close() // its client is gone and believes to have everything
		opened := make(chan *Open)
		go func() {
			o, _, _ := e.try(fileA, "", e.req(1))
			opened <- o
		}()
		synctest.Wait()
		select {
		case <-opened:
			t.Fatal("the file was opened while a crash would give the other client its lease back")
		default:
		}
		other := answer(s, opened)
		if n := len(s.snapshot().Opens); n != 0 {
			t.Errorf("the store has %d opens", n)
		}
		other.Close()
		synctest.Wait()
		e.idle()
	})
}

// Nobody is told that a file is marked for deletion, or not any more, before that is stored
// with the persistent opens, whoever has asked for it first.
func TestMarkOfOtherIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := gated(t, Options{})
		o, _ := e.open(fileA, 0)
		go func() { s.gate <- struct{}{} }()
		e.durable(o, func(r *DurableRequest) { r.Persistent = true })
		p, _ := e.open(fileA, 1)
		for _, del := range []bool{true, false} {
			answers := make(chan error, 2)
			go func() { answers <- p.SetDelete(del) }()
			synctest.Wait()
			go func() { answers <- o.SetDelete(del) }()
			synctest.Wait()
			if len(answers) != 0 {
				t.Fatalf("%v: somebody was told of what a crash would undo", del)
			}
			for range 2 {
				wantErr(t, answer(s, answers), nil)
			}
			if got := s.snapshot().Opens[o.ID()].DeletePending; got != del {
				t.Errorf("%v is stored, %v was asked for", got, del)
			}
		}
		e.close(o, p)
	})
}

// A mark that could not be stored and that two have asked for stays if one of them was told
// so, and goes if neither was.
func TestMarkOfTwoThatCannotBeStored(t *testing.T) {
	for _, both := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			e, s := gated(t, Options{})
			durable := func(o *Open) {
				go func() { s.gate <- struct{}{} }()
				e.durable(o, func(r *DurableRequest) { r.Persistent = true })
			}
			o, _ := e.open(fileA, 0)
			p, _ := e.open(fileA, 1)
			durable(o)
			if both {
				durable(p)
			}
			s.setFail(errFull)
			errs := [2]chan error{make(chan error), make(chan error)}
			for i, x := range [2]*Open{o, p} {
				go func() { errs[i] <- x.SetDelete(true) }()
				synctest.Wait()
			}
			wantErr(t, answer(s, errs[0]), errFull)
			if both {
				wantErr(t, answer(s, errs[1]), errFull)
			} else {
				wantErr(t, answer(s, errs[1]), nil)
			}
			if o.DeletePending() == both {
				t.Errorf("the mark is %v", !both)
			}
			s.setFail(nil)
			e.close(o, p)
		})
	}
}

// An open that becomes resilient stays what it was beside that.
func TestResilientStaysPersistent(t *testing.T) {
	s := newFakeStore()
	e := newEnv(t, Options{Store: s})
	guid := [16]byte{1, 2, 3}
	o, _ := e.open(fileA, 0, lease(1, LeaseRWH))
	e.durable(o, func(r *DurableRequest) {
		r.Persistent, r.V2, r.CreateGuid, r.Timeout = true, true, guid, MaxDurableTimeout
	})
	o.Renaming("elsewhere")
	g := e.durable(o, func(r *DurableRequest) {
		r.V2, r.CreateGuid, r.Resilient, r.Timeout = false, [16]byte{}, true, DefaultDurableTimeout
	})
	if !g.Persistent || g.Timeout != MaxDurableTimeout {
		t.Errorf("granted %+v", g)
	}
	if p := s.snapshot().Opens[o.ID()]; !p.Persistent || !p.V2 || p.CreateGuid != guid || p.NextPath != "elsewhere" {
		t.Errorf("stored as %+v", p)
	}
	if !o.Disconnect() {
		t.Fatal("not kept")
	}
	_, _, err := e.m.Reclaim(o.ID(), e.claim(0, withLease(1), func(c *Claim) { c.V2, c.CreateGuid, c.Persistent = true, guid, true }))
	wantErr(t, err, nil)
	o.Close()
}

// An open that has left the store, and is made resilient then, is waited for as before.
func TestResilientHasLeftTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, s := gated(t, Options{KeepDurable: true})
		o, _ := e.open(fileA, 0, lease(1, LeaseRH))
		e.durable(o)
		s.gate <- struct{}{}
		synctest.Wait()
		e.blocked(fileA, e.req(1, share(0)))
		e.ack(0, 1, LeaseRead)
		e.durable(o, func(r *DurableRequest) { r.Resilient = true })
		locked := make(chan error, 1)
		go func() { locked <- o.Lock([]Range{{0, 1, true}}, false) }()
		synctest.Wait()
		if len(locked) != 0 {
			t.Error("a lock was granted that the open would not have after a crash")
		}
		wantErr(t, answer(s, locked), nil)
		o.Close()
	})
}

// An open whose client is gone is not made durable anew: nobody would end it then.
func TestDisconnectedIsNotMadeDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t, Options{})
		o, _ := e.open(fileA, 0, oplock(OplockBatch))
		e.durable(o)
		if !o.Disconnect() {
			t.Fatal("not kept")
		}
		_, err := o.Durable(DurableRequest{Resilient: true})
		wantErr(t, err, ErrClosed)
		time.Sleep(2 * DefaultDurableTimeout)
		synctest.Wait()
		if e.m.Stats().Opens > 0 {
			t.Error("the open does not expire")
		}
		o.Close()
	})
}

// Who asks for a lock when the manager is closed does not wait for ever.
func TestLockBehindClose(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	p, _ := e.open(fileA, 1)
	e.lock(o, 0, 1, true)
	if err := e.m.Close(); err != nil {
		t.Fatal(err)
	}
	err := p.Lock([]Range{{0, 1, true}}, true)
	var b *Blocked
	if errors.As(err, &b) && !ready(b) {
		t.Fatal("the wait does not end")
	}
	wantErr(t, err, ErrClosed)
	e.close(o, p)
}
