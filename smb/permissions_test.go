package smb_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/localfs"
)

// allParts are all parts of a descriptor that have bytes of their own.
const allParts = secdesc.OwnerInformation | secdesc.GroupInformation | secdesc.DACLInformation | secdesc.SACLInformation

// sid is the SID of the user of a tree, by the owner of a file that he makes.
func sidOf(t *testing.T, tree *client.Tree, name string) secdesc.SID {
	t.Helper()
	f := create(t, tree, client.CreateArgs{Name: name})
	defer func() { _ = f.Close(t.Context()) }()
	return read(t, f, secdesc.OwnerInformation).Owner
}

// read is a descriptor as the client of an open gets it.
func read(t *testing.T, f *client.File, parts uint32) *secdesc.Descriptor {
	t.Helper()
	b, err := f.Security(t.Context(), parts)
	mustBe(t, "query", err, ntstatus.Success)
	d, err := secdesc.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// encoded is a descriptor in its self-relative form.
func encoded(t *testing.T, d *secdesc.Descriptor) []byte {
	t.Helper()
	b, err := d.Append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// allowing is a descriptor with a DACL of these entries.
func allowing(aces ...secdesc.ACE) *secdesc.Descriptor {
	return &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent, DACL: secdesc.NewACL(aces...)}
}

// opens tries to open something that exists.
func opens(t *testing.T, tree *client.Tree, name string, access, options uint32) error {
	t.Helper()
	f, err := tree.Create(t.Context(), client.CreateArgs{Name: name, Disposition: client.Open, Access: access, Options: options})
	if err == nil {
		mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
	}
	return err
}

func TestPrivilegesOfAdministrators(t *testing.T) {
	s := newAccessServer(t, func(c *smb.Config, _ *auth.NTLMConfig) { c.Admins = []string{"alice"} },
		smb.Share{Name: "data", DefaultAccess: smb.AccessWrite})
	ctx := t.Context()
	tree := func(user string) *client.Tree {
		tree, err := s.as(t, user).TreeConnect(ctx, "data")
		mustBe(t, "connect", err, ntstatus.Success)
		return tree
	}
	admin, bob := tree("alice"), tree("bob")
	adminSID, bobSID := sidOf(t, admin, "of alice"), sidOf(t, bob, "of bob")

	// Bob's file and directory are for him alone.
	const all = client.ReadWriteDelete | wire.AccessWriteDAC | wire.AccessWriteOwner | wire.AccessReadControl
	mine := encoded(t, allowing(secdesc.Allow(bobSID, secdesc.FileAllAccess, 0)))
	for _, name := range []string{"file", "dir"} {
		f := create(t, bob, client.CreateArgs{Name: name, Directory: name == "dir", Access: all})
		mustBe(t, "set", f.SetSecurity(ctx, secdesc.DACLInformation, mine), ntstatus.Success)
		mustBe(t, "chown", f.SetSecurity(ctx, secdesc.OwnerInformation, encoded(t, &secdesc.Descriptor{Owner: adminSID})), ntstatus.InvalidOwner)
		mustBe(t, "chown to everybody", f.SetSecurity(ctx, secdesc.OwnerInformation, encoded(t, &secdesc.Descriptor{Owner: secdesc.World})), ntstatus.InvalidOwner)
		mustBe(t, "chown to himself", f.SetSecurity(ctx, secdesc.OwnerInformation, encoded(t, &secdesc.Descriptor{Owner: bobSID})), ntstatus.Success)
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	}
	const backup = wire.OptionOpenForBackupIntent
	for _, tc := range []struct {
		what            string
		tree            *client.Tree
		access, options uint32
		want            ntstatus.Status
	}{
		{"administrator", admin, wire.AccessReadData, 0, ntstatus.AccessDenied},
		{"administrator, backup", admin, wire.AccessReadData | wire.AccessReadControl, backup, ntstatus.Success},
		{"administrator, restore", admin, wire.AccessWriteData | wire.AccessWriteDAC | wire.AccessDelete, backup, ntstatus.Success},
		{"administrator, backup, what neither gives", admin, wire.AccessDeleteChild, backup, ntstatus.AccessDenied},
		{"administrator, SACL", admin, wire.AccessSystemSecurity, 0, ntstatus.Success},
		{"administrator, owner", admin, wire.AccessWriteOwner, 0, ntstatus.Success},
		{"administrator, owner and list", admin, wire.AccessWriteOwner | wire.AccessWriteDAC, 0, ntstatus.AccessDenied},
		{"user, backup", bob, wire.AccessReadData, backup, ntstatus.Success},
		{"user, SACL", bob, wire.AccessSystemSecurity, backup, ntstatus.PrivilegeNotHeld},
	} {
		mustBe(t, tc.what, opens(t, tc.tree, "file", tc.access, tc.options), tc.want)
	}
	if _, err := admin.Create(ctx, client.CreateArgs{Name: `dir\x`, Disposition: client.Create}); err == nil {
		t.Error("an administrator adds to a directory that he may not add to")
	}
	f := create(t, admin, client.CreateArgs{Name: `dir\x`, Disposition: client.Create, Options: backup})
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)

	// What comes with a CREATE is checked, too.
	sacl := &secdesc.Descriptor{Control: secdesc.SACLPresent, SACL: secdesc.NewACL(
		secdesc.ACE{Type: secdesc.SystemAudit, Flags: secdesc.FailedAccess, Mask: secdesc.FileAllAccess, SID: secdesc.World})}
	for _, tc := range []struct {
		what string
		tree *client.Tree
		sd   *secdesc.Descriptor
		want ntstatus.Status
	}{
		{"user, SACL", bob, sacl, ntstatus.PrivilegeNotHeld},
		{"administrator, SACL", admin, sacl, ntstatus.Success},
		{"user, another owner", bob, &secdesc.Descriptor{Owner: adminSID}, ntstatus.InvalidOwner},
		{"user, as the client of Linux numbers owners", bob, &secdesc.Descriptor{Owner: secdesc.NewSID(5, 88, 1, 1000), Group: secdesc.NewSID(5, 88, 2, 1000)}, ntstatus.Success},
		{"administrator, another owner", admin, &secdesc.Descriptor{Owner: bobSID}, ntstatus.Success},
	} {
		_, err := tc.tree.Create(ctx, client.CreateArgs{Name: tc.what, Disposition: client.Create,
			Security: encoded(t, tc.sd)})
		mustBe(t, tc.what, err, tc.want)
	}
}

