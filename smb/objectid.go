package smb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Object ids (MS-FSCC 2.1.3, MS-FSA 2.1.5.10.1, .2, .7, .33, .34). They are random, so
// that no two files get the same one, and stored with the file. Files cannot be opened by
// them: SMB has FILE_OPEN_BY_FILE_ID refused (MS-SMB2 3.3.5.9).

// volumeObjectID is made of the ids of server and volume.
func (r *request) volumeObjectID(sh *share) wire.GUID {
	id := r.srv().guid
	volume := binary.LittleEndian.Uint64(id[8:]) ^ sh.volume
	binary.LittleEndian.PutUint64(id[8:], volume)
	return id
}

// objectIDs reports whether the file can have an object id.
func (o *open) objectIDs() bool {
	return o.share().caps.Has(vfs.CapObjectID) && o.grip.base.Type() != vfs.TypeSymlink && o.grip.base.Type() != vfs.TypeOther
}

// createOrGetObjectID carries out FSCTL_CREATE_OR_GET_OBJECT_ID.
func (r *request) createOrGetObjectID(o *open, c *control) error { return r.objectID(o, c, true) }

// getObjectID carries out FSCTL_GET_OBJECT_ID.
func (r *request) getObjectID(o *open, c *control) error { return r.objectID(o, c, false) }

// objectID answers with the object id of a file, giving it one if it may.
func (r *request) objectID(o *open, c *control, create bool) error {
	switch {
	case !o.objectIDs():
		return errUnsupportedFsctl
	case c.room < vfs.ObjectIDSize:
		return ntstatus.InvalidParameter
	}
	id, err := o.grip.base.ObjectID(r.ctx(), o.cred())
	if err == nil && id == nil {
		if !create {
			return ntstatus.ObjectidNotFound
		}
		id, err = r.newObjectID(o)
	}
	if err != nil {
		return err
	}
	c.out(id)
	return nil
}

// newObjectID gives a file an object id, unless somebody else just has.
func (r *request) newObjectID(o *open) ([]byte, error) {
	if !r.tree.writable() || o.isPast() {
		return nil, ntstatus.MediaWriteProtected
	}
	id := wire.FileObjectIDBuffer{BirthVolumeID: r.volumeObjectID(o.share())}
	r.srv().random(id.ObjectID[:])
	id.BirthObjectID = id.ObjectID
	b := id.Append(nil)
	err := o.grip.base.SetObjectID(r.ctx(), o.cred(), b, false)
	if errors.Is(err, fs.ErrExist) {
		return o.grip.base.ObjectID(r.ctx(), o.cred())
	}
	return b, err
}

// setObjectID refuses FSCTL_SET_OBJECT_ID as NTFS does for all but those who restore a
// volume from a backup. Those neither can choose an id here: nobody knows whether another
// file has it.
func (r *request) setObjectID(o *open, c *control) error {
	switch {
	case !o.objectIDs():
		return errUnsupportedFsctl
	case len(c.in) != vfs.ObjectIDSize:
		return ntstatus.InvalidParameter
	}
	return ntstatus.AccessDenied
}

// setObjectIDExtended carries out FSCTL_SET_OBJECT_ID_EXTENDED: all but the id itself may
// be changed.
func (r *request) setObjectIDExtended(o *open, c *control) error {
	const idSize = 16
	switch {
	case !o.objectIDs():
		return errUnsupportedFsctl
	case len(c.in) != vfs.ObjectIDSize-idSize:
		return ntstatus.InvalidParameter
	}
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	id, err := o.grip.base.ObjectID(r.ctx(), o.cred())
	switch {
	case err != nil:
		return err
	case id == nil:
		return ntstatus.ObjectNameNotFound
	}
	return o.grip.base.SetObjectID(r.ctx(), o.cred(), append(bytes.Clone(id[:idSize]), c.in...), true)
}

// deleteObjectID carries out FSCTL_DELETE_OBJECT_ID.
func (r *request) deleteObjectID(o *open, _ *control) error {
	if !o.objectIDs() {
		return errUnsupportedFsctl
	}
	if err := o.canAny(wire.AccessWriteData | wire.AccessWriteAttributes); err != nil {
		return err
	}
	return o.grip.base.SetObjectID(r.ctx(), o.cred(), nil, true)
}
