package smb_test

import (
	"bytes"
	"io/fs"
	"slices"
	"testing"
	"unicode/utf16"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs"
	"lessor/vfs/afp"
	"lessor/vfs/errfs"
	"lessor/vfs/memfs"
)

// turnMac turns Apple's extensions on for a session.
func turnMac(t *testing.T, tree *client.Tree) *wire.AAPLResponse {
	t.Helper()
	q := wire.AAPLRequest{Command: wire.AAPLServerQuery, RequestBitmap: 7, ClientCapabilities: wire.AAPLSupportsReadDirAttr}
	f := create(t, tree, client.CreateArgs{Directory: true, Contexts: []client.Context{{Tag: wire.TagAAPL, Data: q.Append(nil)}}})
	defer func() { mustBe(t, "close", f.Close(t.Context()), ntstatus.Success) }()
	return f.AAPL
}

// macFile makes a file with data, information of the Finder, a resource fork and a
// stream.
func macFile(t *testing.T, tree *client.Tree, name string, finder afp.FinderInfo) {
	t.Helper()
	for _, s := range []struct {
		name string
		data []byte
	}{
		{"", []byte("data")}, {":AFP_AfpInfo", afp.AppendInfo(nil, &finder)}, {":AFP_Resource", []byte("fork")}, {":other", []byte("other")},
	} {
		f := create(t, tree, client.CreateArgs{Name: name + s.name, Disposition: client.OpenIf})
		mustBe(t, "write", f.WriteAll(t.Context(), 0, s.data), ntstatus.Success)
		mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
	}
}

func TestMacListing(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	finder := afp.FinderInfo{'T', 'E', 'X', 'T', 't', 't', 'x', 't', 0x40}
	macFile(t, tree, "a", finder)
	entry := func() wire.DirEntry {
		dir := create(t, tree, client.CreateArgs{Directory: true})
		defer func() { mustBe(t, "close", dir.Close(t.Context()), ntstatus.Success) }()
		list, err := dir.List(t.Context(), "a")
		if err != nil || len(list) != 1 {
			t.Fatalf("%d entries, %v", len(list), err)
		}
		return list[0]
	}
	if e := entry(); e.EaSize != 0 {
		t.Errorf("before: %+v", e)
	}
	a := turnMac(t, tree)
	if want := wire.AAPLUnixBased | wire.AAPLSupportsReadDirAttr | wire.AAPLSupportsOSXCopyfile | wire.AAPLSupportsNFSACE; a == nil || a.ServerCapabilities != want || a.Model != "MacSamba" {
		t.Fatalf("%+v", a)
	}
	e := entry()
	room := macRoom(&e)
	if e.EaSize != secdesc.FileAllAccess || len(room) != 24 || room[0] != 4 || !bytes.Equal(room[8:18], finder[:10]) {
		t.Errorf("%+v, % x", e, room)
	}
}

// macRoom is what an entry has in the place of the short name: the size of the resource
// fork, and what there is room for of the Finder's information.
func macRoom(e *wire.DirEntry) (room []byte) {
	for _, u := range utf16.Encode([]rune(e.ShortName)) {
		room = append(room, byte(u), byte(u>>8))
	}
	return room
}

func TestMacCopiesWholeFiles(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	finder := afp.FinderInfo{1}
	macFile(t, tree, "a", finder)
	src := create(t, tree, client.CreateArgs{Name: "a"})
	copied := func(name string) (wire.SrvCopychunkResponse, []string) {
		dst := create(t, tree, client.CreateArgs{Name: name})
		defer func() { mustBe(t, "close", dst.Close(t.Context()), ntstatus.Success) }()
		got, err := dst.CopyFrom(t.Context(), src)
		mustBe(t, "copy", err, ntstatus.Success)
		return got, streamsIn(t, s.fs, name)
	}
	if got, streams := copied("plain"); got.TotalBytesWritten != 0 || len(streams) != 0 {
		t.Errorf("another client: %+v, %v", got, streams)
	}
	turnMac(t, tree)
	if got, streams := copied("b"); got.TotalBytesWritten != 4 || !slices.Equal(streams, []string{"AFP_AfpInfo", "AFP_Resource", "other"}) {
		t.Errorf("%+v, %v", got, streams)
	}
	f := create(t, tree, client.CreateArgs{Name: "b:AFP_Resource"})
	if b, err := f.ReadAll(t.Context()); err != nil || string(b) != "fork" {
		t.Errorf("the fork: %q, %v", b, err)
	}
}

