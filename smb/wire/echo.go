package wire

// EchoRequest is the SMB2 ECHO request (MS-SMB2 2.2.28). It has no
// fields.
type EchoRequest struct{}

// Decode checks the message msg, header included.
func (*EchoRequest) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*EchoRequest) Append(dst []byte) []byte { return appendEmpty(dst) }

// EchoResponse is the SMB2 ECHO response (MS-SMB2 2.2.29). It has no
// fields.
type EchoResponse struct{}

// Decode checks the message msg, header included.
func (*EchoResponse) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*EchoResponse) Append(dst []byte) []byte { return appendEmpty(dst) }
