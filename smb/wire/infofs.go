package wire

// FileFsVolumeInformation names a volume (MS-FSCC 2.5.9).
type FileFsVolumeInformation struct {
	VolumeCreationTime Filetime
	VolumeSerialNumber uint32
	SupportsObjects    bool
	// VolumeLabel comes last, so that a server may cut it to what fits.
	VolumeLabel string
}

// FileFsVolumeInformationSize is the length in bytes without the label.
const FileFsVolumeInformationSize = 18

// Decode reads the structure.
func (i *FileFsVolumeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.VolumeCreationTime = r.Filetime()
	i.VolumeSerialNumber = r.U32()
	labelLen := r.U32()
	i.SupportsObjects = r.boolean()
	r.Skip(1)
	if uint64(labelLen) > uint64(r.Len()) {
		return ErrTruncated
	}
	i.VolumeLabel = r.UTF16(int(labelLen))
	return r.Err()
}

// Append appends the structure.
func (i *FileFsVolumeInformation) Append(dst []byte) []byte {
	dst = AppendFiletime(dst, i.VolumeCreationTime)
	dst = AppendU32(dst, i.VolumeSerialNumber)
	dst = AppendU32(dst, uint32(UTF16Len(i.VolumeLabel)))
	dst = append(appendBoolean(dst, i.SupportsObjects), 0)
	return AppendUTF16(dst, i.VolumeLabel)
}

// FileFsLabelInformation sets the label of a volume (MS-FSCC 2.5.5).
type FileFsLabelInformation struct {
	VolumeLabel string
}

// Decode reads the structure.
func (i *FileFsLabelInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.VolumeLabel = r.UTF16(r.len32())
	return r.Err()
}

// Append appends the structure.
func (i *FileFsLabelInformation) Append(dst []byte) []byte { return appendCounted(dst, i.VolumeLabel) }

// FileFsSizeInformation is the room on a volume (MS-FSCC 2.5.8).
type FileFsSizeInformation struct {
	// The two counts are in allocation units, quotas heeded.
	TotalAllocationUnits     int64
	AvailableAllocationUnits int64
	SectorsPerAllocationUnit uint32
	BytesPerSector           uint32
}

// Decode reads the structure.
func (i *FileFsSizeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.TotalAllocationUnits = int64(r.U64())
	i.AvailableAllocationUnits = int64(r.U64())
	i.SectorsPerAllocationUnit = r.U32()
	i.BytesPerSector = r.U32()
	return r.Err()
}

// Append appends the 24 bytes of the structure.
func (i *FileFsSizeInformation) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(i.TotalAllocationUnits))
	dst = AppendU64(dst, uint64(i.AvailableAllocationUnits))
	dst = AppendU32(dst, i.SectorsPerAllocationUnit)
	return AppendU32(dst, i.BytesPerSector)
}

// FileFsFullSizeInformation is the room on a volume, with and without quotas
// (MS-FSCC 2.5.4).
type FileFsFullSizeInformation struct {
	// The three counts are in allocation units.
	TotalAllocationUnits           int64
	CallerAvailableAllocationUnits int64
	ActualAvailableAllocationUnits int64
	SectorsPerAllocationUnit       uint32
	BytesPerSector                 uint32
}

// Decode reads the structure.
func (i *FileFsFullSizeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.TotalAllocationUnits = int64(r.U64())
	i.CallerAvailableAllocationUnits = int64(r.U64())
	i.ActualAvailableAllocationUnits = int64(r.U64())
	i.SectorsPerAllocationUnit = r.U32()
	i.BytesPerSector = r.U32()
	return r.Err()
}

// Append appends the 32 bytes of the structure.
func (i *FileFsFullSizeInformation) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(i.TotalAllocationUnits))
	dst = AppendU64(dst, uint64(i.CallerAvailableAllocationUnits))
	dst = AppendU64(dst, uint64(i.ActualAvailableAllocationUnits))
	dst = AppendU32(dst, i.SectorsPerAllocationUnit)
	return AppendU32(dst, i.BytesPerSector)
}

// DeviceType of FileFsDeviceInformation (MS-FSCC 2.5.10).
const (
	FileDeviceCDROM uint32 = 0x00000002
	FileDeviceDisk  uint32 = 0x00000007
)

// Bits of Characteristics of FileFsDeviceInformation (MS-FSCC 2.5.10).
const (
	DeviceRemovableMedia             uint32 = 0x00000001
	DeviceReadOnly                   uint32 = 0x00000002
	DeviceWriteOnceMedia             uint32 = 0x00000008
	DeviceRemote                     uint32 = 0x00000010
	DeviceIsMounted                  uint32 = 0x00000020
	DeviceVirtualVolume              uint32 = 0x00000040
	DeviceSecureOpen                 uint32 = 0x00000100
	DeviceCharacteristicTS           uint32 = 0x00001000
	DeviceCharacteristicWebdav       uint32 = 0x00002000
	DeviceAllowAppcontainerTraversal uint32 = 0x00020000
	DevicePortable                   uint32 = 0x00040000
)

