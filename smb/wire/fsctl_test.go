package wire

import (
	"net/netip"
	"strings"
	"testing"
)

const (
	testKeyHex     = " 000102030405060708090a0b0c0d0e0f1011121314151617 "
	copychunkInput = testKeyHex + `
		02000000 00000000
		0000000000000000 0010000000000000 00001000 00000000
		0000100000000000 0010100000000000 05000000 00000000`
	trimInput      = "00000000 01000000 0010000000000000 0020000000000000"
	pipeWait       = "8096980000000000 0c000000 01 00 7300720076007300760063 00"
	pipePeek       = "03000000 05000000 01000000 05000000 616263"
	reparseGUID    = "01000000 0300 0000 00112233445566778899aabbccddeeff 616263"
	reparseSymlink = `
		0c0000a0 1600 0000
		0000 0600 0600 0400 01000000
		2e002e005c00 61006200`
	reparseNfsLink = "14000080 0c00 0000 4c4e4b0100000000 61002f00"
	reparseNfsChr  = "14000080 1000 0000 4348520000000000 05000000 01000000"
	snapshots      = `
		02000000 01000000 34000000
		40004700 4d005400 2d003200 30003200 35002e00 30003100 2e003300 31002d00
		32003300 2e003500 39002e00 35003900 0000 0000`
)

// Index 2 with two addresses, one of each family.
var netifs = `
	98000000 02000000 01000000 00000000 00ca9a3b00000000
	0200 0000 c0000201` + strings.Repeat("00", 120) + `
	00000000 02000000 00000000 00000000 00ca9a3b00000000
	1700 0000 00000000 20010db8000000000000000000000001` + strings.Repeat("00", 104)

func testResumeKey() (k ResumeKey) {
	for i := range k {
		k[i] = byte(i)
	}
	return k
}

