package locking

import (
	"slices"
	"testing"
	"testing/synctest"
)

// What the end of one open does to others that wait for their clients. Each of these
// was found by TestHistories.

// ends collects what OnPurge is told.
func ends(list *[]purgedOpen) func(OpenID, any, Closed) {
	return func(id OpenID, _ any, c Closed) { *list = append(*list, purgedOpen{id: id, result: c}) }
}

// lostDurable is a durable open that waits for its client.
func (e *env) lostDurable(c, key int, change ...func(*OpenRequest)) *Open {
	e.t.Helper()
	o, _ := e.open(fileA, c, append(change, lease(key, LeaseRH))...)
	if g, err := o.Durable(DurableRequest{V2: true, User: "u", Share: "s"}); err != nil || !g.Granted {
		e.t.Fatalf("Durable: %+v, %v", g, err)
	}
	if !o.Disconnect() {
		e.t.Fatal("not kept")
	}
	return o
}

func deletions(list []purgedOpen) (ids []OpenID, n int) {
	for _, p := range list {
		ids = append(ids, p.id)
		if p.result.Delete {
			n++
		}
	}
	slices.Sort(ids)
	return ids, n
}

// Opens that delete the file when they close push each other out, once.
func TestPushedOutInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []purgedOpen
		e := newEnv(t, Options{OnPurge: ends(&list)})
		e.lostDurable(0, 1, deleteOnClose)
		e.lostDurable(1, 2, deleteOnClose)
		b := e.blocked(fileA, e.req(2, overwrite)) // until the file is deleted
		synctest.Wait()
		ids, n := deletions(list)
		if !slices.Equal(ids, []OpenID{1, 2}) || n != 1 {
			t.Errorf("ended %v with %d deletions", ids, n)
		}
		if !ready(b) {
			t.Error("the deletion wakes nobody")
		}
		e.idle()
	})
}

// An open that closes is not asked to give up what it has by those that its end
// pushes out.
func TestClosingOpenIsNotBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []purgedOpen
		e := newEnv(t, Options{OnPurge: ends(&list)})
		e.lostDurable(0, 1, deleteOnClose)
		o, _ := e.open(fileA, 1, lease(2, LeaseRH), deleteOnClose)
		c := o.Close()
		wantNone(t, e.c[1])
		synctest.Wait()
		if ids, n := deletions(list); len(ids) != 1 || n != 0 || !c.Delete {
			t.Errorf("ended %v with %d deletions, the last one with %+v", ids, n, c)
		}
		c.Deleted()
		e.idle()
	})
}

// All opens of a lease are pushed out, even if the end of the first ends the one
// that is next to it on the file.
func TestWholeLeaseIsPushedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []purgedOpen
		e := newEnv(t, Options{OnPurge: ends(&list)})
		first, _ := e.open(fileA, 2, lease(3, LeaseRH))
		e.lostDurable(0, 1, deleteOnClose)
		e.lostDurable(1, 2)
		e.lostDurable(0, 1)
		first.Close() // now the other lease stands in front of that with two opens
		last, _ := e.open(fileA, 2, lease(4, LeaseRH))
		_, _, err := e.try(fileA, "", e.req(3, overwrite))
		wantErr(t, err, ErrDeletePending)
		synctest.Wait()
		if ids, n := deletions(list); !slices.Equal(ids, []OpenID{2, 3, 4}) || n != 0 {
			t.Errorf("ended %v with %d deletions", ids, n)
		}
		last.Close().Deleted()
		e.idle()
	})
}

// Of an open and one that it pushes out with its end, one deletes the file.
func TestFileIsDeletedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var list []purgedOpen
		e := newEnv(t, Options{OnPurge: ends(&list)})
		e.lostDurable(0, 1)
		o, _ := e.open(fileA, 0, lease(1, LeaseRH))
		other, _ := e.open(fileA, 2)
		isBlocked(t, other.Break(CauseRename)) // o alone could answer
		wantErr(t, other.SetDelete(true), nil)
		other.Close()
		c := o.Close()
		synctest.Wait()
		ids, n := deletions(list)
		if c.Delete {
			n++
			c.Deleted()
		}
		if len(ids) != 1 || n != 1 {
			t.Errorf("ended %v, %d deletions", ids, n)
		}
		e.idle()
	})
}
