package errfs

// Op names a method of the contract.
type Op uint8

// The operations. Those without a remark can be given every effect but Short.
const (
	// OpAny is, in a Rule and for FS.Calls, every operation.
	OpAny Op = iota

	OpRoot    // FS.Root; cannot fail
	OpByID    // FS.ByID
	OpInfo    // FS.Info
	OpCloseFS // FS.Close; the inner one is always closed

	OpWatch    // Watcher.Watch
	OpWatchAdd // Watch.Add

	OpAttr         // Node.Attr
	OpSetAttr      // Node.SetAttr
	OpSecurity     // Node.Security
	OpSetSecurity  // Node.SetSecurity
	OpSetReparse   // Node.SetReparse
	OpPosixACL     // Node.PosixACL
	OpAccess       // Node.Access
	OpObjectID     // Node.ObjectID
	OpSetObjectID  // Node.SetObjectID
	OpXattr        // Node.Xattr
	OpSetXattr     // Node.SetXattr
	OpListXattr    // Node.ListXattr
	OpStreams      // Node.Streams
	OpStream       // Node.Stream
	OpRemoveStream // Node.RemoveStream
	OpRenameStream // Node.RenameStream
	OpLookup       // Node.Lookup
	OpCreate       // Node.Create
	OpLink         // Node.Link
	OpRename       // Node.Rename
	OpRemove       // Node.Remove
	OpSymlink      // Node.Symlink
	OpReadlink     // Node.Readlink
	OpOpen         // Node.Open
	OpRelease      // Node.Release; cannot fail

	OpReadAt          // Handle.ReadAt; may be short
	OpWriteAt         // Handle.WriteAt; may be short
	OpTruncate        // Handle.Truncate
	OpSync            // Handle.Sync
	OpWriteError      // Handle.WriteError
	OpAlloc           // Handle.Alloc
	OpAllocatedRanges // Handle.AllocatedRanges
	OpCopyFrom        // Handle.CopyFrom; may be short
	OpCloneFrom       // Handle.CloneFrom
	OpLockRange       // Handle.LockRange
	OpLease           // Handle.Lease
	OpReadDir         // Handle.ReadDir; may be short
	OpRewind          // Handle.Rewind
	OpEntryAttr       // Handle.EntryAttr
	OpFd              // Handle.Fd; with an error there is no descriptor
	OpClose           // Handle.Close; the inner one is always closed

	opCount
)

// opNames are the names of the operations, those of the methods.
var opNames = [opCount]string{
	OpAny:  "any",
	OpRoot: "FS.Root", OpByID: "FS.ByID", OpInfo: "FS.Info", OpCloseFS: "FS.Close",
	OpWatch: "Watcher.Watch", OpWatchAdd: "Watch.Add",
	OpAttr: "Node.Attr", OpSetAttr: "Node.SetAttr", OpSecurity: "Node.Security", OpSetSecurity: "Node.SetSecurity",
	OpSetReparse: "Node.SetReparse", OpPosixACL: "Node.PosixACL", OpAccess: "Node.Access", OpObjectID: "Node.ObjectID", OpSetObjectID: "Node.SetObjectID",
	OpXattr: "Node.Xattr", OpSetXattr: "Node.SetXattr", OpListXattr: "Node.ListXattr", OpStreams: "Node.Streams",
	OpStream: "Node.Stream", OpRemoveStream: "Node.RemoveStream", OpRenameStream: "Node.RenameStream",
	OpLookup: "Node.Lookup", OpCreate: "Node.Create", OpLink: "Node.Link", OpRename: "Node.Rename",
	OpRemove: "Node.Remove", OpSymlink: "Node.Symlink", OpReadlink: "Node.Readlink", OpOpen: "Node.Open",
	OpRelease: "Node.Release",
	OpReadAt:  "Handle.ReadAt", OpWriteAt: "Handle.WriteAt", OpTruncate: "Handle.Truncate", OpSync: "Handle.Sync",
	OpWriteError: "Handle.WriteError",
	OpAlloc:      "Handle.Alloc", OpAllocatedRanges: "Handle.AllocatedRanges", OpCopyFrom: "Handle.CopyFrom",
	OpCloneFrom: "Handle.CloneFrom", OpLockRange: "Handle.LockRange", OpLease: "Handle.Lease",
	OpReadDir: "Handle.ReadDir", OpRewind: "Handle.Rewind",
	OpEntryAttr: "Handle.EntryAttr", OpFd: "Handle.Fd", OpClose: "Handle.Close",
}

// String returns the name of the method, with its interface.
func (o Op) String() string {
	if o < opCount {
		return opNames[o]
	}
	return "unknown"
}

// mayBeShort reports whether an operation can transfer less than it was asked
// to.
func (o Op) mayBeShort() bool {
	return o == OpReadAt || o == OpWriteAt || o == OpCopyFrom || o == OpReadDir
}
