package smb_test

import (
	"bytes"
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// MS-FSA 2.1.5.10.1, .2, .7, .33, .34.
func TestObjectIDs(t *testing.T) {
	s := newTestServer(t, inDirectory(t))
	ctx := t.Context()
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll})
	ioctl := func(f *client.File, code uint32, in []byte) (id wire.FileObjectIDBuffer, err error) {
		out, err := f.Ioctl(ctx, code, in, 64)
		if err == nil && len(out) > 0 {
			err = id.Decode(out)
		}
		return id, err
	}
	_, err := ioctl(f, wire.FsctlGetObjectID, nil)
	mustBe(t, "before there is one", err, ntstatus.ObjectidNotFound)
	_, err = ioctl(f, wire.FsctlSetObjectIDExtended, make([]byte, 48))
	mustBe(t, "the rest of none", err, ntstatus.ObjectNameNotFound)
	made, err := ioctl(f, wire.FsctlCreateOrGetObjectID, nil)
	mustBe(t, "create", err, ntstatus.Success)
	var volume wire.FileFsObjectIDInformation
	if err := f.QueryFS(ctx, wire.FsInfoObjectID, &volume); err != nil {
		t.Fatal(err)
	}
	want := wire.FileObjectIDBuffer{ObjectID: made.ObjectID, BirthVolumeID: volume.ObjectID, BirthObjectID: made.ObjectID}
	if made != want || made.ObjectID == (wire.GUID{}) {
		t.Fatalf("made %+v, want %+v", made, want)
	}
	again, err := ioctl(f, wire.FsctlCreateOrGetObjectID, nil)
	if err != nil || again != made {
		t.Fatalf("%+v, then %+v, %v", made, again, err)
	}
	_, err = f.Ioctl(ctx, wire.FsctlGetObjectID, nil, 63)
	mustBe(t, "no room", err, ntstatus.InvalidParameter)

	// It goes with the file, and with a file alone.
	mustBe(t, "rename", f.Rename(ctx, "g", false), ntstatus.Success)
	same, err := ioctl(create(t, tree, client.CreateArgs{Name: "g", Disposition: client.Open}), wire.FsctlGetObjectID, nil)
	if err != nil || same != made {
		t.Fatalf("renamed: %+v, %v", same, err)
	}
	dir := create(t, tree, client.CreateArgs{Name: "d", Directory: true})
	other, err := ioctl(dir, wire.FsctlCreateOrGetObjectID, nil)
	if err != nil || other.ObjectID == made.ObjectID {
		t.Fatalf("directory: %+v, %v", other, err)
	}

	_, err = ioctl(f, wire.FsctlSetObjectID, make([]byte, 64))
	mustBe(t, "choose one", err, ntstatus.AccessDenied)
	_, err = ioctl(f, wire.FsctlSetObjectID, make([]byte, 63))
	mustBe(t, "choose half", err, ntstatus.InvalidParameter)
	rest := bytes.Repeat([]byte{7}, 48)
	_, err = ioctl(f, wire.FsctlSetObjectIDExtended, rest)
	mustBe(t, "the rest", err, ntstatus.Success)
	_, err = ioctl(f, wire.FsctlSetObjectIDExtended, rest[1:])
	mustBe(t, "half the rest", err, ntstatus.InvalidParameter)
	changed, err := ioctl(f, wire.FsctlGetObjectID, nil)
	if err != nil || changed.ObjectID != made.ObjectID || changed.DomainID != (wire.GUID(rest[:16])) {
		t.Fatalf("%+v, %v", changed, err)
	}

	reader := create(t, tree, client.CreateArgs{Name: "g", Access: wire.AccessReadData, Disposition: client.Open})
	_, err = ioctl(reader, wire.FsctlDeleteObjectID, nil)
	mustBe(t, "delete without the right", err, ntstatus.AccessDenied)
	for range 2 { // the second time there is none
		_, err = ioctl(f, wire.FsctlDeleteObjectID, nil)
		mustBe(t, "delete", err, ntstatus.Success)
	}
	_, err = ioctl(f, wire.FsctlGetObjectID, nil)
	mustBe(t, "after deletion", err, ntstatus.ObjectidNotFound)
}

// On a share that is read-only, files keep the ids they have and get none.
func TestObjectIDsReadOnly(t *testing.T) {
	s := newTestServer(t, inDirectory(t), func(_ *smb.Config, s *smb.Share) { s.ReadOnly = true })
	tree := s.connect(t)
	root := create(t, tree, client.CreateArgs{Name: "", Access: wire.AccessReadData, Disposition: client.Open, Directory: true})
	_, err := root.Ioctl(t.Context(), wire.FsctlCreateOrGetObjectID, nil, 64)
	mustBe(t, "create", err, ntstatus.MediaWriteProtected)
}

