package wire

import "slices"

// SetSparse is the input of FsctlSetSparse (MS-FSCC 2.3).
type SetSparse struct {
	SetSparse bool
}

// Decode reads the input buffer of the IOCTL. The empty buffer means true.
func (m *SetSparse) Decode(b []byte) error {
	m.SetSparse = len(b) == 0 || b[0] != 0
	return nil
}

// Append appends the input buffer of the IOCTL, one byte.
func (m *SetSparse) Append(dst []byte) []byte { return appendBoolean(dst, m.SetSparse) }

// FileZeroDataInformation is the input of FsctlSetZeroData (MS-FSCC 2.3).
type FileZeroDataInformation struct {
	// FileOffset is the first byte to be zeroed, BeyondFinalZero the first one
	// behind. A client may send negative values.
	FileOffset      int64
	BeyondFinalZero int64
}

// Decode reads the input buffer of the IOCTL.
func (m *FileZeroDataInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.FileOffset = int64(r.U64())
	m.BeyondFinalZero = int64(r.U64())
	return r.Err()
}

// Append appends the 16 bytes of the input buffer.
func (m *FileZeroDataInformation) Append(dst []byte) []byte {
	return AppendU64(AppendU64(dst, uint64(m.FileOffset)), uint64(m.BeyondFinalZero))
}

// AllocatedRangeSize is the length of a FileAllocatedRange in bytes.
const AllocatedRangeSize = 16

// FileAllocatedRange is the input of FsctlQueryAllocatedRanges, and one range of
// its output (MS-FSCC 2.3), in bytes. A client may send negative values.
type FileAllocatedRange struct {
	FileOffset int64
	Length     int64
}

// Decode reads the input buffer of the IOCTL.
func (m *FileAllocatedRange) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.read(&r)
	return r.Err()
}

func (m *FileAllocatedRange) read(r *Reader) {
	m.FileOffset = int64(r.U64())
	m.Length = int64(r.U64())
}

// Append appends the AllocatedRangeSize bytes of a range.
func (m *FileAllocatedRange) Append(dst []byte) []byte {
	return AppendU64(AppendU64(dst, uint64(m.FileOffset)), uint64(m.Length))
}

// FileAllocatedRanges is the output of FsctlQueryAllocatedRanges. A server may
// append the ranges one by one instead.
type FileAllocatedRanges struct {
	Ranges []FileAllocatedRange
}

// Decode reads the output buffer of the IOCTL and reuses the space of Ranges.
func (m *FileAllocatedRanges) Decode(b []byte) error {
	m.Ranges = m.Ranges[:0]
	if len(b)%AllocatedRangeSize != 0 {
		return ErrTruncated
	}
	r := NewReader(b, 0)
	m.Ranges = slices.Grow(m.Ranges, len(b)/AllocatedRangeSize)
	for r.Len() > 0 {
		var e FileAllocatedRange
		e.read(&r)
		m.Ranges = append(m.Ranges, e)
	}
	return r.Err()
}

// Append appends the output buffer of the IOCTL.
func (m *FileAllocatedRanges) Append(dst []byte) []byte {
	for i := range m.Ranges {
		dst = m.Ranges[i].Append(dst)
	}
	return dst
}

// DuplicateExtentsData is the input of FsctlDuplicateExtentsToFile (MS-FSCC
// 2.3): clone a range of another open into this one.
type DuplicateExtentsData struct {
	SourceFileID FileID
	// The offsets and the count are in bytes. A client may send negative ones.
	SourceFileOffset int64
	TargetFileOffset int64
	ByteCount        int64
}

// Decode reads the input buffer of the IOCTL.
func (m *DuplicateExtentsData) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.read(&r)
	return r.Err()
}

func (m *DuplicateExtentsData) read(r *Reader) {
	m.SourceFileID = r.FileID()
	m.SourceFileOffset = int64(r.U64())
	m.TargetFileOffset = int64(r.U64())
	m.ByteCount = int64(r.U64())
}

// Append appends the 40 bytes of the input buffer.
func (m *DuplicateExtentsData) Append(dst []byte) []byte {
	dst = AppendFileID(dst, m.SourceFileID)
	dst = AppendU64(dst, uint64(m.SourceFileOffset))
	dst = AppendU64(dst, uint64(m.TargetFileOffset))
	return AppendU64(dst, uint64(m.ByteCount))
}

// DuplicateExtentsSourceAtomic in the Flags of a DuplicateExtentsDataEx demands
// that the whole range is cloned or nothing.
const DuplicateExtentsSourceAtomic uint32 = 0x00000001

// duplicateExtentsExSize is what the structure says of itself. It is less than
// what travels, for the native structure has a shorter handle.
const duplicateExtentsExSize = 0x30

// DuplicateExtentsDataEx is the input of FsctlDuplicateExtentsToFileEx (MS-FSCC
// 2.3).
type DuplicateExtentsDataEx struct {
	DuplicateExtentsData
	Flags uint32
}

// Decode reads the input buffer of the IOCTL.
func (m *DuplicateExtentsDataEx) Decode(b []byte) error {
	r := NewReader(b, 0)
	if r.U64() != duplicateExtentsExSize {
		r.Fail(ErrMalformed)
	}
	m.read(&r)
	m.Flags = r.U32()
	r.Skip(4)
	return r.Err()
}

// Append appends the 56 bytes of the input buffer.
func (m *DuplicateExtentsDataEx) Append(dst []byte) []byte {
	dst = AppendU64(dst, duplicateExtentsExSize)
	dst = m.DuplicateExtentsData.Append(dst)
	return AppendU32(AppendU32(dst, m.Flags), 0)
}

// FileLevelTrimRange is a range of a FileLevelTrim in bytes.
type FileLevelTrimRange struct {
	Offset uint64
	Length uint64
}

const trimRangeSize = 16

// FileLevelTrim is the input of FsctlFileLevelTrim (MS-FSCC 2.3): the ranges
// whose content is of no more use.
type FileLevelTrim struct {
	// Key must be 0.
	Key    uint32
	Ranges []FileLevelTrimRange
}

// Decode reads the input buffer of the IOCTL and reuses the space of Ranges.
func (m *FileLevelTrim) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.Ranges = m.Ranges[:0]
	m.Key = r.U32()
	count := uint64(r.U32())
	if count*trimRangeSize > uint64(r.Len()) {
		r.Fail(ErrTruncated)
	}
	if r.Err() != nil {
		return r.Err()
	}
	m.Ranges = slices.Grow(m.Ranges, int(count))
	for range count {
		m.Ranges = append(m.Ranges, FileLevelTrimRange{Offset: r.U64(), Length: r.U64()})
	}
	return r.Err()
}

// Append appends the input buffer of the IOCTL.
func (m *FileLevelTrim) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, m.Key), uint32(len(m.Ranges)))
	for _, e := range m.Ranges {
		dst = AppendU64(AppendU64(dst, e.Offset), e.Length)
	}
	return dst
}

// FileLevelTrimOutput is the output of FsctlFileLevelTrim.
type FileLevelTrimOutput struct {
	NumRangesProcessed uint32
}

// Decode reads the output buffer of the IOCTL.
func (m *FileLevelTrimOutput) Decode(b []byte) error { return decode32(b, &m.NumRangesProcessed) }

// Append appends the 4 bytes of the output buffer.
func (m *FileLevelTrimOutput) Append(dst []byte) []byte {
	return AppendU32(dst, m.NumRangesProcessed)
}
