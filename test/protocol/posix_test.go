package protocol

import (
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"syscall"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// wantsPosix is a tweak: the client offers the POSIX extensions.
func wantsPosix(o *client.Options) {
	o.Contexts = func(list []wire.NegotiateContext) []wire.NegotiateContext {
		return append(list, wire.NewNegotiateContext(wire.ContextPosix,
			&wire.PosixExtensions{Versions: []byte(wire.PosixExtensionsGUID)}))
	}
}

// posix adds the create context of the extensions.
func posix(mode uint32, a client.CreateArgs) client.CreateArgs {
	a.Contexts = append(slices.Clone(a.Contexts), client.Context{Tag: wire.TagPosix, Data: binary.LittleEndian.AppendUint32(nil, mode)})
	return a
}

// posixInfo is what FileInfoPosix says of an open.
func posixInfo(t *testing.T, f *client.File) (info wire.FilePosixInformation) {
	t.Helper()
	check(t, f.Query(t.Context(), wire.FileInfoPosix, &info))
	return info
}

// What a client with the extensions does is what a local program sees, and the other
// way round.
func TestPosixOnDisk(t *testing.T) {
	s := start(t, "")
	s.run(t, "modes and names", func(t *testing.T) {
		ctx, tree := t.Context(), s.connect(t, wantsPosix)
		for name, mode := range map[string]uint32{"a: b?": 0o751, `c\d`: 0o600, "case": 0o666, "CASE": 0o444} {
			f := open(t, tree, posix(mode, client.CreateArgs{Name: name, Disposition: client.Create, Access: wire.AccessAll}))
			info := must(os.Lstat(s.Path("share", name)))(t)
			if got := uint32(info.Mode().Perm()); got != mode {
				t.Errorf("%q: mode %o, want %o", name, got, mode)
			}
			chmod := must((&secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
				DACL: secdesc.NewACL(secdesc.ACE{Type: secdesc.AccessDenied, SID: secdesc.NewSID(5, 88, 3, 0o6640)})}).Append(nil))(t)
			check(t, f.SetSecurity(ctx, secdesc.DACLInformation, chmod))
			if got := must(os.Lstat(s.Path("share", name)))(t).Mode(); got != 0o640 {
				t.Errorf("%q: mode %v after chmod", name, got)
			}
			check(t, os.Chmod(s.Path("share", name), 0o1604|os.ModeSticky))
			if got := posixInfo(t, f).Posix.Mode; got != 0o1604 {
				t.Errorf("%q: mode %o after a local chmod", name, got)
			}
			st, ok := info.Sys().(*syscall.Stat_t)
			if p := posixInfo(t, f).Posix; !ok || string(p.Owner) != string(secdesc.NewSID(22, 1, st.Uid).Append(nil)) ||
				string(p.Group) != string(secdesc.NewSID(22, 2, st.Gid).Append(nil)) {
				t.Errorf("%q: owners %x, %x", name, p.Owner, p.Group)
			}
			check(t, f.Delete(ctx))
			if _, err := os.Lstat(s.Path("share", name)); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%q is still there: %v", name, err)
			}
		}
	})
	s.run(t, "special files", func(t *testing.T) {
		ctx, tree := t.Context(), s.connect(t, wantsPosix)
		check(t, syscall.Mkfifo(s.Path("share", "fifo"), 0o640))
		f := open(t, tree, posix(0, client.CreateArgs{Name: "fifo", Access: client.DeleteAccess, Disposition: client.Open, Options: wire.OptionOpenReparsePoint}))
		if p := posixInfo(t, f).Posix; p.Mode != 0o50640 || p.ReparseTag != wire.ReparseTagNFS {
			t.Errorf("%+v", p)
		}
		var nfs wire.NfsReparse
		check(t, nfs.Decode(must(f.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096))(t)))
		if nfs.Type != wire.NfsSpecialFifo {
			t.Errorf("%+v", nfs)
		}
		for _, a := range []client.CreateArgs{{Name: "fifo", Disposition: client.Open}, {Name: "fifo", Disposition: client.OverwriteIf}} {
			_, err := tree.Create(ctx, a)
			wantStatus(t, err, ntstatus.IoReparseTagNotHandled)
		}
		// Nobody can be kept waiting by a FIFO.
		data := open(t, tree, client.CreateArgs{Name: "fifo", Disposition: client.Open, Options: wire.OptionOpenReparsePoint})
		_, err := data.Read(ctx, 0, 1)
		wantStatus(t, err, ntstatus.NotSupported)
		_, err = data.Write(ctx, 0, []byte("x"))
		wantStatus(t, err, ntstatus.NotSupported)
		_, err = tree.Create(ctx, client.CreateArgs{Name: "fifo", Disposition: client.OverwriteIf, Options: wire.OptionOpenReparsePoint})
		wantStatus(t, err, ntstatus.AccessDenied)
		check(t, data.Close(ctx))
		check(t, f.Delete(ctx))
		if _, err := os.Lstat(s.Path("share", "fifo")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the FIFO is still there: %v", err)
		}
	})
	s.run(t, "an unlinked file stays for who has it", func(t *testing.T) {
		ctx, tree := t.Context(), s.connect(t, wantsPosix)
		held := open(t, tree, posix(0o644, client.CreateArgs{Name: "f"}))
		must(held.Write(ctx, 0, []byte("old")))(t)
		check(t, open(t, tree, posix(0, client.CreateArgs{Name: "f", Disposition: client.Open})).Delete(ctx))
		check(t, os.WriteFile(s.Path("share", "f"), []byte("new"), 0o644))
		if got := must(held.ReadAll(ctx))(t); string(got) != "old" {
			t.Errorf("%q", got)
		}
		check(t, held.Close(ctx))
		if got := must(os.ReadFile(s.Path("share", "f")))(t); string(got) != "new" {
			t.Errorf("%q", got)
		}
	})
}

