package wire

import "math"

// OplockLevel is the caching that a CREATE asks for or is granted (MS-SMB2
// 2.2.13).
type OplockLevel uint8

// The oplock levels.
const (
	OplockNone      OplockLevel = 0x00
	OplockII        OplockLevel = 0x01
	OplockExclusive OplockLevel = 0x08
	OplockBatch     OplockLevel = 0x09
	// OplockLease says that a lease context decides.
	OplockLease OplockLevel = 0xff
)

// ImpersonationLevel of a CREATE request (MS-SMB2 2.2.13).
const (
	ImpersonationAnonymous      uint32 = 0
	ImpersonationIdentification uint32 = 1
	ImpersonationImpersonation  uint32 = 2
	ImpersonationDelegate       uint32 = 3
)

// Bits of an access mask (MS-SMB2 2.2.13.1). The meaning of the lowest seven
// differs for directories (2.2.13.1.2), which have names of their own.
const (
	AccessReadData        uint32 = 0x00000001
	AccessWriteData       uint32 = 0x00000002
	AccessAppendData      uint32 = 0x00000004
	AccessReadEA          uint32 = 0x00000008
	AccessWriteEA         uint32 = 0x00000010
	AccessExecute         uint32 = 0x00000020
	AccessDeleteChild     uint32 = 0x00000040
	AccessReadAttributes  uint32 = 0x00000080
	AccessWriteAttributes uint32 = 0x00000100

	AccessListDirectory   = AccessReadData
	AccessAddFile         = AccessWriteData
	AccessAddSubdirectory = AccessAppendData
	AccessTraverse        = AccessExecute

	AccessDelete         uint32 = 0x00010000
	AccessReadControl    uint32 = 0x00020000
	AccessWriteDAC       uint32 = 0x00040000
	AccessWriteOwner     uint32 = 0x00080000
	AccessSynchronize    uint32 = 0x00100000
	AccessSystemSecurity uint32 = 0x01000000
	AccessMaximumAllowed uint32 = 0x02000000
	AccessGenericAll     uint32 = 0x10000000
	AccessGenericExecute uint32 = 0x20000000
	AccessGenericWrite   uint32 = 0x40000000
	AccessGenericRead    uint32 = 0x80000000

	// AccessAll is what GENERIC_ALL maps to for a file or directory.
	AccessAll uint32 = 0x001f01ff
	// AccessReserved has the bits that no right is assigned to.
	AccessReserved uint32 = 0x0ce0fe00
)

// Bits of ShareAccess (MS-SMB2 2.2.13).
const (
	ShareAccessRead   uint32 = 0x00000001
	ShareAccessWrite  uint32 = 0x00000002
	ShareAccessDelete uint32 = 0x00000004
)

// CreateDisposition: what to do when the file exists, and when not (MS-SMB2
// 2.2.13).
const (
	DispositionSupersede   uint32 = 0x00000000
	DispositionOpen        uint32 = 0x00000001
	DispositionCreate      uint32 = 0x00000002
	DispositionOpenIf      uint32 = 0x00000003
	DispositionOverwrite   uint32 = 0x00000004
	DispositionOverwriteIf uint32 = 0x00000005
)

// Bits of CreateOptions (MS-SMB2 2.2.13).
const (
	OptionDirectoryFile           uint32 = 0x00000001
	OptionWriteThrough            uint32 = 0x00000002
	OptionSequentialOnly          uint32 = 0x00000004
	OptionNoIntermediateBuffering uint32 = 0x00000008
	OptionSynchronousIOAlert      uint32 = 0x00000010
	OptionSynchronousIONonalert   uint32 = 0x00000020
	OptionNonDirectoryFile        uint32 = 0x00000040
	OptionCompleteIfOplocked      uint32 = 0x00000100
	OptionNoEAKnowledge           uint32 = 0x00000200
	OptionOpenRemoteInstance      uint32 = 0x00000400
	OptionRandomAccess            uint32 = 0x00000800
	OptionDeleteOnClose           uint32 = 0x00001000
	OptionOpenByFileID            uint32 = 0x00002000
	OptionOpenForBackupIntent     uint32 = 0x00004000
	OptionNoCompression           uint32 = 0x00008000
	OptionOpenRequiringOplock     uint32 = 0x00010000
	OptionDisallowExclusive       uint32 = 0x00020000
	OptionReserveOpfilter         uint32 = 0x00100000
	OptionOpenReparsePoint        uint32 = 0x00200000
	OptionOpenNoRecall            uint32 = 0x00400000
	OptionOpenForFreeSpaceQuery   uint32 = 0x00800000
)

const (
	createRequestSize  = 57
	createResponseSize = 89
)

// CreateRequest is the SMB2 CREATE request (MS-SMB2 2.2.13).
type CreateRequest struct {
	SecurityFlags        uint8
	RequestedOplockLevel OplockLevel
	ImpersonationLevel   uint32
	SmbCreateFlags       uint64
	DesiredAccess        uint32
	FileAttributes       uint32
	ShareAccess          uint32
	CreateDisposition    uint32
	CreateOptions        uint32
	// Name is relative to the share, with backslashes; empty for its root.
	Name string
	// Contexts is the list of create contexts as it stands in the message,
	// which it aliases; CreateContextIter walks it, CreateContextList builds
	// it. Decode does not look into it.
	Contexts []byte
}

