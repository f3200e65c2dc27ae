package wire

import "slices"

// Flags of a LockElement (MS-SMB2 2.2.26.1).
const (
	LockFlagSharedLock      uint32 = 0x00000001
	LockFlagExclusiveLock   uint32 = 0x00000002
	LockFlagUnlock          uint32 = 0x00000004
	LockFlagFailImmediately uint32 = 0x00000010
)

const (
	lockRequestSize = 48
	lockElementSize = 24
)

// LockElement is one range of a LOCK request, SMB2_LOCK_ELEMENT (MS-SMB2
// 2.2.26.1).
type LockElement struct {
	// Offset and Length are in bytes; their sum may exceed 64 bits, which the
	// caller must refuse.
	Offset uint64
	Length uint64
	Flags  uint32
}

// LockRequest is the SMB2 LOCK request (MS-SMB2 2.2.26).
type LockRequest struct {
	// LockSequence is LockSequenceNumber and LockSequenceIndex in one; the
	// methods take it apart. It is reserved in dialect 2.0.2.
	LockSequence uint32
	FileID       FileID
	// Locks has the ranges in the order of the message. Decode reuses its
	// space. It accepts an empty list, which the caller must refuse.
	Locks []LockElement
}

// SequenceNumber is LockSequenceNumber, 0 to 15.
func (m *LockRequest) SequenceNumber() uint8 { return uint8(m.LockSequence & 0xf) }

// SequenceIndex is LockSequenceIndex, of which 1 to 64 are valid and 0 says
// that the client does not want replays to be detected.
func (m *LockRequest) SequenceIndex() uint32 { return m.LockSequence >> 4 }

// Decode reads the message msg, header included. It allocates only when the
// message has more ranges than Locks has room for.
func (m *LockRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(lockRequestSize)
	count := int(r.U16())
	m.LockSequence = r.U32()
	m.FileID = r.FileID()
	m.Locks = m.Locks[:0]
	if count*lockElementSize > r.Len() {
		r.Fail(ErrTruncated)
	}
	if r.Err() != nil {
		return r.Err()
	}
	m.Locks = slices.Grow(m.Locks, count)
	for range count {
		e := LockElement{Offset: r.U64(), Length: r.U64(), Flags: r.U32()}
		r.Skip(4)
		m.Locks = append(m.Locks, e)
	}
	return r.Err()
}

// keepLocks is how many ranges Forget keeps memory for.
const keepLocks = 64

// Forget makes m empty and keeps the memory of a short list for the next Decode.
func (m *LockRequest) Forget() {
	locks := m.Locks[:0]
	if cap(locks) > keepLocks {
		locks = nil
	}
	*m = LockRequest{Locks: locks}
}

// Append appends the body of the message; it has less than 64 Ki ranges.
func (m *LockRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, lockRequestSize)
	dst = AppendU16(dst, uint16(len(m.Locks)))
	dst = AppendU32(dst, m.LockSequence)
	dst = AppendFileID(dst, m.FileID)
	for i := range m.Locks {
		dst = AppendU64(dst, m.Locks[i].Offset)
		dst = AppendU64(dst, m.Locks[i].Length)
		dst = AppendU32(dst, m.Locks[i].Flags)
		dst = AppendU32(dst, 0)
	}
	return dst
}

// LockResponse is the SMB2 LOCK response (MS-SMB2 2.2.27). It has no fields.
type LockResponse struct{}

// Decode checks the message msg, header included.
func (*LockResponse) Decode(msg []byte) error { return decodeEmpty(msg) }

// Append appends the body of the message.
func (*LockResponse) Append(dst []byte) []byte { return appendEmpty(dst) }
