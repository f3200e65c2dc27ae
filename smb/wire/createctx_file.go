package wire

// AllocationSizeContext is SMB2_CREATE_ALLOCATION_SIZE, tag AlSi (MS-SMB2
// 2.2.13.2.6).
type AllocationSizeContext struct {
	// AllocationSize is in bytes.
	AllocationSize uint64
}

// Decode reads the data of a context.
func (c *AllocationSizeContext) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.AllocationSize = r.U64()
	return r.end()
}

// Append appends the data of the context.
func (c *AllocationSizeContext) Append(dst []byte) []byte { return AppendU64(dst, c.AllocationSize) }

// TimewarpToken is SMB2_CREATE_TIMEWARP_TOKEN, tag TWrp (MS-SMB2 2.2.13.2.7):
// the snapshot in which the file is to be opened.
type TimewarpToken struct {
	Timestamp Filetime
}

// Decode reads the data of a context.
func (c *TimewarpToken) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Timestamp = r.Filetime()
	return r.end()
}

// Append appends the data of the context.
func (c *TimewarpToken) Append(dst []byte) []byte { return AppendFiletime(dst, c.Timestamp) }

// OnDiskIDResponse is SMB2_CREATE_QUERY_ON_DISK_ID, tag QFid, as the server
// sends it (MS-SMB2 2.2.14.2.9). The request has no data.
type OnDiskIDResponse struct {
	DiskFileID uint64
	VolumeID   uint64
}

// Decode reads the data of a context.
func (c *OnDiskIDResponse) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.DiskFileID = r.U64()
	c.VolumeID = r.U64()
	r.Skip(16)
	return r.end()
}

// Append appends the data of the context.
func (c *OnDiskIDResponse) Append(dst []byte) []byte {
	return AppendZeros(AppendU64(AppendU64(dst, c.DiskFileID), c.VolumeID), 16)
}