// TestSetNothingStoresNothing: who may only read sets nothing, by no bit of a request.
func TestSetNothingStoresNothing(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	mustBe(t, "write", s.connect(t).WriteFile(ctx, "file", []byte("x")), ntstatus.Success)
	bob := s.connect(t, func(o *client.Options) { o.User = "bob" })
	f := create(t, bob, client.CreateArgs{Name: "file", Disposition: client.Open, Access: secdesc.FileGenericRead})
	change := encoded(t, &secdesc.Descriptor{Control: secdesc.DACLProtected})
	for parts, want := range map[uint32]ntstatus.Status{
		0: ntstatus.Success, 0x08000000: ntstatus.Success,
		secdesc.ProtectedDACLInformation: ntstatus.AccessDenied, secdesc.UnprotectedDACLInformation: ntstatus.AccessDenied,
		secdesc.ProtectedSACLInformation: ntstatus.AccessDenied,
	} {
		mustBe(t, "set", f.SetSecurity(ctx, parts, change), want)
	}
	root := s.fs.Root()
	defer root.Release()
	n, _, err := root.Lookup(ctx, nil, "file", vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	if b, err := n.Security(ctx, nil); b != nil || err != nil {
		t.Errorf("stored: %x, %v", b, err)
	}
}

// drawACE draws an entry of any shape, as bytes would have it.
func drawACE(t *rapid.T, types []secdesc.ACEType, sids []secdesc.SID) secdesc.ACE {
	e := secdesc.ACE{
		Type:  rapid.SampledFrom(types).Draw(t, "type"),
		Flags: secdesc.ACEFlags(rapid.Byte().Draw(t, "flags")),
	}
	data := func(least int) []byte {
		n := rapid.IntRange(least, 12).Draw(t, "words") * 4
		if n == 0 {
			return nil
		}
		return rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")
	}
	switch e.Type {
	case secdesc.AccessAllowed, secdesc.AccessDenied, secdesc.SystemAudit, secdesc.SystemMandatoryLabel:
		e.Mask, e.SID = rapid.Uint32().Draw(t, "mask"), rapid.SampledFrom(sids).Draw(t, "sid")
	case secdesc.AccessAllowedCallback, secdesc.AccessDeniedCallback, secdesc.SystemAuditCallback, secdesc.SystemResourceAttribute:
		e.Mask, e.SID = rapid.Uint32().Draw(t, "mask"), rapid.SampledFrom(sids).Draw(t, "sid")
		e.Data = data(0)
	default: // object entries, and what nobody knows
		e.Data = data(3)
	}
	return e
}

// TestDescriptorsComeBack: what is set is read back byte for byte, in the order in which
// it was sent, but for generic rights, which count at once, and for what a client asks
// for by a bit.
func TestDescriptorsComeBack(t *testing.T) {
	s := newTestServer(t, func(c *smb.Config, sh *smb.Share) {
		c.Admins = []string{"alice"}
		fs, err := localfs.New(t.TempDir(), localfs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fs.Close() })
		sh.FS = fs
	})
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "file", Access: wire.AccessReadControl | wire.AccessWriteDAC |
		wire.AccessWriteOwner | wire.AccessSystemSecurity})
	sids := []secdesc.SID{secdesc.World, secdesc.CreatorOwner, secdesc.OwnerRights, secdesc.System, secdesc.Anonymous,
		secdesc.UnixUser(77), secdesc.MachineSID(1, 2, 3).WithRID(500), secdesc.NewSID(15, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}
	daclTypes := []secdesc.ACEType{secdesc.AccessAllowed, secdesc.AccessDenied, secdesc.AccessAllowedObject, secdesc.AccessDeniedObject,
		secdesc.AccessAllowedCallback, secdesc.AccessDeniedCallback, secdesc.AccessAllowedCallbackObject, 0x04, 0x77}
	saclTypes := []secdesc.ACEType{secdesc.SystemAudit, secdesc.SystemAuditCallback, secdesc.SystemAuditObject,
		secdesc.SystemMandatoryLabel, secdesc.SystemResourceAttribute, 0x78}
	list := func(t *rapid.T, name string, types []secdesc.ACEType) *secdesc.ACL {
		if !rapid.Bool().Draw(t, name) {
			return nil
		}
		a := secdesc.NewACL()
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			a.ACEs = append(a.ACEs, drawACE(t, types, sids))
		}
		return a
	}
	rapid.Check(t, func(rt *rapid.T) {
		sent := &secdesc.Descriptor{
			Control: secdesc.SelfRelative | rapid.SampledFrom([]uint16{0, secdesc.DACLProtected, secdesc.SACLProtected,
				secdesc.DACLAutoInheritReq | secdesc.DACLAutoInherited, secdesc.DACLAutoInherited}).Draw(rt, "control"),
			Owner: rapid.SampledFrom(sids).Draw(rt, "owner"), Group: rapid.SampledFrom(sids).Draw(rt, "group"),
			DACL: list(rt, "dacl", daclTypes), SACL: list(rt, "sacl", saclTypes),
		}
		b, err := sent.Append(nil)
		if err != nil {
			rt.Fatal(err)
		}
		if err := f.SetSecurity(t.Context(), allParts, b); err != nil {
			rt.Fatal(err)
		}
		want, err := secdesc.Decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		want.Control |= secdesc.DACLPresent
		if want.Control&secdesc.DACLAutoInheritReq == 0 {
			want.Control &^= secdesc.DACLAutoInherited
		}
		want.Control &^= secdesc.DACLAutoInheritReq
		for _, a := range []*secdesc.ACL{want.DACL, want.SACL} {
			if a == nil {
				continue
			}
			for i := range a.ACEs {
				e := &a.ACEs[i]
				if e.Type != secdesc.SystemMandatoryLabel && e.Flags&secdesc.InheritOnly == 0 && !e.SID.IsZero() {
					e.Mask = secdesc.MapGeneric(e.Mask)
				}
			}
		}
		wanted, err := want.Append(nil)
		if err != nil {
			rt.Fatal(err)
		}
		got, err := f.Security(t.Context(), allParts)
		if err != nil || !bytes.Equal(got, wanted) {
			rt.Fatalf("%v\n got %x\nwant %x", err, got, wanted)
		}
	})
}

