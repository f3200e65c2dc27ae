package wire

// LeaseState is a combination of the three caching rights of a lease (MS-SMB2
// 2.2.13.2.8).
type LeaseState uint32

// The bits of a lease state.
const (
	LeaseNone   LeaseState = 0x00
	LeaseRead   LeaseState = 0x01
	LeaseHandle LeaseState = 0x02
	LeaseWrite  LeaseState = 0x04
)

// Bits of LeaseFlags (MS-SMB2 2.2.13.2.8, 2.2.13.2.10, 2.2.14.2.10). The
// first stands in responses, the second in version 2 only.
const (
	LeaseFlagBreakInProgress   uint32 = 0x00000002
	LeaseFlagParentLeaseKeySet uint32 = 0x00000004
)

const (
	leaseV1Size = 32
	leaseV2Size = 52
)

// LeaseContext is the create context RqLs in all of its four forms:
// SMB2_CREATE_REQUEST_LEASE and ..._V2 (MS-SMB2 2.2.13.2.8 and .10), and the
// responses of the same layout (2.2.14.2.10 and .11).
type LeaseContext struct {
	// Version is 1 or 2. Decode takes it from the length of the data.
	Version    uint8
	LeaseKey   GUID
	LeaseState LeaseState
	LeaseFlags uint32
	// ParentLeaseKey and Epoch are those of version 2 and 0 in version 1.
	ParentLeaseKey GUID
	Epoch          uint16
}

// Decode reads the data of a context. A length that is neither that of version
// 1 nor that of version 2 is ErrMalformed.
func (c *LeaseContext) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.LeaseKey = r.GUID()
	c.LeaseState = LeaseState(r.U32())
	c.LeaseFlags = r.U32()
	r.Skip(8)
	c.Version, c.ParentLeaseKey, c.Epoch = 1, GUID{}, 0
	switch len(data) {
	case leaseV1Size:
	case leaseV2Size:
		c.Version = 2
		c.ParentLeaseKey = r.GUID()
		c.Epoch = r.U16()
	default:
		r.Fail(ErrMalformed)
	}
	return r.Err()
}

// Append appends the data of the context, version 2 when Version is 2.
func (c *LeaseContext) Append(dst []byte) []byte {
	dst = append(dst, c.LeaseKey[:]...)
	dst = AppendU32(dst, uint32(c.LeaseState))
	dst = AppendU32(dst, c.LeaseFlags)
	dst = AppendU64(dst, 0)
	if c.Version == 2 {
		dst = append(dst, c.ParentLeaseKey[:]...)
		dst = AppendU16(dst, c.Epoch)
		dst = AppendU16(dst, 0)
	}
	return dst
}
