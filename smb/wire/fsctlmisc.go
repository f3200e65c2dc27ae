package wire

// FileObjectIDBuffer is the output of FsctlCreateOrGetObjectID and
// FsctlGetObjectID (MS-FSCC 2.1.3.1).
type FileObjectIDBuffer struct {
	ObjectID      GUID
	BirthVolumeID GUID
	BirthObjectID GUID
	DomainID      GUID
}

// Decode reads the output buffer of the IOCTL.
func (m *FileObjectIDBuffer) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.ObjectID = r.GUID()
	m.BirthVolumeID = r.GUID()
	m.BirthObjectID = r.GUID()
	m.DomainID = r.GUID()
	return r.Err()
}

// Append appends the 64 bytes of the output buffer.
func (m *FileObjectIDBuffer) Append(dst []byte) []byte {
	dst = append(dst, m.ObjectID[:]...)
	dst = append(dst, m.BirthVolumeID[:]...)
	dst = append(dst, m.BirthObjectID[:]...)
	return append(dst, m.DomainID[:]...)
}

// NetworkResiliencyRequest is the input of FsctlLmrRequestResiliency (MS-SMB2
// 2.2.31.3).
type NetworkResiliencyRequest struct {
	// Timeout is in milliseconds; 0 leaves it to the server.
	Timeout uint32
}

// Decode reads the input buffer of the IOCTL.
func (m *NetworkResiliencyRequest) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.Timeout = r.U32()
	r.Skip(4)
	return r.Err()
}

// Append appends the 8 bytes of the input buffer.
func (m *NetworkResiliencyRequest) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, m.Timeout), 0)
}

// SnapshotArraySize is the length in bytes of the fixed part of a SnapshotArray,
// the least that a client may offer room for (MS-SMB2 3.3.5.15.1).
const SnapshotArraySize = 16

// SnapshotArray is the output of FsctlSrvEnumerateSnapshots (MS-SMB2 2.2.32.2).
type SnapshotArray struct {
	// NumberOfSnapShots is how many there are; SnapShots has those that fit,
	// or none.
	NumberOfSnapShots uint32
	// SnapShotArraySize is the room in bytes that all of them need, zeros at
	// the end included. Append works it out when SnapShots is not empty.
	SnapShotArraySize uint32
	// SnapShots are tokens of the form "@GMT-2025.01.31-23.59.59".
	SnapShots []string
}

// SnapshotsSize is the SnapShotArraySize of a list of tokens: each has a zero
// behind it, and the list another.
func SnapshotsSize(tokens []string) int {
	n := 2
	for _, t := range tokens {
		n += UTF16Len(t) + 2
	}
	return n
}

// Decode reads the output buffer of the IOCTL.
func (m *SnapshotArray) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.SnapShots = m.SnapShots[:0]
	m.NumberOfSnapShots = r.U32()
	returned := r.U32()
	m.SnapShotArraySize = r.U32()
	if r.Err() != nil || returned == 0 {
		return r.Err()
	}
	rest := r.Bytes(r.Len())
	for range returned {
		end := 0
		for end+1 < len(rest) && (rest[end] != 0 || rest[end+1] != 0) {
			end += 2
		}
		if end == 0 || end+1 >= len(rest) {
			return ErrTruncated
		}
		token, err := UTF16String(rest[:end])
		if err != nil {
			return err
		}
		m.SnapShots = append(m.SnapShots, token)
		rest = rest[end+2:]
	}
	return nil
}

// Append appends the output buffer of the IOCTL. Without tokens it is padded to
// SnapshotArraySize, as clients expect.
func (m *SnapshotArray) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.NumberOfSnapShots)
	dst = AppendU32(dst, uint32(len(m.SnapShots)))
	dst = AppendU32(dst, m.SnapShotArraySize)
	if len(m.SnapShots) == 0 {
		return AppendU32(dst, 0)
	}
	for _, t := range m.SnapShots {
		dst = AppendU16(AppendUTF16(dst, t), 0)
	}
	return AppendU16(dst, 0)
}

// Checksum algorithms and flags of integrity information (MS-FSCC 2.3).
const (
	ChecksumNone      uint16 = 0x0000
	ChecksumCRC32     uint16 = 0x0001
	ChecksumCRC64     uint16 = 0x0002
	ChecksumUnchanged uint16 = 0xffff

	ChecksumEnforcementOff uint32 = 0x00000001
)

// GetIntegrityInformation is the output of FsctlGetIntegrityInformation (MS-FSCC
// 2.3).
type GetIntegrityInformation struct {
	ChecksumAlgorithm uint16
	Flags             uint32
	// ChecksumChunkSize and ClusterSize are in bytes.
	ChecksumChunkSize uint32
	ClusterSize       uint32
}

// Decode reads the output buffer of the IOCTL.
func (m *GetIntegrityInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.ChecksumAlgorithm = r.U16()
	r.Skip(2)
	m.Flags = r.U32()
	m.ChecksumChunkSize = r.U32()
	m.ClusterSize = r.U32()
	return r.Err()
}

// Append appends the 16 bytes of the output buffer.
func (m *GetIntegrityInformation) Append(dst []byte) []byte {
	dst = AppendU16(AppendU16(dst, m.ChecksumAlgorithm), 0)
	dst = AppendU32(dst, m.Flags)
	return AppendU32(AppendU32(dst, m.ChecksumChunkSize), m.ClusterSize)
}

// SetIntegrityInformation is the input of FsctlSetIntegrityInformation (MS-FSCC
// 2.3).
type SetIntegrityInformation struct {
	ChecksumAlgorithm uint16
	Flags             uint32
}

// Decode reads the input buffer of the IOCTL.
func (m *SetIntegrityInformation) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.ChecksumAlgorithm = r.U16()
	r.Skip(2)
	m.Flags = r.U32()
	return r.Err()
}

// Append appends the 8 bytes of the input buffer.
func (m *SetIntegrityInformation) Append(dst []byte) []byte {
	return AppendU32(AppendU16(AppendU16(dst, m.ChecksumAlgorithm), 0), m.Flags)
}