// Decode reads the message msg, header included. Its only allocation is Name.
func (m *CreateRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(createRequestSize)
	m.SecurityFlags = r.U8()
	m.RequestedOplockLevel = OplockLevel(r.U8())
	m.ImpersonationLevel = r.U32()
	m.SmbCreateFlags = r.U64()
	r.Skip(8)
	m.DesiredAccess = r.U32()
	m.FileAttributes = r.U32()
	m.ShareAccess = r.U32()
	m.CreateDisposition = r.U32()
	m.CreateOptions = r.U32()
	nameOffset, nameLength := int(r.U16()), int(r.U16())
	contextsOffset, contextsLength := r.U32(), r.U32()
	m.Name = r.UTF16At(nameOffset, nameLength)
	m.Contexts = r.At32(contextsOffset, contextsLength)
	return r.Err()
}

// Append appends the body of the message. Name must be shorter than 32 Ki code
// units.
func (m *CreateRequest) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, createRequestSize)
	dst = append(dst, m.SecurityFlags, byte(m.RequestedOplockLevel))
	dst = AppendU32(dst, m.ImpersonationLevel)
	dst = AppendU64(dst, m.SmbCreateFlags)
	dst = AppendU64(dst, 0)
	dst = AppendU32(dst, m.DesiredAccess)
	dst = AppendU32(dst, m.FileAttributes)
	dst = AppendU32(dst, m.ShareAccess)
	dst = AppendU32(dst, m.CreateDisposition)
	dst = AppendU32(dst, m.CreateOptions)
	dst = AppendU16(dst, HeaderSize+createRequestSize-1)
	dst = AppendU16(dst, uint16(UTF16Len(m.Name)))
	patch := len(dst)
	dst = AppendZeros(dst, 8)
	dst = AppendUTF16(dst, m.Name)
	dst = appendContexts(dst, body, patch, m.Contexts)
	if len(dst)-body < createRequestSize {
		// The structure size counts one byte of a buffer that is never empty.
		dst = append(dst, 0)
	}
	return dst
}

// CreateAction of a CREATE response (MS-SMB2 2.2.14).
const (
	FileSuperseded  uint32 = 0x00000000
	FileOpened      uint32 = 0x00000001
	FileCreated     uint32 = 0x00000002
	FileOverwritten uint32 = 0x00000003
)

// CreateFlagReparsePoint in the Flags of a response says that the file is a
// reparse point (MS-SMB2 2.2.14).
const CreateFlagReparsePoint uint8 = 0x01

// CreateResponse is the SMB2 CREATE response (MS-SMB2 2.2.14).
type CreateResponse struct {
	OplockLevel    OplockLevel
	Flags          uint8
	CreateAction   uint32
	CreationTime   Filetime
	LastAccessTime Filetime
	LastWriteTime  Filetime
	ChangeTime     Filetime
	// AllocationSize and EndofFile are in bytes.
	AllocationSize uint64
	EndofFile      uint64
	FileAttributes uint32
	FileID         FileID
	// Contexts is as in CreateRequest.
	Contexts []byte
}

// Decode reads the message msg, header included.
func (m *CreateResponse) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(createResponseSize)
	m.OplockLevel = OplockLevel(r.U8())
	m.Flags = r.U8()
	m.CreateAction = r.U32()
	m.CreationTime = r.Filetime()
	m.LastAccessTime = r.Filetime()
	m.LastWriteTime = r.Filetime()
	m.ChangeTime = r.Filetime()
	m.AllocationSize = r.U64()
	m.EndofFile = r.U64()
	m.FileAttributes = r.U32()
	r.Skip(4)
	m.FileID = r.FileID()
	contextsOffset, contextsLength := r.U32(), r.U32()
	m.Contexts = r.At32(contextsOffset, contextsLength)
	return r.Err()
}

// Append appends the body of the message.
func (m *CreateResponse) Append(dst []byte) []byte {
	body := len(dst)
	dst = AppendU16(dst, createResponseSize)
	dst = append(dst, byte(m.OplockLevel), m.Flags)
	dst = AppendU32(dst, m.CreateAction)
	dst = AppendFiletime(dst, m.CreationTime)
	dst = AppendFiletime(dst, m.LastAccessTime)
	dst = AppendFiletime(dst, m.LastWriteTime)
	dst = AppendFiletime(dst, m.ChangeTime)
	dst = AppendU64(dst, m.AllocationSize)
	dst = AppendU64(dst, m.EndofFile)
	dst = AppendU32(dst, m.FileAttributes)
	dst = AppendU32(dst, 0)
	dst = AppendFileID(dst, m.FileID)
	patch := len(dst)
	dst = AppendZeros(dst, 8)
	return appendContexts(dst, body, patch, m.Contexts)
}

// appendContexts appends the list of create contexts and writes its offset and
// length at dst[patch:]. Both stay 0 for an empty list.
func appendContexts(dst []byte, body, patch int, list []byte) []byte {
	if len(list) == 0 {
		return dst
	}
	dst = Pad(dst, body, 8)
	putU32(dst[patch:], uint32(bodyOffset(dst, body)))
	putU32(dst[patch+4:], uint32(len(list)))
	return append(dst, list...)
}

// At32 is At for an offset and a length of 32 bits.
func (r *Reader) At32(off, n uint32) []byte {
	if n != 0 && (off > math.MaxInt32 || n > math.MaxInt32) {
		r.Fail(ErrTruncated)
		return nil
	}
	return r.At(int(off&math.MaxInt32), int(n))
}
