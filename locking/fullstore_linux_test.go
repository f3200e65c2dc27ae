package locking_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lessor/locking"
	"lessor/locking/boltstore"
)

// smallDir is a directory on a volume with little room of its own.
func smallDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("none", dir, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("cannot mount a tmpfs:", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fillUp writes until there is no room and returns what to remove.
func fillUp(t *testing.T, dir string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	page := make([]byte, 4096)
	for err == nil {
		_, err = f.Write(page)
	}
	return f.Name()
}

// On a full disk, clients are refused what they would be promised, keep what they were
// promised before, and get more as soon as there is room.
func TestStoreOnFullDisk(t *testing.T) {
	h := &host{t: t, dir: smallDir(t)}
	h.boot(0)
	t.Cleanup(h.halt)
	o := h.open(alice)
	h.durable(o, true, locking.MaxDurableTimeout)
	promised := uint64(0)
	lock := func() error { return o.Lock([]locking.Range{exclusive(10 * promised)}, false) }
	for range 3 {
		if err := lock(); err != nil {
			t.Fatal(err)
		}
		promised++
	}
	ballast := fillUp(t, h.dir)
	// The file has some room of its own, which each transaction may find or not.
	refused := 0
	for range 1000 {
		if err := lock(); err == nil {
			promised++
		} else if refused++; refused == 3 {
			break
		}
	}
	if refused < 3 {
		t.Fatal("the disk is not full")
	}
	kept := 1
	p := h.open(bob)
	g, err := p.Durable(locking.DurableRequest{V2: true, Persistent: true, CreateGuid: guidOf(p), User: "u", Share: "s"})
	if g.Granted != (err == nil) {
		t.Errorf("%+v, %v", g, err)
	}
	if g.Granted {
		kept++
	}

	// A crash now: all that was promised is there. Of what was refused something may be,
	// if there was room for it in the end, until it is taken back.
	image, err := os.ReadFile(h.file())
	if err != nil {
		t.Fatal(err)
	}
	crashed := filepath.Join(t.TempDir(), "locks")
	if err := os.WriteFile(crashed, image, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := boltstore.Open(crashed, boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	locks, opens := records(t, s)
	if len(opens) < kept || uint64(len(locks)) < promised || len(locks) > int(promised)+1 {
		t.Errorf("after a crash there are %d opens with %d locks, %d with %d were promised", len(opens), len(locks), kept, promised)
	}
	for i, l := range locks[:min(promised, uint64(len(locks)))] {
		if l.Owner.OpenID != o.ID() || l.Offset != 10*uint64(i) {
			t.Errorf("lock %d is %+v", i, l)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for err = lock(); err != nil && ctx.Err() == nil; err = lock() {
		h.m.Flush() // the store is tried again by itself
	}
	if err != nil {
		t.Fatal("there is room again:", err)
	}
	promised++
	h.durable(p, true, locking.MaxDurableTimeout)
	if locks, opens = records(t, h.s); len(opens) != 2 || uint64(len(locks)) != promised {
		t.Errorf("%d opens with %d locks are stored, %d were promised", len(opens), len(locks), promised)
	}
	o.Close()
	p.Close()
}
