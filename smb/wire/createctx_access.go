package wire

// MaximalAccessRequest is SMB2_CREATE_QUERY_MAXIMAL_ACCESS_REQUEST, tag MxAc
// (MS-SMB2 2.2.13.2.5). Its data is a time or nothing.
type MaximalAccessRequest struct {
	// Timestamp, unless 0, asks for an answer only when the file was written
	// after that time.
	Timestamp Filetime
}

// Decode reads the data of a context.
func (c *MaximalAccessRequest) Decode(data []byte) error {
	c.Timestamp = 0
	if len(data) == 0 {
		return nil
	}
	r := NewReader(data, 0)
	c.Timestamp = r.Filetime()
	return r.end()
}

// Append appends the data of the context.
func (c *MaximalAccessRequest) Append(dst []byte) []byte {
	if c.Timestamp == 0 {
		return dst
	}
	return AppendFiletime(dst, c.Timestamp)
}

// MaximalAccessResponse is SMB2_CREATE_QUERY_MAXIMAL_ACCESS_RESPONSE, tag MxAc
// (MS-SMB2 2.2.14.2.5).
type MaximalAccessResponse struct {
	// QueryStatus is an NTSTATUS; MaximalAccess holds when it is success.
	QueryStatus   uint32
	MaximalAccess uint32
}

// Decode reads the data of a context.
func (c *MaximalAccessResponse) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.QueryStatus = r.U32()
	c.MaximalAccess = r.U32()
	return r.end()
}

// Append appends the data of the context.
func (c *MaximalAccessResponse) Append(dst []byte) []byte {
	return AppendU32(AppendU32(dst, c.QueryStatus), c.MaximalAccess)
}
