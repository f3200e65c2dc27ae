package vfs

// ACLTag says whom an entry of a POSIX ACL is about, with the values that Linux
// gives them.
type ACLTag uint16

// The tags of a POSIX ACL (POSIX.1e draft 17, 23.1.2).
const (
	ACLUserObj  ACLTag = 0x01 // the owner of the file
	ACLUser     ACLTag = 0x02 // the user with the ID
	ACLGroupObj ACLTag = 0x04 // the group of the file
	ACLGroup    ACLTag = 0x08 // the group with the ID
	ACLMask     ACLTag = 0x10 // the most that all but owner and others get
	ACLOther    ACLTag = 0x20 // everybody else
)

// ACLEntry is one entry of a POSIX ACL.
type ACLEntry struct {
	Tag  ACLTag
	Perm uint8  // 4 to read, 2 to write, 1 to execute or search
	ID   uint32 // of ACLUser and ACLGroup
}

// ACLOfMode is the POSIX ACL of a file that has none beside its permission bits.
func ACLOfMode(mode uint32) []ACLEntry {
	return []ACLEntry{
		{Tag: ACLUserObj, Perm: uint8(mode >> 6 & 7)},
		{Tag: ACLGroupObj, Perm: uint8(mode >> 3 & 7)},
		{Tag: ACLOther, Perm: uint8(mode & 7)},
	}
}
