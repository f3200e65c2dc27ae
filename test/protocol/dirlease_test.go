package protocol

import (
	"testing"

	"lessor/smb/wire"
	"lessor/test/client"
)

// A directory lease is lost when an entry of the directory changes (MS-SMB2 3.3.1.4,
// MS-FSA 2.1.4.12); who changes it does not wait.
func TestDirectoryLeaseIsBroken(t *testing.T) {
	s := start(t, "")
	ctx := t.Context()
	cases := []struct {
		name   string
		change func(*testing.T, *client.Tree) // of the directory named like the case
		spared bool                           // nothing is broken
	}{
		{"create", func(t *testing.T, b *client.Tree) { check(t, b.WriteFile(ctx, `create\new`, nil)) }, false},
		{"mkdir", func(t *testing.T, b *client.Tree) { check(t, b.Mkdir(ctx, `mkdir\new`)) }, false},
		{"delete", func(t *testing.T, b *client.Tree) { check(t, b.Remove(ctx, `delete\old`)) }, false},
		{"rename", func(t *testing.T, b *client.Tree) { check(t, b.RenameFile(ctx, `rename\old`, `rename\new`, false)) }, false},
		{"move away", func(t *testing.T, b *client.Tree) { check(t, b.RenameFile(ctx, `move away\old`, `moved away`, false)) }, false},
		{"move in", func(t *testing.T, b *client.Tree) {
			check(t, b.WriteFile(ctx, "moving in", nil))
			check(t, b.RenameFile(ctx, "moving in", `move in\new`, false))
		}, false},
		{"attributes", func(t *testing.T, b *client.Tree) {
			f := open(t, b, client.CreateArgs{Name: `attributes\old`, Access: wire.AccessWriteAttributes})
			check(t, f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}))
		}, false},
		{"truncate", func(t *testing.T, b *client.Tree) {
			check(t, open(t, b, client.CreateArgs{Name: `truncate\old`}).Truncate(ctx, 1))
		}, false},
		{"write", func(t *testing.T, b *client.Tree) {
			f := open(t, b, client.CreateArgs{Name: `write\old`})
			must(f.Write(ctx, 0, []byte("more")))(t)
			check(t, f.Close(ctx)) // it is told once, at the close
		}, false},
		{"read", func(t *testing.T, b *client.Tree) { must(b.ReadFile(ctx, `read\old`))(t) }, true},
		{"list", func(t *testing.T, b *client.Tree) { must(b.ReadDir(ctx, "list"))(t) }, true},
		{"further down", func(t *testing.T, b *client.Tree) { check(t, b.WriteFile(ctx, `further down\sub\new`, nil)) }, true},
	}
	for _, c := range cases {
		s.run(t, c.name, func(t *testing.T) {
			a, b := s.connect(t), s.connect(t)
			check(t, b.Mkdir(ctx, c.name))
			check(t, b.Mkdir(ctx, c.name+`\sub`))
			check(t, b.WriteFile(ctx, c.name+`\old`, []byte("content")))
			dir := open(t, a, client.CreateArgs{
				// Access to delete it would be in the way of a rename in it.
				Name: c.name, Directory: true, Access: client.ListDirectory, Lease: lease(client.RH),
			})
			wantLease(t, dir, client.RH)
			c.change(t, b)
			if !c.spared {
				wantBreak(t, a.Session.Conn, dir.Lease.LeaseKey, client.RH, 0, true)
				check(t, dir.AckLease(ctx, 0))
			}
			// The replies to what b has done came after its break was sent, so this sees it.
			check(t, a.Session.Conn.NoBreak(ctx))
		})
	}
}

// Who names the lease that it has on the directory keeps it (ParentLeaseKey).
func TestDirectoryLeaseIsSparedForItsHolder(t *testing.T) {
	s := start(t, "")
	s.run(t, "parent key", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		check(t, a.Mkdir(ctx, "dir"))
		mine, theirs := lease(client.RH), lease(client.RH)
		dir := open(t, a, client.CreateArgs{Name: "dir", Directory: true, Lease: mine})
		other := open(t, b, client.CreateArgs{Name: "dir", Directory: true, Lease: theirs})
		wantLease(t, dir, client.RH)
		wantLease(t, other, client.RH)

		child := lease(client.RWH)
		child.Parent = mine.Key
		f := open(t, a, client.CreateArgs{Name: `dir\new`, Lease: child})
		if f.Lease.LeaseFlags&wire.LeaseFlagParentLeaseKeySet == 0 || f.Lease.ParentLeaseKey != mine.Key {
			t.Errorf("the reply does not repeat the parent key: %+v", f.Lease)
		}
		wantBreak(t, b.Session.Conn, theirs.Key, client.RH, 0, true)
		check(t, other.AckLease(ctx, 0))
		check(t, a.Session.Conn.NoBreak(ctx))
		must(f.Write(ctx, 0, []byte("x")))(t)
		check(t, f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeHidden}))
		check(t, f.SetDelete(ctx, true))
		check(t, f.Close(ctx))
		check(t, a.Session.Conn.NoBreak(ctx))
		check(t, b.Session.Conn.NoBreak(ctx))

		// Without the key the client breaks its own lease.
		check(t, a.WriteFile(ctx, `dir\another`, nil))
		wantBreak(t, a.Session.Conn, mine.Key, client.RH, 0, true)
		check(t, dir.AckLease(ctx, 0))
	})
}

// Directories have leases of version 2, and never cache writes.
func TestDirectoryLeaseGranted(t *testing.T) {
	s := start(t, "")
	for _, c := range []struct {
		name    string
		dialect wire.Dialect
		ask     client.Lease
		want    wire.LeaseState
	}{
		{"RWH", wire.Dialect311, client.Lease{State: client.RWH}, client.RH},
		{"R", wire.Dialect300, client.Lease{State: client.R}, client.R},
		{"version 1", wire.Dialect311, client.Lease{State: client.RH, Version: 1}, 0},
		{"2.1", wire.Dialect210, client.Lease{State: client.RH}, 0},
	} {
		s.run(t, c.name, func(t *testing.T) {
			c.ask.Key = client.NewGUID()
			f := open(t, s.connect(t, speaks(c.dialect)), client.CreateArgs{Name: "", Directory: true, Lease: &c.ask})
			wantLease(t, f, c.want)
		})
	}
	s.run(t, "oplock", func(t *testing.T) {
		f := open(t, s.connect(t), client.CreateArgs{Name: "", Directory: true, Oplock: wire.OplockBatch})
		if f.Response.OplockLevel != wire.OplockNone {
			t.Errorf("level %#x", f.Response.OplockLevel)
		}
	})
	// The directory itself is deleted or renamed: handle caching ends first.
	s.run(t, "delete the directory", func(t *testing.T) {
		ctx := t.Context()
		a, b := s.connect(t), s.connect(t)
		check(t, a.Mkdir(ctx, "gone"))
		dir := open(t, a, client.CreateArgs{Name: "gone", Directory: true, Lease: lease(client.RH)})
		f := open(t, b, client.CreateArgs{Name: "gone", Directory: true, Access: client.DeleteAccess})
		p := f.StartSet(wire.FileInfoDisposition, &wire.FileDispositionInformation{DeletePending: true})
		wantBreak(t, a.Session.Conn, dir.Lease.LeaseKey, client.RH, client.R, true)
		must(p.Interim(ctx))(t)
		check(t, dir.Close(ctx))
		must(p.Wait(ctx))(t)
		check(t, f.Close(ctx))
	})
}
