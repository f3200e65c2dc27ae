package wire

// Reparse tags (MS-FSCC 2.1.2.1).
const (
	ReparseTagMountPoint   uint32 = 0xa0000003
	ReparseTagDFS          uint32 = 0x8000000a
	ReparseTagDFSR         uint32 = 0x80000012
	ReparseTagDedup        uint32 = 0x80000013
	ReparseTagNFS          uint32 = 0x80000014
	ReparseTagAppExecLink  uint32 = 0x8000001b
	ReparseTagSymlink      uint32 = reparseTagSymlink
	ReparseTagLxSymlink    uint32 = 0xa000001d
	ReparseTagAFUnix       uint32 = 0x80000023
	ReparseTagLxFifo       uint32 = 0x80000024
	ReparseTagLxChr        uint32 = 0x80000025
	ReparseTagLxBlk        uint32 = 0x80000026
	reparseTagMicrosoftBit uint32 = 0x80000000
)

// MaxReparseDataSize is the most bytes that a reparse point may take, its header
// included (MS-FSCC 2.1.2.2).
const MaxReparseDataSize = 16384

const reparseHeaderSize = 8

// ReparsePoint is a reparse point of any kind, the input of FsctlSetReparsePoint
// and FsctlDeleteReparsePoint and the output of FsctlGetReparsePoint (MS-FSCC
// 2.1.2.2 and 2.1.2.3).
type ReparsePoint struct {
	Tag uint32
	// GUID is present with tags that are not Microsoft's, and 0 with others.
	GUID GUID
	// Data is what the owner of the tag understands, at most 64 KiB. It aliases
	// the message.
	Data []byte
}

// HasGUID reports whether the tag, not being one of Microsoft's, is completed
// by a GUID.
func (m *ReparsePoint) HasGUID() bool { return m.Tag&reparseTagMicrosoftBit == 0 }

// Decode reads the buffer of the IOCTL. The length in it must be that of the
// data exactly, else the buffer is refused; a server then answers
// STATUS_IO_REPARSE_DATA_INVALID.
func (m *ReparsePoint) Decode(b []byte) error {
	r := NewReader(b, 0)
	m.Tag = r.U32()
	n := int(r.U16())
	r.Skip(2)
	m.GUID = GUID{}
	if m.HasGUID() {
		m.GUID = r.GUID()
	}
	m.Data = r.Bytes(n)
	return r.end()
}

// Append appends the buffer of the IOCTL.
func (m *ReparsePoint) Append(dst []byte) []byte {
	dst = AppendU32(dst, m.Tag)
	dst = AppendU16(dst, uint16(len(m.Data)))
	dst = AppendU16(dst, 0)
	if m.HasGUID() {
		dst = append(dst, m.GUID[:]...)
	}
	return append(dst, m.Data...)
}

// SymlinkReparse is the whole buffer of a symbolic link (MS-FSCC 2.1.2.4).
type SymlinkReparse struct {
	// SubstituteName is the target, with backslashes; an absolute one begins
	// with \??\. PrintName is for display.
	SubstituteName string
	PrintName      string
	// Flags is 0 or SymlinkFlagRelative.
	Flags uint32
}

// Decode reads the buffer of the IOCTL, its tag included.
func (m *SymlinkReparse) Decode(b []byte) error {
	var p ReparsePoint
	if err := p.Decode(b); err != nil {
		return err
	}
	if p.Tag != ReparseTagSymlink {
		return ErrMalformed
	}
	r := NewReader(p.Data, 0)
	substituteOffset, substituteLength := int(r.U16()), int(r.U16())
	printOffset, printLength := int(r.U16()), int(r.U16())
	m.Flags = r.U32()
	names := r.Offset()
	m.SubstituteName = r.UTF16At(names+substituteOffset, substituteLength)
	m.PrintName = r.UTF16At(names+printOffset, printLength)
	return r.Err()
}

// Append appends the buffer of the IOCTL. Both names together must be shorter
// than 32 Ki code units, less 10.
func (m *SymlinkReparse) Append(dst []byte) []byte {
	at := len(dst)
	substituteLen, printLen := UTF16Len(m.SubstituteName), UTF16Len(m.PrintName)
	dst = AppendU32(AppendU32(dst, ReparseTagSymlink), 0)
	dst = AppendU16(dst, 0)
	dst = AppendU16(dst, uint16(substituteLen))
	dst = AppendU16(dst, uint16(substituteLen))
	dst = AppendU16(dst, uint16(printLen))
	dst = AppendU32(dst, m.Flags)
	dst = AppendUTF16(dst, m.SubstituteName)
	dst = AppendUTF16(dst, m.PrintName)
	putU16(dst[at+4:], uint16(len(dst)-at-reparseHeaderSize))
	return dst
}

// Type of an NfsReparse (MS-FSCC 2.1.2.6).
const (
	NfsSpecialLink uint64 = 0x00000000014b4e4c
	NfsSpecialChr  uint64 = 0x0000000000524843
	NfsSpecialBlk  uint64 = 0x00000000004b4c42
	NfsSpecialFifo uint64 = 0x000000004f464946
	NfsSpecialSock uint64 = 0x000000004b434f53
)

// NfsReparse is the whole buffer of a special file as the server for NFS of
// Windows stores it (MS-FSCC 2.1.2.6), and as Linux clients understand it.
type NfsReparse struct {
	Type uint64
	// Target is that of an NfsSpecialLink, with slashes, and else empty.
	Target string
	// Major and Minor number those of NfsSpecialChr and NfsSpecialBlk.
	Major uint32
	Minor uint32
}

// Decode reads the buffer of the IOCTL, its tag included.
func (m *NfsReparse) Decode(b []byte) error {
	var p ReparsePoint
	if err := p.Decode(b); err != nil {
		return err
	}
	if p.Tag != ReparseTagNFS {
		return ErrMalformed
	}
	r := NewReader(p.Data, 0)
	*m = NfsReparse{Type: r.U64()}
	switch m.Type {
	case NfsSpecialLink:
		m.Target = r.UTF16(r.Len())
	case NfsSpecialChr, NfsSpecialBlk:
		m.Major = r.U32()
		m.Minor = r.U32()
	}
	return r.Err()
}

// Append appends the buffer of the IOCTL.
func (m *NfsReparse) Append(dst []byte) []byte {
	at := len(dst)
	dst = AppendU32(AppendU32(dst, ReparseTagNFS), 0)
	dst = AppendU64(dst, m.Type)
	switch m.Type {
	case NfsSpecialLink:
		dst = AppendUTF16(dst, m.Target)
	case NfsSpecialChr, NfsSpecialBlk:
		dst = AppendU32(AppendU32(dst, m.Major), m.Minor)
	}
	putU16(dst[at+4:], uint16(len(dst)-at-reparseHeaderSize))
	return dst
}
