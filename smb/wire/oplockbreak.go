package wire

import "encoding/binary"

const (
	oplockBreakSize   = 24
	leaseBreakAckSize = 36
)

// OplockBreakNotification tells a client that its oplock is reduced to
// OplockLevel (MS-SMB2 2.2.23.1). Its message id is all ones.
type OplockBreakNotification struct {
	OplockLevel OplockLevel
	FileID      FileID
}

// Decode reads the message msg, header included.
func (m *OplockBreakNotification) Decode(msg []byte) (err error) {
	m.OplockLevel, m.FileID, err = decodeOplockBreak(msg)
	return err
}

// Append appends the body of the message.
func (m *OplockBreakNotification) Append(dst []byte) []byte {
	return appendOplockBreak(dst, m.OplockLevel, m.FileID)
}

// OplockBreakAck is the OPLOCK_BREAK request by which a client acknowledges the
// break of an oplock (MS-SMB2 2.2.24.1). IsLeaseBreakAck tells it from the one
// for a lease, which has the same command.
type OplockBreakAck struct {
	// OplockLevel is what the client keeps.
	OplockLevel OplockLevel
	FileID      FileID
}

// Decode reads the message msg, header included.
func (m *OplockBreakAck) Decode(msg []byte) (err error) {
	m.OplockLevel, m.FileID, err = decodeOplockBreak(msg)
	return err
}

// Append appends the body of the message.
func (m *OplockBreakAck) Append(dst []byte) []byte {
	return appendOplockBreak(dst, m.OplockLevel, m.FileID)
}

// OplockBreakResponse answers an OplockBreakAck (MS-SMB2 2.2.25.1).
type OplockBreakResponse struct {
	OplockLevel OplockLevel
	FileID      FileID
}

// Decode reads the message msg, header included.
func (m *OplockBreakResponse) Decode(msg []byte) (err error) {
	m.OplockLevel, m.FileID, err = decodeOplockBreak(msg)
	return err
}

// Append appends the body of the message.
func (m *OplockBreakResponse) Append(dst []byte) []byte {
	return appendOplockBreak(dst, m.OplockLevel, m.FileID)
}

func decodeOplockBreak(msg []byte) (OplockLevel, FileID, error) {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(oplockBreakSize)
	level := OplockLevel(r.U8())
	r.Skip(5)
	id := r.FileID()
	return level, id, r.Err()
}

func appendOplockBreak(dst []byte, level OplockLevel, id FileID) []byte {
	dst = AppendU16(dst, oplockBreakSize)
	dst = append(dst, byte(level), 0, 0, 0, 0, 0)
	return AppendFileID(dst, id)
}

// IsLeaseBreakAck reports whether msg, an OPLOCK_BREAK with its header,
// acknowledges the break of a lease rather than of an oplock. Only their
// StructureSize tells (MS-SMB2 3.3.5.22). What is neither counts as an oplock
// break, and its decoder will refuse it.
func IsLeaseBreakAck(msg []byte) bool { return breakSize(msg) == leaseBreakAckSize }

// IsLeaseBreakNotification is IsLeaseBreakAck for what a server sends to its
// clients unasked.
func IsLeaseBreakNotification(msg []byte) bool {
	return breakSize(msg) == leaseBreakNotificationSize
}

func breakSize(msg []byte) uint16 {
	if len(msg) < HeaderSize+2 {
		return 0
	}
	return binary.LittleEndian.Uint16(msg[HeaderSize:])
}
