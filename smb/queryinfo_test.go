package smb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/test/client"
)

// The length of the buffer decides between a refusal, a cut answer and a whole one
// (MS-SMB2 3.3.5.20.1, 3.3.5.20.2).
func TestQueryInfoBuffers(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "a file with a name", EAs: []wire.EaEntry{{EaName: "EA", EaValue: []byte("x")}}})
	create(t, tree, client.CreateArgs{Name: "a file with a name:stream"})
	for _, tt := range []struct {
		infoType, class uint8
		least           int // MS-FSCC 2.4, 2.5: with padding
	}{
		{wire.InfoTypeFile, wire.FileInfoBasic, 40},
		{wire.InfoTypeFile, wire.FileInfoStandard, 24},
		{wire.InfoTypeFile, wire.FileInfoInternal, 8},
		{wire.InfoTypeFile, wire.FileInfoEa, 4},
		{wire.InfoTypeFile, wire.FileInfoAccess, 4},
		{wire.InfoTypeFile, wire.FileInfoPosition, 8},
		{wire.InfoTypeFile, wire.FileInfoMode, 4},
		{wire.InfoTypeFile, wire.FileInfoAlignment, 4},
		{wire.InfoTypeFile, wire.FileInfoAll, 104},
		{wire.InfoTypeFile, wire.FileInfoAlternateName, 8},
		{wire.InfoTypeFile, wire.FileInfoStream, 32},
		{wire.InfoTypeFile, wire.FileInfoCompression, 16},
		{wire.InfoTypeFile, wire.FileInfoNetworkOpen, 56},
		{wire.InfoTypeFile, wire.FileInfoAttributeTag, 8},
		{wire.InfoTypeFile, wire.FileInfoID, 24},
		{wire.InfoTypeFile, wire.FileInfoStandardLink, 12},
		{wire.InfoTypeFile, wire.FileInfoNormalizedName, 8},
		{wire.InfoTypeFileSystem, wire.FsInfoVolume, 24},
		{wire.InfoTypeFileSystem, wire.FsInfoSize, 24},
		{wire.InfoTypeFileSystem, wire.FsInfoDevice, 8},
		{wire.InfoTypeFileSystem, wire.FsInfoAttribute, 16},
		{wire.InfoTypeFileSystem, wire.FsInfoControl, 48},
		{wire.InfoTypeFileSystem, wire.FsInfoFullSize, 32},
		{wire.InfoTypeFileSystem, wire.FsInfoObjectID, 64},
		{wire.InfoTypeFileSystem, wire.FsInfoSectorSize, 28},
	} {
		whole, err := f.QueryInfo(ctx, tt.infoType, tt.class, 4096)
		if err != nil {
			t.Errorf("type %d class %d: %v", tt.infoType, tt.class, err)
			continue
		}
		for n := range len(whole) + 10 {
			b, err := f.QueryInfo(ctx, tt.infoType, tt.class, n)
			want := ntstatus.Success
			switch {
			case n < tt.least:
				want = ntstatus.InfoLengthMismatch
			case n < len(whole):
				want = ntstatus.BufferOverflow
			}
			if got, _ := client.StatusOf(err); got != want {
				t.Errorf("type %d class %d with %d of %d bytes: %v, want %v", tt.infoType, tt.class, n, len(whole), err, want)
			}
			if want == ntstatus.Success && !cmp.Equal(b, whole) {
				t.Errorf("type %d class %d with %d bytes: another answer", tt.infoType, tt.class, n)
			}
		}
	}
}

