package wire

// DurableV2Persistent is the flag of the version 2 contexts that asks for, or
// grants, a persistent handle (MS-SMB2 2.2.13.2.11).
const DurableV2Persistent uint32 = 0x00000002

// DurableRequest is SMB2_CREATE_DURABLE_HANDLE_REQUEST, tag DHnQ (MS-SMB2
// 2.2.13.2.3): 16 reserved bytes.
type DurableRequest struct{}

// Decode checks the length of the data.
func (*DurableRequest) Decode(data []byte) error { return wantLength(data, 16) }

// Append appends the data of the context.
func (*DurableRequest) Append(dst []byte) []byte { return AppendZeros(dst, 16) }

// DurableResponse is SMB2_CREATE_DURABLE_HANDLE_RESPONSE, tag DHnQ (MS-SMB2
// 2.2.14.2.3): 8 reserved bytes.
type DurableResponse struct{}

// Decode checks the length of the data.
func (*DurableResponse) Decode(data []byte) error { return wantLength(data, 8) }

// Append appends the data of the context.
func (*DurableResponse) Append(dst []byte) []byte { return AppendZeros(dst, 8) }

// DurableReconnect is SMB2_CREATE_DURABLE_HANDLE_RECONNECT, tag DHnC (MS-SMB2
// 2.2.13.2.4).
type DurableReconnect struct {
	// FileID is that of the lost open; its volatile half is to be ignored.
	FileID FileID
}

// Decode reads the data of a context.
func (c *DurableReconnect) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.FileID = r.FileID()
	return r.end()
}

// Append appends the data of the context.
func (c *DurableReconnect) Append(dst []byte) []byte { return AppendFileID(dst, c.FileID) }

// DurableRequestV2 is SMB2_CREATE_DURABLE_HANDLE_REQUEST_V2, tag DH2Q (MS-SMB2
// 2.2.13.2.11).
type DurableRequestV2 struct {
	// Timeout is in milliseconds; 0 leaves it to the server.
	Timeout uint32
	// Flags is 0 or DurableV2Persistent.
	Flags      uint32
	CreateGuid GUID
}

// Decode reads the data of a context.
func (c *DurableRequestV2) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Timeout = r.U32()
	c.Flags = r.U32()
	r.Skip(8)
	c.CreateGuid = r.GUID()
	return r.end()
}

// Append appends the data of the context.
func (c *DurableRequestV2) Append(dst []byte) []byte {
	dst = AppendU32(dst, c.Timeout)
	dst = AppendU32(dst, c.Flags)
	dst = AppendU64(dst, 0)
	return append(dst, c.CreateGuid[:]...)
}

// DurableResponseV2 is SMB2_CREATE_DURABLE_HANDLE_RESPONSE_V2, tag DH2Q
// (MS-SMB2 2.2.14.2.12).
type DurableResponseV2 struct {
	// Timeout is in milliseconds.
	Timeout uint32
	// Flags is 0 or DurableV2Persistent.
	Flags uint32
}

// Decode reads the data of a context.
func (c *DurableResponseV2) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Timeout = r.U32()
	c.Flags = r.U32()
	return r.end()
}

// Append appends the data of the context.
func (c *DurableResponseV2) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, c.Timeout), c.Flags)
}

// DurableReconnectV2 is SMB2_CREATE_DURABLE_HANDLE_RECONNECT_V2, tag DH2C
// (MS-SMB2 2.2.13.2.12).
type DurableReconnectV2 struct {
	FileID     FileID
	CreateGuid GUID
	// Flags is 0 or DurableV2Persistent.
	Flags uint32
}

// Decode reads the data of a context.
func (c *DurableReconnectV2) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.FileID = r.FileID()
	c.CreateGuid = r.GUID()
	c.Flags = r.U32()
	return r.end()
}

// Append appends the data of the context.
func (c *DurableReconnectV2) Append(dst []byte) []byte {
	dst = AppendFileID(dst, c.FileID)
	dst = append(dst, c.CreateGuid[:]...)
	return AppendU32(dst, c.Flags)
}
