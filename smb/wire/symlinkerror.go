package wire

const (
	symlinkErrorTag   = 0x4c4d5953
	reparseTagSymlink = 0xa000000c
)

// SymlinkFlagRelative in the Flags of a SymlinkErrorResponse says that the
// target counts from the directory of the link.
const SymlinkFlagRelative uint32 = 0x00000001

// SymlinkErrorResponse is the error data of STATUS_STOPPED_ON_SYMLINK (MS-SMB2
// 2.2.2.2.1).
type SymlinkErrorResponse struct {
	// UnparsedPathLength is the length in bytes, in UTF-16, of what follows
	// the link in the requested path.
	UnparsedPathLength uint16
	SubstituteName     string
	PrintName          string
	// Flags is 0 or SymlinkFlagRelative.
	Flags uint32
}

// Decode reads the payload of an error response.
func (s *SymlinkErrorResponse) Decode(data []byte) error {
	r := NewReader(data, 0)
	r.len32()
	if r.U32() != symlinkErrorTag || r.U32() != reparseTagSymlink {
		r.Fail(ErrMalformed)
	}
	r.Skip(2)
	s.UnparsedPathLength = r.U16()
	substituteOffset, substituteLength := int(r.U16()), int(r.U16())
	printOffset, printLength := int(r.U16()), int(r.U16())
	s.Flags = r.U32()
	buffer := r.Offset()
	s.SubstituteName = r.UTF16At(buffer+substituteOffset, substituteLength)
	s.PrintName = r.UTF16At(buffer+printOffset, printLength)
	return r.Err()
}

// Append appends the payload of an error response. Both names together must be
// shorter than 32 Ki code units.
func (s *SymlinkErrorResponse) Append(dst []byte) []byte {
	const afterLength, afterReparseLength = 24, 12
	substituteLen, printLen := UTF16Len(s.SubstituteName), UTF16Len(s.PrintName)
	dst = AppendU32(dst, uint32(afterLength+substituteLen+printLen))
	dst = AppendU32(dst, symlinkErrorTag)
	dst = AppendU32(dst, reparseTagSymlink)
	dst = AppendU16(dst, uint16(afterReparseLength+substituteLen+printLen))
	dst = AppendU16(dst, s.UnparsedPathLength)
	dst = AppendU16(dst, 0)
	dst = AppendU16(dst, uint16(substituteLen))
	dst = AppendU16(dst, uint16(substituteLen))
	dst = AppendU16(dst, uint16(printLen))
	dst = AppendU32(dst, s.Flags)
	dst = AppendUTF16(dst, s.SubstituteName)
	return AppendUTF16(dst, s.PrintName)
}