func TestAuditEntries(t *testing.T) {
	s, _, lines := audited(t, func(a *smb.Audit) { a.Operations = 0 }, smb.AuditLogOptions{})
	s.SetAdmins([]string{"alice"})
	ctx := t.Context()
	alice := s.connect(t)
	bob := s.connect(t, func(o *client.Options) { o.User = "bob" })
	dir := create(t, alice, client.CreateArgs{Name: "dir", Directory: true,
		Access: wire.AccessSystemSecurity | wire.AccessWriteDAC | wire.AccessReadControl})
	audit := func(sid secdesc.SID, mask uint32, flags secdesc.ACEFlags) secdesc.ACE {
		return secdesc.ACE{Type: secdesc.SystemAudit, Flags: flags | secdesc.ObjectInherit, Mask: mask, SID: sid}
	}
	bobSID := sidOf(t, bob, "of bob")
	d := &secdesc.Descriptor{
		Control: secdesc.SelfRelative | secdesc.SACLPresent | secdesc.DACLPresent,
		SACL: secdesc.NewACL(
			audit(secdesc.World, secdesc.FileWriteData, secdesc.FailedAccess),
			audit(bobSID, secdesc.FileReadData, secdesc.SuccessfulAccess)),
		DACL: secdesc.NewACL(secdesc.Allow(secdesc.World, secdesc.FileGenericRead, secdesc.ObjectInherit),
			secdesc.Allow(sidOf(t, alice, "of alice"), secdesc.FileAllAccess, secdesc.ObjectInherit)),
	}
	mustBe(t, "set", dir.SetSecurity(ctx, secdesc.DACLInformation|secdesc.SACLInformation, encoded(t, d)), ntstatus.Success)
	f := create(t, alice, client.CreateArgs{Name: `dir\file`, Disposition: client.Create}) // asks for nothing that is told
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	mustBe(t, "alice writes", opens(t, alice, `dir\file`, wire.AccessWriteData, 0), ntstatus.Success)
	mustBe(t, "bob writes", opens(t, bob, `dir\file`, wire.AccessWriteData|wire.AccessReadData, 0), ntstatus.AccessDenied)
	mustBe(t, "bob reads", opens(t, bob, `dir\file`, wire.AccessReadData|wire.AccessReadAttributes, 0), ntstatus.Success)
	mustBe(t, "bob looks", opens(t, bob, `dir\file`, wire.AccessReadAttributes, 0), ntstatus.Success)
	_, err := bob.Create(ctx, client.CreateArgs{Name: `dir\new`, Disposition: client.Create})
	mustBe(t, "bob adds", err, ntstatus.AccessDenied)

	type told struct{ user, path, access, status string }
	var got []told
	for _, l := range lines() {
		if l.Operation != "access" || l.SID == "" || l.Address == "" || l.Share != "data" {
			t.Errorf("line %+v", l)
		}
		got = append(got, told{l.User, l.Path, l.Access, l.Status})
	}
	want := []told{
		{"bob", "dir/file", "0x2", "STATUS_ACCESS_DENIED"},
		{"bob", "dir/file", "0x1", "STATUS_SUCCESS"},
		{"bob", "dir", "0x2", "STATUS_ACCESS_DENIED"}, // FILE_ADD_FILE
	}
	if !slices.Equal(got, want) {
		t.Errorf("told:\n%v\nwant:\n%v", got, want)
	}
}

