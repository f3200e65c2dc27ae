package wire

// Commands of the create context AAPL. Apple publishes them with the source of
// its client; they are in no Microsoft document.
const (
	AAPLServerQuery uint32 = 1
	AAPLResolveID   uint32 = 2
)

// Bits of the request and the reply bitmap of a server query.
const (
	AAPLQueryServerCaps uint64 = 0x01
	AAPLQueryVolumeCaps uint64 = 0x02
	AAPLQueryModelInfo  uint64 = 0x04
)

// Bits of the capabilities of client and server.
const (
	AAPLSupportsReadDirAttr uint64 = 0x01
	AAPLSupportsOSXCopyfile uint64 = 0x02
	AAPLUnixBased           uint64 = 0x04
	AAPLSupportsNFSACE      uint64 = 0x08
)

// Bits of the capabilities of a volume.
const (
	AAPLSupportsResolveID uint64 = 0x01
	AAPLCaseSensitive     uint64 = 0x02
	AAPLSupportsFullSync  uint64 = 0x04
)

// AAPLRequest is the create context AAPL as a client sends it.
type AAPLRequest struct {
	// Command decides about the rest; anything but AAPLServerQuery is to be
	// left unanswered.
	Command uint32
	// RequestBitmap and ClientCapabilities are those of AAPLServerQuery, and 0
	// with other commands.
	RequestBitmap      uint64
	ClientCapabilities uint64
}

// Decode reads the data of a context.
func (c *AAPLRequest) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Command = r.U32()
	r.Skip(4)
	c.RequestBitmap, c.ClientCapabilities = 0, 0
	if c.Command != AAPLServerQuery {
		return r.Err()
	}
	c.RequestBitmap = r.U64()
	c.ClientCapabilities = r.U64()
	return r.end()
}

// Append appends the data of the context.
func (c *AAPLRequest) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, c.Command), 0)
	if c.Command != AAPLServerQuery {
		return dst
	}
	return AppendU64(AppendU64(dst, c.RequestBitmap), c.ClientCapabilities)
}

// AAPLResponse is the answer to a server query.
type AAPLResponse struct {
	// ReplyBitmap says which of the following fields are there; the others
	// are neither written nor read.
	ReplyBitmap        uint64
	ServerCapabilities uint64
	VolumeCapabilities uint64
	// Model names the machine, such as "MacSamba"; the client picks an icon
	// by it.
	Model string
}

// Decode reads the data of a context, which must be that of a server query.
func (c *AAPLResponse) Decode(data []byte) error {
	*c = AAPLResponse{}
	r := NewReader(data, 0)
	if r.U32() != AAPLServerQuery {
		r.Fail(ErrMalformed)
	}
	r.Skip(4)
	c.ReplyBitmap = r.U64()
	if c.ReplyBitmap&AAPLQueryServerCaps != 0 {
		c.ServerCapabilities = r.U64()
	}
	if c.ReplyBitmap&AAPLQueryVolumeCaps != 0 {
		c.VolumeCapabilities = r.U64()
	}
	if c.ReplyBitmap&AAPLQueryModelInfo != 0 {
		r.Skip(4)
		c.Model = r.UTF16(r.len32())
	}
	return r.Err()
}

// Append appends the data of the context.
func (c *AAPLResponse) Append(dst []byte) []byte {
	dst = AppendU32(AppendU32(dst, AAPLServerQuery), 0)
	dst = AppendU64(dst, c.ReplyBitmap)
	if c.ReplyBitmap&AAPLQueryServerCaps != 0 {
		dst = AppendU64(dst, c.ServerCapabilities)
	}
	if c.ReplyBitmap&AAPLQueryVolumeCaps != 0 {
		dst = AppendU64(dst, c.VolumeCapabilities)
	}
	if c.ReplyBitmap&AAPLQueryModelInfo != 0 {
		dst = AppendU32(dst, 0)
		dst = AppendU32(dst, uint32(UTF16Len(c.Model)))
		dst = AppendUTF16(dst, c.Model)
	}
	return dst
}
