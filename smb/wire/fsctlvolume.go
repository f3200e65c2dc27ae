package wire

// NtfsVolumeDataSize is the length of a NtfsVolumeData in bytes.
const NtfsVolumeDataSize = 96

// NtfsVolumeData is the output of FsctlGetNtfsVolumeData (MS-FSCC 2.3). Clusters are
// counted in units of BytesPerCluster.
type NtfsVolumeData struct {
	VolumeSerialNumber           uint64
	NumberSectors                uint64
	TotalClusters, FreeClusters  uint64
	TotalReserved                uint64
	BytesPerSector               uint32
	BytesPerCluster              uint32
	BytesPerFileRecordSegment    uint32
	ClustersPerFileRecordSegment uint32
	// MftValidDataLength is in bytes; the others are clusters.
	MftValidDataLength        uint64
	MftStartLcn, Mft2StartLcn uint64
	MftZoneStart, MftZoneEnd  uint64
}

// Decode reads the output buffer of the IOCTL.
func (m *NtfsVolumeData) Decode(b []byte) error {
	r := NewReader(b, 0)
	for _, p := range m.longs1() {
		*p = r.U64()
	}
	m.BytesPerSector = r.U32()
	m.BytesPerCluster = r.U32()
	m.BytesPerFileRecordSegment = r.U32()
	m.ClustersPerFileRecordSegment = r.U32()
	for _, p := range m.longs2() {
		*p = r.U64()
	}
	return r.Err()
}

// Append appends the 96 bytes of the output buffer.
func (m *NtfsVolumeData) Append(dst []byte) []byte {
	for _, p := range m.longs1() {
		dst = AppendU64(dst, *p)
	}
	dst = AppendU32(AppendU32(dst, m.BytesPerSector), m.BytesPerCluster)
	dst = AppendU32(AppendU32(dst, m.BytesPerFileRecordSegment), m.ClustersPerFileRecordSegment)
	for _, p := range m.longs2() {
		dst = AppendU64(dst, *p)
	}
	return dst
}

// longs1 and longs2 are the fields before and behind the four of 32 bits.
func (m *NtfsVolumeData) longs1() [5]*uint64 {
	return [...]*uint64{&m.VolumeSerialNumber, &m.NumberSectors, &m.TotalClusters, &m.FreeClusters, &m.TotalReserved}
}

func (m *NtfsVolumeData) longs2() [5]*uint64 {
	return [...]*uint64{&m.MftValidDataLength, &m.MftStartLcn, &m.Mft2StartLcn, &m.MftZoneStart, &m.MftZoneEnd}
}

// Usages of a region of a file (MS-FSCC 2.3).
const (
	RegionValidCachedData    uint32 = 0x00000001
	RegionValidNoncachedData uint32 = 0x00000002
)

// FileRegionInputSize is the length of a FileRegionInput in bytes.
const FileRegionInputSize = 24

// FileRegionInput is the input of FsctlQueryFileRegions (MS-FSCC 2.3), in bytes. A
// client may send negative values.
type FileRegionInput struct {
	FileOffset   int64
	Length       int64
	DesiredUsage uint32
}

// Decode reads the input buffer of the IOCTL.
func (m *FileRegionInput) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.FileOffset = int64(r.U64())
	m.Length = int64(r.U64())
	m.DesiredUsage = r.U32()
	r.Skip(4)
	return r.Err()
}

// Append appends the 24 bytes of the input buffer.
func (m *FileRegionInput) Append(dst []byte) []byte {
	dst = AppendU64(AppendU64(dst, uint64(m.FileOffset)), uint64(m.Length))
	return AppendU32(AppendU32(dst, m.DesiredUsage), 0)
}

// FileRegionOutputSize is the length in bytes of a FileRegionOutput with one region.
const FileRegionOutputSize = 16 + 24

// FileRegionOutput is the output of FsctlQueryFileRegions (MS-FSCC 2.3), with one
// region at most; without a Length there is none.
type FileRegionOutput struct {
	FileOffset int64
	Length     int64
	Usage      uint32
}

// Decode reads the output buffer of the IOCTL.
func (m *FileRegionOutput) Decode(b []byte) error {
	*m = FileRegionOutput{}
	r := NewReader(b, 0)
	r.Skip(4)
	total, count := r.U32(), r.U32()
	r.Skip(4)
	if total > 1 || count > total {
		r.Fail(ErrMalformed)
	}
	if count == 1 {
		m.FileOffset = int64(r.U64())
		m.Length = int64(r.U64())
		m.Usage = r.U32()
		r.Skip(4)
		if m.Length == 0 {
			r.Fail(ErrMalformed)
		}
	}
	return r.Err()
}

// Append appends the output buffer.
func (m *FileRegionOutput) Append(dst []byte) []byte {
	count := uint32(0)
	if m.Length != 0 {
		count = 1
	}
	dst = AppendU32(AppendU32(dst, 0), count)
	dst = AppendU32(AppendU32(dst, count), 0)
	if count == 0 {
		return dst
	}
	dst = AppendU64(AppendU64(dst, uint64(m.FileOffset)), uint64(m.Length))
	return AppendU32(AppendU32(dst, m.Usage), 0)
}
