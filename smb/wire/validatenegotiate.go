package wire

// ValidateNegotiateInfoRequest is the input of FSCTL_VALIDATE_NEGOTIATE_INFO
// (MS-SMB2 2.2.31.4): the client repeats under a signature what it negotiated
// without one.
type ValidateNegotiateInfoRequest struct {
	Capabilities uint32
	Guid         GUID
	SecurityMode uint16
	Dialects     []Dialect
}

// Decode reads the input buffer of the IOCTL.
func (m *ValidateNegotiateInfoRequest) Decode(data []byte) error {
	r := NewReader(data, 0)
	m.Capabilities = r.U32()
	m.Guid = r.GUID()
	m.SecurityMode = r.U16()
	m.Dialects = readIDs[Dialect](&r, int(r.U16()))
	return r.Err()
}

// Append appends the input buffer of the IOCTL.
func (m *ValidateNegotiateInfoRequest) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.Capabilities)
	dst = append(dst, m.Guid[:]...)
	dst = AppendU16(dst, m.SecurityMode)
	dst = AppendU16(dst, uint16(len(m.Dialects)))
	return appendIDs(dst, m.Dialects)
}

// ValidateNegotiateInfoResponse is the output of FSCTL_VALIDATE_NEGOTIATE_INFO
// (MS-SMB2 2.2.32.6), 24 bytes.
type ValidateNegotiateInfoResponse struct {
	Capabilities uint32
	Guid         GUID
	SecurityMode uint16
	Dialect      Dialect
}

// Decode reads the output buffer of the IOCTL.
func (m *ValidateNegotiateInfoResponse) Decode(data []byte) error {
	r := NewReader(data, 0)
	m.Capabilities = r.U32()
	m.Guid = r.GUID()
	m.SecurityMode = r.U16()
	m.Dialect = Dialect(r.U16())
	return r.Err()
}

// Append appends the output buffer of the IOCTL.
func (m *ValidateNegotiateInfoResponse) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.Capabilities)
	dst = append(dst, m.Guid[:]...)
	dst = AppendU16(dst, m.SecurityMode)
	return AppendU16(dst, uint16(m.Dialect))
}
