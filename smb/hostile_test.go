package smb_test

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// edge draws numbers near those where something overflows.
var edge = rapid.OneOf(
	rapid.Uint64Range(0, 5000),
	rapid.Map(rapid.Int64Range(-5000, 5000), func(d int64) uint64 { return math.MaxInt64 + uint64(d) }),
	rapid.Map(rapid.Int64Range(-5000, -1), func(d int64) uint64 { return uint64(d) }),
	rapid.Map(rapid.Int64Range(-5000, 5000), func(d int64) uint64 { return uint64(0xfffffff0000 + d) }),
	rapid.Uint64(),
)

// edge32 is edge for 32 bits.
var edge32 = rapid.OneOf(rapid.Uint32Range(0, 100_000), rapid.Uint32(), rapid.Just(uint32(math.MaxUint32)))

var hostileCodes = []uint32{
	wire.FsctlDfsGetReferrals, wire.FsctlDfsGetReferralsEx, wire.FsctlQueryNetworkInterfaceInfo, wire.FsctlPipeWait,
	wire.FsctlPipeTransceive, wire.FsctlPipePeek, wire.FsctlSrvEnumerateSnapshots, wire.FsctlSrvRequestResumeKey,
	wire.FsctlSrvCopychunk, wire.FsctlSrvCopychunkWrite, wire.FsctlDuplicateExtentsToFile, wire.FsctlDuplicateExtentsToFileEx,
	wire.FsctlLmrRequestResiliency, wire.FsctlGetCompression, wire.FsctlSetCompression, wire.FsctlSetSparse, wire.FsctlSetZeroData,
	wire.FsctlQueryAllocatedRanges, wire.FsctlFileLevelTrim, wire.FsctlGetReparsePoint, wire.FsctlSetReparsePoint,
	wire.FsctlDeleteReparsePoint, wire.FsctlCreateOrGetObjectID, wire.FsctlGetObjectID, wire.FsctlIsPathnameValid,
	wire.FsctlOffloadRead, wire.FsctlOffloadWrite, wire.FsctlSetObjectID, wire.FsctlSetObjectIDExtended, wire.FsctlDeleteObjectID,
	wire.FsctlGetNtfsVolumeData, wire.FsctlQueryFileRegions,
}

// hostileInput draws the input of a control code: often one that is almost right.
func hostileInput(t *rapid.T, self wire.FileID, key wire.ResumeKey) []byte {
	i64 := func(name string) int64 { return int64(edge.Draw(t, name)) }
	var b []byte
	switch rapid.IntRange(0, 7).Draw(t, "form") {
	case 0:
		q := wire.SrvCopychunkCopy{SourceKey: key}
		for range rapid.IntRange(0, 5).Draw(t, "chunks") {
			q.Chunks = append(q.Chunks, wire.SrvCopychunk{
				SourceOffset: edge.Draw(t, "from"), TargetOffset: edge.Draw(t, "to"), Length: edge32.Draw(t, "length"),
			})
		}
		b = q.Append(nil)
	case 1:
		b = (&wire.DuplicateExtentsData{SourceFileID: self, SourceFileOffset: i64("from"), TargetFileOffset: i64("to"), ByteCount: i64("n")}).Append(nil)
	case 2:
		b = (&wire.FileZeroDataInformation{FileOffset: i64("from"), BeyondFinalZero: i64("to")}).Append(nil)
	case 3:
		q := wire.FileLevelTrim{}
		for range rapid.IntRange(0, 5).Draw(t, "ranges") {
			q.Ranges = append(q.Ranges, wire.FileLevelTrimRange{Offset: edge.Draw(t, "off"), Length: edge.Draw(t, "n")})
		}
		b = q.Append(nil)
	case 4:
		b = (&wire.SymlinkReparse{SubstituteName: rapid.String().Draw(t, "target")}).Append(nil)
	case 5:
		b = (&wire.NfsReparse{Type: wire.NfsSpecialLink, Target: rapid.String().Draw(t, "target")}).Append(nil)
	case 6:
		b = (&wire.PipeWaitRequest{Name: rapid.String().Draw(t, "name")}).Append(nil)
	default:
		return rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "input")
	}
	return b[:rapid.IntRange(0, len(b)).Draw(t, "cut")]
}

