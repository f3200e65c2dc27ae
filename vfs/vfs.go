package vfs

import (
	"context"
)

// FS is one volume, or the part of one below a directory.
type FS interface {
	// Root returns a new reference to the top directory. The caller releases it.
	Root() Node
	// ByID returns a new reference to a file by its ID, if CapByID is present.
	// Errors: ErrStale if no such file exists or it lies outside of the root.
	ByID(ctx context.Context, id NodeID) (Node, error)
	// Info describes the volume of the root as it is now.
	Info(ctx context.Context) (FSInfo, error)
	// Caps tells the abilities of the volume; they never change.
	Caps() Caps
	// Close gives back what the FS itself holds. Nodes and Handles must have
	// been given back before.
	Close() error
}

// Node is a reference to a file, directory, symbolic link or named stream. It
// is not a path: it denotes the same object after a rename, and after an unlink
// for as long as it is held.
//
// Methods that take a name act on the directory that the Node is, or fail with
// ErrNotDir. A name is one component, in the case as it is stored; finding a
// name without regard to case is the work of Lookup. Bad names answer
// ErrInvalidName, changes to a read-only volume ErrReadOnly.
type Node interface {
	// ID returns the identity of the file; for a stream, that of its file.
	ID() NodeID
	// Type returns the kind of the object; it never changes.
	Type() FileType
	// Attr returns the attributes as they are now. For a stream, Type, Size and
	// Alloc are the stream's own and the rest is the file's.
	Attr(ctx context.Context, cred *Cred) (Attr, error)
	// SetAttr applies a change of attributes. Fields are applied in the order
	// size, owner, mode, compression, DOS and birth, times, so that explicit times stand at the
	// end. It stops at the first error. Of a stream only the size is its own; the
	// rest goes to the file.
	// Errors: fs.ErrInvalid for a negative size, ErrIsDir for the size of a
	// directory, ErrTooLarge, ErrNoSpace.
	SetAttr(ctx context.Context, cred *Cred, set *SetAttr) error

	// Security returns the stored security descriptor, self-relative
	// (MS-DTYP 2.4.6), or nil if none was stored, or if it was and does not count any
	// more because of a setting of the implementation.
	Security(ctx context.Context, cred *Cred) ([]byte, error)
	// SetSecurity stores a self-relative security descriptor; nil removes it.
	SetSecurity(ctx context.Context, cred *Cred, sd []byte) error

	// PosixACL returns the access ACL of a file or directory in the order in which
	// the storage keeps it, or nil if there is none beside the permission bits.
	PosixACL(ctx context.Context, cred *Cred) ([]ACLEntry, error)

	// SetReparse makes a regular file or a directory a reparse point, or one no longer if
	// data is nil. Data is the whole structure of MS-FSCC 2.1.2.2, of at most MaxReparse bytes, and
	// is not looked into: what it means is the caller's affair, as the file stays one
	// with data, and the directory one that may have entries. Attr and Handle.EntryAttr return it.
	// Errors: errors.ErrUnsupported without CapReparse and for what is neither;
	// fs.ErrInvalid for data shorter than its fixed part; ErrTooLarge, ErrNoSpace.
	SetReparse(ctx context.Context, cred *Cred, data []byte) error

	// ObjectID returns the object id that was stored with a file or directory, or nil if
	// there is none. It is the file's alone: a copy of the file that has been made with
	// all that is stored with it has none. Needs CapObjectID.
	ObjectID(ctx context.Context, cred *Cred) ([]byte, error)
	// SetObjectID stores ObjectIDSize bytes; nil removes, also where there is nothing.
	// Without replace only the first of several calls succeeds. That no two files have
	// the same id is the caller's affair.
	// Errors: fs.ErrExist without replace; fs.ErrInvalid for another length;
	// errors.ErrUnsupported without CapObjectID and for what is neither a regular file
	// nor a directory; ErrNoSpace.
	SetObjectID(ctx context.Context, cred *Cred, id []byte, replace bool) error

	// Xattr returns the value of an extended attribute, whose name is matched
	// without regard to case. Names which the implementation uses for itself do
	// not exist here. Errors: fs.ErrNotExist.
	Xattr(ctx context.Context, cred *Cred, name string) ([]byte, error)
	// SetXattr stores the value, keeping the case of a name that exists; nil
	// removes, also where there is nothing. An empty value that is not nil is
	// stored. Errors: ErrInvalidName for a reserved name, ErrTooLarge, ErrNoSpace.
	SetXattr(ctx context.Context, cred *Cred, name string, value []byte) error
	// ListXattr returns the names of the extended attributes, sorted.
	ListXattr(ctx context.Context, cred *Cred) ([]string, error)

	// Streams lists the named data streams, sorted by name; the unnamed one is
	// not among them. A stream has none.
	Streams(ctx context.Context, cred *Cred) ([]StreamInfo, error)
	// Stream returns a new reference to a named data stream. The name is the
	// part between the colons, matched without regard to case. With create the
	// stream must not exist and is made empty.
	// Errors: fs.ErrNotExist, fs.ErrExist, ErrInvalidName, ErrNoSpace.
	Stream(ctx context.Context, cred *Cred, name string, create bool) (Node, error)
	// RemoveStream deletes a named stream. A Node or Handle of it that is still
	// held answers ErrStale or fs.ErrNotExist from then on.
	// Errors: fs.ErrNotExist.
	RemoveStream(ctx context.Context, cred *Cred, name string) error
	// RenameStream gives a named stream another name. Nodes and Handles of the
	// stream follow it if they were opened through the same FS. A change of case
	// alone is allowed. Errors: fs.ErrNotExist; fs.ErrExist if newName exists
	// and replace is false.
	RenameStream(ctx context.Context, cred *Cred, oldName, newName string, replace bool) error

	// Lookup returns a new reference to what path names, relative to this
	// directory, and the path as it is stored. A path is one or more names
	// joined by single '/'; it never begins or ends with one and has no "." or
	// ".."; the empty path is the Node itself and allowed for every type. The
	// whole path is tried first as it is; only then, with Fold or Form, name
	// by name. Symbolic links that leave the FS do not exist; whether those
	// inside are followed is the implementation's setting. The actual path keeps
	// the names of links, not of their targets.
	// Errors: fs.ErrNotExist if only the last component is missing,
	// ErrPathNotFound if an earlier one is, ErrNotDir if an earlier one is not a
	// directory, ErrInvalidName, ErrNameTooLong.
	Lookup(ctx context.Context, cred *Cred, path string, opts LookupOptions) (node Node, actual string, err error)
	// Create makes a new file or directory and returns a reference to it. It is
	// always exclusive. Errors: fs.ErrExist, ErrInvalidName, ErrNameTooLong,
	// ErrNoSpace, ErrStale if this directory was removed.
	Create(ctx context.Context, cred *Cred, name string, opts CreateOptions) (Node, error)
	// Link gives target, a file of the same FS, a further name here. With
	// replace a file of that name is replaced in one step.
	// Errors: fs.ErrExist, ErrIsDir if target or what would be replaced is a
	// directory, ErrCrossDevice.
	Link(ctx context.Context, cred *Cred, target Node, name string, replace bool) error
	// Rename moves oldName of this directory to newName of newDir in one step.
	// Without replace an existing newName answers fs.ErrExist, unless both names
	// are the same, which does nothing; a rename that changes only the case of a
	// name is not blocked by the old name. With replace a file takes the place of
	// a file and a directory that of an empty directory; ErrIsDir, ErrNotDir and
	// ErrNotEmpty tell the other cases. If both names are links of one file and
	// replace is true, the old name goes away.
	// Errors: fs.ErrNotExist if oldName is missing, fs.ErrInvalid if a directory
	// would go below itself, ErrCrossDevice.
	Rename(ctx context.Context, cred *Cred, oldName string, newDir Node, newName string, replace bool) error
	// Remove unlinks a file or symlink, or removes an empty directory.
	// Errors: fs.ErrNotExist, ErrNotEmpty.
	Remove(ctx context.Context, cred *Cred, name string) error
	// Symlink makes a symbolic link and returns a reference to it. The target
	// is stored as it is. Errors: fs.ErrExist.
	Symlink(ctx context.Context, cred *Cred, name, target string) (Node, error)
	// Readlink returns the target of a symbolic link; fs.ErrInvalid for others.
	Readlink(ctx context.Context, cred *Cred) (string, error)

	// Access asks whether the storage itself lets cred do all that want names; nil if it
	// does or does not care, fs.ErrPermission if not. Open, Create and the rest ask for
	// themselves.
	Access(ctx context.Context, cred *Cred, want Access) error
	// Open returns a Handle for data or, if this is a directory, for listing.
	// Errors: fs.ErrPermission, ErrIsDir if a directory is to be written,
	// errors.ErrUnsupported for TypeOther and TypeSymlink.
	Open(ctx context.Context, cred *Cred, mode OpenMode) (Handle, error)
	// Release gives the reference back. It is called exactly once, as the last
	// call on the Node; Handles stay good.
	Release()
}

