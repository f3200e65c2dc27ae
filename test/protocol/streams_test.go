package protocol

import (
	"bytes"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// Each stream has share modes and leases of its own (MS-FSA 2.1.5.1.2.2, 2.1.4.12): who
// opens the file, or another stream, disturbs nobody. A deletion is of the file, with all
// of its streams (MS-FSA 2.1.5.4).
func TestStreamsAreApart(t *testing.T) {
	s := start(t, "")
	for _, base := range []string{"file", "directory"} {
		s.run(t, base, func(t *testing.T) {
			ctx := t.Context()
			a, b := s.connect(t), s.connect(t)
			dir := base == "directory"
			check(t, open(t, a, client.CreateArgs{Name: base, Directory: dir}).Close(ctx))
			mine := lease(client.RWH)
			fs := open(t, a, client.CreateArgs{Name: base + ":s", Lease: mine})
			wantLease(t, fs, client.RWH)
			other := open(t, b, client.CreateArgs{Name: base + ":t", Share: client.ShareNone})
			main := open(t, b, client.CreateArgs{Name: base, Directory: dir, Access: wire.AccessReadData, Share: client.ShareRead | client.ShareDelete})
			check(t, a.Session.Conn.NoBreak(ctx))
			_, err := a.Create(ctx, client.CreateArgs{Name: base + ":T", Disposition: client.Open})
			wantStatus(t, err, ntstatus.SharingViolation)

			p := b.StartCreate(client.CreateArgs{Name: base + ":S"})
			wantBreak(t, a.Session.Conn, mine.Key, client.RWH, client.RH, true)
			check(t, fs.AckLease(ctx, client.RH))
			check(t, must(p.Wait(ctx))(t).Close(ctx))
			check(t, main.Close(ctx))

			// Nobody deletes the file below a stream that is not shared for that.
			_, err = b.Create(ctx, client.CreateArgs{Name: base, Access: client.DeleteAccess, Disposition: client.Open})
			wantStatus(t, err, ntstatus.SharingViolation)
			check(t, other.Close(ctx))

			del := b.StartCreate(client.CreateArgs{Name: base, Access: client.DeleteAccess, Disposition: client.Open})
			f := must(del.Wait(ctx))(t)
			check(t, f.SetDelete(ctx, true))
			check(t, f.Close(ctx))
			_, err = b.Create(ctx, client.CreateArgs{Name: base + ":t", Disposition: client.Open})
			wantStatus(t, err, ntstatus.DeletePending)
			// More than an attribute holds, so that it takes a file of its own.
			check(t, fs.WriteAll(ctx, 0, bytes.Repeat([]byte("still there"), 20_000)))
			if data := must(fs.ReadAll(ctx))(t); len(data) != 220_000 || !bytes.HasSuffix(data, []byte("still there")) {
				t.Errorf("%d bytes", len(data))
			}
			check(t, fs.Close(ctx))
			_, err = b.Create(ctx, client.CreateArgs{Name: base, Access: wire.AccessReadAttributes, Disposition: client.Open})
			wantStatus(t, err, ntstatus.ObjectNameNotFound)
		})
	}
}
