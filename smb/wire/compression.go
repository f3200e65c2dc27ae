package wire

import "encoding/binary"

// Flags of the compression headers (MS-SMB2 2.2.42).
const (
	CompressionFlagNone    uint16 = 0x0000
	CompressionFlagChained uint16 = 0x0001
)

const (
	// CompressionHeaderSize is the length in bytes of an unchained header.
	CompressionHeaderSize = 16
	// CompressionChainedHeaderSize is the length in bytes of a chained header
	// without its first payload header.
	CompressionChainedHeaderSize = 8
	compressionPayloadHeader     = 8
)

// IsChainedCompression reports whether a frame that begins with
// ProtocolCompression has the chained form (MS-SMB2 2.2.42). In both forms the
// flags stand at the same place.
func IsChainedCompression(frame []byte) bool {
	return len(frame) >= 12 && binary.LittleEndian.Uint16(frame[10:]) == CompressionFlagChained
}

// CompressionHeader is SMB2_COMPRESSION_TRANSFORM_HEADER_UNCHAINED (MS-SMB2
// 2.2.42.1). Behind it stand Offset bytes that are not compressed, and then
// the compressed ones.
type CompressionHeader struct {
	// OriginalCompressedSegmentSize is the length in bytes that the compressed
	// segment has when it is expanded: a claim of the peer, to be bounded by
	// the receiver before anything is allocated.
	OriginalCompressedSegmentSize uint32
	CompressionAlgorithm          CompressionAlgorithm
	// Offset is in bytes from the end of this header.
	Offset uint32
}

// Decode reads the header at the start of frame. It fails when Flags asks for
// the chained form, or Offset lies behind the end of the frame.
func (h *CompressionHeader) Decode(frame []byte) error {
	r := NewReader(frame, 0)
	if ProtocolID(r.U32()) != ProtocolCompression {
		r.Fail(ErrMalformed)
	}
	h.OriginalCompressedSegmentSize = r.U32()
	h.CompressionAlgorithm = CompressionAlgorithm(r.U16())
	if r.U16() != CompressionFlagNone {
		r.Fail(ErrMalformed)
	}
	h.Offset = r.U32()
	if uint64(h.Offset) > uint64(r.Len()) {
		r.Fail(ErrTruncated)
	}
	return r.Err()
}

// Append appends the header, CompressionHeaderSize bytes.
func (h *CompressionHeader) Append(dst []byte) []byte {
	dst = AppendU32(dst, uint32(ProtocolCompression))
	dst = AppendU32(dst, h.OriginalCompressedSegmentSize)
	dst = AppendU16(dst, uint16(h.CompressionAlgorithm))
	dst = AppendU16(dst, CompressionFlagNone)
	return AppendU32(dst, h.Offset)
}

// CompressionChainedHeader is SMB2_COMPRESSION_TRANSFORM_HEADER_CHAINED
// (MS-SMB2 2.2.42.2). Behind it stand the payloads; see CompressionPayloadIter.
type CompressionChainedHeader struct {
	// OriginalCompressedSegmentSize is the length in bytes of the whole
	// message when it is expanded, as in CompressionHeader.
	OriginalCompressedSegmentSize uint32
}

// Decode reads the header at the start of frame.
func (h *CompressionChainedHeader) Decode(frame []byte) error {
	r := NewReader(frame, 0)
	if ProtocolID(r.U32()) != ProtocolCompression {
		r.Fail(ErrMalformed)
	}
	h.OriginalCompressedSegmentSize = r.U32()
	return r.Err()
}

// Append appends the header, CompressionChainedHeaderSize bytes.
func (h *CompressionChainedHeader) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, uint32(ProtocolCompression)), h.OriginalCompressedSegmentSize)
}