// A copy of a whole file does no more than its user might do in parts.
func TestMacCopiesNeedRights(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	turnMac(t, tree)
	src := create(t, tree, client.CreateArgs{Name: "src", Access: wire.AccessAll})
	mustBe(t, "write", src.WriteAll(ctx, 0, []byte("new")), ntstatus.Success)
	mustBe(t, "eas", setEas(t, src, wire.EaEntry{EaName: "A", EaValue: []byte("1")}), ntstatus.Success)
	for _, c := range []struct {
		name         string
		may, opened  uint32
		want         ntstatus.Status
		content, eas string
	}{
		{"for data", secdesc.FileAllAccess, wire.AccessReadData | wire.AccessWriteData | wire.AccessAppendData, ntstatus.Success, "new", "A=1"},
		{"to append", secdesc.FileAllAccess, wire.AccessAppendData, ntstatus.AccessDenied, "an older text", ""},
		{"no eas", secdesc.FileAllAccess &^ wire.AccessWriteEA, wire.AccessWriteData, ntstatus.AccessDenied, "an older text", ""},
		{"no attributes", secdesc.FileAllAccess &^ wire.AccessWriteAttributes, wire.AccessWriteData, ntstatus.AccessDenied, "an older text", ""},
	} {
		made := create(t, tree, client.CreateArgs{Name: c.name, Access: wire.AccessAll})
		mustBe(t, "write", made.WriteAll(ctx, 0, []byte("an older text")), ntstatus.Success)
		mustBe(t, "list", made.SetSecurity(ctx, secdesc.DACLInformation, encoded(t, allowing(secdesc.Allow(secdesc.World, c.may, 0)))), ntstatus.Success)
		mustBe(t, "attributes", src.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeArchive | wire.FileAttributeNotContentIndexed}), ntstatus.Success)
		dst := create(t, tree, client.CreateArgs{Name: c.name, Access: c.opened, Disposition: client.Open})
		_, err := dst.Ioctl(ctx, wire.FsctlSrvCopychunkWrite, copyOf(t, src), 12)
		mustBe(t, c.name, err, c.want)
		got, err := made.ReadAll(ctx)
		if err != nil || string(got) != c.content || eas(t, made) != c.eas {
			t.Errorf("%s: %q with %q, want %q with %q; %v", c.name, got, eas(t, made), c.content, c.eas, err)
		}
	}
}

// copyOf is an FSCTL_SRV_COPYCHUNK of a whole file.
func copyOf(t *testing.T, src *client.File) []byte {
	t.Helper()
	out, err := src.Ioctl(t.Context(), wire.FsctlSrvRequestResumeKey, nil, wire.ResumeKeyResponseSize)
	mustBe(t, "key", err, ntstatus.Success)
	var key wire.ResumeKeyResponse
	if err := key.Decode(out); err != nil {
		t.Fatal(err)
	}
	return (&wire.SrvCopychunkCopy{SourceKey: key.ResumeKey}).Append(nil)
}

// streamsIn are the names of the streams that are stored.
func streamsIn(t *testing.T, fs vfs.FS, name string) (out []string) {
	t.Helper()
	root := fs.Root()
	defer root.Release()
	n, _, err := root.Lookup(t.Context(), nil, name, vfs.LookupOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Release()
	list, err := n.Streams(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		out = append(out, s.Name)
	}
	return out
}

func TestMacModes(t *testing.T) {
	s := newTestServer(t)
	tree := s.connect(t)
	turnMac(t, tree)
	f := create(t, tree, client.CreateArgs{Name: "a", Access: wire.AccessGenericAll})
	mode := func() (mode uint32, others int) {
		b, err := f.Security(t.Context(), secdesc.DACLInformation)
		mustBe(t, "query", err, ntstatus.Success)
		d, err := secdesc.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range d.DACL.ACEs {
			switch {
			case a.SID.Authority() == 5 && a.SID.Count() == 3 && a.SID.Sub(0) == 88 && a.SID.Sub(1) == 3:
				mode = a.SID.RID()
			case a.SID.Authority() != 5 || a.SID.Sub(0) != 88:
				others++
			}
		}
		return mode, others
	}
	_, before := mode()
	chmod := &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
		DACL: secdesc.NewACL(secdesc.Deny(secdesc.NewSID(5, 88, 3, 0o100640), 0, 0))}
	mustBe(t, "chmod", f.SetSecurity(t.Context(), secdesc.DACLInformation, encoded(t, chmod)), ntstatus.Success)
	if got, others := mode(); got != 0o100640 || others != before {
		t.Errorf("mode %o and %d further entries, want %o and %d", got, others, 0o100640, before)
	}
}

