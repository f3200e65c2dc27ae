package wire

// File information classes, the FileInfoClass of a request with InfoTypeFile
// (MS-FSCC 2.4). The structure of FileInfoXxx is FileXxxInformation.
const (
	FileInfoDirectory             uint8 = 1
	FileInfoFullDirectory         uint8 = 2
	FileInfoBothDirectory         uint8 = 3
	FileInfoBasic                 uint8 = 4
	FileInfoStandard              uint8 = 5
	FileInfoInternal              uint8 = 6
	FileInfoEa                    uint8 = 7
	FileInfoAccess                uint8 = 8
	FileInfoName                  uint8 = 9
	FileInfoRename                uint8 = 10
	FileInfoLink                  uint8 = 11
	FileInfoNames                 uint8 = 12
	FileInfoDisposition           uint8 = 13
	FileInfoPosition              uint8 = 14
	FileInfoFullEa                uint8 = 15
	FileInfoMode                  uint8 = 16
	FileInfoAlignment             uint8 = 17
	FileInfoAll                   uint8 = 18
	FileInfoAllocation            uint8 = 19
	FileInfoEndOfFile             uint8 = 20
	FileInfoAlternateName         uint8 = 21
	FileInfoStream                uint8 = 22
	FileInfoPipe                  uint8 = 23
	FileInfoPipeLocal             uint8 = 24
	FileInfoPipeRemote            uint8 = 25
	FileInfoMailslotQuery         uint8 = 26
	FileInfoMailslotSet           uint8 = 27
	FileInfoCompression           uint8 = 28
	FileInfoObjectID              uint8 = 29
	FileInfoMoveCluster           uint8 = 31
	FileInfoQuota                 uint8 = 32
	FileInfoReparsePoint          uint8 = 33
	FileInfoNetworkOpen           uint8 = 34
	FileInfoAttributeTag          uint8 = 35
	FileInfoTracking              uint8 = 36
	FileInfoIDBothDirectory       uint8 = 37
	FileInfoIDFullDirectory       uint8 = 38
	FileInfoValidDataLength       uint8 = 39
	FileInfoShortName             uint8 = 40
	FileInfoSfioReserve           uint8 = 44
	FileInfoSfioVolume            uint8 = 45
	FileInfoHardLink              uint8 = 46
	FileInfoNormalizedName        uint8 = 48
	FileInfoIDGlobalTxDirectory   uint8 = 50
	FileInfoStandardLink          uint8 = 54
	FileInfoID                    uint8 = 59
	FileInfoIDExtdDirectory       uint8 = 60
	FileInfoIDExtdBothDirectory   uint8 = 63
	FileInfoDispositionEx         uint8 = 64
	FileInfoRenameEx              uint8 = 65
	FileInfoRenameExBypass        uint8 = 66
	FileInfoStat                  uint8 = 68
	FileInfoStatLx                uint8 = 70
	FileInfoCaseSensitive         uint8 = 71
	FileInfoLinkEx                uint8 = 72
	FileInfoID64ExtdDirectory     uint8 = 78
	FileInfoID64ExtdBothDirectory uint8 = 79
	FileInfoIDAllExtdDirectory    uint8 = 80
	FileInfoIDAllExtdBothDir      uint8 = 81
	// FileInfoPosix belongs to the POSIX extensions of SMB 3.1.1. It serves
	// QUERY_INFO and QUERY_DIRECTORY, with different structures.
	FileInfoPosix uint8 = 100
)

// File system information classes, the FileInfoClass of a request with
// InfoTypeFileSystem (MS-FSCC 2.5). The structure of FsInfoXxx is
// FileFsXxxInformation.
const (
	FsInfoVolume      uint8 = 1
	FsInfoLabel       uint8 = 2
	FsInfoSize        uint8 = 3
	FsInfoDevice      uint8 = 4
	FsInfoAttribute   uint8 = 5
	FsInfoControl     uint8 = 6
	FsInfoFullSize    uint8 = 7
	FsInfoObjectID    uint8 = 8
	FsInfoDriverPath  uint8 = 9
	FsInfoVolumeFlags uint8 = 10
	FsInfoSectorSize  uint8 = 11
	// FsInfoPosix belongs to the POSIX extensions of SMB 3.1.1.
	FsInfoPosix uint8 = 100
)

// File attributes (MS-FSCC 2.6).
const (
	FileAttributeReadonly           uint32 = 0x00000001
	FileAttributeHidden             uint32 = 0x00000002
	FileAttributeSystem             uint32 = 0x00000004
	FileAttributeDirectory          uint32 = 0x00000010
	FileAttributeArchive            uint32 = 0x00000020
	FileAttributeNormal             uint32 = 0x00000080
	FileAttributeTemporary          uint32 = 0x00000100
	FileAttributeSparseFile         uint32 = 0x00000200
	FileAttributeReparsePoint       uint32 = 0x00000400
	FileAttributeCompressed         uint32 = 0x00000800
	FileAttributeOffline            uint32 = 0x00001000
	FileAttributeNotContentIndexed  uint32 = 0x00002000
	FileAttributeEncrypted          uint32 = 0x00004000
	FileAttributeIntegrityStream    uint32 = 0x00008000
	FileAttributeNoScrubData        uint32 = 0x00020000
	FileAttributeRecallOnOpen       uint32 = 0x00040000
	FileAttributePinned             uint32 = 0x00080000
	FileAttributeUnpinned           uint32 = 0x00100000
	FileAttributeRecallOnDataAccess uint32 = 0x00400000
)
