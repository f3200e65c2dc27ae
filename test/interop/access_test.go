package interop

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/test/harness"
)

// TestRefusals asks for what nobody may have.
func TestRefusals(t *testing.T) {
	open := harness.Run(t, harness.Options{})
	sealed := harness.Run(t, harness.Options{Config: "server:\n  encryption: required\n"})
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			refused := func(name string, want error, l login) {
				t.Run(name, func(t *testing.T) {
					c, err := kind.open(t, l)
					if err == nil {
						_ = c.close()
					}
					wantError(t, "connect", err, want)
				})
			}
			for _, d := range dialects {
				l := loginTo(open, "share", d)
				l.password = "Correct-Horse-8"
				refused("wrong password, "+d.name, statusLogonFailure, l)
			}
			l := loginTo(open, "share", newest)
			l.user = "mallory"
			refused("unknown user", statusLogonFailure, l)
			refused("unknown share", statusBadNetworkName, loginTo(open, "nowhere", newest))
			refused("no encryption where it is required", fs.ErrPermission, loginTo(sealed, "share", dialects[0]))
		})
	}
	t.Run("empty password", func(t *testing.T) {
		l := loginTo(open, "share", newest)
		l.password = ""
		_, err := openSmbclient(t, l)
		wantError(t, "connect", err, statusLogonFailure)
	})
}

// TestDialectRange offers dialects on both sides of what the server speaks.
func TestDialectRange(t *testing.T) {
	srv := harness.Run(t, harness.Options{Config: "server:\n  dialects:\n    min: \"3.0\"\n    max: \"3.0.2\"\n"})
	for _, kind := range kinds {
		for _, d := range dialects {
			t.Run(kind.name+"/"+d.name, func(t *testing.T) {
				c, err := kind.open(t, loginTo(srv, "share", d))
				if err == nil {
					wantNone(t, "log off", c.close())
				}
				if spoken := d.name == "3.0" || d.name == "3.0.2"; spoken != (err == nil) {
					t.Errorf("connect: %v; spoken: %v", err, spoken)
				}
			})
		}
	}
}

// TestShareList lists the shares, among them a hidden one.
func TestShareList(t *testing.T) {
	srv := harness.Run(t, harness.Options{Shares: []harness.Share{
		{Name: "share"},
		{Name: "projects", Settings: []string{`comment: "What we work on"`}},
		{Name: "attic", Settings: []string{"hidden: true"}},
	}})
	t.Run("smbclient", func(t *testing.T) {
		for _, d := range dialects {
			t.Run(d.name, func(t *testing.T) {
				got, err := newSmbclient(t, loginTo(srv, "", d)).shares()
				wantNone(t, "list", err)
				ipc := got["IPC$"]
				if ipc[0] != "IPC" {
					t.Errorf("IPC$ is listed as %q, want IPC", ipc[0])
				}
				delete(got, "IPC$")
				want := map[string][2]string{"share": {"Disk", ""}, "projects": {"Disk", "What we work on"}}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("shares (-want +got):\n%s", d)
				}
			})
		}
	})
	t.Run("go-smb2", func(t *testing.T) {
		conn, session, err := dialGo(loginTo(srv, "", newest))
		wantNone(t, "connect", err)
		defer func() { _ = conn.Close() }()
		got, err := session.ListSharenames()
		wantNone(t, "list", err)
		slices.Sort(got)
		if d := cmp.Diff([]string{"IPC$", "projects", "share"}, got); d != "" {
			t.Errorf("shares (-want +got):\n%s", d)
		}
	})
	t.Run("the hidden share can be used", func(t *testing.T) {
		c, err := openGo(t, loginTo(srv, "attic", newest))
		wantNone(t, "connect", err)
		wantNone(t, "log off", c.close())
	})
}

// TestShareSettings uses shares with settings of their own beside one without.
func TestShareSettings(t *testing.T) {
	srv := harness.Run(t, harness.Options{Shares: []harness.Share{
		{Name: "share"},
		{Name: "secret", Settings: []string{"encryption: required"}},
		{Name: "fixed", Settings: []string{"read_only: true"}},
	}})
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			t.Run("encryption", func(t *testing.T) {
				for _, d := range dialects {
					t.Run(d.name, func(t *testing.T) { testSecretShare(t, kind.open, loginTo(srv, "secret", d)) })
				}
			})
			t.Run("read only", func(t *testing.T) {
				c, err := kind.open(t, loginTo(srv, "fixed", newest))
				wantNone(t, "connect", err)
				wantError(t, "put", c.put("new", bytes.NewReader(nil)), fs.ErrPermission)
				wantError(t, "mkdir", c.mkdir("new"), fs.ErrPermission)
				list, err := c.list("")
				wantNone(t, "ls", err)
				if len(list) > 0 {
					t.Errorf("the share holds %v", list)
				}
				wantNone(t, "log off", c.close())
			})
		})
	}
}

// testSecretShare uses a share that requires encryption on a server that does
// not: the tree is sealed, or refused to a dialect that cannot seal.
func testSecretShare(t *testing.T, open func(testing.TB, login) (client, error), l login) {
	tap := harness.NewTap(t, l.addr)
	l.addr = tap.Addr
	c, err := open(t, l)
	if !l.dialect.seals {
		wantError(t, "connect", err, fs.ErrPermission)
		return
	}
	wantNone(t, "connect", err)
	wantNone(t, "put", c.put("file", stream("secret", 1000)))
	got := newChecker("secret", 1000)
	wantNone(t, "get", errors.Join(c.get("file", got), got.end()))
	wantError(t, "get what is not there", c.get("nothing", io.Discard), fs.ErrNotExist)
	wantNone(t, "log off", c.close())
	if up, down := tap.Counts(); up.Sealed < 4 || down.Sealed < 4 {
		t.Errorf("to the server %+v, back %+v; want sealed requests and replies", up, down)
	}
}
