package wire

// CancelRequest is the SMB2 CANCEL request (MS-SMB2 2.2.30). It has no fields:
// the header names what to cancel, and no response is ever sent.
type CancelRequest struct{}

// Decode checks the message msg, header included.
func (*CancelRequest) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*CancelRequest) Append(dst []byte) []byte { return appendEmpty(dst) }