func TestQueryInfoRefuses(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	create(t, tree, client.CreateArgs{Name: "f"})
	blind := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessReadData, Disposition: client.Open})
	for _, tt := range []struct {
		infoType, class uint8
		want            ntstatus.Status
	}{
		{wire.InfoTypeFile, wire.FileInfoBasic, ntstatus.AccessDenied},
		{wire.InfoTypeFile, wire.FileInfoAll, ntstatus.AccessDenied},
		{wire.InfoTypeFile, wire.FileInfoNetworkOpen, ntstatus.AccessDenied},
		{wire.InfoTypeFile, wire.FileInfoAttributeTag, ntstatus.AccessDenied},
		{wire.InfoTypeFile, wire.FileInfoFullEa, ntstatus.AccessDenied},
		{wire.InfoTypeFile, wire.FileInfoStandard, ntstatus.Success},
		{wire.InfoTypeFile, wire.FileInfoStream, ntstatus.Success},
		{wire.InfoTypeFile, wire.FileInfoName, ntstatus.NotSupported},
		{wire.InfoTypeFile, wire.FileInfoPipe, ntstatus.InvalidParameter},
		{wire.InfoTypeFile, wire.FileInfoRename, ntstatus.InvalidInfoClass},
		{wire.InfoTypeFile, wire.FileInfoPosix, ntstatus.AccessDenied},
		{wire.InfoTypeFile, 200, ntstatus.InvalidInfoClass},
		{wire.InfoTypeFileSystem, wire.FsInfoLabel, ntstatus.InvalidInfoClass},
		{wire.InfoTypeFileSystem, wire.FsInfoPosix, ntstatus.InvalidInfoClass},
		{wire.InfoTypeFileSystem, wire.FsInfoVolumeFlags, ntstatus.NotSupported},
		{wire.InfoTypeQuota, 0, ntstatus.NotSupported},
		{9, 0, ntstatus.InvalidParameter},
	} {
		_, err := blind.QueryInfo(ctx, tt.infoType, tt.class, 4096)
		if got, _ := client.StatusOf(err); got != tt.want {
			t.Errorf("type %d class %d: %v, want %v", tt.infoType, tt.class, err, tt.want)
		}
	}
	_, err := blind.Security(ctx, wire.OwnerSecurityInformation)
	mustBe(t, "descriptor", err, ntstatus.AccessDenied)
	_, err = blind.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoStandard, 8<<20+1)
	mustBe(t, "too much", err, ntstatus.InvalidParameter)
	old := srv.connect(t, func(o *client.Options) { o.Dialects = []wire.Dialect{wire.Dialect302} })
	g := create(t, old, client.CreateArgs{Name: "f", Access: wire.AccessReadAttributes, Disposition: client.Open})
	_, err = g.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoNormalizedName, 4096)
	mustBe(t, "normalized name before 3.1.1", err, ntstatus.NotSupported)
}

func TestQueryInfoContent(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	if err := tree.Mkdir(ctx, "Dir"); err != nil {
		t.Fatal(err)
	}
	const access = wire.AccessReadData | wire.AccessWriteData | wire.AccessReadAttributes
	f := create(t, tree, client.CreateArgs{Name: `DIR\File.Text`, Access: access, Options: wire.OptionSequentialOnly})
	if _, err := f.Write(ctx, 0, []byte("12345")); err != nil {
		t.Fatal(err)
	}
	s := create(t, tree, client.CreateArgs{Name: `dir\file.text:Stream One`})
	if _, err := s.Write(ctx, 0, []byte("123")); err != nil {
		t.Fatal(err)
	}
	query := func(f *client.File, class uint8, v client.Decoder) {
		t.Helper()
		if err := f.Query(ctx, class, v); err != nil {
			t.Fatalf("class %d: %v", class, err)
		}
	}
	var all, ofStream wire.FileAllInformation
	query(f, wire.FileInfoAll, &all)
	query(s, wire.FileInfoAll, &ofStream)
	if all.Name.FileName != `\Dir\File.Text` || ofStream.Name.FileName != `\Dir\File.Text:Stream One` {
		t.Errorf("names %q and %q", all.Name.FileName, ofStream.Name.FileName)
	}
	if all.Standard.EndOfFile != 5 || all.Standard.NumberOfLinks != 1 || all.Mode.Mode != wire.OptionSequentialOnly ||
		all.Access.AccessFlags != access || all.Basic.FileAttributes != wire.FileAttributeArchive {
		t.Errorf("%+v", all)
	}
	if ofStream.Standard.EndOfFile != 3 || ofStream.Internal != all.Internal || ofStream.Basic != all.Basic {
		t.Errorf("of the stream: %+v", ofStream)
	}
	var name wire.FileNameInformation
	query(s, wire.FileInfoNormalizedName, &name)
	if name.FileName != `Dir\File.Text:Stream One` {
		t.Errorf("normalized name %q", name.FileName)
	}
	var streams wire.FileStreamInformation
	query(s, wire.FileInfoStream, &streams)
	for i := range streams.Streams {
		streams.Streams[i].StreamAllocationSize = 0
	}
	want := []wire.StreamEntry{{StreamSize: 5, StreamName: "::$DATA"}, {StreamSize: 3, StreamName: ":Stream One:$DATA"}}
	if diff := cmp.Diff(want, streams.Streams); diff != "" {
		t.Error(diff)
	}
	dir := openDir(t, tree, "dir")
	if b, err := dir.QueryInfo(ctx, wire.InfoTypeFile, wire.FileInfoStream, 4096); err != nil || len(b) != 0 {
		t.Errorf("streams of a directory: %x %v", b, err)
	}
	var std wire.FileStandardInformation
	query(dir, wire.FileInfoStandard, &std)
	if !std.Directory || std.EndOfFile != 0 || std.AllocationSize != 0 || std.NumberOfLinks != 1 {
		t.Errorf("directory: %+v", std)
	}
	var id wire.FileIDInformation
	query(f, wire.FileInfoID, &id)
	if got := le64(id.FileID[:8]); got != all.Internal.IndexNumber {
		t.Errorf("file ids %x and %x", id.FileID, all.Internal.IndexNumber)
	}
}

