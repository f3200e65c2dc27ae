package wire

// CancelRequest is the SMB2 CANCEL request (MS-SMB2 2.2.30):
// the header names what to cancel, and no response is ever sent. It has no fields.
type CancelRequest struct{}

// Decode checks the message msg, header included.
func (*CancelRequest) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*CancelRequest) Append(dst []byte) []byte { return appendEmpty(dst) }
