package wire

const errorResponseSize = 9

// ErrorID says what an error context holds (MS-SMB2 2.2.2.1).
type ErrorID uint32

// The ids of error contexts.
const (
	ErrorIDDefault       ErrorID = 0x00000000
	ErrorIDShareRedirect ErrorID = 0x72645253
)

// ErrorResponse is the SMB2 ERROR response (MS-SMB2 2.2.2), the body of most
// replies whose status is not success.
type ErrorResponse struct {
	// ErrorContextCount is the number of contexts in ErrorData; it is 0 when
	// ErrorData is not a list of contexts, as in every dialect but 3.1.1.
	ErrorContextCount uint8
	// ErrorData aliases the message.
	ErrorData []byte
}

// Decode reads the message msg, header included.
func (m *ErrorResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(errorResponseSize)
	m.ErrorContextCount = r.U8()
	r.Skip(1)
	m.ErrorData = r.Bytes(r.len32())
	return r.Err()
}

// Append appends the body of the message. A response without data ends with
// one byte of padding, as the specification demands.
func (m *ErrorResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, errorResponseSize)
	dst = append(dst, m.ErrorContextCount, 0)
	dst = AppendU32(dst, uint32(len(m.ErrorData)))
	if len(m.ErrorData) == 0 {
		return append(dst, 0)
	}
	return append(dst, m.ErrorData...)
}

// Payload is the error data, free of the context around it: ErrorData itself
// when it is no list, else the data of the first context with the id.
func (m *ErrorResponse) Payload(id ErrorID) ([]byte, error) {
	if m.ErrorContextCount == 0 {
		return m.ErrorData, nil
	}
	r := NewReader(m.ErrorData, 0)
	for i := range int(m.ErrorContextCount) {
		if i > 0 {
			r.Skip(-r.Offset() & 7)
		}
		n := int64(r.U32())
		found := ErrorID(r.U32()) == id
		if n > int64(r.Len()) {
			return nil, ErrTruncated
		}
		data := r.Bytes(int(n))
		if r.Err() != nil {
			return nil, r.Err()
		}
		if found {
			return data, nil
		}
	}
	return nil, ErrMalformed
}

// AppendErrorContext appends an SMB2 ERROR Context (MS-SMB2 2.2.2.1) to the
// error data dst, whose previous context, if any, it pads to eight bytes.
func AppendErrorContext(dst []byte, id ErrorID, data []byte) []byte {
	dst = Pad(dst, 0, 8)
	dst = AppendU32(dst, uint32(len(data)))
	dst = AppendU32(dst, uint32(id))
	return append(dst, data...)
}

// NewErrorResponse wraps data in the form of the dialect: a list of one
// context for 3.1.1, the bare bytes before. Empty data is never wrapped.
func NewErrorResponse(dialect Dialect, id ErrorID, data []byte) ErrorResponse {
	if dialect != Dialect311 || len(data) == 0 {
		return ErrorResponse{ErrorData: data}
	}
	return ErrorResponse{ErrorContextCount: 1, ErrorData: AppendErrorContext(nil, id, data)}
}

// BufferTooSmallData is the error data of STATUS_BUFFER_TOO_SMALL: the length
// in bytes that would do (MS-SMB2 2.2.2.2).
type BufferTooSmallData struct {
	RequiredLength uint32
}

// Decode reads the payload of an error response.
func (d *BufferTooSmallData) Decode(data []byte) error {
	r := NewReader(data, 0)
	d.RequiredLength = r.U32()
	return r.end()
}

// Append appends the payload of an error response.
func (d *BufferTooSmallData) Append(dst []byte) []byte { return AppendU32(dst, d.RequiredLength) }
