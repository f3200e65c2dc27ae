package wire

import "math"

// Flags of a TREE_CONNECT request (MS-SMB2 2.2.9); dialect 3.1.1 only.
const (
	TreeConnectClusterReconnect uint16 = 0x0001
	TreeConnectRedirectToOwner  uint16 = 0x0002
	TreeConnectExtensionPresent uint16 = 0x0004
)

// ShareType of a TREE_CONNECT response (MS-SMB2 2.2.10).
const (
	ShareTypeDisk  uint8 = 0x01
	ShareTypePipe  uint8 = 0x02
	ShareTypePrint uint8 = 0x03
)

// ShareFlags of a TREE_CONNECT response (MS-SMB2 2.2.10).
const (
	// ShareFlagManualCaching is 0: the client caches files that its user asks
	// for. The other three values of ShareFlagCachingMask follow.
	ShareFlagManualCaching uint32 = 0x00000000
	ShareFlagAutoCaching   uint32 = 0x00000010
	ShareFlagVDOCaching    uint32 = 0x00000020
	ShareFlagNoCaching     uint32 = 0x00000030
	ShareFlagCachingMask   uint32 = 0x00000030

	ShareFlagDFS                      uint32 = 0x00000001
	ShareFlagDFSRoot                  uint32 = 0x00000002
	ShareFlagRestrictExclusiveOpens   uint32 = 0x00000100
	ShareFlagForceSharedDelete        uint32 = 0x00000200
	ShareFlagAllowNamespaceCaching    uint32 = 0x00000400
	ShareFlagAccessBasedDirectoryEnum uint32 = 0x00000800
	ShareFlagForceLevelIIOplock       uint32 = 0x00001000
	ShareFlagEnableHashV1             uint32 = 0x00002000
	ShareFlagEnableHashV2             uint32 = 0x00004000
	ShareFlagEncryptData              uint32 = 0x00008000
	ShareFlagIdentityRemoting         uint32 = 0x00040000
	ShareFlagCompressData             uint32 = 0x00100000
	ShareFlagIsolatedTransport        uint32 = 0x00200000
)

// Capabilities of a share in a TREE_CONNECT response (MS-SMB2 2.2.10).
const (
	ShareCapDFS                    uint32 = 0x00000008
	ShareCapContinuousAvailability uint32 = 0x00000010
	ShareCapScaleOut               uint32 = 0x00000020
	ShareCapCluster                uint32 = 0x00000040
	ShareCapAsymmetric             uint32 = 0x00000080
	ShareCapRedirectToOwner        uint32 = 0x00000100
)

// TreeConnectRemotedIdentity is the only type of tree connect context (MS-SMB2
// 2.2.9.2.1).
const TreeConnectRemotedIdentity uint16 = 0x0001

// TreeConnectContext is one entry of a request extension (MS-SMB2 2.2.9.2).
type TreeConnectContext struct {
	Type uint16
	// Data aliases the message; less than 64 KiB.
	Data []byte
}

const (
	treeConnectRequestSize  = 9
	treeConnectResponseSize = 16
	treeConnectExtension    = 16
)

// TreeConnectRequest is the SMB2 TREE_CONNECT request (MS-SMB2 2.2.9).
type TreeConnectRequest struct {
	Flags uint16
	// Path is "\\server\share".
	Path string
	// Contexts is read and written with TreeConnectExtensionPresent only.
	Contexts []TreeConnectContext
}

// Decode reads the message msg, header included.
func (m *TreeConnectRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(treeConnectRequestSize)
	m.Flags = r.U16()
	pathOffset, pathLength := int(r.U16()), int(r.U16())
	m.Contexts = nil
	if m.Flags&TreeConnectExtensionPresent != 0 {
		// The offset of the contexts, unlike every other, counts from the
		// start of the request and not of the header (MS-SMB2 2.2.9.1).
		offset, count := r.U32(), int(r.U16())
		r.Skip(10)
		m.Contexts = readTreeConnectContexts(&r, offset, count)
	}
	m.Path = r.UTF16At(pathOffset, pathLength)
	return r.Err()
}

// Append appends the body of the message. The path must be shorter than 32 Ki
// code units.
func (m *TreeConnectRequest) Append(dst []byte) []byte {
	body := len(dst)
	extended := m.Flags&TreeConnectExtensionPresent != 0
	pathOffset := HeaderSize + treeConnectRequestSize - 1
	if extended {
		pathOffset += treeConnectExtension
	}
	dst = AppendU16(dst, treeConnectRequestSize)
	dst = AppendU16(dst, m.Flags)
	dst = AppendU16(dst, uint16(pathOffset))
	dst = AppendU16(dst, uint16(UTF16Len(m.Path)))
	patch := len(dst)
	if extended {
		dst = AppendZeros(dst, treeConnectExtension)
	}
	dst = AppendUTF16(dst, m.Path)
	if extended && len(m.Contexts) > 0 {
		dst = Pad(dst, body, 8)
		putU32(dst[patch:], uint32(len(dst)-body))
		putU16(dst[patch+4:], uint16(len(m.Contexts)))
		for _, c := range m.Contexts {
			dst = Pad(dst, body, 8)
			dst = AppendU16(dst, c.Type)
			dst = AppendU16(dst, uint16(len(c.Data)))
			dst = AppendU32(dst, 0)
			dst = append(dst, c.Data...)
		}
	}
	return dst
}

func readTreeConnectContexts(r *Reader, offset uint32, count int) []TreeConnectContext {
	const entryHeader = 8
	if count == 0 || r.Err() != nil {
		return nil
	}
	if offset > math.MaxInt32 {
		r.Fail(ErrTruncated)
		return nil
	}
	start := HeaderSize + int(offset)
	c := NewReader(r.b, start)
	list := make([]TreeConnectContext, 0, min(count, c.Len()/entryHeader))
	for i := range count {
		if i > 0 {
			c.Skip(-(c.Offset() - start) & 7)
		}
		t := c.U16()
		n := int(c.U16())
		c.Skip(4)
		data := c.Bytes(n)
		if c.Err() != nil {
			r.Fail(c.Err())
			return nil
		}
		list = append(list, TreeConnectContext{Type: t, Data: data})
	}
	return list
}

// TreeConnectResponse is the SMB2 TREE_CONNECT response (MS-SMB2 2.2.10).
type TreeConnectResponse struct {
	ShareType    uint8
	ShareFlags   uint32
	Capabilities uint32
	// MaximalAccess is an access mask; see AccessReadData and its siblings.
	MaximalAccess uint32
}

// Decode reads the message msg, header included.
func (m *TreeConnectResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(treeConnectResponseSize)
	m.ShareType = r.U8()
	r.Skip(1)
	m.ShareFlags = r.U32()
	m.Capabilities = r.U32()
	m.MaximalAccess = r.U32()
	return r.Err()
}

// Append appends the body of the message.
func (m *TreeConnectResponse) Append(dst []byte) []byte {
	dst = AppendU16(dst, treeConnectResponseSize)
	dst = append(dst, m.ShareType, 0)
	dst = AppendU32(dst, m.ShareFlags)
	dst = AppendU32(dst, m.Capabilities)
	return AppendU32(dst, m.MaximalAccess)
}