// FileFsDeviceInformation is the kind of device (MS-FSCC 2.5.10).
type FileFsDeviceInformation struct {
	DeviceType      uint32
	Characteristics uint32
}

// Decode reads the structure.
func (i *FileFsDeviceInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.DeviceType = r.U32()
	i.Characteristics = r.U32()
	return r.Err()
}

// Append appends the 8 bytes of the structure.
func (i *FileFsDeviceInformation) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, i.DeviceType), i.Characteristics)
}

// Bits of FileSystemAttributes of FileFsAttributeInformation (MS-FSCC 2.5.1).
const (
	FsCaseSensitiveSearch        uint32 = 0x00000001
	FsCasePreservedNames         uint32 = 0x00000002
	FsUnicodeOnDisk              uint32 = 0x00000004
	FsPersistentACLs             uint32 = 0x00000008
	FsFileCompression            uint32 = 0x00000010
	FsVolumeQuotas               uint32 = 0x00000020
	FsSupportsSparseFiles        uint32 = 0x00000040
	FsSupportsReparsePoints      uint32 = 0x00000080
	FsSupportsRemoteStorage      uint32 = 0x00000100
	FsReturnsCleanupResultInfo   uint32 = 0x00000200
	FsSupportsPosixUnlinkRename  uint32 = 0x00000400
	FsVolumeIsCompressed         uint32 = 0x00008000
	FsSupportsObjectIDs          uint32 = 0x00010000
	FsSupportsEncryption         uint32 = 0x00020000
	FsNamedStreams               uint32 = 0x00040000
	FsReadOnlyVolume             uint32 = 0x00080000
	FsSequentialWriteOnce        uint32 = 0x00100000
	FsSupportsTransactions       uint32 = 0x00200000
	FsSupportsHardLinks          uint32 = 0x00400000
	FsSupportsExtendedAttributes uint32 = 0x00800000
	FsSupportsOpenByFileID       uint32 = 0x01000000
	FsSupportsUsnJournal         uint32 = 0x02000000
	FsSupportsIntegrityStreams   uint32 = 0x04000000
	FsSupportsBlockRefcounting   uint32 = 0x08000000
	FsSupportsSparseVdl          uint32 = 0x10000000
	FsDaxVolume                  uint32 = 0x20000000
	FsSupportsGhosting           uint32 = 0x40000000
)

// FileFsAttributeInformation is what a file system can do (MS-FSCC 2.5.1).
type FileFsAttributeInformation struct {
	FileSystemAttributes uint32
	// MaximumComponentNameLength is in UTF-16 code units, 1 to 255.
	MaximumComponentNameLength uint32
	// FileSystemName comes last, so that a server may cut it to what fits.
	FileSystemName string
}

// FileFsAttributeInformationSize is the length in bytes without the name.
const FileFsAttributeInformationSize = 12

// Decode reads the structure.
func (i *FileFsAttributeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.FileSystemAttributes = r.U32()
	i.MaximumComponentNameLength = r.U32()
	i.FileSystemName = r.UTF16(r.len32())
	return r.Err()
}

// Append appends the structure.
func (i *FileFsAttributeInformation) Append(dst []byte) []byte {
	dst = AppendU32(dst, i.FileSystemAttributes)
	dst = AppendU32(dst, i.MaximumComponentNameLength)
	return appendCounted(dst, i.FileSystemName)
}

// Bits of FileSystemControlFlags of FileFsControlInformation (MS-FSCC 2.5.2).
const (
	FsControlQuotaTrack          uint32 = 0x00000001
	FsControlQuotaEnforce        uint32 = 0x00000002
	FsControlContentIndexDisable uint32 = 0x00000008
	FsControlLogQuotaThreshold   uint32 = 0x00000010
	FsControlLogQuotaLimit       uint32 = 0x00000020
	FsControlQuotasIncomplete    uint32 = 0x00000100
	FsControlQuotasRebuilding    uint32 = 0x00000200
)

// FileFsControlInformation has the default quotas (MS-FSCC 2.5.2). Quotas are
// in bytes, and all bits set where there is none.
type FileFsControlInformation struct {
	FreeSpaceStartFiltering int64
	FreeSpaceThreshold      int64
	FreeSpaceStopFiltering  int64
	DefaultQuotaThreshold   uint64
	DefaultQuotaLimit       uint64
	FileSystemControlFlags  uint32
}

// Decode reads the structure. Its last four bytes, padding, may be missing.
func (i *FileFsControlInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.FreeSpaceStartFiltering = int64(r.U64())
	i.FreeSpaceThreshold = int64(r.U64())
	i.FreeSpaceStopFiltering = int64(r.U64())
	i.DefaultQuotaThreshold = r.U64()
	i.DefaultQuotaLimit = r.U64()
	i.FileSystemControlFlags = r.U32()
	return r.Err()
}

