package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// fsClasses is the classes of SMB2_0_INFO_FILESYSTEM (MS-FSCC 2.5, MS-FSA
// 2.1.5.13). The file that is open does not matter.
var fsClasses = tableOf(map[uint8]infoClass{
	wire.FsInfoVolume:     {0, 24, (*request).infoFsVolume, true, false},
	wire.FsInfoSize:       {0, 24, (*request).infoFsSize, true, false},
	wire.FsInfoDevice:     {0, 8, (*request).infoFsDevice, true, true},
	wire.FsInfoAttribute:  {0, 16, (*request).infoFsAttribute, true, false},
	wire.FsInfoControl:    {0, 48, (*request).infoFsControl, true, false},
	wire.FsInfoFullSize:   {0, 32, (*request).infoFsFullSize, true, false},
	wire.FsInfoObjectID:   {0, 64, (*request).infoFsObjectID, true, false},
	wire.FsInfoSectorSize: {0, 28, (*request).infoFsSectorSize, true, false},
	wire.FsInfoPosix:      {0, 56, (*request).infoFsPosix, true, false},

	wire.FsInfoDriverPath:  {},
	wire.FsInfoVolumeFlags: {},
})

const (
	// sectorSize is what clients without buffering align to.
	sectorSize = 512
	// fsTypeName is what clients take a server's abilities from, besides the bits.
	fsTypeName = "NTFS"
	// maxNameUnits is the longest name of a file in UTF-16 units.
	maxNameUnits = 255
)

// serial is the volume serial number, 32 bits of a larger one.
func (sh *share) serial() uint32 { return uint32(sh.volume) ^ uint32(sh.volume>>32) }