func TestControlBuffers(t *testing.T) {
	goldens{
		{&ResumeKeyResponse{ResumeKey: testResumeKey()}, testKeyHex + "00000000 00000000", 28},
		{&SrvCopychunkCopy{SourceKey: testResumeKey(), Chunks: []SrvCopychunk{
			{TargetOffset: 4096, Length: 1 << 20}, {SourceOffset: 1 << 20, TargetOffset: 1<<20 + 4096, Length: 5},
		}}, copychunkInput, -1},
		{&SrvCopychunkResponse{ChunksWritten: 1, ChunkBytesWritten: 2, TotalBytesWritten: 3}, "01000000 02000000 03000000", -1},
		{&SetSparse{SetSparse: true}, "01", 0},
		{&SetSparse{}, "00", 0},
		{&FileZeroDataInformation{FileOffset: 4096, BeyondFinalZero: -1}, "0010000000000000 ffffffffffffffff", -1},
		{&FileAllocatedRange{FileOffset: 4096, Length: 5}, "0010000000000000 0500000000000000", -1},
		{&FileAllocatedRanges{Ranges: []FileAllocatedRange{{0, 5}, {4096, 6}}},
			"0000000000000000 0500000000000000 0010000000000000 0600000000000000", 0},
		{&DuplicateExtentsData{SourceFileID: testFileID, SourceFileOffset: 1, TargetFileOffset: 2, ByteCount: 3},
			testID + "0100000000000000 0200000000000000 0300000000000000", -1},
		{&DuplicateExtentsDataEx{
			DuplicateExtentsData: DuplicateExtentsData{SourceFileID: testFileID, SourceFileOffset: 1, TargetFileOffset: 2, ByteCount: 3},
			Flags:                DuplicateExtentsSourceAtomic,
		}, "3000000000000000" + testID + "0100000000000000 0200000000000000 0300000000000000 01000000 00000000", -1},
		{&FileLevelTrim{Ranges: []FileLevelTrimRange{{4096, 8192}}}, trimInput, -1},
		{&FileLevelTrimOutput{NumRangesProcessed: 1}, "01000000", -1},
		{&PipeWaitRequest{Timeout: 10_000_000, TimeoutSpecified: true, Name: "srvsvc"}, pipeWait, -1},
		{&PipePeekResponse{
			NamedPipeState: PipeConnected, ReadDataAvailable: 5, NumberOfMessages: 1, MessageLength: 5, Data: []byte("abc"),
		}, pipePeek, 16},
		{&CompressionState{CompressionFormat: CompressionFormatDefault}, "0100", -1},
		{&FileObjectIDBuffer{ObjectID: testLeaseKey, BirthVolumeID: GUID{1}, BirthObjectID: GUID{2}, DomainID: GUID{3}},
			"00112233445566778899aabbccddeeff 01000000000000000000000000000000 02000000000000000000000000000000 03000000000000000000000000000000", -1},
		{&OffloadReadInput{Flags: 1, TokenTimeToLive: 2, FileOffset: 3, CopyLength: 4},
			"20000000 01000000 02000000 00000000 0300000000000000 0400000000000000", -1},
		{&OffloadReadOutput{Flags: 1, TransferLength: 2, Token: NewOffloadToken(0x01020304, []byte("id"))},
			"10020000 01000000 0200000000000000 01020304 0000 01f8 6964" + zeros(502), -1},
		{&OffloadWriteInput{Flags: 1, FileOffset: 2, CopyLength: 3, TransferOffset: 4, Token: ZeroOffloadToken()},
			"20020000 01000000 0200000000000000 0300000000000000 0400000000000000 ffff0001 0000 01f8" + zeros(504), -1},
		{&OffloadWriteOutput{Flags: 1, LengthWritten: 2}, "10000000 01000000 0200000000000000", -1},
		{&NtfsVolumeData{
			VolumeSerialNumber: 1, NumberSectors: 2, TotalClusters: 3, FreeClusters: 4, TotalReserved: 5, BytesPerSector: 6, BytesPerCluster: 7,
			BytesPerFileRecordSegment: 8, ClustersPerFileRecordSegment: 9, MftValidDataLength: 10, MftStartLcn: 11, Mft2StartLcn: 12,
			MftZoneStart: 13, MftZoneEnd: 14,
		}, "0100000000000000 0200000000000000 0300000000000000 0400000000000000 0500000000000000 06000000 07000000 08000000 09000000" +
			"0a00000000000000 0b00000000000000 0c00000000000000 0d00000000000000 0e00000000000000", -1},
		{&FileRegionInput{FileOffset: 1, Length: -1, DesiredUsage: 2}, "0100000000000000 ffffffffffffffff 02000000 00000000", -1},
		{&FileRegionOutput{FileOffset: 1, Length: 2, Usage: 3},
			"00000000 01000000 01000000 00000000 0100000000000000 0200000000000000 03000000 00000000", -1},
		{&FileRegionOutput{}, "00000000 00000000 00000000 00000000", -1},
		{&NetworkResiliencyRequest{Timeout: 120000}, "c0d40100 00000000", -1},
		{&GetIntegrityInformation{ChecksumAlgorithm: ChecksumCRC64, Flags: ChecksumEnforcementOff, ChecksumChunkSize: 65536, ClusterSize: 4096},
			"0200 0000 01000000 00000100 00100000", -1},
		{&SetIntegrityInformation{ChecksumAlgorithm: ChecksumUnchanged, Flags: 1}, "ffff 0000 01000000", -1},
		{&NetworkInterfaceInfo{Interfaces: []NetworkInterface{
			{IfIndex: 2, Capability: NetworkInterfaceRSSCapable, LinkSpeed: 1e9, Addr: netip.MustParseAddr("192.0.2.1")},
			{IfIndex: 2, LinkSpeed: 1e9, Addr: netip.MustParseAddr("2001:db8::1")},
		}}, netifs, isList},
	}.run(t)
	if n := len((&ResumeKeyResponse{}).Append(nil)); n != ResumeKeyResponseSize {
		t.Errorf("a resume key takes %d bytes", n)
	}
}

// zeros is n bytes of zeros in hexadecimal.
func zeros(n int) string { return strings.Repeat("00", n) }

func TestOffloadTokens(t *testing.T) {
	zero, known, own := ZeroOffloadToken(), NewOffloadToken(offloadTypeWellKnown, []byte{0, 1}), NewOffloadToken(7, []byte{0, 1})
	if !zero.IsZero() || !known.IsZero() || own.IsZero() || own.Type() != 7 {
		t.Error("the wrong tokens stand for zeros")
	}
}