// CompressionPayload is one payload of a chain: its header (MS-SMB2 2.2.42.2.1)
// and its bytes.
type CompressionPayload struct {
	CompressionAlgorithm CompressionAlgorithm
	// OriginalPayloadSize is the length in bytes of the expanded payload as
	// the peer claims it. It is on the wire for LZNT1, LZ77, LZ77+Huffman and
	// LZ4 only; the decoder fills it in for CompressionNone (the length of
	// Data), and leaves 0 for CompressionPatternV1.
	OriginalPayloadSize uint32
	// Data aliases the frame. For CompressionPatternV1 it is a
	// CompressionPattern.
	Data []byte
}

func hasOriginalSize(a CompressionAlgorithm) bool {
	switch a {
	case CompressionLZNT1, CompressionLZ77, CompressionLZ77Huffman, CompressionLZ4:
		return true
	}
	return false
}

// AppendChained appends header and bytes of the payload. first is true for the
// first payload of a chain, which carries the flag that tells the forms apart.
func (p *CompressionPayload) AppendChained(dst []byte, first bool) []byte {
	flags, length := CompressionFlagNone, uint32(len(p.Data))
	if first {
		flags = CompressionFlagChained
	}
	sized := hasOriginalSize(p.CompressionAlgorithm)
	if sized {
		length += 4
	}
	dst = AppendU16(dst, uint16(p.CompressionAlgorithm))
	dst = AppendU16(dst, flags)
	dst = AppendU32(dst, length)
	if sized {
		dst = AppendU32(dst, p.OriginalPayloadSize)
	}
	return append(dst, p.Data...)
}

// CompressionPayloadIter walks the payloads of a chained frame without
// allocating. When Next has returned false, Err tells a broken chain from the
// end.
type CompressionPayloadIter struct {
	r     Reader
	cur   CompressionPayload
	first bool
}

// CompressionPayloads returns an iterator over the payloads of a whole chained
// frame. The frame should have passed CompressionChainedHeader.Decode.
func CompressionPayloads(frame []byte) CompressionPayloadIter {
	return CompressionPayloadIter{r: NewReader(frame, CompressionChainedHeaderSize), first: true}
}

// Next advances to the next payload. A chain has one at least.
func (it *CompressionPayloadIter) Next() bool {
	r := &it.r
	if r.Err() != nil || (r.Len() == 0 && !it.first) {
		return false
	}
	if r.Len() < compressionPayloadHeader {
		r.Fail(ErrTruncated)
		return false
	}
	it.cur.CompressionAlgorithm = CompressionAlgorithm(r.U16())
	// Behind the first payload the flags are not looked at: clients are known
	// to leave stray bits there.
	if flags := r.U16(); it.first && flags != CompressionFlagChained {
		r.Fail(ErrMalformed)
	}
	it.first = false
	length := r.len32()
	it.cur.OriginalPayloadSize = 0
	switch {
	case hasOriginalSize(it.cur.CompressionAlgorithm):
		it.cur.OriginalPayloadSize = r.U32()
		length -= 4
	case it.cur.CompressionAlgorithm == CompressionNone:
		it.cur.OriginalPayloadSize = uint32(length)
	}
	it.cur.Data = r.Bytes(length)
	return r.Err() == nil
}

// Payload is the current payload. It is valid until Next.
func (it *CompressionPayloadIter) Payload() *CompressionPayload { return &it.cur }

// Err is nil unless the chain is malformed.
func (it *CompressionPayloadIter) Err() error { return it.r.Err() }

// CompressionPattern is SMB2_COMPRESSION_PATTERN_PAYLOAD_V1 (MS-SMB2
// 2.2.42.2.2): one byte repeated.
type CompressionPattern struct {
	Pattern uint8
	// Repetitions is the length in bytes of the expanded payload as the peer
	// claims it.
	Repetitions uint32
}

// Decode reads the Data of a payload.
func (p *CompressionPattern) Decode(data []byte) error {
	r := NewReader(data, 0)
	p.Pattern = r.U8()
	r.Skip(3)
	p.Repetitions = r.U32()
	return r.end()
}

// Append appends the Data of a payload.
func (p *CompressionPattern) Append(dst []byte) []byte {
	return AppendU32(append(dst, p.Pattern, 0, 0, 0), p.Repetitions)
}
