package locking

import "testing"

// MS-FSA 2.1.5.4: the file goes with the last close of any stream.
func TestDeleteFile(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, path("d/a"))
	s, _ := e.openStream(fileA, "S", 0, path("d/a"))
	wantErr(t, o.SetDelete(true), nil)
	for _, stream := range []string{"", "S", "T"} {
		_, _, err := e.try(fileA, stream, e.req(1, path("d/a"), access(accessReadAttr)))
		wantErr(t, err, ErrDeletePending)
	}
	if !o.DeletePending() || !s.DeletePending() {
		t.Error("not pending")
	}
	s.Renamed("d/b")
	if c := o.Close(); c.Delete || !c.LastOnStream || c.LastOnFile {
		t.Errorf("first close: %+v", c)
	}
	wantErr(t, o.SetDelete(true), ErrClosed)
	c := s.Close()
	if !c.Delete || c.DeletePath != "d/b" || c.DeleteStream != "" || !c.LastOnFile {
		t.Fatalf("last close: %+v", c)
	}
	// Whoever comes now waits until the deletion is done.
	r := e.req(1)
	b := e.blocked(fileA, r)
	if n := e.m.Stats().Files; n != 1 {
		t.Errorf("%d files while deleting", n)
	}
	c.Deleted()
	c.Deleted()
	o, _ = e.retry(b, fileA, r)
	if c := o.Close(); c.Delete {
		t.Errorf("after a failed deletion: %+v", c)
	}
	if c := o.Close(); c.Delete || c.LastOnFile {
		t.Errorf("second close: %+v", c)
	}
	e.idle()
}

// MS-FSA 2.1.5.4: a stream goes with its own last close.
func TestDeleteStream(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	s1, _ := e.openStream(fileA, "S", 0, path("p"))
	s2, _ := e.openStream(fileA, "S", 0)
	wantErr(t, s1.SetDelete(true), nil)
	_, _, err := e.try(fileA, "S", e.req(1))
	wantErr(t, err, ErrDeletePending)
	e.openStream(fileA, "T", 1)
	if o.DeletePending() {
		t.Error("base is pending")
	}
	if c := s2.Close(); c.Delete {
		t.Errorf("first close: %+v", c)
	}
	c := s1.Close()
	if !c.Delete || c.DeleteStream != "S" || c.DeletePath != "p" || c.LastOnFile {
		t.Fatalf("last close: %+v", c)
	}
	_, _, err = e.try(fileA, "S", e.req(1))
	isBlocked(t, err)
	e.open(fileA, 1)
	c.Deleted()
	e.openStream(fileA, "S", 1)
}

// MS-FSA 2.1.5.4: delete-on-close marks at the close of its own handle.
func TestDeleteOnClose(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, deleteOnClose, path("x"))
	o2, _ := e.open(fileA, 0, path("x"))
	if o1.DeletePending() {
		t.Error("pending too early")
	}
	if c := o1.Close(); c.Delete {
		t.Errorf("first close: %+v", c)
	}
	_, _, err := e.try(fileA, "", e.req(1, path("X")))
	wantErr(t, err, ErrDeletePending)
	// It can be taken back while somebody has the file open.
	wantErr(t, o2.SetDelete(false), nil)
	o3, _ := e.open(fileA, 1, path("x"))
	wantErr(t, o2.SetDelete(true), nil)
	o2.Close()
	c := o3.Close()
	if !c.Delete {
		t.Fatalf("last close: %+v", c)
	}
	c.Deleted()
	e.idle()
}

// MS-FSA 2.1.5.1.2 and 2.1.5.4: the mark is on the name (Link.IsDeleted), so the
// other names of a file with several stay good, and each goes with the last close
// of the opens that were made by it.
func TestDeleteOneOfTwoNames(t *testing.T) {
	e := newEnv(t, Options{})
	a, _ := e.open(fileA, 0, path("a"))
	b, _ := e.open(fileA, 0, path("b"))
	wantErr(t, a.SetDelete(true), nil)
	if !a.DeletePending() || b.DeletePending() {
		t.Error("the mark is on the wrong name")
	}
	_, _, err := e.try(fileA, "", e.req(1, path("a")))
	wantErr(t, err, ErrDeletePending)
	b2, _ := e.open(fileA, 1, path("b"))
	c := a.Close()
	if !c.Delete || c.DeletePath != "a" || c.LastOnFile {
		t.Fatalf("last close of a: %+v", c)
	}
	c.Deleted()
	// The name may be given to the file again.
	a, _ = e.open(fileA, 0, path("a"))
	wantErr(t, a.SetDelete(true), nil)
	wantErr(t, b.SetDelete(true), nil)
	b.Close()
	c = b2.Close()
	if !c.Delete || c.DeletePath != "b" || c.LastOnFile {
		t.Fatalf("last close of b: %+v", c)
	}
	second := a.Close()
	if !second.Delete || second.DeletePath != "a" || !second.LastOnFile {
		t.Fatalf("last close of a: %+v", second)
	}
	c.Deleted()
	r := e.req(1, path("c"))
	blocked := e.blocked(fileA, r) // the other deletion is still under way
	second.Deleted()
	o, _ := e.retry(blocked, fileA, r)
	o.Close()
	e.idle()
}