// Codes about the volume: answers, and for what takes the volume itself the status that
// NTFS has for a file.
func TestVolumeCodes(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	f, _ := filled(t, s.connect(t), "f", 1000)
	out, err := f.Ioctl(ctx, wire.FsctlGetNtfsVolumeData, nil, wire.NtfsVolumeDataSize)
	mustBe(t, "volume data", err, ntstatus.Success)
	var v wire.NtfsVolumeData
	if err := v.Decode(out); err != nil {
		t.Fatal(err)
	}
	var size wire.FileFsSizeInformation
	if err := f.QueryFS(ctx, wire.FsInfoSize, &size); err != nil {
		t.Fatal(err)
	}
	if v.TotalClusters != uint64(size.TotalAllocationUnits) || v.BytesPerSector != size.BytesPerSector ||
		v.BytesPerCluster != size.BytesPerSector*size.SectorsPerAllocationUnit {
		t.Fatalf("%+v and %+v", v, size)
	}
	_, err = f.Ioctl(ctx, wire.FsctlGetNtfsVolumeData, nil, wire.NtfsVolumeDataSize-1)
	mustBe(t, "volume data without room", err, ntstatus.BufferTooSmall)
	_, err = f.Ioctl(ctx, wire.FsctlIsVolumeMounted, nil, 0)
	mustBe(t, "is it mounted", err, ntstatus.Success)
	for _, code := range []uint32{
		wire.FsctlLockVolume, wire.FsctlUnlockVolume, wire.FsctlDismountVolume, wire.FsctlMarkVolumeDirty,
		wire.FsctlIsVolumeDirty, wire.FsctlGetVolumeBitmap, wire.FsctlAllowExtendedDasdIO, wire.FsctlQueryUsnJournal,
	} {
		_, err = f.Ioctl(ctx, code, nil, 4096)
		mustBe(t, wire.FsctlName(code), err, ntstatus.InvalidParameter)
	}
	// What NTFS on a server without the feature, or another file system, refuses.
	for _, code := range []uint32{
		wire.FsctlGetRefsVolumeData, wire.FsctlFilesystemGetStatistics, wire.FsctlFindFilesBySid, wire.FsctlSetEncryption,
		wire.FsctlReadFileUsnData, wire.FsctlWriteUsnCloseRecord, wire.FsctlGetRetrievalPointers, wire.FsctlMoveFile,
		wire.FsctlGetIntegrityInformation, wire.FsctlSetIntegrityInformation, wire.FsctlSetIntegrityInformationEx,
		wire.FsctlQueryFatBpb, wire.FsctlQuerySparingInfo, wire.FsctlQueryOnDiskVolumeInfo, wire.FsctlSetDefectManagement,
		wire.FsctlSetZeroOnDeallocation, wire.FsctlSetShortNameBehavior, wire.FsctlSisCopyfile, wire.FsctlRecallFile,
		wire.FsctlMarkHandle, wire.FsctlRequestOplock, wire.FsctlQuerySharedVirtualDisk, wire.FsctlSvhdxSyncTunnel,
		wire.FsctlSvhdxAsyncTunnel, wire.FsctlStorageQosControl, wire.FsctlRefsStreamSnapshot, wire.FsctlGetNtfsFileRecord,
		wire.FsctlGetRetrievalPointersRefcount, wire.FsctlGetRetrievalPointerCount, wire.FsctlSrvReadHash,
	} {
		_, err = f.Ioctl(ctx, code, make([]byte, 64), 4096)
		mustBe(t, wire.FsctlName(code), err, ntstatus.InvalidDeviceRequest)
	}
}

