package smb_test

import (
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
)

// On a share with ExecuteWithRead who may read a file may start it, unless he is denied
// that; of a directory, where the bit means something else, and on other shares the
// descriptor decides.
func TestExecuteWithRead(t *testing.T) {
	const generic = 0x20000000 // GENERIC_EXECUTE
	for _, with := range []bool{false, true} {
		s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.ExecuteWithRead = with })
		ctx := t.Context()
		tree := s.connect(t)
		readable := secdesc.Allow(secdesc.AuthenticatedUsers, secdesc.FileGenericRead, 0)
		for name, aces := range map[string][]secdesc.ACE{
			"program": {readable},
			"denied":  {secdesc.Deny(secdesc.World, secdesc.FileExecute, 0), readable},
			"secret":  {secdesc.Allow(secdesc.AuthenticatedUsers, secdesc.FileGenericWrite, 0)},
			"dir":     {readable},
		} {
			f := create(t, tree, client.CreateArgs{Name: name, Directory: name == "dir", Security: encoded(t, allowing(aces...))})
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		}
		granted := ntstatus.AccessDenied
		if with {
			granted = ntstatus.Success
		}
		for _, c := range []struct {
			name   string
			access uint32
			want   ntstatus.Status
		}{
			{"program", wire.AccessReadData, ntstatus.Success},
			{"program", wire.AccessExecute, granted},
			{"program", wire.AccessExecute | wire.AccessReadData | wire.AccessSynchronize, granted},
			{"program", generic, granted},
			{"program", wire.AccessMaximumAllowed | generic, granted},
			{"program", wire.AccessExecute | wire.AccessWriteData, ntstatus.AccessDenied},
			{"denied", wire.AccessReadData, ntstatus.Success},
			{"denied", wire.AccessExecute, ntstatus.AccessDenied},
			{"secret", wire.AccessExecute, ntstatus.AccessDenied},
			{"dir", wire.AccessExecute, ntstatus.AccessDenied},
		} {
			mustBe(t, c.name, opens(t, tree, c.name, c.access, 0), c.want)
		}
		f := create(t, tree, client.CreateArgs{Name: "program", Access: wire.AccessMaximumAllowed, Disposition: client.Open, MaximalAccess: true})
		var info wire.FileAccessInformation
		mustBe(t, "query", f.Query(ctx, wire.FileInfoAccess, &info), ntstatus.Success)
		if got := info.AccessFlags&wire.AccessExecute != 0; got != with {
			t.Errorf("maximum allowed: %#x", info.AccessFlags)
		}
		if f.MaximalAccess == nil || f.MaximalAccess.MaximalAccess&wire.AccessExecute != 0 != with {
			t.Errorf("maximal access: %+v", f.MaximalAccess)
		}
		data, err := f.Read(ctx, 0, 1)
		mustBe(t, "read", err, ntstatus.EndOfFile)
		if len(data) != 0 {
			t.Error("an empty file has", data)
		}

		for name, rule := range map[string]string{"program": "execute", "denied": "", "secret": "", "dir": ""} {
			e, err := s.Explain(ctx, smb.ExplainQuery{Access: "execute", Share: "data", Path: name, User: "alice"})
			if err != nil {
				t.Fatal(err)
			}
			last := e.Steps[len(e.Steps)-1]
			if allowed := with && rule != ""; e.Allowed != allowed || allowed && (last.Rule != rule || last.Verdict != smb.VerdictAllowed) {
				t.Errorf("explained %s: allowed %v, at the end %+v", name, e.Allowed, last)
			}
		}
	}
}