func (r *request) infoFsVolume(o *open, _ *wire.QueryInfoRequest) error {
	sh := o.share()
	fs, err := sh.FS.Info(r.ctx())
	if err != nil {
		return err
	}
	label := fs.Label
	if label == "" {
		label = sh.Name
	}
	info := wire.FileFsVolumeInformation{
		VolumeCreationTime: wire.FiletimeOf(fs.Created),
		VolumeSerialNumber: sh.serial(),
		VolumeLabel:        label,
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// units splits the block size of a volume into sectors.
func units(fs *vfs.FSInfo) (sectors, sector uint32) {
	if fs.BlockSize%sectorSize == 0 {
		return fs.BlockSize / sectorSize, sectorSize
	}
	return 1, fs.BlockSize
}

func (r *request) infoFsSize(o *open, _ *wire.QueryInfoRequest) error {
	fs, err := r.room(o)
	if err != nil {
		return err
	}
	info := wire.FileFsSizeInformation{TotalAllocationUnits: int64(fs.Blocks), AvailableAllocationUnits: int64(fs.Avail)}
	info.SectorsPerAllocationUnit, info.BytesPerSector = units(&fs)
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoFsFullSize(o *open, _ *wire.QueryInfoRequest) error {
	fs, err := r.room(o)
	if err != nil {
		return err
	}
	info := wire.FileFsFullSizeInformation{
		TotalAllocationUnits:           int64(fs.Blocks),
		CallerAvailableAllocationUnits: int64(fs.Avail),
		ActualAvailableAllocationUnits: int64(fs.Free),
	}
	info.SectorsPerAllocationUnit, info.BytesPerSector = units(&fs)
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoFsDevice(o *open, _ *wire.QueryInfoRequest) error {
	const namedPipe = 0x00000011 // FILE_DEVICE_NAMED_PIPE
	info := wire.FileFsDeviceInformation{DeviceType: wire.FileDeviceDisk, Characteristics: wire.DeviceIsMounted}
	if o.isPipe() {
		info.DeviceType, info.Characteristics = namedPipe, 0
	} else if !o.tree.writable() || o.isPast() {
		info.Characteristics |= wire.DeviceReadOnly
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// capAttributes says what the abilities of a file system are called here.
var capAttributes = []struct {
	cap       vfs.Caps
	attribute uint32
}{
	// As with NTFS: names that differ by case can exist, whatever a search does.
	{vfs.CapCaseSensitive, wire.FsCaseSensitiveSearch},
	{vfs.CapStreams, wire.FsNamedStreams},
	{vfs.CapXattr, wire.FsSupportsExtendedAttributes},
	{vfs.CapSecurity, wire.FsPersistentACLs},
	{vfs.CapReflink, wire.FsSupportsBlockRefcounting},
	{vfs.CapSparse, wire.FsSupportsSparseFiles},
	{vfs.CapCompression, wire.FsFileCompression},
	{vfs.CapObjectID, wire.FsSupportsObjectIDs},
	{vfs.CapHardLinks, wire.FsSupportsHardLinks},
	{vfs.CapSymlinks, wire.FsSupportsReparsePoints},
	{vfs.CapReparse, wire.FsSupportsReparsePoints},
}

// fsAttributes is FileSystemAttributes of a share.
func (sh *share) fsAttributes() uint32 {
	a := wire.FsCasePreservedNames | wire.FsUnicodeOnDisk | wire.FsSupportsPosixUnlinkRename
	for _, c := range capAttributes {
		if sh.caps.Has(c.cap) {
			a |= c.attribute
		}
	}
	return a
}

func (r *request) infoFsAttribute(o *open, _ *wire.QueryInfoRequest) error {
	fs, err := o.share().FS.Info(r.ctx())
	if err != nil {
		return err
	}
	info := wire.FileFsAttributeInformation{
		FileSystemAttributes:       o.share().fsAttributes(),
		MaximumComponentNameLength: uint32(min(max(fs.MaxName, 1), maxNameUnits)),
		FileSystemName:             fsTypeName,
	}
	if o.share().hasQuotas(r.ctx()) {
		info.FileSystemAttributes |= wire.FsVolumeQuotas
	}
	if fs.ReadOnly || o.share().ReadOnly {
		info.FileSystemAttributes |= wire.FsReadOnlyVolume
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoFsControl says whether there are quotas. Nobody has one by default.
func (r *request) infoFsControl(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileFsControlInformation{DefaultQuotaThreshold: ^uint64(0), DefaultQuotaLimit: ^uint64(0)}
	if o.share().hasQuotas(r.ctx()) {
		info.FileSystemControlFlags = wire.FsControlQuotaTrack | wire.FsControlQuotaEnforce
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoFsObjectID answers with an id that is made of those of server and volume.
func (r *request) infoFsObjectID(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileFsObjectIDInformation{ObjectID: r.volumeObjectID(o.share())}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoFsSectorSize(o *open, _ *wire.QueryInfoRequest) error {
	fs, err := o.share().FS.Info(r.ctx())
	if err != nil {
		return err
	}
	physical := max(fs.BlockSize, sectorSize)
	info := wire.FileFsSectorSizeInformation{
		LogicalBytesPerSector:                                 sectorSize,
		PhysicalBytesPerSectorForAtomicity:                    physical,
		PhysicalBytesPerSectorForPerformance:                  physical,
		FileSystemEffectivePhysicalBytesPerSectorForAtomicity: physical,
		Flags: wire.SectorAlignedDevice | wire.SectorPartitionAlignedOnDevice,
	}
	if o.share().caps.Has(vfs.CapSparse) {
		info.Flags |= wire.SectorTrimEnabled // see FSCTL_FILE_LEVEL_TRIM
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoFsPosix answers the class of the POSIX extensions, for opens that have them.
func (r *request) infoFsPosix(o *open, _ *wire.QueryInfoRequest) error {
	if !o.posix {
		return ntstatus.InvalidInfoClass
	}
	fs, err := r.room(o)
	if err != nil {
		return err
	}
	info := wire.FsPosixInformation{
		OptimalTransferSize: fs.BlockSize,
		BlockSize:           fs.BlockSize,
		TotalBlocks:         fs.Blocks,
		BlocksAvail:         fs.Free,
		UserBlocksAvail:     fs.Avail,
		TotalFileNodes:      fs.Files,
		FreeFileNodes:       fs.FilesFree,
		FsIdentifier:        fs.VolumeID,
	}
	if fs.Files == 0 {
		info.TotalFileNodes, info.FreeFileNodes = ^uint64(0), ^uint64(0)
	}
	r.out.b = info.Append(r.out.b)
	return nil
}
