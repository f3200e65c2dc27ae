package wire

import "encoding/binary"

// ProtocolID is the first four bytes of a frame, read as a little-endian
// number: it says what kind of header follows.
type ProtocolID uint32

// The kinds of frame that travel over a connection.
const (
	// ProtocolSMB1 opens an SMB1 message, of which only NEGOTIATE is known here.
	ProtocolSMB1 ProtocolID = 0x424d53ff
	// ProtocolSMB2 opens an SMB2 message (MS-SMB2 2.2.1).
	ProtocolSMB2 ProtocolID = 0x424d53fe
	// ProtocolTransform opens a sealed message (MS-SMB2 2.2.41).
	ProtocolTransform ProtocolID = 0x424d53fd
	// ProtocolCompression opens a compressed message (MS-SMB2 2.2.42).
	ProtocolCompression ProtocolID = 0x424d53fc
)

// ProtocolOf reads the protocol identifier of a frame; it is 0, which is no
// protocol, for a frame of less than four bytes.
func ProtocolOf(frame []byte) ProtocolID {
	if len(frame) < 4 {
		return 0
	}
	return ProtocolID(binary.LittleEndian.Uint32(frame))
}

// Command is the command code of an SMB2 header (MS-SMB2 2.2.1).
type Command uint16

// The commands in the order of their codes.
const (
	CmdNegotiate      Command = 0x0000
	CmdSessionSetup   Command = 0x0001
	CmdLogoff         Command = 0x0002
	CmdTreeConnect    Command = 0x0003
	CmdTreeDisconnect Command = 0x0004
	CmdCreate         Command = 0x0005
	CmdClose          Command = 0x0006
	CmdFlush          Command = 0x0007
	CmdRead           Command = 0x0008
	CmdWrite          Command = 0x0009
	CmdLock           Command = 0x000a
	CmdIoctl          Command = 0x000b
	CmdCancel         Command = 0x000c
	CmdEcho           Command = 0x000d
	CmdQueryDirectory Command = 0x000e
	CmdChangeNotify   Command = 0x000f
	CmdQueryInfo      Command = 0x0010
	CmdSetInfo        Command = 0x0011
	CmdOplockBreak    Command = 0x0012

	// NumCommands is one more than the highest command code, the size of a
	// table of commands.
	NumCommands = 0x0013
)

var commandNames = [NumCommands]string{
	"NEGOTIATE", "SESSION_SETUP", "LOGOFF", "TREE_CONNECT", "TREE_DISCONNECT",
	"CREATE", "CLOSE", "FLUSH", "READ", "WRITE", "LOCK", "IOCTL", "CANCEL",
	"ECHO", "QUERY_DIRECTORY", "CHANGE_NOTIFY", "QUERY_INFO", "SET_INFO",
	"OPLOCK_BREAK",
}

// String is the name of the specification without its SMB2 prefix, or UNKNOWN.
// The set of results is bounded, so it may serve as a metric label.
func (c Command) String() string {
	if int(c) < len(commandNames) {
		return commandNames[c]
	}
	return "UNKNOWN"
}

// The flags of a header (MS-SMB2 2.2.1.1).
const (
	// FlagServerToRedir marks a response.
	FlagServerToRedir uint32 = 0x00000001
	// FlagAsync says that the header carries an AsyncID in place of a TreeID.
	FlagAsync uint32 = 0x00000002
	// FlagRelated says that the message takes its ids from the one before it.
	FlagRelated uint32 = 0x00000004
	// FlagSigned says that Signature holds a signature.
	FlagSigned uint32 = 0x00000008
	// FlagPriorityMask covers the three bits of the I/O priority (3.1.1).
	FlagPriorityMask uint32 = 0x00000070
	// FlagPriorityShift is the distance of the priority from bit 0.
	FlagPriorityShift = 4
	// FlagDFS says that the path of a request is a DFS path.
	FlagDFS uint32 = 0x10000000
	// FlagReplay marks a request that may have been carried out before.
	FlagReplay uint32 = 0x20000000
)

// Offsets into a header for those who sign, chain or patch raw bytes.
const (
	// HeaderNextCommandOffset is where NextCommand stands.
	HeaderNextCommandOffset = 20
	// HeaderFlagsOffset is where Flags stands.
	HeaderFlagsOffset = 16
	// HeaderSignatureOffset is where the 16 bytes of Signature stand.
	HeaderSignatureOffset = 48
)

