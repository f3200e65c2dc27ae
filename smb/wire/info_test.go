package wire

import (
	"errors"
	"strings"
	"testing"
)

const (
	times = " 0100000000d8d901 0200000000d8d901 0300000000d8d901 0400000000d8d901 "
	sid1  = " 01 01 000000000016 e8030000 "          // S-1-22-1000
	sid2  = " 01 02 000000000005 20000000 20020000 " // S-1-5-32-544

	basicInfo    = times + "20000000 00000000"
	standardInfo = "0010000000000000 0500000000000000 02000000 01 00 0000"
	allInfo      = basicInfo + standardInfo + `
		8877665544332211           # index number
		03000000 ff011f00          # size of attributes, access
		0700000000000000           # position
		02000000 00000000          # mode, alignment
		04000000 5c006100`
	renameInfo   = "01 00000000000000 0000000000000000 06000000 61005c006200"
	renameExInfo = "43000000 00000000 0000000000000000 04000000 3a007300"
	posixInfo    = times + `
		0500000000000000 0010000000000000 20000000
		8877665544332211 04030201 00000000
		02000000 00000000 a4810000` + sid1 + sid2

	streams = `
		28000000 0e000000 0500000000000000 0010000000000000
		3a003a002400440041005400 4100 0000
		00000000 10000000 0000000000000000 0000000000000000
		3a007a003a002400 4400410054004100`
	fullEa = `
		10000000 00 03 0300 61 62 63 00 01 02 03 00
		00000000 80 01 0000 78 00`
	getEa = "0c000000 03 616263 00 000000 00000000 01 78 00"
)

// isList, in place of the least length of a golden, says that every truncation
// must be refused but the one to nothing, which is the empty list.
const isList = -2

// goldens pins structures that stand by themselves. With a least length of -1
// every truncation must be refused, otherwise only those below it.
type goldens []struct {
	data  codec
	hex   string
	least int
}

func (g goldens) run(t *testing.T) {
	t.Helper()
	for _, c := range g {
		testGoldenData(t, c.data, c.hex)
		switch raw := unhex(t, c.hex); c.least {
		case -1:
			testPrefixes(t, raw, c.data.Decode)
		case isList:
			testTruncations(t, raw, len(raw), refuseEmpty(c.data.Decode))
		default:
			testTruncations(t, raw, c.least, c.data.Decode)
		}
	}
}

func refuseEmpty(decode func([]byte) error) func([]byte) error {
	return func(b []byte) error {
		if len(b) == 0 {
			return ErrTruncated
		}
		return decode(b)
	}
}

func testBasic() FileBasicInformation {
	return FileBasicInformation{
		CreationTime: 0x1d9d80000000001, LastAccessTime: 0x1d9d80000000002,
		LastWriteTime: 0x1d9d80000000003, ChangeTime: 0x1d9d80000000004, FileAttributes: FileAttributeArchive,
	}
}

func testSIDs(t testing.TB) (owner, group []byte) { return unhex(t, sid1), unhex(t, sid2) }