// FSCTL_QUERY_FILE_REGIONS: all of a file is valid.
func TestFileRegions(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	f, _ := filled(t, tree, "f", 1000)
	for _, c := range []struct {
		name string
		in   []byte
		room int
		want wire.FileRegionOutput
		err  ntstatus.Status
	}{
		{"all", nil, 40, wire.FileRegionOutput{Length: 1000, Usage: 1}, ntstatus.Success},
		{"a part", (&wire.FileRegionInput{FileOffset: 10, Length: 20, DesiredUsage: 2}).Append(nil), 40, wire.FileRegionOutput{FileOffset: 10, Length: 20, Usage: 2}, ntstatus.Success},
		{"over the end", (&wire.FileRegionInput{FileOffset: 990, Length: 20, DesiredUsage: 1}).Append(nil), 40, wire.FileRegionOutput{FileOffset: 990, Length: 10, Usage: 1}, ntstatus.Success},
		{"behind the end", (&wire.FileRegionInput{FileOffset: 1000, Length: 20, DesiredUsage: 1}).Append(nil), 40, wire.FileRegionOutput{}, ntstatus.Success},
		{"of no use", (&wire.FileRegionInput{Length: 20}).Append(nil), 40, wire.FileRegionOutput{}, ntstatus.InvalidParameter},
		{"negative", (&wire.FileRegionInput{FileOffset: -1, Length: 20, DesiredUsage: 1}).Append(nil), 40, wire.FileRegionOutput{}, ntstatus.InvalidParameter},
		{"too long", (&wire.FileRegionInput{FileOffset: 1, Length: 1<<63 - 1, DesiredUsage: 1}).Append(nil), 40, wire.FileRegionOutput{}, ntstatus.InvalidParameter},
		{"half a question", make([]byte, 23), 40, wire.FileRegionOutput{}, ntstatus.BufferTooSmall},
		{"no room", nil, 39, wire.FileRegionOutput{}, ntstatus.BufferTooSmall},
	} {
		out, err := f.Ioctl(ctx, wire.FsctlQueryFileRegions, c.in, c.room)
		mustBe(t, c.name, err, c.err)
		var got wire.FileRegionOutput
		if err == nil {
			if err := got.Decode(out); err != nil {
				t.Fatal(err)
			}
		}
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
	_, err := create(t, tree, client.CreateArgs{Name: "d", Directory: true}).Ioctl(ctx, wire.FsctlQueryFileRegions, nil, 40)
	mustBe(t, "directory", err, ntstatus.InvalidParameter)
}

// Reparse points of directories: junctions and others, of a directory that is empty.
func TestReparseDirectories(t *testing.T) {
	s := newTestServer(t, inDirectory(t))
	ctx := t.Context()
	tree := s.connect(t)
	junction := (&wire.ReparsePoint{Tag: wire.ReparseTagMountPoint, Data: []byte("\x00\x00\x04\x00\x06\x00\x00\x00a\x00b\x00\x00\x00\x00\x00")}).Append(nil)
	other := (&wire.ReparsePoint{Tag: wire.ReparseTagAppExecLink, Data: []byte("x")}).Append(nil)
	dir := func(name string, d client.Disposition, options uint32) (*client.File, error) {
		return tree.Create(ctx, client.CreateArgs{Name: name, Access: wire.AccessAll, Disposition: d, Directory: true, Options: options})
	}
	d, err := dir("d", client.Create, 0)
	mustBe(t, "make", err, ntstatus.Success)
	if _, err := d.Ioctl(ctx, wire.FsctlSetReparsePoint, junction, 0); err != nil {
		t.Fatal(err)
	}
	_, err = d.Ioctl(ctx, wire.FsctlSetReparsePoint, other, 0)
	mustBe(t, "another tag", err, ntstatus.IoReparseTagMismatch)
	mustBe(t, "close", d.Close(ctx), ntstatus.Success)

	_, err = dir("d", client.Open, 0)
	mustBe(t, "open what it stands for", err, ntstatus.IoReparseTagNotHandled)
	_, err = tree.Create(ctx, client.CreateArgs{Name: `d\f`, Disposition: client.Create})
	mustBe(t, "make a file in it", err, ntstatus.IoReparseTagNotHandled)
	d, err = dir("d", client.Open, wire.OptionOpenReparsePoint)
	mustBe(t, "open", err, ntstatus.Success)
	out, err := d.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096)
	if err != nil || !bytes.Equal(out, junction) {
		t.Fatalf("%x, %v", out, err)
	}
	var tag wire.FileAttributeTagInformation
	if err := d.Query(ctx, wire.FileInfoAttributeTag, &tag); err != nil {
		t.Fatal(err)
	}
	const both = wire.FileAttributeDirectory | wire.FileAttributeReparsePoint
	if tag.ReparseTag != wire.ReparseTagMountPoint || tag.FileAttributes != both {
		t.Fatalf("%+v", tag)
	}
	list, err := tree.ReadDir(ctx, "")
	if err != nil || len(list) != 1 || list[0].FileAttributes != both || list[0].ReparseTag != wire.ReparseTagMountPoint {
		t.Fatalf("%+v, %v", list, err)
	}
	_, err = d.Ioctl(ctx, wire.FsctlDeleteReparsePoint, (&wire.ReparsePoint{Tag: wire.ReparseTagAppExecLink}).Append(nil), 0)
	mustBe(t, "delete with another tag", err, ntstatus.IoReparseTagMismatch)
	_, err = d.Ioctl(ctx, wire.FsctlDeleteReparsePoint, junction[:4:4], 0)
	mustBe(t, "delete with half a tag", err, ntstatus.IoReparseDataInvalid)
	_, err = d.Ioctl(ctx, wire.FsctlDeleteReparsePoint, (&wire.ReparsePoint{Tag: wire.ReparseTagMountPoint}).Append(nil), 0)
	mustBe(t, "delete", err, ntstatus.Success)
	if err := tree.WriteFile(ctx, `d\f`, []byte("x")); err != nil {
		t.Fatal(err)
	}
	_, err = d.Ioctl(ctx, wire.FsctlSetReparsePoint, junction, 0)
	mustBe(t, "with a file in it", err, ntstatus.DirectoryNotEmpty)
	f, _ := filled(t, tree, "f", 1)
	_, err = f.Ioctl(ctx, wire.FsctlSetReparsePoint, junction, 0)
	mustBe(t, "junction of a file", err, ntstatus.NotADirectory)
	root := create(t, tree, client.CreateArgs{Name: "", Access: wire.AccessAll, Disposition: client.Open, Directory: true})
	_, err = root.Ioctl(ctx, wire.FsctlSetReparsePoint, junction, 0)
	mustBe(t, "of the share", err, ntstatus.InvalidParameter)
}
