package auth

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestKeytabReload: a new key counts at once; what cannot be read leaves the keys
// as they were, and the refusal says so.
func TestKeytabReload(t *testing.T) {
	k, other := newKDC(t), newKDC(t)
	path := filepath.Join(t.TempDir(), "keytab")
	other.writeKeytab(t, path, 1, aes256)
	m, err := NewKerberos(KerberosConfig{Keytab: path})
	if err != nil {
		t.Fatal(err)
	}
	try := func() error {
		_, err := talk(t, k.initiator(t, aes256, aes256, nil), NewNegotiator(m).NewExchange())
		return err
	}
	if err := try(); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "key version 2, which is not in the keytab; is the keytab out of date?") {
		t.Errorf("old keytab: %v", err)
	}
	k.writeKeytab(t, path, 2, aes256)
	if err := try(); err != nil {
		t.Errorf("new keytab: %v", err)
	}
	// The version in a keytab made by hand may be wrong.
	k.writeKeytab(t, path, 77, aes256)
	if err := try(); err != nil {
		t.Errorf("wrong version: %v", err)
	}
	k.writeKeytab(t, path, 2, aes128)
	if err := try(); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "of aes256-cts-hmac-sha1-96, and the keytab has no such key") {
		t.Errorf("other type: %v", err)
	}
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "it has changed, but cannot be read: auth: bad keytab: not a keytab") {
		t.Errorf("nonsense: %v", err)
	}
	if d := cmp.Diff([]string{"cifs/server@EXAMPLE.COM kvno 2 aes128-cts-hmac-sha1-96"}, m.Keys()); d != "" {
		t.Errorf("keys (-want +got):\n%s", d)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, ErrNoKey) || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("removed: %v", err)
	}
	k.writeKeytab(t, path, 2, aes256, rc4hmac)
	if err := try(); err != nil {
		t.Errorf("mended: %v", err)
	}
}

// TestKeytabErrors: what is wrong is said without a key in it.
func TestKeytabErrors(t *testing.T) {
	k := newKDC(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "keytab")
	if _, err := NewKerberos(KerberosConfig{Keytab: path}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := NewKerberos(KerberosConfig{Keytab: dir}); !errors.Is(err, ErrKeytab) {
		t.Errorf("directory: %v", err)
	}
	k.writeKeytab(t, path, 1, rc4hmac)
	if _, err := NewKerberos(KerberosConfig{Keytab: path}); !errors.Is(err, ErrKeytab) || !strings.Contains(err.Error(), "no key of use among 1: 1 of types") {
		t.Errorf("rc4 only: %v", err)
	}
	if _, err := NewKerberos(KerberosConfig{Keytab: path, AllowRC4: true}); err != nil {
		t.Errorf("rc4 allowed: %v", err)
	}
	k.writeKeytab(t, path, 1, aes256)
	for p, ok := range map[string]bool{"cifs/server": true, "CIFS/Server@example.com": true, "host/server": false, "cifs/server@OTHER": false} {
		_, err := NewKerberos(KerberosConfig{Keytab: path, Principals: []string{"http/x", p}})
		if ok != (err == nil) || !ok && !errors.Is(err, ErrKeytab) {
			t.Errorf("%s: %v", p, err)
		}
	}
	for mode, ok := range map[fs.FileMode]bool{0o600: true, 0o400: true, 0o640: true, 0o660: false, 0o604: false, 0o644: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := NewKerberos(KerberosConfig{Keytab: path}); ok != (err == nil) || !ok && !errors.Is(err, ErrKeytabMode) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		if err := os.WriteFile(path, data[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := NewKerberos(KerberosConfig{Keytab: path})
		if err != nil && (!errors.Is(err, ErrKeytab) || bytes.Contains([]byte(err.Error()), k.keys[aes256].KeyValue[:8])) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestCandidates: the same key under many names is tried once, that of the right
// version first, and only so many.
func TestCandidates(t *testing.T) {
	var keys []serviceKey
	for i := range 100 {
		k := serviceKey{kvno: uint32(i)}
		k.key.KeyType, k.key.KeyValue = aes256, bytes.Repeat([]byte{byte(i / 2)}, 32)
		keys = append(keys, k)
	}
	got := candidates(keys, aes256, 50|7<<16)
	if len(got) != maxTries || got[0].kvno != 50 {
		t.Errorf("%d, first %v", len(got), got[0])
	}
	if got := candidates(keys[:8], aes256, 99); len(got) != 4 {
		t.Errorf("%d of 4 keys", len(got))
	}
	if got := candidates(keys, aes128, 1); len(got) != 0 {
		t.Errorf("%d keys of another type", len(got))
	}
}