func TestFixedInformation(t *testing.T) {
	basic := testBasic()
	goldens{
		{&basic, basicInfo, 36},
		{&FileStandardInformation{AllocationSize: 4096, EndOfFile: 5, NumberOfLinks: 2, DeletePending: true}, standardInfo, -1},
		{&FileStandardLinkInformation{NumberOfAccessibleLinks: 1, TotalNumberOfLinks: 2, Directory: true}, "01000000 02000000 00 01 0000", -1},
		{&FileNetworkOpenInformation{
			CreationTime: basic.CreationTime, LastAccessTime: basic.LastAccessTime, LastWriteTime: basic.LastWriteTime,
			ChangeTime: basic.ChangeTime, AllocationSize: 4096, EndOfFile: 5, FileAttributes: FileAttributeNormal,
		}, times + "0010000000000000 0500000000000000 80000000 00000000", -1},
		{&FileAttributeTagInformation{FileAttributes: FileAttributeReparsePoint, ReparseTag: ReparseTagSymlink}, "00040000 0c0000a0", -1},
		{&FileIDInformation{VolumeSerialNumber: 0x1122334455667788, FileID: [16]byte{1, 15: 2}},
			"8877665544332211 01000000000000000000000000000002", -1},
		{&FileInternalInformation{IndexNumber: 1}, "0100000000000000", -1},
		{&FileEaInformation{EaSize: 7}, "07000000", -1},
		{&FileAccessInformation{AccessFlags: AccessAll}, "ff011f00", -1},
		{&FilePositionInformation{CurrentByteOffset: -1}, "ffffffffffffffff", -1},
		{&FileModeInformation{Mode: OptionWriteThrough | OptionSynchronousIONonalert}, "22000000", -1},
		{&FileAlignmentInformation{AlignmentRequirement: 0x1ff}, "ff010000", -1},
		{&FileAllocationInformation{AllocationSize: 4096}, "0010000000000000", -1},
		{&FileEndOfFileInformation{EndOfFile: 5}, "0500000000000000", -1},
		{&FileValidDataLengthInformation{ValidDataLength: 5}, "0500000000000000", -1},
		{&FileDispositionInformation{DeletePending: true}, "01", -1},
		{&FileDispositionInformationEx{Flags: DispositionExDelete | DispositionExPosixSemantics}, "03000000", -1},
		{&FileCaseSensitiveInformation{Flags: CaseSensitiveDir}, "01000000", -1},
		{&FileCompressionInformation{
			CompressedFileSize: 4096, CompressionFormat: CompressionFormatLZNT1, CompressionUnitShift: 16, ChunkShift: 12, ClusterShift: 9,
		}, "0010000000000000 0200 10 0c 09 000000", -1},
		{&FilePipeInformation{ReadMode: PipeMessageMode, CompletionMode: PipeCompleteOperation}, "01000000 01000000", -1},
		{&FilePipeLocalInformation{
			NamedPipeType: PipeTypeMessage, NamedPipeConfiguration: PipeFullDuplex, MaximumInstances: 0xffffffff,
			CurrentInstances: 1, InboundQuota: 4096, ReadDataAvailable: 5, OutboundQuota: 8192,
			WriteQuotaAvailable: 6, NamedPipeState: PipeConnected, NamedPipeEnd: PipeServerEnd,
		}, "01000000 02000000 ffffffff 01000000 00100000 05000000 00200000 06000000 03000000 01000000", -1},
	}.run(t)
}

func TestNameInformation(t *testing.T) {
	goldens{
		{&FileNameInformation{FileName: `\a`}, "04000000 5c006100", -1},
		{&FileNameInformation{}, "00000000", -1},
		{&FileAllInformation{
			Basic:    testBasic(),
			Standard: FileStandardInformation{AllocationSize: 4096, EndOfFile: 5, NumberOfLinks: 2, DeletePending: true},
			Internal: FileInternalInformation{IndexNumber: 0x1122334455667788},
			Ea:       FileEaInformation{EaSize: 3}, Access: FileAccessInformation{AccessFlags: AccessAll},
			Position: FilePositionInformation{CurrentByteOffset: 7},
			Mode:     FileModeInformation{Mode: OptionWriteThrough},
			Name:     FileNameInformation{FileName: `\a`},
		}, allInfo, -1},
		{&FileRenameInformation{ReplaceIfExists: true, FileName: `a\b`}, renameInfo, -1},
		{&FileLinkInformation{ReplaceIfExists: true, FileName: `a\b`}, renameInfo, -1},
		{&FileRenameInformationEx{
			Flags: RenameReplaceIfExists | RenamePosixSemantics | RenameIgnoreReadonlyAttribute, FileName: ":s",
		}, renameExInfo, -1},
	}.run(t)
	if n := len((&FileAllInformation{}).Append(nil)); n != FileAllInformationSize {
		t.Errorf("without a name it has %d bytes", n)
	}
}

// Windows pads a short rename to the size of its native structure.
func TestRenamePadded(t *testing.T) {
	var m FileRenameInformation
	if err := m.Decode(unhex(t, renameInfo+"0000")); err != nil || m.FileName != `a\b` {
		t.Errorf("%q, %v", m.FileName, err)
	}
}