// Handle is an open Node. Data methods of a directory answer ErrIsDir, listing
// methods of anything else ErrNotDir; a Handle that was not opened for writing
// refuses to with fs.ErrPermission, and likewise for reading.
type Handle interface {
	// ReadAt is io.ReaderAt: fewer bytes than asked for come with an error,
	// io.EOF at the end of file.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt is io.WriterAt; it grows the file, leaving a hole where nothing
	// was written. Errors: ErrNoSpace, ErrQuota, ErrTooLarge.
	WriteAt(p []byte, off int64) (int, error)
	// Truncate sets the end of file. Errors: fs.ErrInvalid if negative.
	Truncate(size int64) error
	// Sync returns once all completed writes, by whomever, and the attributes
	// needed to read them back are on stable storage. It works for directories,
	// whose entries it makes stable, and does not need a write mode.
	Sync(ctx context.Context) error
	// WriteError returns what has kept earlier writes, by whomever, from becoming
	// stable, if the storage knows of anything that this Handle was not told of, by
	// Sync or here. It writes nothing and waits for nothing, so nil promises nothing.
	// Errors: ErrNoSpace, ErrQuota, ErrReadOnly, ErrIO.
	WriteError() error
	// Alloc reserves, zeroes or frees n bytes from off on.
	// Errors: fs.ErrInvalid for a negative offset or length, ErrNoSpace,
	// errors.ErrUnsupported.
	Alloc(ctx context.Context, off, n int64, mode AllocMode) error
	// AllocatedRanges fills buf with the spans that may hold data within n bytes
	// from off on and before the end of file, ascending, clipped to that window
	// and never touching each other, and returns how many. If buf is full there
	// may be more: call again from the end of the last one. Where holes are
	// unknown the whole window is one span.
	AllocatedRanges(ctx context.Context, off, n int64, buf []Range) (int, error)
	// CopyFrom copies n bytes from src, a Handle of any FS, here, and returns how
	// many were copied; it stops early, without error, at the end of src.
	// Errors: those of reading src and of writing here; fs.ErrInvalid if both are
	// one file and the spans overlap, which takes a buffer of the caller's.
	CopyFrom(ctx context.Context, src Handle, srcOff, dstOff, n int64) (int64, error)
	// CloneFrom shares storage with src instead of copying. Offsets and length
	// must be multiples of the block size, or the length reach to the end of
	// src. Errors: errors.ErrUnsupported, ErrCrossDevice, fs.ErrInvalid.
	CloneFrom(ctx context.Context, src Handle, srcOff, dstOff, n int64) error

	// LockRange makes n bytes from off on, which need not exist, unlocked, locked
	// shared or locked exclusively by this Handle. The locks are those of the
	// storage: other programs are refused what conflicts with them, as this Handle
	// is refused what conflicts with theirs, and so are the Handles of one file
	// among each other. They are advice: reading and writing heed none.
	//
	// The call never waits. It replaces whatever this Handle held in the range, so
	// locks neither count nor stack, leaves alone what it holds outside of it, and
	// changes nothing if it fails. Close gives all of them back. A range that
	// reaches the last byte that a file can have, at 2^63-2, has no end; that of 0
	// bytes is nothing to do.
	// Errors: ErrRangeBusy; fs.ErrInvalid for a negative offset or length;
	// fs.ErrPermission if the storage wants more access to the file for such a
	// lock than can be had, while LockNone always works; ErrNoLocks; ErrIsDir;
	// errors.ErrUnsupported without CapRangeLocks, and for named streams.
	LockRange(ctx context.Context, off, n int64, mode LockMode) error

	// Lease gives this Handle the file to itself: whoever else opens it, or truncates
	// it by its name, waits from then on, or is answered ErrLeased where it does not
	// want to wait, until end is called, the Handle is closed, or the patience of the
	// storage ends. broken is called, once at most, when that has happened for the
	// first time; it must not block. end may be called at any time and several times,
	// even behind Close. A file that is open elsewhere, be it by another Handle or Node of
	// this FS, cannot be had: ErrBusy. Other errors: ErrBusy if this Handle has a lease already;
	// fs.ErrPermission if the storage gives leases to the owner of a file alone;
	// ErrIsDir; errors.ErrUnsupported without CapLeases, for named streams, and for a
	// Handle that neither reads nor writes.
	Lease(broken func()) (end func(), err error)

	// ReadDir fills buf with the next entries, without "." and "..", and returns
	// how many. It returns io.EOF, with 0 entries, at the end, and otherwise at
	// least one entry or an error. Entries which exist during the whole scan come
	// exactly once; those made or removed meanwhile may or may not come.
	ReadDir(ctx context.Context, cred *Cred, buf []DirEntry) (int, error)
	// Rewind starts the listing anew.
	Rewind() error
	// EntryAttr returns the attributes of an entry that ReadDir gave, without
	// following a symbolic link; callers filter by name before they pay for it.
	// Errors: fs.ErrNotExist if the entry is gone.
	EntryAttr(ctx context.Context, cred *Cred, e *DirEntry) (Attr, error)

	// Fd returns a descriptor fit for sendfile and true, or false if there is
	// none. The descriptor belongs to the Handle and dies with it.
	Fd() (uintptr, bool)
	// Close gives the Handle back. It is called exactly once, as the last call.
	Close() error
}
