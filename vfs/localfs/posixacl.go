//go:build linux

package localfs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// POSIX ACLs, and what tells that they or the permission bits were changed by
// somebody else after a security descriptor was stored.

// posixACLName is the attribute in which the kernel keeps the access ACL of a file.
const posixACLName = "system.posix_acl_access"

var (
	xACLAccess  = newXname(posixACLName)
	xACLDefault = newXname("system.posix_acl_default")
)

// posixACLVersion is that of the layout in which the kernel gives an ACL: a version
// u32, and of each entry tag u16, permissions u16, id u32.
const posixACLVersion = 2

// parsePosixACL takes the value of a system.posix_acl_* attribute apart.
func parsePosixACL(b []byte) ([]vfs.ACLEntry, error) {
	if len(b) < 4 || (len(b)-4)%8 != 0 || binary.LittleEndian.Uint32(b) != posixACLVersion {
		return nil, errBadLayout
	}
	acl := make([]vfs.ACLEntry, 0, (len(b)-4)/8)
	for b = b[4:]; len(b) > 0; b = b[8:] {
		acl = append(acl, vfs.ACLEntry{
			Tag:  vfs.ACLTag(binary.LittleEndian.Uint16(b)),
			Perm: uint8(binary.LittleEndian.Uint16(b[2:]) & 7),
			ID:   binary.LittleEndian.Uint32(b[4:]),
		})
	}
	return acl, nil
}

// readPosixACL reads one of the two ACLs; nil if it is not there.
func (n *node) readPosixACL(x xname) ([]vfs.ACLEntry, error) {
	b, e := readXattr(n.fd, n.isPath(), x)
	switch e {
	case 0:
		return parsePosixACL(b)
	case syscall.ENODATA, syscall.EOPNOTSUPP:
		return nil, nil
	}
	return nil, errnoErr(e)
}

// PosixACL returns the access ACL.
func (n *node) PosixACL(context.Context, *vfs.Cred) ([]vfs.ACLEntry, error) {
	if !n.keepsXattr() {
		return nil, nil
	}
	return n.readPosixACL(xACLAccess)
}

// aclState is a hash over all that chmod, chown and setfacl can change, in the way in
// which Samba's vfs_acl_xattr makes it (smb_acl_wrapper of its smb_acl.idl, in NDR),
// so that each of the two notices what was changed since the other has stored a
// descriptor.
func (n *node) aclState() (sum [sha256.Size]byte, err error) {
	var st unix.Statx_t
	if e := statFD(n.fd, &st); e != 0 {
		return sum, errnoErr(e)
	}
	access, err := n.readPosixACL(xACLAccess)
	if err != nil {
		return sum, err
	}
	if access == nil {
		access = vfs.ACLOfMode(uint32(st.Mode))
	}
	dir := n.typ == vfs.TypeDirectory
	var def []vfs.ACLEntry
	if dir {
		if def, err = n.readPosixACL(xACLDefault); err != nil {
			return sum, err
		}
	}
	return stateOf(st.Uid, st.Gid, st.Mode, access, dir, def), nil
}

// stateOf is the hash; mode has the type of the file, too.
func stateOf(uid, gid uint32, mode uint16, access []vfs.ACLEntry, dir bool, def []vfs.ACLEntry) [sha256.Size]byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, 0x20000) // pointer to the access ACL
	if dir {
		b = le.AppendUint32(b, 0x20004) // pointer to the default ACL
	} else {
		b = le.AppendUint32(b, 0)
	}
	b = le.AppendUint64(b, uint64(uid))
	b = le.AppendUint64(b, uint64(gid))
	b = le.AppendUint32(b, uint32(mode))
	b = appendNDRACL(b, access)
	if dir {
		b = appendNDRACL(b, def)
	}
	return sha256.Sum256(b)
}

// sambaTags are the numbers that Samba has for the tags.
var sambaTags = map[vfs.ACLTag]uint16{
	vfs.ACLUser: 1, vfs.ACLUserObj: 2, vfs.ACLGroup: 3, vfs.ACLGroupObj: 4, vfs.ACLOther: 5, vfs.ACLMask: 6,
}

// appendNDRACL appends a smb_acl_t: the number of entries as the size of the array
// and, aligned to 8, once more; 0; the entries. Each is aligned to 8 and has its tag
// twice, as itself and to select the arm of a union, which is an id or nothing; and
// its permissions.
func appendNDRACL(b []byte, acl []vfs.ACLEntry) []byte {
	le := binary.LittleEndian
	b = le.AppendUint32(align(b, 4), uint32(len(acl)))
	b = le.AppendUint32(align(b, 8), uint32(len(acl)))
	b = le.AppendUint32(b, 0)
	for _, e := range acl {
		tag := sambaTags[e.Tag]
		b = le.AppendUint16(align(b, 8), tag)
		b = le.AppendUint16(b, tag)
		if e.Tag == vfs.ACLUser || e.Tag == vfs.ACLGroup {
			b = le.AppendUint64(align(b, 8), uint64(e.ID))
		}
		b = le.AppendUint32(b, uint32(e.Perm))
	}
	return b
}

// align appends zeros up to a multiple of n.
func align(b []byte, n int) []byte {
	for len(b)%n != 0 {
		b = append(b, 0)
	}
	return b
}
