package wire

import "encoding/binary"

// TransformHeaderSize is the length of a transform header in bytes.
const TransformHeaderSize = 52

// TransformAADOffset is where the bytes begin that the seal covers but does
// not hide: from the nonce to the end of the header (MS-SMB2 2.2.41).
const TransformAADOffset = 20

// TransformSignatureOffset is where the 16 bytes of Signature stand.
const TransformSignatureOffset = 4

// TransformEncrypted is the only value of Flags in a TransformHeader. In
// dialects 3.0 and 3.0.2 the same field and value say AES-128-CCM.
const TransformEncrypted uint16 = 0x0001

// TransformHeader is the SMB2 TRANSFORM_HEADER (MS-SMB2 2.2.41), behind which
// the sealed message stands.
type TransformHeader struct {
	Signature [16]byte
	// Nonce is of 11 bytes for CCM and of 12 for GCM; the rest is 0.
	Nonce [16]byte
	// OriginalMessageSize is the length of the sealed message in bytes. The
	// decoder does not compare it with what follows.
	OriginalMessageSize uint32
	Flags               uint16
	SessionID           uint64
}

// Decode reads the header at the start of frame. It does not check Flags.
func (h *TransformHeader) Decode(frame []byte) error {
	if len(frame) < TransformHeaderSize {
		return ErrTruncated
	}
	b := frame[:TransformHeaderSize]
	le := binary.LittleEndian
	if ProtocolID(le.Uint32(b)) != ProtocolTransform {
		return ErrMalformed
	}
	copy(h.Signature[:], b[4:])
	copy(h.Nonce[:], b[20:])
	h.OriginalMessageSize = le.Uint32(b[36:])
	h.Flags = le.Uint16(b[42:])
	h.SessionID = le.Uint64(b[44:])
	return nil
}

// Put writes the header into dst[:TransformHeaderSize] and panics when dst is
// shorter.
func (h *TransformHeader) Put(dst []byte) {
	b := dst[:TransformHeaderSize]
	le := binary.LittleEndian
	le.PutUint32(b, uint32(ProtocolTransform))
	copy(b[4:], h.Signature[:])
	copy(b[20:], h.Nonce[:])
	le.PutUint32(b[36:], h.OriginalMessageSize)
	le.PutUint16(b[40:], 0)
	le.PutUint16(b[42:], h.Flags)
	le.PutUint64(b[44:], h.SessionID)
}

// Append appends the header, TransformHeaderSize bytes.
func (h *TransformHeader) Append(dst []byte) []byte {
	dst = AppendZeros(dst, TransformHeaderSize)
	h.Put(dst[len(dst)-TransformHeaderSize:])
	return dst
}
