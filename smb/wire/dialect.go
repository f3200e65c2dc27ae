package wire

// Dialect is a dialect revision (MS-SMB2 2.2.3). Dialects compare as numbers,
// DialectWildcard excepted.
type Dialect uint16

// The dialect revisions.
const (
	Dialect202 Dialect = 0x0202
	Dialect210 Dialect = 0x0210
	Dialect300 Dialect = 0x0300
	Dialect302 Dialect = 0x0302
	Dialect311 Dialect = 0x0311
	// DialectWildcard answers an SMB1 negotiation of "SMB 2.???" and never
	// stands in an SMB2 request.
	DialectWildcard Dialect = 0x02ff
)

// String is the customary spelling, such as "3.1.1", or "unknown".
func (d Dialect) String() string {
	switch d {
	case Dialect202:
		return "2.0.2"
	case Dialect210:
		return "2.1"
	case Dialect300:
		return "3.0"
	case Dialect302:
		return "3.0.2"
	case Dialect311:
		return "3.1.1"
	case DialectWildcard:
		return "2.???"
	}
	return "unknown"
}

// Bits of the SecurityMode of NEGOTIATE, SESSION_SETUP and
// FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2 2.2.3).
const (
	NegotiateSigningEnabled  = 0x01
	NegotiateSigningRequired = 0x02
)

// Bits of Capabilities in the same messages (MS-SMB2 2.2.3).
const (
	GlobalCapDFS               uint32 = 0x00000001
	GlobalCapLeasing           uint32 = 0x00000002
	GlobalCapLargeMTU          uint32 = 0x00000004
	GlobalCapMultiChannel      uint32 = 0x00000008
	GlobalCapPersistentHandles uint32 = 0x00000010
	GlobalCapDirectoryLeasing  uint32 = 0x00000020
	GlobalCapEncryption        uint32 = 0x00000040
	GlobalCapNotifications     uint32 = 0x00000080
)

// readIDs reads n numbers of 16 bits: dialects, or the ids of algorithms. The
// allocation is bounded by the bytes that are really there.
func readIDs[T ~uint16](r *Reader, n int) []T {
	b := r.Bytes(2 * n)
	if len(b) == 0 {
		return nil
	}
	ids := make([]T, n)
	for i := range ids {
		ids[i] = T(b[2*i]) | T(b[2*i+1])<<8
	}
	return ids
}

func appendIDs[T ~uint16](b []byte, ids []T) []byte {
	for _, id := range ids {
		b = AppendU16(b, uint16(id))
	}
	return b
}
