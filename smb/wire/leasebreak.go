package wire

// LeaseBreakAckRequired in the Flags of a LeaseBreakNotification asks for an
// acknowledgement (MS-SMB2 2.2.23.2).
const LeaseBreakAckRequired uint32 = 0x00000001

const leaseBreakNotificationSize = 44

// LeaseBreakNotification tells a client that its lease is reduced (MS-SMB2
// 2.2.23.2). Its message id is all ones. The fields of the specification that
// are not here are reserved.
type LeaseBreakNotification struct {
	// NewEpoch is that of a version 2 lease, and 0 for version 1.
	NewEpoch          uint16
	Flags             uint32
	LeaseKey          GUID
	CurrentLeaseState LeaseState
	NewLeaseState     LeaseState
}

// Decode reads the message msg, header included.
func (m *LeaseBreakNotification) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(leaseBreakNotificationSize)
	m.NewEpoch = r.U16()
	m.Flags = r.U32()
	m.LeaseKey = r.GUID()
	m.CurrentLeaseState = LeaseState(r.U32())
	m.NewLeaseState = LeaseState(r.U32())
	r.Skip(12)
	return r.Err()
}

// Append appends the body of the message.
func (m *LeaseBreakNotification) Append(dst []byte) []byte {
	dst = AppendU16(dst, leaseBreakNotificationSize)
	dst = AppendU16(dst, m.NewEpoch)
	dst = AppendU32(dst, m.Flags)
	dst = append(dst, m.LeaseKey[:]...)
	dst = AppendU32(dst, uint32(m.CurrentLeaseState))
	dst = AppendU32(dst, uint32(m.NewLeaseState))
	return AppendZeros(dst, 12)
}

// LeaseBreakAck is the OPLOCK_BREAK request by which a client acknowledges the
// break of a lease (MS-SMB2 2.2.24.2).
type LeaseBreakAck struct {
	LeaseKey GUID
	// LeaseState is what the client keeps.
	LeaseState LeaseState
}

// Decode reads the message msg, header included.
func (m *LeaseBreakAck) Decode(msg []byte) (err error) {
	m.LeaseKey, m.LeaseState, err = decodeLeaseBreak(msg)
	return err
}

// Append appends the body of the message.
func (m *LeaseBreakAck) Append(dst []byte) []byte {
	return appendLeaseBreak(dst, m.LeaseKey, m.LeaseState)
}

// LeaseBreakResponse answers a LeaseBreakAck (MS-SMB2 2.2.25.2).
type LeaseBreakResponse struct {
	LeaseKey   GUID
	LeaseState LeaseState
}

// Decode reads the message msg, header included.
func (m *LeaseBreakResponse) Decode(msg []byte) (err error) {
	m.LeaseKey, m.LeaseState, err = decodeLeaseBreak(msg)
	return err
}

// Append appends the body of the message.
func (m *LeaseBreakResponse) Append(dst []byte) []byte {
	return appendLeaseBreak(dst, m.LeaseKey, m.LeaseState)
}

func decodeLeaseBreak(msg []byte) (GUID, LeaseState, error) {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(leaseBreakAckSize)
	r.Skip(6)
	key := r.GUID()
	state := LeaseState(r.U32())
	r.Skip(8)
	return key, state, r.Err()
}

func appendLeaseBreak(dst []byte, key GUID, state LeaseState) []byte {
	dst = AppendU16(dst, leaseBreakAckSize)
	dst = AppendZeros(dst, 6)
	dst = append(dst, key[:]...)
	dst = AppendU32(dst, uint32(state))
	return AppendU64(dst, 0)
}
