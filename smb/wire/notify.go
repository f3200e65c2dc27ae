package wire

// ChangeNotifyWatchTree in the Flags of a CHANGE_NOTIFY asks for changes below
// subdirectories as well (MS-SMB2 2.2.35).
const ChangeNotifyWatchTree uint16 = 0x0001

// Bits of the CompletionFilter of a CHANGE_NOTIFY (MS-SMB2 2.2.35).
const (
	NotifyChangeFileName    uint32 = 0x00000001
	NotifyChangeDirName     uint32 = 0x00000002
	NotifyChangeAttributes  uint32 = 0x00000004
	NotifyChangeSize        uint32 = 0x00000008
	NotifyChangeLastWrite   uint32 = 0x00000010
	NotifyChangeLastAccess  uint32 = 0x00000020
	NotifyChangeCreation    uint32 = 0x00000040
	NotifyChangeEA          uint32 = 0x00000080
	NotifyChangeSecurity    uint32 = 0x00000100
	NotifyChangeStreamName  uint32 = 0x00000200
	NotifyChangeStreamSize  uint32 = 0x00000400
	NotifyChangeStreamWrite uint32 = 0x00000800
	NotifyChangeAll         uint32 = 0x00000fff
)

// Action of a FileNotifyInformation (MS-FSCC 2.7.1).
const (
	ActionAdded              uint32 = 0x00000001
	ActionRemoved            uint32 = 0x00000002
	ActionModified           uint32 = 0x00000003
	ActionRenamedOldName     uint32 = 0x00000004
	ActionRenamedNewName     uint32 = 0x00000005
	ActionAddedStream        uint32 = 0x00000006
	ActionRemovedStream      uint32 = 0x00000007
	ActionModifiedStream     uint32 = 0x00000008
	ActionRemovedByDelete    uint32 = 0x00000009
	ActionIDNotTunnelled     uint32 = 0x0000000a
	ActionTunnelledIDCollide uint32 = 0x0000000b
)

const (
	changeNotifyRequestSize = 32
	notifyEntrySize         = 12
)

// ChangeNotifyRequest is the SMB2 CHANGE_NOTIFY request (MS-SMB2 2.2.35).
type ChangeNotifyRequest struct {
	Flags uint16
	// OutputBufferLength is the most bytes that the response may carry.
	OutputBufferLength uint32
	FileID             FileID
	CompletionFilter   uint32
}

// Decode reads the message msg, header included.
func (m *ChangeNotifyRequest) Decode(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(changeNotifyRequestSize)
	m.Flags = r.U16()
	m.OutputBufferLength = r.U32()
	m.FileID = r.FileID()
	m.CompletionFilter = r.U32()
	r.Skip(4)
	return r.Err()
}

// Append appends the body of the message.
func (m *ChangeNotifyRequest) Append(dst []byte) []byte {
	dst = AppendU16(dst, changeNotifyRequestSize)
	dst = AppendU16(dst, m.Flags)
	dst = AppendU32(dst, m.OutputBufferLength)
	dst = AppendFileID(dst, m.FileID)
	dst = AppendU32(dst, m.CompletionFilter)
	return AppendU32(dst, 0)
}

// ChangeNotifyResponse is the SMB2 CHANGE_NOTIFY response (MS-SMB2 2.2.36).
type ChangeNotifyResponse struct {
	// Buffer is a list for DecodeNotify, empty when the changes did not fit.
	// It aliases the message when decoded.
	Buffer []byte
}

// Decode reads the message msg, header included.
func (m *ChangeNotifyResponse) Decode(msg []byte) (err error) {
	m.Buffer, err = decodeBuffer(msg)
	return err
}

// Append appends the body of the message.
func (m *ChangeNotifyResponse) Append(dst []byte) []byte { return appendBuffer(dst, m.Buffer) }

// FileNotifyInformation is one change, FILE_NOTIFY_INFORMATION (MS-FSCC 2.7.1).
type FileNotifyInformation struct {
	Action uint32
	// FileName is relative to the watched directory, with backslashes.
	FileName string
}

// AppendNotify appends a change to a list made with NotifyAlign. It returns
// false, and leaves the list as it was, when the change does not fit.
func (l *EntryList) AppendNotify(action uint32, fileName string) bool {
	nameLen := UTF16Len(fileName)
	if !l.begin(notifyEntrySize + nameLen) {
		return false
	}
	l.Bytes = AppendU32(l.Bytes, 0)
	l.Bytes = AppendU32(l.Bytes, action)
	l.Bytes = AppendU32(l.Bytes, uint32(nameLen))
	l.Bytes = AppendUTF16(l.Bytes, fileName)
	return true
}

// DecodeNotify reads the buffer of a CHANGE_NOTIFY response.
func DecodeNotify(b []byte) ([]FileNotifyInformation, error) {
	var list []FileNotifyInformation
	it := entries(b, NotifyAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		e := FileNotifyInformation{Action: r.U32(), FileName: r.UTF16(r.len32())}
		if r.Err() != nil {
			return nil, r.Err()
		}
		list = append(list, e)
	}
	return list, it.err
}