// The settings for the server and for a share.
func TestPosixSettings(t *testing.T) {
	for name, c := range map[string]struct {
		server, share string
		negotiated    bool
	}{
		"server off": {"server:\n  posix_extensions: false\n", "", false},
		"share off":  {"", "posix_extensions: false", true},
	} {
		s := startWith(t, c.server, harness.Share{Name: "share", Settings: []string{c.share}})
		s.run(t, name, func(t *testing.T) {
			tree := s.connect(t, wantsPosix)
			_, ok := wire.FindNegotiateContext(tree.Session.Conn.Negotiated().Response.Contexts, wire.ContextPosix)
			if ok != c.negotiated {
				t.Errorf("negotiated %v", ok)
			}
			f := open(t, tree, posix(0o600, client.CreateArgs{Name: "f"}))
			if f.Posix != nil {
				t.Error("the context was answered")
			}
			_, err := f.QueryInfo(t.Context(), wire.InfoTypeFile, wire.FileInfoPosix, 4096)
			wantStatus(t, err, ntstatus.InvalidInfoClass)
			check(t, f.Close(t.Context()))
		})
	}
}

// An open that survives its connection, or the server, keeps its semantics.
func TestPosixDurable(t *testing.T) {
	s := start(t, "", "continuous_availability: true")
	guid := client.NewGUID()
	a := posix(0o640, client.CreateArgs{Name: "d: f", Durable: &client.Durable{Persistent: true}, Lease: lease(client.RWH)})
	f := s.lose(t, guid, a, wantsPosix)
	again := must(s.reclaim(t, guid, f.ReconnectArgs(), wantsPosix))(t)
	if again.Posix == nil || again.Posix.Mode != 0o640 || posixInfo(t, again).Posix.Mode != 0o640 {
		t.Errorf("reconnected: %+v", again.Posix)
	}
	check(t, s.Kill())
	wantCut(t, again.Tree.Session.Conn)
	check(t, s.Start())
	s.wantMetric(t, "lessor_durable_handles_held", 1)
	again = must(s.reclaim(t, guid, f.ReconnectArgs(), wantsPosix))(t)
	if again.Posix == nil || posixInfo(t, again).Posix.Mode != 0o640 {
		t.Errorf("after a restart: %+v", again.Posix)
	}
	check(t, again.Delete(t.Context()))
}
