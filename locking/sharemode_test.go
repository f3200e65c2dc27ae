package locking

import (
	"errors"
	"testing"
)

// MS-FSA 2.1.5.1.2.2: all pairs of access and share modes of two opens,
// against the rule written out.
func TestShareModes(t *testing.T) {
	accesses := []uint32{accessReadData, accessWriteData, accessAppendData, accessExecute, accessDelete, accessReadCtrl, accessReadAttr, 0x10}
	violates := func(a, s uint32) bool {
		return a&(accessReadData|accessExecute) != 0 && s&shareRead == 0 ||
			a&(accessWriteData|accessAppendData) != 0 && s&shareWrite == 0 ||
			a&accessDelete != 0 && s&shareDelete == 0
	}
	matters := func(a uint32) bool {
		return a&(accessReadData|accessExecute|accessWriteData|accessAppendData|accessDelete) != 0
	}
	for _, a1 := range accesses {
		for _, a2 := range accesses {
			for s1 := range uint32(8) {
				for s2 := range uint32(8) {
					e := newEnv(t, Options{})
					o1, _ := e.open(fileA, 0, access(a1), share(s1))
					want := matters(a1) && matters(a2) && (violates(a1, s2) || violates(a2, s1))
					if got := e.m.SharingConflict(fileA, a2, s2); got != want {
						t.Fatalf("access 0x%x share %d: SharingConflict(0x%x, %d) = %v", a1, s1, a2, s2, got)
					}
					o2, _, err := e.try(fileA, "", e.req(0, access(a2), share(s2)))
					if errors.Is(err, ErrSharing) != want || err != nil && !want {
						t.Fatalf("access 0x%x share %d, then 0x%x %d: %v, want violation %v", a1, s1, a2, s2, err, want)
					}
					o1.Close()
					if o2 != nil {
						o2.Close()
					}
					e.idle()
				}
			}
		}
	}
}

// Streams have share modes of their own, but a stream that does not share
// deletion keeps the file from being opened for deletion.
func TestShareModesOfStreams(t *testing.T) {
	e := newEnv(t, Options{})
	s, _ := e.openStream(fileA, "S", 0, share(0))
	s2, _ := e.openStream(fileA, "T", 0, share(0))
	_, _, err := e.try(fileA, "S", e.req(0, access(accessRead)))
	wantErr(t, err, ErrSharing)
	o, _ := e.open(fileA, 0, access(accessRead))
	_, _, err = e.try(fileA, "", e.req(0, access(accessDelete)))
	wantErr(t, err, ErrSharing)
	e.close(s, s2)
	o2, _ := e.open(fileA, 0, access(accessDelete))
	// With handle caching on the stream there is hope.
	h, _ := e.openStream(fileA, "S", 0, share(0), lease(1, LeaseRWH))
	r := e.req(1, access(accessDelete))
	b := e.blocked(fileA, r)
	wantLeaseBreak(t, e.c[0], 1, LeaseRWH, LeaseRW, true)
	h.Close()
	o3, _ := e.retry(b, fileA, r)
	e.close(o, o2, o3)
	e.idle()
}

func TestInvalidRequests(t *testing.T) {
	e := newEnv(t, Options{})
	for name, change := range map[string]func(*OpenRequest){
		"no client":     func(r *OpenRequest) { r.Client = nil },
		"no id":         func(r *OpenRequest) { r.Owner.OpenID = 0 },
		"other client":  func(r *OpenRequest) { r.Owner.ClientID = e.c[1].id },
		"no lease":      func(r *OpenRequest) { r.Oplock = OplockLease },
		"lease, oplock": func(r *OpenRequest) { lease(1, LeaseRead)(r); r.Oplock = OplockBatch },
		"bad level":     func(r *OpenRequest) { r.Oplock = 77 },
		"bad version":   func(r *OpenRequest) { lease(1, LeaseRead)(r); r.Lease.Version = 3 },
	} {
		if _, _, err := e.try(fileA, "", e.req(0, change)); err != ErrInvalidRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
	e.idle()
}
