package smb

import (
	"slices"

	"lessor/smb/secdesc"
	"lessor/vfs"
)

// Clients of Apple see the mode and the owners of Unix in an access list, as entries that
// deny nothing to SIDs of NFS, and set the mode by such an entry.

func isNFS(s secdesc.SID) bool {
	return s.Authority() == nfsAuthority && s.Count() == 3 && s.Sub(0) == nfsRID
}

// withNFS is a descriptor with the entries for mode and owners; d is not changed.
func withNFS(d *secdesc.Descriptor, at *vfs.Attr) *secdesc.Descriptor {
	if d.DACL == nil {
		return d // no list grants everything; one with entries would not
	}
	out := d.Clone()
	out.DACL.ACEs = slices.DeleteFunc(out.DACL.ACEs, func(a secdesc.ACE) bool { return isNFS(a.SID) })
	for kind, n := range map[uint32]uint32{unixMode: uint32(macMode(at)), unixUser: at.UID, unixGroup: at.GID} {
		out.DACL.ACEs = append(out.DACL.ACEs, secdesc.Deny(secdesc.NewSID(nfsAuthority, nfsRID, kind, n), 0, 0))
	}
	return out
}

// withoutNFS takes the entries for mode and owners out of a descriptor that a client sets,
// and returns the mode if it differs from what the file has. A list that had nothing
// else is left out of info: it is only about the mode.
func withoutNFS(d *secdesc.Descriptor, info uint32, at *vfs.Attr) (out *secdesc.Descriptor, rest uint32, set vfs.SetAttr) {
	if d.DACL == nil || info&secdesc.DACLInformation == 0 {
		return d, info, set
	}
	out, rest = d.Clone(), info
	for _, a := range d.DACL.ACEs {
		if mode, ok := unixNumber(a.SID, unixMode); ok && isNFS(a.SID) && mode&modeBits != at.Mode&modeBits {
			set.Mask, set.Mode = vfs.SetMode, at.Mode&^modeBits|mode&modeBits
		}
	}
	out.DACL.ACEs = slices.DeleteFunc(out.DACL.ACEs, func(a secdesc.ACE) bool { return isNFS(a.SID) })
	if len(out.DACL.ACEs) == 0 && len(d.DACL.ACEs) > 0 {
		rest &^= secdesc.DACLInformation
	}
	return out, rest, set
}

// modeBits are those that a client may change by an entry of a list: not those to run a
// file as somebody else.
const modeBits = 0o777

// macMode is st_mode: the permission bits and the type of the file.
func macMode(at *vfs.Attr) uint16 {
	const (
		directory = 0o040000
		regular   = 0o100000
		symlink   = 0o120000
	)
	m := uint16(at.Mode & 0o7777)
	switch at.Type {
	case vfs.TypeDirectory:
		return m | directory
	case vfs.TypeSymlink:
		return m | symlink
	}
	return m | regular
}