func TestPosixInformation(t *testing.T) {
	owner, group := testSIDs(t)
	b := testBasic()
	goldens{{&FilePosixInformation{
		CreationTime: b.CreationTime, LastAccessTime: b.LastAccessTime, LastWriteTime: b.LastWriteTime, ChangeTime: b.ChangeTime,
		EndOfFile: 5, AllocationSize: 4096, FileAttributes: FileAttributeArchive,
		Inode: 0x1122334455667788, DeviceID: 0x01020304,
		Posix: PosixCreateResponse{Links: 2, Mode: 0o100644, Owner: owner, Group: group},
	}, posixInfo, -1}}.run(t)
}

func TestStreamsAndAttributes(t *testing.T) {
	goldens{
		{&FileStreamInformation{Streams: []StreamEntry{
			{StreamSize: 5, StreamAllocationSize: 4096, StreamName: "::$DATA"}, {StreamName: ":z:$DATA"},
		}}, streams, isList},
		{&FileStreamInformation{}, "", -1},
		{&FileFullEaInformation{Entries: []EaEntry{
			{EaName: "abc", EaValue: []byte{1, 2, 3}}, {Flags: EaNeed, EaName: "x"},
		}}, fullEa, isList},
		{&FileGetEaInformation{Names: []string{"abc", "x"}}, getEa, isList},
	}.run(t)
	if StreamEntrySize(14) != 38 || FullEaSize(3, 3) != 15 {
		t.Error("sizes of entries are wrong")
	}
}