func le64(b []byte) (v uint64) {
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func TestExtendedAttributes(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f", Access: client.ReadWriteDelete | wire.AccessReadEA | wire.AccessWriteEA})
	ask := func(q wire.QueryInfoRequest) ([]wire.EaEntry, error) {
		q.InfoType, q.FileInfoClass = wire.InfoTypeFile, wire.FileInfoFullEa
		if q.OutputBufferLength == 0 {
			q.OutputBufferLength = 4096
		}
		b, err := f.QueryInfoWith(ctx, &q)
		var list wire.FileFullEaInformation
		if derr := list.Decode(b); derr != nil {
			t.Fatal(derr)
		}
		return list.Entries, err
	}
	set := func(e ...wire.EaEntry) error {
		return f.Set(ctx, wire.FileInfoFullEa, &wire.FileFullEaInformation{Entries: e})
	}
	_, err := ask(wire.QueryInfoRequest{})
	mustBe(t, "none", err, ntstatus.NoEasOnFile)
	one, two := wire.EaEntry{EaName: "One", EaValue: []byte("1")}, wire.EaEntry{EaName: "Two", EaValue: []byte("22")}
	mustBe(t, "set", set(two, one), ntstatus.Success)
	check := func(what string, q wire.QueryInfoRequest, status ntstatus.Status, want ...wire.EaEntry) {
		t.Helper()
		got, err := ask(q)
		mustBe(t, what, err, status)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
	restart := wire.QueryInfoRequest{Flags: wire.QueryInfoRestartScan}
	check("all", restart, ntstatus.Success, one, two)
	check("behind the last", wire.QueryInfoRequest{}, ntstatus.NoMoreEas)
	check("one", wire.QueryInfoRequest{Flags: wire.QueryInfoRestartScan | wire.QueryInfoReturnSingleEntry}, ntstatus.Success, one)
	check("the next", wire.QueryInfoRequest{Flags: wire.QueryInfoReturnSingleEntry}, ntstatus.Success, two)
	check("by index", wire.QueryInfoRequest{Flags: wire.QueryInfoIndexSpecified, AdditionalInformation: 2}, ntstatus.Success, two)
	check("bad index", wire.QueryInfoRequest{Flags: wire.QueryInfoIndexSpecified, AdditionalInformation: 3}, ntstatus.NonexistentEaEntry)
	check("room for one", wire.QueryInfoRequest{Flags: wire.QueryInfoRestartScan, OutputBufferLength: 14}, ntstatus.BufferOverflow, one)
	check("the rest", wire.QueryInfoRequest{}, ntstatus.Success, two)
	check("no room", wire.QueryInfoRequest{Flags: wire.QueryInfoRestartScan, OutputBufferLength: 9}, ntstatus.BufferTooSmall)
	named := wire.FileGetEaInformation{Names: []string{"two", "none"}}
	check("by name", wire.QueryInfoRequest{Input: named.Append(nil)}, ntstatus.Success,
		wire.EaEntry{EaName: "two", EaValue: []byte("22")}, wire.EaEntry{EaName: "none", EaValue: []byte{}})
	check("bad list", wire.QueryInfoRequest{Input: []byte{1, 2, 3}}, ntstatus.EaListInconsistent)

	mustBe(t, "bad name", set(wire.EaEntry{EaName: "a*b", EaValue: []byte("x")}), ntstatus.InvalidEaName)
	mustBe(t, "bad flag", set(wire.EaEntry{Flags: 1, EaName: "ab", EaValue: []byte("x")}), ntstatus.InvalidEaFlag)
	mustBe(t, "remove", set(wire.EaEntry{EaName: "ONE"}), ntstatus.Success)
	check("left", restart, ntstatus.Success, two)
}

func TestSecurityDescriptors(t *testing.T) {
	srv := newTestServer(t)
	ctx := t.Context()
	f := create(t, srv.connect(t), client.CreateArgs{Name: "f", Access: wire.AccessAll})
	const parts = wire.OwnerSecurityInformation | wire.GroupSecurityInformation | wire.DaclSecurityInformation
	get := func(parts uint32) *secdesc.Descriptor {
		t.Helper()
		b, err := f.Security(ctx, parts)
		if err != nil {
			t.Fatal(err)
		}
		d, err := secdesc.Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	alice := get(parts)
	bobs := create(t, srv.connect(t, func(o *client.Options) { o.User = "bob" }), client.CreateArgs{Name: "f", Access: wire.AccessReadControl, Disposition: client.Open})
	b, err := bobs.Security(ctx, parts)
	if err != nil {
		t.Fatal(err)
	}
	bob, err := secdesc.Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	// The file belongs to the server, so everybody owns it until somebody says more.
	if alice.Owner.IsZero() || alice.Owner == bob.Owner || alice.Group != bob.Group {
		t.Errorf("owners %v and %v, groups %v and %v", alice.Owner, bob.Owner, alice.Group, bob.Group)
	}
	if d := get(wire.OwnerSecurityInformation); d.Owner != alice.Owner || !d.Group.IsZero() || d.DACL != nil {
		t.Errorf("owner alone: %+v", d)
	}
	for _, n := range []int{0, 1, len(b) - 1} {
		_, err := f.QueryInfoWith(ctx, &wire.QueryInfoRequest{InfoType: wire.InfoTypeSecurity, OutputBufferLength: uint32(n), AdditionalInformation: parts})
		mustBe(t, "too small", err, ntstatus.BufferTooSmall)
	}
	set := func(f *client.File, info uint32, d *secdesc.Descriptor) error {
		b, err := d.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return f.SetSecurity(ctx, info, b)
	}
	dacl := &secdesc.Descriptor{
		Control: secdesc.DACLPresent | secdesc.DACLAutoInherited | secdesc.DACLAutoInheritReq,
		DACL:    secdesc.NewACL(secdesc.Allow(alice.Owner, secdesc.FileAllAccess, 0)),
	}
	mustBe(t, "no right", set(bobs, wire.DaclSecurityInformation, dacl), ntstatus.AccessDenied)
	mustBe(t, "set", set(f, wire.DaclSecurityInformation, dacl), ntstatus.Success)
	got := get(parts)
	if got.Owner != alice.Owner || len(got.DACL.ACEs) != 1 || got.DACL.ACEs[0].SID != alice.Owner ||
		got.Control&secdesc.DACLAutoInherited == 0 {
		t.Errorf("after: %+v %+v", got, got.DACL)
	}
	mustBe(t, "foreign owner", set(f, wire.OwnerSecurityInformation, &secdesc.Descriptor{Owner: bob.Owner}), ntstatus.InvalidOwner)
	mustBe(t, "SACL", set(f, wire.SaclSecurityInformation, dacl), ntstatus.AccessDenied)
	mustBe(t, "garbage", f.SetSecurity(ctx, wire.DaclSecurityInformation, []byte{1, 2, 3}), ntstatus.InvalidSecurityDescr)
	_, err = srv.connect(t, func(o *client.Options) { o.User = "bob" }).Create(ctx, client.CreateArgs{Name: "f", Access: wire.AccessReadData, Disposition: client.Open})
	mustBe(t, "bob", err, ntstatus.AccessDenied)
}
