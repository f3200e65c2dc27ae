package wire

// TreeDisconnectRequest is the SMB2 TREE_DISCONNECT request (MS-SMB2 2.2.11). It has no
// fields.
type TreeDisconnectRequest struct{}

// Decode checks the message msg, header included.
func (*TreeDisconnectRequest) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*TreeDisconnectRequest) Append(dst []byte) []byte { return appendEmpty(dst) }

// TreeDisconnectResponse is the SMB2 TREE_DISCONNECT response (MS-SMB2 2.2.12). It has no
// fields.
type TreeDisconnectResponse struct{}

// Decode checks the message msg, header included.
func (*TreeDisconnectResponse) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*TreeDisconnectResponse) Append(dst []byte) []byte { return appendEmpty(dst) }
