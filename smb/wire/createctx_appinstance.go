package wire

const (
	appInstanceIDSize      = 20
	appInstanceVersionSize = 24
)

// AppInstanceID is SMB2_CREATE_APP_INSTANCE_ID, tag TagAppInstanceID (MS-SMB2
// 2.2.13.2.13): the application that a failed-over open belongs to.
type AppInstanceID struct {
	AppInstanceID GUID
}

// Decode reads the data of a context.
func (c *AppInstanceID) Decode(data []byte) error {
	r := NewReader(data, 0)
	r.StructureSize(appInstanceIDSize)
	r.Skip(2)
	c.AppInstanceID = r.GUID()
	return r.end()
}

// Append appends the data of the context.
func (c *AppInstanceID) Append(dst []byte) []byte {
	return append(AppendU16(AppendU16(dst, appInstanceIDSize), 0), c.AppInstanceID[:]...)
}

// AppInstanceVersion is SMB2_CREATE_APP_INSTANCE_VERSION, tag
// TagAppInstanceVersion (MS-SMB2 2.2.13.2.15).
type AppInstanceVersion struct {
	AppInstanceVersionHigh uint64
	AppInstanceVersionLow  uint64
}

// Decode reads the data of a context.
func (c *AppInstanceVersion) Decode(data []byte) error {
	r := NewReader(data, 0)
	r.StructureSize(appInstanceVersionSize)
	r.Skip(6)
	c.AppInstanceVersionHigh = r.U64()
	c.AppInstanceVersionLow = r.U64()
	return r.end()
}

// Append appends the data of the context.
func (c *AppInstanceVersion) Append(dst []byte) []byte {
	dst = AppendZeros(AppendU16(dst, appInstanceVersionSize), 6)
	return AppendU64(AppendU64(dst, c.AppInstanceVersionHigh), c.AppInstanceVersionLow)
}
