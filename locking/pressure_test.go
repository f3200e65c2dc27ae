package locking

import "testing"

func TestShedHandles(t *testing.T) {
	e := newEnv(t, Options{})
	first, _ := e.open(dirD, 0, directory, lease(1, LeaseRH))
	second, _ := e.open(Key{4}, 0, directory, lease(2, LeaseRH))
	other, _ := e.open(Key{5}, 1, directory, lease(3, LeaseRH))
	file, _ := e.open(fileA, 0, lease(4, LeaseRH))

	if n := e.m.ShedHandles(&e.c[0].id, 1); n != 1 {
		t.Fatalf("shed %d, want 1", n)
	}
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, LeaseRead, true) // the oldest one
	wantNone(t, e.c[1])
	// One that is asked already is not asked again, and files are left alone.
	if n := e.m.ShedHandles(&e.c[0].id, 10); n != 1 {
		t.Errorf("shed %d, want the one that is left", n)
	}
	wantLeaseBreak(t, e.c[0], 2, LeaseRH, LeaseRead, true)
	e.ack(0, 1, LeaseRead)
	e.ack(0, 2, LeaseRead)
	if n := e.m.ShedHandles(nil, 10); n != 1 {
		t.Errorf("shed %d of everybody's, want 1", n)
	}
	wantLeaseBreak(t, e.c[1], 3, LeaseRH, LeaseRead, true)
	e.ack(1, 3, LeaseRead)
	if n := e.m.ShedHandles(nil, 10); n != 0 {
		t.Errorf("shed %d where nothing is left", n)
	}
	e.close(first, second, other, file)
}
