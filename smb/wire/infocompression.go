package wire

// Compression formats of a file (MS-FSCC 2.3, FSCTL_GET_COMPRESSION).
const (
	CompressionFormatNone    uint16 = 0x0000
	CompressionFormatDefault uint16 = 0x0001 // only in a request to set it
	CompressionFormatLZNT1   uint16 = 0x0002
)

// FileCompressionInformation says how a file is compressed (MS-FSCC 2.4.9).
type FileCompressionInformation struct {
	// CompressedFileSize is in bytes.
	CompressedFileSize   int64
	CompressionFormat    uint16
	CompressionUnitShift uint8
	ChunkShift           uint8
	ClusterShift         uint8
}

// Decode reads the structure.
func (i *FileCompressionInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.CompressedFileSize = int64(r.U64())
	i.CompressionFormat = r.U16()
	i.CompressionUnitShift = r.U8()
	i.ChunkShift = r.U8()
	i.ClusterShift = r.U8()
	r.Skip(3)
	return r.Err()
}

// Append appends the 16 bytes of the structure.
func (i *FileCompressionInformation) Append(dst []byte) []byte {
	dst = AppendU64(dst, uint64(i.CompressedFileSize))
	dst = AppendU16(dst, i.CompressionFormat)
	return append(dst, i.CompressionUnitShift, i.ChunkShift, i.ClusterShift, 0, 0, 0)
}

// CompressionState is the output of FsctlGetCompression and the input of
// FsctlSetCompression (MS-FSCC 2.3).
type CompressionState struct {
	CompressionFormat uint16
}

// Decode reads the structure.
func (i *CompressionState) Decode(b []byte) error {
	r := NewReader(b, 0)
	i.CompressionFormat = r.U16()
	return r.Err()
}

// Append appends the 2 bytes of the structure.
func (i *CompressionState) Append(dst []byte) []byte { return AppendU16(dst, i.CompressionFormat) }