// Append appends the 48 bytes of the structure.
func (i *FileFsControlInformation) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(i.FreeSpaceStartFiltering))
	dst = AppendU64(dst, uint64(i.FreeSpaceThreshold))
	dst = AppendU64(dst, uint64(i.FreeSpaceStopFiltering))
	dst = AppendU64(dst, i.DefaultQuotaThreshold)
	dst = AppendU64(dst, i.DefaultQuotaLimit)
	dst = AppendU32(dst, i.FileSystemControlFlags)
	return AppendU32(dst, 0)
}

// FileFsObjectIDInformation is the object id of a volume (MS-FSCC 2.5.6).
type FileFsObjectIDInformation struct {
	ObjectID     GUID
	ExtendedInfo [48]byte
}

// Decode reads the structure.
func (i *FileFsObjectIDInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.ObjectID = r.GUID()
	r.Copy(i.ExtendedInfo[:])
	return r.Err()
}

// Append appends the 64 bytes of the structure.
func (i *FileFsObjectIDInformation) Append(dst []byte) []byte {
	return append(append(dst, i.ObjectID[:]...), i.ExtendedInfo[:]...)
}

// Bits of Flags, and a special value of the two offsets, of
// FileFsSectorSizeInformation (MS-FSCC 2.5.7).
const (
	SectorAlignedDevice            uint32 = 0x00000001
	SectorPartitionAlignedOnDevice uint32 = 0x00000002
	SectorNoSeekPenalty            uint32 = 0x00000004
	SectorTrimEnabled              uint32 = 0x00000008
	SectorOffsetUnknown            uint32 = 0xffffffff
)

// FileFsSectorSizeInformation has the sizes of sectors (MS-FSCC 2.5.7). All but
// Flags are in bytes.
type FileFsSectorSizeInformation struct {
	LogicalBytesPerSector                                 uint32
	PhysicalBytesPerSectorForAtomicity                    uint32
	PhysicalBytesPerSectorForPerformance                  uint32
	FileSystemEffectivePhysicalBytesPerSectorForAtomicity uint32
	Flags                                                 uint32
	ByteOffsetForSectorAlignment                          uint32
	ByteOffsetForPartitionAlignment                       uint32
}

// Decode reads the structure.
func (i *FileFsSectorSizeInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.LogicalBytesPerSector = r.U32()
	i.PhysicalBytesPerSectorForAtomicity = r.U32()
	i.PhysicalBytesPerSectorForPerformance = r.U32()
	i.FileSystemEffectivePhysicalBytesPerSectorForAtomicity = r.U32()
	i.Flags = r.U32()
	i.ByteOffsetForSectorAlignment = r.U32()
	i.ByteOffsetForPartitionAlignment = r.U32()
	return r.Err()
}

// Append appends the 28 bytes of the structure.
func (i *FileFsSectorSizeInformation) Append(dst []byte) []byte {
	dst = AppendU32(dst, i.LogicalBytesPerSector)
	dst = AppendU32(dst, i.PhysicalBytesPerSectorForAtomicity)
	dst = AppendU32(dst, i.PhysicalBytesPerSectorForPerformance)
	dst = AppendU32(dst, i.FileSystemEffectivePhysicalBytesPerSectorForAtomicity)
	dst = AppendU32(dst, i.Flags)
	dst = AppendU32(dst, i.ByteOffsetForSectorAlignment)
	return AppendU32(dst, i.ByteOffsetForPartitionAlignment)
}

// FsPosixInformation answers FsInfoPosix, what statvfs tells. The POSIX
// extensions of SMB 3.1.1 define it. All bits set means unknown.
type FsPosixInformation struct {
	// OptimalTransferSize and BlockSize are in bytes, the blocks in BlockSize.
	OptimalTransferSize uint32
	BlockSize           uint32
	TotalBlocks         uint64
	BlocksAvail         uint64
	UserBlocksAvail     uint64
	TotalFileNodes      uint64
	FreeFileNodes       uint64
	FsIdentifier        uint64
}

// Decode reads the structure.
func (i *FsPosixInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.OptimalTransferSize = r.U32()
	i.BlockSize = r.U32()
	i.TotalBlocks = r.U64()
	i.BlocksAvail = r.U64()
	i.UserBlocksAvail = r.U64()
	i.TotalFileNodes = r.U64()
	i.FreeFileNodes = r.U64()
	i.FsIdentifier = r.U64()
	return r.Err()
}

// Append appends the 56 bytes of the structure.
func (i *FsPosixInformation) Append(dst []byte) []byte {
	dst = AppendU32(dst, i.OptimalTransferSize)
	dst = AppendU32(dst, i.BlockSize)
	dst = AppendU64(dst, i.TotalBlocks)
	dst = AppendU64(dst, i.BlocksAvail)
	dst = AppendU64(dst, i.UserBlocksAvail)
	dst = AppendU64(dst, i.TotalFileNodes)
	dst = AppendU64(dst, i.FreeFileNodes)
	return AppendU64(dst, i.FsIdentifier)
}