// Whatever a client asks for, it gets an answer that is meant, and the next one.
func TestHostileRequests(t *testing.T) {
	s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.FS = memfs.New(memfs.Options{Size: 64 << 20}) })
	tree := s.connect(t)
	ctx := t.Context()
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.SampledFrom([]string{"a", "b", "d"}).Draw(rt, "name")
		dir := name == "d"
		if err := tree.RemoveAll(ctx, name); err != nil {
			rt.Fatal(err)
		}
		f, err := tree.Create(ctx, client.CreateArgs{Name: name, Directory: dir, Access: rapid.SampledFrom([]uint32{
			wire.AccessAll, client.ReadAccess, wire.AccessAppendData, wire.AccessReadAttributes,
		}).Draw(rt, "access"), Options: wire.OptionOpenReparsePoint})
		if err != nil {
			rt.Fatal(err)
		}
		defer f.Close(ctx)
		var key wire.ResumeKeyResponse
		if out, err := f.Ioctl(ctx, wire.FsctlSrvRequestResumeKey, nil, 32); err == nil {
			_ = key.Decode(out)
		}
		var body wire.Appender
		switch rapid.IntRange(0, 4).Draw(rt, "command") {
		case 0:
			body = &wire.ReadRequest{
				FileID: f.ID, Offset: edge.Draw(rt, "off"), Length: edge32.Draw(rt, "n"), MinimumCount: edge32.Draw(rt, "min"),
				Flags: rapid.Byte().Draw(rt, "flags"), Channel: rapid.SampledFrom([]uint32{0, 0, 0, 1, 2, 99}).Draw(rt, "channel"),
			}
		case 1:
			body = &wire.WriteRequest{
				FileID: f.ID, Offset: edge.Draw(rt, "off"), Data: make([]byte, rapid.IntRange(0, 100_000).Draw(rt, "n")),
				Flags: rapid.Uint32().Draw(rt, "flags"),
			}
		case 2:
			q := &wire.LockRequest{FileID: f.ID, LockSequence: rapid.Uint32().Draw(rt, "sequence")}
			for range rapid.IntRange(0, 4).Draw(rt, "elements") {
				q.Locks = append(q.Locks, wire.LockElement{
					Offset: edge.Draw(rt, "off"), Length: edge.Draw(rt, "n"),
					Flags: rapid.SampledFrom([]uint32{0x11, 0x12, 4, 0, 3, 0xff}).Draw(rt, "flags"),
				})
			}
			body = q
		case 3:
			body = &wire.FlushRequest{FileID: f.ID, Reserved1: rapid.Uint16().Draw(rt, "reserved")}
		default:
			q := &wire.IoctlRequest{
				CtlCode: rapid.SampledFrom(hostileCodes).Draw(rt, "code"), FileID: f.ID, Flags: wire.IoctlIsFsctl,
				MaxOutputResponse: rapid.SampledFrom([]uint32{0, 1, 11, 12, 15, 16, 32, 63, 64, 4096, 65536}).Draw(rt, "room"),
			}
			if rapid.Bool().Draw(rt, "no FileId") {
				q.FileID = wire.RelatedFileID
			}
			q.Input = hostileInput(rt, f.ID, key.ResumeKey)
			body = q
		}
		request := f.Request(body)
		request.Charge = rapid.SampledFrom([]uint16{1, 2, 16}).Draw(rt, "charge")
		resp, err := tree.Session.Conn.Do(ctx, request)
		if err != nil {
			rt.Fatalf("%T: %v", body, err)
		}
		if resp.Status == ntstatus.InternalError {
			rt.Fatalf("%+v: %v", body, resp.Status)
		}
	})
	if err := tree.Session.Conn.Echo(ctx); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nothing is left open", func() bool { return len(s.Status().Opens) == 0 })
}