func TestMacOff(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.Mac.Off = true })
	tree := s.connect(t)
	if a := turnMac(t, tree); a != nil {
		t.Errorf("answered: %+v", a)
	}
	f := create(t, tree, client.CreateArgs{Name: "a:AFP_AfpInfo"})
	mustBe(t, "any data", f.WriteAll(t.Context(), 0, []byte("x")), ntstatus.Success)
}

func TestTimeMachineSize(t *testing.T) {
	const size = 1 << 20
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.Mac.TimeMachine, sh.Mac.MaxSize = true, size })
	tree := s.connect(t)
	left := func() int64 {
		f := create(t, tree, client.CreateArgs{Directory: true})
		defer func() { mustBe(t, "close", f.Close(t.Context()), ntstatus.Success) }()
		b, err := f.QueryInfoWith(t.Context(), &wire.QueryInfoRequest{InfoType: wire.InfoTypeFileSystem, FileInfoClass: wire.FsInfoSize, OutputBufferLength: 24})
		mustBe(t, "size", err, ntstatus.Success)
		var i wire.FileFsSizeInformation
		if err := i.Decode(b); err != nil {
			t.Fatal(err)
		}
		unit := int64(i.SectorsPerAllocationUnit) * int64(i.BytesPerSector)
		if total := i.TotalAllocationUnits * unit; total != size {
			t.Errorf("%d bytes in all", total)
		}
		return i.AvailableAllocationUnits * unit
	}
	if got := left(); got != size {
		t.Errorf("%d bytes are left of an empty share", got)
	}
	for _, name := range []string{"m.sparsebundle", `m.sparsebundle\bands`} {
		d := create(t, tree, client.CreateArgs{Name: name, Directory: true})
		mustBe(t, "close", d.Close(t.Context()), ntstatus.Success)
	}
	put := func(name, data string) {
		f := create(t, tree, client.CreateArgs{Name: `m.sparsebundle\` + name})
		mustBe(t, "write", f.WriteAll(t.Context(), 0, []byte(data)), ntstatus.Success)
		mustBe(t, "close", f.Close(t.Context()), ntstatus.Success)
	}
	put("Info.plist", "<dict><key>band-size</key>\n<integer>65536</integer></dict>")
	for i, band := range []string{"0", "1", "2"} {
		put(`bands\`+band, "x")
		if got, want := left(), int64(size-(i+1)*65536); got != want {
			t.Errorf("%d bytes are left, want %d", got, want)
		}
	}
}

// A file without streams and without a stored descriptor takes no look-up in the listings
// of macOS, and says the same as one that takes it.
func TestMacListingOfPlainFiles(t *testing.T) {
	faulty := errfs.New(memfs.New(memfs.Options{}))
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = faulty })
	tree := s.connect(t)
	turnMac(t, tree)
	dirs(t, tree, `d`, `d\sub`)
	files(t, tree, `d\plain`)
	macFile(t, tree, `d\rich`, afp.FinderInfo{'T', 'E', 'X', 'T'})
	entry := func(name string) (e wire.DirEntry, err error) {
		dir := openDir(t, tree, "d")
		defer func() { mustBe(t, "close", dir.Close(t.Context()), ntstatus.Success) }()
		list, err := dir.List(t.Context(), name+"*")
		if err != nil {
			return e, err
		}
		if len(list) != 1 || len(macRoom(&list[0])) != 24 {
			t.Fatalf("%s: %+v", name, list)
		}
		return list[0], nil
	}
	rich, err := entry("rich")
	mustBe(t, "list", err, ntstatus.Success)
	if room := macRoom(&rich); room[0] != 4 || room[8] != 'T' {
		t.Errorf("% x", room)
	}
	faulty.Add(errfs.Rule{Op: errfs.OpLookup, Path: "d/rich", Err: fs.ErrPermission})
	faulty.Add(errfs.Rule{Op: errfs.OpLookup, Path: "d/plain", Err: fs.ErrPermission})
	faulty.Add(errfs.Rule{Op: errfs.OpLookup, Path: "d/sub", Err: fs.ErrPermission})
	for _, name := range []string{"plain", "sub"} {
		e, err := entry(name)
		mustBe(t, name, err, ntstatus.Success)
		if room := macRoom(&e); e.EaSize != rich.EaSize || room[0] != 0 || room[8] != 0 || room[20] == 0 {
			t.Errorf("%s: rights %x, % x", name, e.EaSize, room)
		}
	}
	if list := shownIn(t, tree, "d", "rich*"); len(list) != 0 {
		t.Errorf("%q without a look-up", list)
	}
}