func TestReparsePoints(t *testing.T) {
	goldens{
		{&ReparsePoint{Tag: 1, GUID: testLeaseKey, Data: []byte("abc")}, reparseGUID, -1},
		{&ReparsePoint{Tag: ReparseTagNFS, Data: unhex(t, "4c4e4b0100000000 61002f00")}, reparseNfsLink, -1},
		{&SymlinkReparse{SubstituteName: `..\`, PrintName: "ab", Flags: SymlinkFlagRelative}, reparseSymlink, -1},
		{&NfsReparse{Type: NfsSpecialLink, Target: "a/"}, reparseNfsLink, -1},
		{&NfsReparse{Type: NfsSpecialChr, Major: 5, Minor: 1}, reparseNfsChr, -1},
	}.run(t)
	if new(ReparsePoint).Decode(unhex(t, reparseNfsLink+"00")) == nil {
		t.Error("bytes behind the data are accepted")
	}
	if new(SymlinkReparse).Decode(unhex(t, reparseNfsLink)) == nil || new(NfsReparse).Decode(unhex(t, reparseSymlink)) == nil {
		t.Error("the wrong tag is accepted")
	}
}

func TestSnapshotArray(t *testing.T) {
	tokens := []string{"@GMT-2025.01.31-23.59.59"}
	goldens{
		{&SnapshotArray{NumberOfSnapShots: 2, SnapShotArraySize: 0x34, SnapShots: tokens}, snapshots, 62},
		{&SnapshotArray{NumberOfSnapShots: 2, SnapShotArraySize: 102}, "02000000 00000000 66000000 00000000", 12},
	}.run(t)
	if n := SnapshotsSize(tokens); n != 52 {
		t.Errorf("a token takes %d bytes", n)
	}
	if new(SnapshotArray).Decode(unhex(t, "00000000 ffffffff 00000000 0000")) == nil {
		t.Error("four billion tokens in two bytes are accepted")
	}
}

func TestSetSparseEmptyMeansTrue(t *testing.T) {
	var m SetSparse
	if m.Decode(nil) != nil || !m.SetSparse {
		t.Error("the empty buffer does not set sparse")
	}
}

func TestCountsBeyondTheBuffer(t *testing.T) {
	for _, c := range []struct {
		data codec
		raw  string
		at   int
	}{{&SrvCopychunkCopy{}, copychunkInput, 24}, {&FileLevelTrim{}, trimInput, 4}} {
		raw := unhex(t, c.raw)
		putU32(raw[c.at:], 0xffffffff)
		if c.data.Decode(raw) == nil {
			t.Errorf("%T accepts a count of four billion", c.data)
		}
	}
	if new(DuplicateExtentsDataEx).Decode(make([]byte, 56)) == nil {
		t.Error("an extended clone without its size is accepted")
	}
}

func TestFsctlNames(t *testing.T) {
	if FsctlName(FsctlSrvCopychunk) != "SRV_COPYCHUNK" || FsctlName(0xdeadbeef) != "OTHER" {
		t.Error("control codes are misnamed")
	}
	seen := map[string]bool{}
	for code, name := range fsctlNames {
		if seen[name] {
			t.Errorf("%s names another code than %#x too", name, code)
		}
		seen[name] = true
	}
}

func FuzzSrvCopychunkCopy(f *testing.F)     { fuzzDecodeData[SrvCopychunkCopy](f, copychunkInput) }
func FuzzNetworkInterfaceInfo(f *testing.F) { fuzzDecodeData[NetworkInterfaceInfo](f, netifs) }
func FuzzFileAllocatedRanges(f *testing.F) {
	fuzzDecodeData[FileAllocatedRanges](f, "0000000000000000 0500000000000000")
}
func FuzzFileLevelTrim(f *testing.F) { fuzzDecodeData[FileLevelTrim](f, trimInput) }
func FuzzOffloadReadInput(f *testing.F) {
	fuzzDecodeData[OffloadReadInput](f, "20000000 01000000 02000000 00000000 0300000000000000 0400000000000000")
}
func FuzzOffloadWriteInput(f *testing.F) {
	fuzzDecodeData[OffloadWriteInput](f, "20020000 01000000 0200000000000000 0300000000000000 0400000000000000"+zeros(512))
}
func FuzzFileRegionOutput(f *testing.F) {
	fuzzDecodeData[FileRegionOutput](f, "00000000 01000000 01000000 00000000 0100000000000000 0200000000000000 03000000 00000000")
}
func FuzzPipeWaitRequest(f *testing.F)  { fuzzDecodeData[PipeWaitRequest](f, pipeWait) }
func FuzzPipePeekResponse(f *testing.F) { fuzzDecodeData[PipePeekResponse](f, pipePeek) }
func FuzzReparsePoint(f *testing.F) {
	fuzzDecodeData[ReparsePoint](f, reparseGUID, reparseSymlink, reparseNfsChr)
}
func FuzzSymlinkReparse(f *testing.F) { fuzzDecodeData[SymlinkReparse](f, reparseSymlink) }
func FuzzNfsReparse(f *testing.F)     { fuzzDecodeData[NfsReparse](f, reparseNfsLink, reparseNfsChr) }
func FuzzSnapshotArray(f *testing.F)  { fuzzDecodeData[SnapshotArray](f, snapshots) }
