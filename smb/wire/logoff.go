package wire

// LogoffRequest is the SMB2 LOGOFF request (MS-SMB2 2.2.7). It has no
// fields.
type LogoffRequest struct{}

// Decode checks the message msg, header included.
func (*LogoffRequest) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*LogoffRequest) Append(dst []byte) []byte { return appendEmpty(dst) }

// LogoffResponse is the SMB2 LOGOFF response (MS-SMB2 2.2.8). It has no
// fields.
type LogoffResponse struct{}

// Decode checks the message msg, header included.
func (*LogoffResponse) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*LogoffResponse) Append(dst []byte) []byte { return appendEmpty(dst) }
