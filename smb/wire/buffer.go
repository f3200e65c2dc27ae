package wire

// bufferResponseSize is the StructureSize that the responses to
// QUERY_DIRECTORY, CHANGE_NOTIFY and QUERY_INFO share.
const bufferResponseSize = 9

// BufferResponseHeaderSize is the length in bytes of the body of a response to
// QUERY_DIRECTORY, CHANGE_NOTIFY or QUERY_INFO before its buffer.
const BufferResponseHeaderSize = bufferResponseSize - 1

// decodeBuffer reads a response that has nothing but a buffer.
func decodeBuffer(msg []byte) ([]byte, error) {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(bufferResponseSize)
	offset, length := uint32(r.U16()), r.U32()
	b := r.At32(offset, length)
	return b, r.Err()
}

func appendBuffer(dst, buffer []byte) []byte {
	body := len(dst)
	dst = AppendBufferResponseHeader(dst)
	PatchBufferResponse(dst[body:], len(buffer))
	return append(dst, buffer...)
}

// AppendBufferResponseHeader appends the BufferResponseHeaderSize bytes that
// precede the buffer in a response to QUERY_DIRECTORY (MS-SMB2 2.2.34),
// CHANGE_NOTIFY (2.2.36) or QUERY_INFO (2.2.38), for a server that encodes the
// buffer in place. PatchBufferResponse then says how long it became.
func AppendBufferResponseHeader(dst []byte) []byte {
	dst = AppendU16(dst, bufferResponseSize)
	dst = AppendU16(dst, HeaderSize+BufferResponseHeaderSize)
	return AppendU32(dst, 0)
}

// PatchBufferResponse sets the length of the buffer to n in a body begun by
// AppendBufferResponseHeader.
func PatchBufferResponse(body []byte, n int) { putU32(body[4:], uint32(n)) }
