package directory_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/directory"
	"lessor/test/slapd"
)

func TestUnixIDs(t *testing.T) {
	s := slapd.Start(t)
	d, err := directory.New(directory.Config{
		URLs: []string{s.Secure}, Schema: directory.Samba, Domain: "SAMBA", Realm: "SAMBA.TEST", Base: slapd.SambaBase,
		BindDN: slapd.BindDN, PasswordFile: s.PasswordFile, CAFile: s.CAFile,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	got, ok, err := d.UnixIDs(t.Context(), "carol")
	want := directory.UnixIDs{UID: 5000, GID: 6000, Groups: []uint32{6001}}
	if diff := cmp.Diff(want, got); diff != "" || !ok || err != nil {
		t.Errorf("carol: found %v, %v (-want +got):\n%s", ok, err, diff)
	}
	if _, ok, err := d.UnixIDs(t.Context(), "nobody"); ok || err != nil {
		t.Errorf("nobody: found %v, %v", ok, err)
	}
	ad := newAD(t, s, nil)
	if ids, ok, err := ad.UnixIDs(t.Context(), "alice"); ok || err != nil {
		t.Errorf("a user without numbers: %+v, found %v, %v", ids, ok, err)
	}
}