func TestPaths(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, path("a/Ü b/f"))
	o2, _ := e.open(fileA, 0, path("a/Ü b/f"))
	o3, _ := e.open(fileA, 0, path("link"))
	for dir, want := range map[string]bool{
		"": true, "a": true, "A/ü B": true, "a/Ü b/f": false, "a/Ü": false, "b": false, "a/Ü b/f/g": false,
	} {
		if e.m.HasOpensUnder(0, dir) != want {
			t.Errorf("HasOpensUnder(%q) is not %v", dir, want)
		}
		if e.m.HasOpensUnder(1, dir) {
			t.Errorf("HasOpensUnder(%q) on another volume", dir)
		}
	}
	o1.Renamed("c/g")
	if o1.Path() != "c/g" || o2.Path() != "c/g" || o3.Path() != "link" {
		t.Errorf("paths %q %q %q", o1.Path(), o2.Path(), o3.Path())
	}
	e.m.RenamedUnder(0, "C", "x/y")
	if o1.Path() != "x/y/g" || o3.Path() != "link" {
		t.Errorf("paths %q %q", o1.Path(), o3.Path())
	}
	if e.m.HasOpenWith(fileB, accessDelete) || !e.m.HasOpenWith(fileA, accessDelete) || e.m.HasOpenWith(fileA, 1<<30) {
		t.Error("HasOpenWith")
	}
	e.close(o1, o2, o3)
	if e.m.HasOpensUnder(0, "") {
		t.Error("closed opens are found")
	}
	e.idle()
}

// Opens with POSIX semantics are in nobody's way who has them too; every other open of
// the same file is.
func TestStrictOpensUnder(t *testing.T) {
	e := newEnv(t, Options{})
	lax := func(r *OpenRequest) { r.Posix = true }
	p1, _ := e.open(fileA, 0, path("d/f"), lax)
	p2, _ := e.open(fileB, 0, path("d/g"), lax)
	outside, _ := e.open(fileB, 0, path("g"))
	want := func(any, strict bool) {
		t.Helper()
		if e.m.HasOpensUnder(0, "d") != any || e.m.HasStrictOpensUnder(0, "d") != strict || e.m.HasStrictOpensUnder(1, "d") {
			t.Errorf("opens %v, strict ones %v", e.m.HasOpensUnder(0, "d"), e.m.HasStrictOpensUnder(0, "d"))
		}
	}
	want(true, false)
	strict, _ := e.open(fileA, 0, path("d/f"))
	want(true, true)
	e.close(strict)
	want(true, false)
	e.close(p1, p2)
	want(false, false)
	e.close(outside)
	e.idle()
}

// A renamed stream keeps its opens, share modes and mark for deletion.
func TestStreamRenamed(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0)
	if o.OtherStreamsOpen() {
		t.Error("there is no other stream")
	}
	s1, _ := e.openStream(fileA, "S", 0, share(0))
	other, _ := e.openStream(fileA, "T", 0)
	if !o.OtherStreamsOpen() || !s1.OtherStreamsOpen() {
		t.Error("other streams are open")
	}
	wantErr(t, s1.StreamRenamed("T"), ErrSharing)
	wantErr(t, s1.StreamRenamed(""), ErrInvalidRequest)
	wantErr(t, o.StreamRenamed("U"), ErrInvalidRequest)
	wantErr(t, s1.StreamRenamed("S"), nil)
	other.Close()
	wantErr(t, s1.SetDelete(true), nil)
	wantErr(t, s1.StreamRenamed("T"), nil)
	if s1.Stream() != "T" {
		t.Errorf("stream is %q", s1.Stream())
	}
	_, _, err := e.try(fileA, "T", e.req(1))
	wantErr(t, err, ErrDeletePending)
	again, _ := e.openStream(fileA, "S", 1)
	c := s1.Close()
	if !c.Delete || c.DeleteStream != "T" {
		t.Fatalf("close: %+v", c)
	}
	c.Deleted()
	wantErr(t, s1.StreamRenamed("V"), ErrClosed)
	e.close(again, o)
	e.idle()
}

// Renaming a directory breaks the handle caching below it.
func TestBreakUnder(t *testing.T) {
	e := newEnv(t, Options{})
	o1, _ := e.open(fileA, 0, path("d/a"), lease(1, LeaseRH))
	o2, _ := e.open(fileB, 1, path("d/b"), lease(2, LeaseRWH))
	e.open(dirD, 1, path("e/b"), lease(3, LeaseRH))
	b := isBlocked(t, e.m.BreakUnder(0, "d"))
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, LeaseRead, true)
	wantLeaseBreak(t, e.c[1], 2, LeaseRWH, LeaseRW, true)
	e.close(o1, o2)
	if !ready(b) {
		t.Fatal("not woken")
	}
	wantErr(t, e.m.BreakUnder(0, "d"), nil)
}

// Deleting on close ends handle caching of others, like deleting at once.
func TestDeleteOnCloseBreaksHandleCaching(t *testing.T) {
	e := newEnv(t, Options{})
	h, _ := e.open(fileA, 0, lease(1, LeaseRH))
	o, _ := e.open(fileA, 1, deleteOnClose)
	wantNone(t, e.c[0])
	o.Close()
	wantLeaseBreak(t, e.c[0], 1, LeaseRH, LeaseRead, true)
	c := h.Close()
	if !c.Delete {
		t.Fatalf("last close: %+v", c)
	}
	c.Deleted()
	e.idle()
}

// A CREATE that fails in the end deletes nothing.
func TestAbandon(t *testing.T) {
	e := newEnv(t, Options{})
	o, _ := e.open(fileA, 0, deleteOnClose)
	if c := o.Abandon(); c.Delete || !c.LastOnFile {
		t.Errorf("abandoned: %+v", c)
	}
	e.idle()
	// But what others have marked is deleted.
	o, _ = e.open(fileA, 0, deleteOnClose)
	o2, _ := e.open(fileA, 1)
	o.Close()
	c := o2.Abandon()
	if !c.Delete {
		t.Errorf("abandoned: %+v", c)
	}
	c.Deleted()
	e.idle()
}