// Header is the SMB2 packet header in both of its forms, ASYNC (MS-SMB2
// 2.2.1.1) and SYNC (2.2.1.2); FlagAsync tells which. It has no pointers, so a
// copy is independent of the message.
type Header struct {
	CreditCharge uint16
	// Status is the NTSTATUS of a response. In a request of dialect 3.x its
	// lower half is the channel sequence; see ChannelSequence.
	Status  uint32
	Command Command
	// Credits is CreditRequest in a request and CreditResponse in a response.
	Credits uint16
	Flags   uint32
	// NextCommand is the distance in bytes to the next header of a compound,
	// 0 in the last one. The decoder does not check it.
	NextCommand uint32
	MessageID   uint64
	// AsyncID is meaningful with FlagAsync only, and 0 otherwise.
	AsyncID uint64
	// ProcessID is the Reserved field of the SYNC form. Old clients put a
	// process id there and servers echo it. It is 0 with FlagAsync.
	ProcessID uint32
	// TreeID is meaningful without FlagAsync only, and 0 with it.
	TreeID    uint32
	SessionID uint64
	Signature [16]byte
}

// Decode reads the header at the start of msg. It fails with ErrTruncated when
// msg is shorter than HeaderSize, and with ErrMalformed when protocol or
// structure size are not those of SMB2.
func (h *Header) Decode(msg []byte) error {
	if len(msg) < HeaderSize {
		return ErrTruncated
	}
	b := msg[:HeaderSize]
	le := binary.LittleEndian
	if ProtocolID(le.Uint32(b)) != ProtocolSMB2 || le.Uint16(b[4:]) != HeaderSize {
		return ErrMalformed
	}
	h.CreditCharge = le.Uint16(b[6:])
	h.Status = le.Uint32(b[8:])
	h.Command = Command(le.Uint16(b[12:]))
	h.Credits = le.Uint16(b[14:])
	h.Flags = le.Uint32(b[16:])
	h.NextCommand = le.Uint32(b[20:])
	h.MessageID = le.Uint64(b[24:])
	h.AsyncID, h.ProcessID, h.TreeID = 0, 0, 0
	if h.Flags&FlagAsync != 0 {
		h.AsyncID = le.Uint64(b[32:])
	} else {
		h.ProcessID = le.Uint32(b[32:])
		h.TreeID = le.Uint32(b[36:])
	}
	h.SessionID = le.Uint64(b[40:])
	copy(h.Signature[:], b[48:])
	return nil
}

// Put writes the header into dst[:HeaderSize] and panics when dst is shorter,
// as dst is the server's own buffer and never sized by a peer.
func (h *Header) Put(dst []byte) {
	b := dst[:HeaderSize]
	le := binary.LittleEndian
	le.PutUint32(b, uint32(ProtocolSMB2))
	le.PutUint16(b[4:], HeaderSize)
	le.PutUint16(b[6:], h.CreditCharge)
	le.PutUint32(b[8:], h.Status)
	le.PutUint16(b[12:], uint16(h.Command))
	le.PutUint16(b[14:], h.Credits)
	le.PutUint32(b[16:], h.Flags)
	le.PutUint32(b[20:], h.NextCommand)
	le.PutUint64(b[24:], h.MessageID)
	if h.Flags&FlagAsync != 0 {
		le.PutUint64(b[32:], h.AsyncID)
	} else {
		le.PutUint32(b[32:], h.ProcessID)
		le.PutUint32(b[36:], h.TreeID)
	}
	le.PutUint64(b[40:], h.SessionID)
	copy(b[48:], h.Signature[:])
}

// Append appends the header, HeaderSize bytes, to dst.
func (h *Header) Append(dst []byte) []byte {
	dst = AppendZeros(dst, HeaderSize)
	h.Put(dst[len(dst)-HeaderSize:])
	return dst
}

// IsResponse reports FlagServerToRedir.
func (h *Header) IsResponse() bool { return h.Flags&FlagServerToRedir != 0 }

// IsAsync reports FlagAsync.
func (h *Header) IsAsync() bool { return h.Flags&FlagAsync != 0 }

// IsRelated reports FlagRelated.
func (h *Header) IsRelated() bool { return h.Flags&FlagRelated != 0 }

// IsSigned reports FlagSigned.
func (h *Header) IsSigned() bool { return h.Flags&FlagSigned != 0 }

// ChannelSequence is the channel sequence of a request of dialect 3.x
// (MS-SMB2 2.2.1.2), which stands where a response has its status.
func (h *Header) ChannelSequence() uint16 { return uint16(h.Status) }