func TestDefaultACL(t *testing.T) {
	for _, tc := range []struct {
		acl           smb.DefaultACL
		world, others uint32 // rights on a file of another Unix user, 0644 and 0600
	}{
		{smb.ACLEveryone, secdesc.FileAllAccess, secdesc.FileAllAccess},
		{smb.ACLPosix, secdesc.FileGenericRead, 0},
		{smb.ACLWindows, 0, 0},
	} {
		dir := t.TempDir()
		fs, err := localfs.New(dir, localfs.Options{HeedModes: tc.acl == smb.ACLPosix})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = fs.Close() })
		s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS, sh.DefaultACL = fs, tc.acl })
		tree := s.connect(t)
		for name, want := range map[string]uint32{"open": tc.world, "closed": tc.others} {
			put(t, dir, name, "text")
			path := filepath.Join(dir, name)
			if name == "closed" {
				if err := os.Chmod(path, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// To its own account's files the server is the owner, whoever asks.
			mustBe(t, "own", opens(t, tree, name, secdesc.FileAllAccess, 0), ntstatus.Success)
			if err := os.Chown(path, 12345, 12345); err != nil {
				t.Log("files of others are left out:", err)
				continue
			}
			for _, mask := range []uint32{secdesc.FileGenericRead, secdesc.FileWriteData} {
				status := ntstatus.AccessDenied
				if want&mask == mask {
					status = ntstatus.Success
				}
				mustBe(t, name, opens(t, tree, name, mask, 0), status)
			}
		}
		// A new file in a directory that passes nothing on.
		f := create(t, tree, client.CreateArgs{Name: "new", Access: secdesc.FileAllAccess})
		b, err := unix.Getxattr(filepath.Join(dir, "new"), "security.NTACL", nil)
		if c, e := unix.Getxattr(filepath.Join(dir, "new"), "user.lessor.NTACL", nil); e == nil {
			b, err = c, nil
		}
		if stored := err == nil && b > 0; stored != (tc.acl == smb.ACLWindows) {
			t.Errorf("default %v: a descriptor was stored: %v", tc.acl, stored)
		}
		// What a client has set ends with a chmod by somebody else, where that means anything.
		closed := encoded(t, allowing(secdesc.Allow(secdesc.System, secdesc.FileAllAccess, 0)))
		mustBe(t, "set", f.SetSecurity(t.Context(), secdesc.DACLInformation, closed), ntstatus.Success)
		mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
		mustBe(t, "closed", opens(t, tree, "new", wire.AccessReadData, 0), ntstatus.AccessDenied)
		if err := os.Chmod(filepath.Join(dir, "new"), 0o640); err != nil {
			t.Fatal(err)
		}
		status := ntstatus.AccessDenied
		if tc.acl == smb.ACLPosix {
			status = ntstatus.Success
		}
		mustBe(t, "after chmod", opens(t, tree, "new", wire.AccessReadData, 0), status)
	}
}

