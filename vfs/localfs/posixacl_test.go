//go:build linux

package localfs

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// A directory that smbd 4.17.12 has stored a descriptor with: its ACLs as the kernel
// gives them, and the hash over them.
const (
	smbdDirAccess = "0200000001000700ffffffff020007000500000004000500ffffffff080005003c00000010000700ffffffff20000500ffffffff"
	smbdDirHash   = "167e6d9d6b20e73f07a1612681530c352c201fa64ec269df12f1d62705887ebb"
)

func TestACLStateIsSambas(t *testing.T) {
	acl, err := parsePosixACL(unhex(t, smbdDirAccess))
	if err != nil {
		t.Fatal(err)
	}
	// The owner was 5, the group 60, the default ACL the same as the other one.
	state := stateOf(5, 60, unix.S_IFDIR|0o775, acl, true, acl)
	if got := hex.EncodeToString(state[:]); got != smbdDirHash {
		t.Errorf("hash %s, that of smbd is %s", got, smbdDirHash)
	}
}

func TestParsePosixACL(t *testing.T) {
	good := unhex(t, smbdDirAccess)
	acl, err := parsePosixACL(good)
	want := []vfs.ACLEntry{
		{Tag: vfs.ACLUserObj, Perm: 7, ID: 0xffffffff}, {Tag: vfs.ACLUser, Perm: 7, ID: 5},
		{Tag: vfs.ACLGroupObj, Perm: 5, ID: 0xffffffff}, {Tag: vfs.ACLGroup, Perm: 5, ID: 60},
		{Tag: vfs.ACLMask, Perm: 7, ID: 0xffffffff}, {Tag: vfs.ACLOther, Perm: 5, ID: 0xffffffff},
	}
	if d := cmp.Diff(want, acl); d != "" || err != nil {
		t.Errorf("%v -want +got\n%s", err, d)
	}
	for cut := range good {
		if _, err := parsePosixACL(good[:cut]); err == nil && (cut < 4 || (cut-4)%8 != 0) {
			t.Errorf("cut at %d: no error", cut)
		}
	}
	if _, err := parsePosixACL(append([]byte{3}, good[1:]...)); err == nil {
		t.Error("another version: no error")
	}
}

// changesBesideACL are what a local program may do to a file after a descriptor was
// stored; ok is false if this machine cannot.
var changesBesideACL = map[string]func(path string) error{
	"chmod": func(path string) error { return os.Chmod(path, 0o600) },
	"setfacl": func(path string) error {
		acl, _ := hex.DecodeString("0200000001000600ffffffff02000400d204000004000400ffffffff10000600ffffffff20000400ffffffff")
		return unix.Setxattr(path, "system.posix_acl_access", acl, 0)
	},
	"chown": func(path string) error { return os.Chown(path, 1234, -1) },
}

func TestHeedModes(t *testing.T) {
	for name, change := range changesBesideACL {
		for _, own := range []bool{false, true} {
			for _, heed := range []bool{false, true} {
				f, dir := newLocal(t, Options{HeedModes: heed})
				if !own && f.ownACL.Load() {
					continue
				}
				f.ownACL.Store(own)
				n := newFile(t, f, "file")
				ctx, sd, path := context.Background(), unhex(t, smbdSD), dir+"/file"
				if err := n.SetSecurity(ctx, nil, sd); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte("data"), 0); err != nil {
					t.Fatal(err)
				}
				if got, err := n.Security(ctx, nil); err != nil || !bytes.Equal(got, sd) {
					t.Fatalf("%s, own %v, heed %v: before: %x, %v", name, own, heed, got, err)
				}
				if err := change(path); err != nil {
					t.Logf("%s is not possible here: %v", name, err)
					continue
				}
				got, err := n.Security(ctx, nil)
				if err != nil || (got == nil) != heed || got != nil && !bytes.Equal(got, sd) {
					t.Errorf("%s, own %v, heed %v: %x, %v", name, own, heed, got, err)
				}
				if name == "setfacl" {
					acl, err := n.PosixACL(ctx, nil)
					if err != nil || len(acl) != 5 || acl[1] != (vfs.ACLEntry{Tag: vfs.ACLUser, Perm: 4, ID: 1234}) {
						t.Errorf("%+v, %v", acl, err)
					}
				}
				// What is stored then counts again.
				if err := n.SetSecurity(ctx, nil, sd); err != nil {
					t.Fatal(err)
				}
				if got, err := n.Security(ctx, nil); err != nil || !bytes.Equal(got, sd) {
					t.Errorf("%s, own %v, heed %v: stored again: %x, %v", name, own, heed, got, err)
				}
			}
		}
	}
}

func TestWrapACLState(t *testing.T) {
	sd := unhex(t, smbdSD)
	state := [32]byte{1, 2, 3}
	b := wrapACLState(sd, state, time.Unix(1, 0))
	back, was, err := unwrapACL(bytes.Clone(b))
	if err != nil || !bytes.Equal(back, sd) || !bytes.Equal(was, state[:]) {
		t.Errorf("%x, %x, %v", back, was, err)
	}
	for cut := range len(b) - len(sd) + sdHeader {
		if _, _, err := unwrapACL(bytes.Clone(b[:cut])); err == nil {
			t.Errorf("cut at %d: no error", cut)
		}
	}
}
