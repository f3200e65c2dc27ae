package secdesc

// Access rights of files and directories (MS-SMB2 2.2.13.1, MS-DTYP 2.4.3).
// Where a bit has a second meaning on directories, both names are given.
const (
	FileReadData        uint32 = 0x00000001
	FileListDirectory   uint32 = 0x00000001
	FileWriteData       uint32 = 0x00000002
	FileAddFile         uint32 = 0x00000002
	FileAppendData      uint32 = 0x00000004
	FileAddSubdirectory uint32 = 0x00000004
	FileReadEA          uint32 = 0x00000008
	FileWriteEA         uint32 = 0x00000010
	FileExecute         uint32 = 0x00000020
	FileTraverse        uint32 = 0x00000020
	FileDeleteChild     uint32 = 0x00000040
	FileReadAttributes  uint32 = 0x00000080
	FileWriteAttributes uint32 = 0x00000100
	Delete              uint32 = 0x00010000
	ReadControl         uint32 = 0x00020000
	WriteDAC            uint32 = 0x00040000
	WriteOwner          uint32 = 0x00080000
	Synchronize         uint32 = 0x00100000

	// AccessSystemSecurity reads and writes the SACL. No entry of a DACL can
	// grant it, only PrivSecurity.
	AccessSystemSecurity uint32 = 0x01000000
	// MaximumAccess (MAXIMUM_ALLOWED) asks for whatever the descriptor gives.
	MaximumAccess uint32 = 0x02000000

	GenericAll     uint32 = 0x10000000
	GenericExecute uint32 = 0x20000000
	GenericWrite   uint32 = 0x40000000
	GenericRead    uint32 = 0x80000000
)

// What the generic rights mean for a file or directory.
const (
	FileGenericRead    uint32 = 0x00120089
	FileGenericWrite   uint32 = 0x00120116
	FileGenericExecute uint32 = 0x001200a0
	FileAllAccess      uint32 = 0x001f01ff
)

const genericMask = GenericAll | GenericExecute | GenericWrite | GenericRead

// MapGeneric replaces the generic bits of mask by the rights of a file that
// they stand for; all other bits stay.
func MapGeneric(mask uint32) uint32 {
	if mask&genericMask == 0 {
		return mask
	}
	out := mask &^ genericMask
	if mask&GenericRead != 0 {
		out |= FileGenericRead
	}
	if mask&GenericWrite != 0 {
		out |= FileGenericWrite
	}
	if mask&GenericExecute != 0 {
		out |= FileGenericExecute
	}
	if mask&GenericAll != 0 {
		out |= FileAllAccess
	}
	return out
}