// TestAuditEntriesAlonePassOn: a directory that passes on nothing but audit entries does
// not change who may do what with a new file.
func TestAuditEntriesAlonePassOn(t *testing.T) {
	for _, acl := range []smb.DefaultACL{smb.ACLEveryone, smb.ACLPosix, smb.ACLWindows} {
		s := newTestServer(t, func(c *smb.Config, sh *smb.Share) {
			c.Admins = []string{"alice"}
			sh.DefaultACL, sh.FileMode, sh.DirMode = acl, 0o644, 0o755
		})
		ctx, tree := t.Context(), s.connect(t)
		const parts = secdesc.DACLInformation | secdesc.SACLInformation
		const access = wire.AccessSystemSecurity | wire.AccessReadControl | wire.AccessWriteDAC
		for _, isDir := range []bool{false, true} {
			name := map[bool]string{false: "file", true: "folder"}[isDir]
			before := create(t, tree, client.CreateArgs{Name: name, Directory: isDir, Access: access})
			want := read(t, before, secdesc.DACLInformation).DACL
			mustBe(t, "close", before.Close(ctx), ntstatus.Success)

			dir := create(t, tree, client.CreateArgs{Name: "dir", Directory: true, Access: access})
			sacl := &secdesc.Descriptor{Control: secdesc.SACLPresent, SACL: secdesc.NewACL(secdesc.ACE{Type: secdesc.SystemAudit,
				Flags: secdesc.FailedAccess | secdesc.ObjectInherit | secdesc.ContainerInherit, Mask: secdesc.FileAllAccess, SID: secdesc.World})}
			mustBe(t, "set", dir.SetSecurity(ctx, secdesc.SACLInformation, encoded(t, sacl)), ntstatus.Success)
			mustBe(t, "close", dir.Close(ctx), ntstatus.Success)
			f := create(t, tree, client.CreateArgs{Name: `dir\` + name, Directory: isDir, Access: access})
			got := read(t, f, parts)
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
			if !got.SACL.Audits() || len(got.SACL.ACEs) != 1 {
				t.Errorf("default %v, %s: SACL %+v", acl, name, got.SACL)
			}
			if !bytes.Equal(encoded(t, allowing(got.DACL.ACEs...)), encoded(t, allowing(want.ACEs...))) {
				t.Errorf("default %v, %s: list %+v, without audit entries %+v", acl, name, got.DACL.ACEs, want.ACEs)
			}
		}
	}
}

func TestShareWithout(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.NoStreams, sh.NoNotify, sh.KeepInherited = true, true, true })
	tree, ctx := s.connect(t), t.Context()
	f := create(t, tree, client.CreateArgs{Name: "file", Access: secdesc.FileAllAccess})
	for _, name := range []string{"file:s", "file::$DATA", "file:s:$DATA", "::$INDEX_ALLOCATION"} {
		_, err := tree.Create(ctx, client.CreateArgs{Name: name})
		mustBe(t, name, err, ntstatus.ObjectNameInvalid)
	}
	var fs wire.FileFsAttributeInformation
	mustBe(t, "attributes", f.QueryFS(ctx, wire.FsInfoAttribute, &fs), ntstatus.Success)
	if fs.FileSystemAttributes&wire.FsNamedStreams != 0 {
		t.Errorf("attributes %#x", fs.FileSystemAttributes)
	}
	dir := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory})
	_, err := dir.ChangeNotify(ctx, uint32(vfs.FilterFileName), false)
	mustBe(t, "notify", err, ntstatus.NotImplemented)

	d := allowing(secdesc.Allow(secdesc.World, secdesc.FileAllAccess, secdesc.InheritedACE))
	d.Control |= secdesc.DACLAutoInherited
	mustBe(t, "set", f.SetSecurity(ctx, secdesc.DACLInformation, encoded(t, d)), ntstatus.Success)
	if got := read(t, f, secdesc.DACLInformation); got.Control&secdesc.DACLAutoInherited == 0 {
		t.Errorf("control %#x: the mark is gone", got.Control)
	}
}