func TestEaMalformed(t *testing.T) {
	for name, s := range map[string]string{
		"empty name":       "00000000 00 00 0000 00",
		"no terminator":    "00000000 00 01 0000 61 62",
		"NUL in the name":  "00000000 00 02 0000 61 00 00",
		"unaligned next":   "0a000000 00 01 0000 61 00 00000000 00 01 0000 61 00",
		"next behind end":  "0c000000 00 01 0000 61 00 0000",
		"value behind end": "00000000 00 01 0500 61 00 01020304",
	} {
		if err := new(FileFullEaInformation).Decode(unhex(t, s)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	l := NewEntryList(nil, unlimited, EaAlign)
	if l.AppendEa(&EaEntry{EaName: "a", EaValue: make([]byte, 0x10000)}) || l.AppendEa(&EaEntry{EaName: string(make([]byte, 256))}) {
		t.Error("an attribute that cannot be expressed is appended")
	}
}

func TestFileSystemInformation(t *testing.T) {
	goldens{
		{&FileFsVolumeInformation{
			VolumeCreationTime: 0x1d9d80000000001, VolumeSerialNumber: 0x11223344, SupportsObjects: true, VolumeLabel: "v",
		}, "0100000000d8d901 44332211 02000000 01 00 7600", -1},
		{&FileFsLabelInformation{VolumeLabel: "v"}, "02000000 7600", -1},
		{&FileFsSizeInformation{
			TotalAllocationUnits: 100, AvailableAllocationUnits: 50, SectorsPerAllocationUnit: 8, BytesPerSector: 512,
		}, "6400000000000000 3200000000000000 08000000 00020000", -1},
		{&FileFsFullSizeInformation{
			TotalAllocationUnits: 100, CallerAvailableAllocationUnits: 40, ActualAvailableAllocationUnits: 50,
			SectorsPerAllocationUnit: 8, BytesPerSector: 512,
		}, "6400000000000000 2800000000000000 3200000000000000 08000000 00020000", -1},
		{&FileFsDeviceInformation{DeviceType: FileDeviceDisk, Characteristics: DeviceIsMounted}, "07000000 20000000", -1},
		{&FileFsAttributeInformation{
			FileSystemAttributes:       FsCaseSensitiveSearch | FsCasePreservedNames | FsUnicodeOnDisk,
			MaximumComponentNameLength: 255, FileSystemName: "NTFS",
		}, "07000000 ff000000 08000000 4e00540046005300", -1},
		{&FileFsControlInformation{
			FreeSpaceStartFiltering: 1, FreeSpaceThreshold: 2, FreeSpaceStopFiltering: 3,
			DefaultQuotaThreshold: 1<<64 - 1, DefaultQuotaLimit: 4, FileSystemControlFlags: FsControlQuotaTrack,
		}, "0100000000000000 0200000000000000 0300000000000000 ffffffffffffffff 0400000000000000 01000000 00000000", 44},
		{&FileFsObjectIDInformation{ObjectID: testLeaseKey, ExtendedInfo: [48]byte{1, 47: 2}},
			"00112233445566778899aabbccddeeff 01" + strings.Repeat("00", 46) + "02", -1},
		{&FileFsSectorSizeInformation{
			LogicalBytesPerSector: 512, PhysicalBytesPerSectorForAtomicity: 4096, PhysicalBytesPerSectorForPerformance: 4097,
			FileSystemEffectivePhysicalBytesPerSectorForAtomicity: 4098, Flags: SectorAlignedDevice | SectorTrimEnabled,
			ByteOffsetForSectorAlignment: 1, ByteOffsetForPartitionAlignment: SectorOffsetUnknown,
		}, "00020000 00100000 01100000 02100000 09000000 01000000 ffffffff", -1},
		{&FsPosixInformation{
			OptimalTransferSize: 1, BlockSize: 4096, TotalBlocks: 2, BlocksAvail: 3, UserBlocksAvail: 4,
			TotalFileNodes: 5, FreeFileNodes: 6, FsIdentifier: 7,
		}, "01000000 00100000 0200000000000000 0300000000000000 0400000000000000 0500000000000000 0600000000000000 0700000000000000", -1},
	}.run(t)
	if len((&FileFsVolumeInformation{}).Append(nil)) != FileFsVolumeInformationSize ||
		len((&FileFsAttributeInformation{}).Append(nil)) != FileFsAttributeInformationSize {
		t.Error("the sizes without names are wrong")
	}
}

// A length of 32 bits in a payload must not reach beyond it.
func TestInformationLengthOverflow(t *testing.T) {
	for _, c := range []struct {
		data codec
		at   int
	}{
		{&FileNameInformation{}, 0}, {&FileAllInformation{}, 96}, {&FileRenameInformation{}, 16},
		{&FileRenameInformationEx{}, 16}, {&FileFsVolumeInformation{}, 12}, {&FileFsLabelInformation{}, 0},
		{&FileFsAttributeInformation{}, 8}, {&PipeWaitRequest{}, 8},
	} {
		raw := c.data.Append(nil)
		putU32(raw[c.at:], 0xfffffffe)
		if err := c.data.Decode(raw); !errors.Is(err, ErrTruncated) {
			t.Errorf("%T: %v", c.data, err)
		}
	}
}

func FuzzFileBasicInformation(f *testing.F) { fuzzDecodeData[FileBasicInformation](f, basicInfo) }
func FuzzFileStandardInformation(f *testing.F) {
	fuzzDecodeData[FileStandardInformation](f, standardInfo)
}
func FuzzFileAllInformation(f *testing.F)    { fuzzDecodeData[FileAllInformation](f, allInfo) }
func FuzzFileRenameInformation(f *testing.F) { fuzzDecodeData[FileRenameInformation](f, renameInfo) }
func FuzzFileRenameInformationEx(f *testing.F) {
	fuzzDecodeData[FileRenameInformationEx](f, renameExInfo)
}
func FuzzFilePosixInformation(f *testing.F)  { fuzzDecodeData[FilePosixInformation](f, posixInfo) }
func FuzzFileStreamInformation(f *testing.F) { fuzzDecodeData[FileStreamInformation](f, streams) }
func FuzzFileFullEaInformation(f *testing.F) { fuzzDecodeData[FileFullEaInformation](f, fullEa) }
func FuzzFileGetEaInformation(f *testing.F)  { fuzzDecodeData[FileGetEaInformation](f, getEa) }
func FuzzFileFsVolumeInformation(f *testing.F) {
	fuzzDecodeData[FileFsVolumeInformation](f, "0100000000d8d901 44332211 02000000 01 00 7600")
}
func FuzzFileFsAttributeInformation(f *testing.F) {
	fuzzDecodeData[FileFsAttributeInformation](f, "07000000 ff000000 08000000 4e00540046005300")
}
