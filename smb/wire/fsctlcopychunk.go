package wire

import "slices"

// ResumeKey names an open as the source of a server-side copy (MS-SMB2
// 2.2.32.3). It is opaque to the client.
type ResumeKey [24]byte

const (
	copychunkCopySize  = 32 // without chunks
	srvCopychunkSize   = 24
	resumeKeyContext   = 4
	minResumeKeyOutput = 28
)

// ResumeKeyResponse is the output of FsctlSrvRequestResumeKey (MS-SMB2
// 2.2.32.3). Its context is not used.
type ResumeKeyResponse struct {
	ResumeKey ResumeKey
}

// ResumeKeyResponseSize is the length in bytes that Append produces.
const ResumeKeyResponseSize = minResumeKeyOutput + resumeKeyContext

// Decode reads the output buffer of the IOCTL.
func (m *ResumeKeyResponse) Decode(b []byte) error {
	r := NewReader(b, 0)
	r.Copy(m.ResumeKey[:])
	r.Skip(4)
	return r.Err()
}

// Append appends the output buffer of the IOCTL, with four bytes of context
// whose length is given as 0, as Windows sends them and clients expect.
func (m *ResumeKeyResponse) Append(dst []byte) []byte {
	return AppendZeros(append(dst, m.ResumeKey[:]...), 4+resumeKeyContext)
}

// SrvCopychunk is one range to copy (MS-SMB2 2.2.31.1.1), in bytes.
type SrvCopychunk struct {
	SourceOffset uint64
	TargetOffset uint64
	Length       uint32
}

// SrvCopychunkCopy is the input of FsctlSrvCopychunk and FsctlSrvCopychunkWrite
// (MS-SMB2 2.2.31.1).
type SrvCopychunkCopy struct {
	SourceKey ResumeKey
	// Chunks are in the order of the message. Decode reuses the space.
	Chunks []SrvCopychunk
}

// Decode reads the input buffer of the IOCTL.
func (m *SrvCopychunkCopy) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.Chunks = m.Chunks[:0]
	r.Copy(m.SourceKey[:])
	count := uint64(r.U32())
	r.Skip(4)
	if count*srvCopychunkSize > uint64(r.Len()) {
		r.Fail(ErrTruncated)
	}
	if r.Err() != nil {
		return r.Err()
	}
	m.Chunks = slices.Grow(m.Chunks, int(count))
	for range count {
		c := SrvCopychunk{SourceOffset: r.U64(), TargetOffset: r.U64(), Length: r.U32()}
		r.Skip(4)
		m.Chunks = append(m.Chunks, c)
	}
	return r.Err()
}

// Append appends the input buffer of the IOCTL.
func (m *SrvCopychunkCopy) Append(dst []byte) []byte {
	dst = slices.Grow(dst, copychunkCopySize+len(m.Chunks)*srvCopychunkSize)
	dst = append(dst, m.SourceKey[:]...)
	dst = AppendU32(dst, uint32(len(m.Chunks)))
	dst = AppendU32(dst, 0)
	for _, c := range m.Chunks {
		dst = AppendU64(dst, c.SourceOffset)
		dst = AppendU64(dst, c.TargetOffset)
		dst = AppendU32(dst, c.Length)
		dst = AppendU32(dst, 0)
	}
	return dst
}

// SrvCopychunkResponse is the output of FsctlSrvCopychunk and
// FsctlSrvCopychunkWrite (MS-SMB2 2.2.32.1). With STATUS_INVALID_PARAMETER the
// three numbers are the limits of the server instead: chunks, bytes of a chunk,
// bytes in all.
type SrvCopychunkResponse struct {
	ChunksWritten uint32
	// ChunkBytesWritten counts the bytes of a chunk that broke off, else 0.
	ChunkBytesWritten uint32
	TotalBytesWritten uint32
}

// Decode reads the output buffer of the IOCTL.
func (m *SrvCopychunkResponse) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.ChunksWritten = r.U32()
	m.ChunkBytesWritten = r.U32()
	m.TotalBytesWritten = r.U32()
	return r.Err()
}

// Append appends the 12 bytes of the output buffer.
func (m *SrvCopychunkResponse) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.ChunksWritten)
	dst = AppendU32(dst, m.ChunkBytesWritten)
	return AppendU32(dst, m.TotalBytesWritten)
}
