package vfs

// Watcher is, beside Quotas, an optional interface of an FS: an FS has it whose files others
// may change as well, and that can hear of it. A wrapper forwards it, and answers
// errors.ErrUnsupported if the FS that it wraps does not have it.
type Watcher interface {
	// Watch begins to listen for changes that are not made through this FS. fn is
	// told of them, of one batch after the other, in the order in which they
	// happened; it must not keep the slice, nor call Close or wait for someone who
	// does. At first nothing is asked for: see Watch.Add.
	// Errors: errors.ErrUnsupported if the storage cannot tell, ErrBusy if
	// somebody listens already, and others if it was told to listen in a way that
	// it cannot.
	Watch(fn func([]Change)) (Watch, error)
}

// Watch is what a Watcher listens for. All methods may be called from many
// goroutines.
type Watch interface {
	// Add asks for the changes of a file, or of the entries of a directory and,
	// with tree, of everything below it. What is told may be more. fresh says that
	// nobody was listening there before: who has looked at the object already
	// looks again. A tree may be covered only a while after Add has returned.
	// Errors: ErrTooManyOpen at a limit of the system; ErrStale if the object is
	// gone; errors.ErrUnsupported.
	Add(node Node, tree bool) (what Watched, fresh bool, err error)
	// Means names the way of listening, such as "inotify", for people.
	Means() string
	// Close ends it. When it has returned, fn is not running and is not called
	// any more.
	Close() error
}

// Watched is something that was asked for by Watch.Add.
type Watched interface {
	// Stop gives it back. It is called once, also after Watch.Close.
	Stop()
}

// ChangeKind says what happened in a Change.
type ChangeKind uint8

// The kinds of Change.
const (
	// ChangeCreated: Path has come into being, or from where nobody listens. What
	// had the name before, if anything, is gone from there.
	ChangeCreated ChangeKind = iota + 1
	// ChangeRemoved: Path is gone, perhaps to where nobody listens.
	ChangeRemoved
	// ChangeRenamed: OldPath is called Path now. What had that name before, if
	// anything, is gone from there.
	ChangeRenamed
	// ChangeModified: data was written, or the size set.
	ChangeModified
	// ChangeAttributes: anything but data has changed: times, permissions,
	// extended attributes, the number of links.
	ChangeAttributes
	// ChangeLost: changes were lost, no matter where. Whoever remembers anything
	// of the FS asks anew. Nothing else in the Change counts.
	ChangeLost
	// ChangeBlind: below Path, or everywhere in a directory, a limit of the system
	// keeps changes from being seen for as long as what was asked for lasts.
	ChangeBlind
)

// String names the kind for logs and test failures.
func (k ChangeKind) String() string {
	names := [...]string{"none", "created", "removed", "renamed", "modified", "attributes", "lost", "blind"}
	if int(k) < len(names) {
		return names[k]
	}
	return "unknown"
}

// Change is one change that was not made through the FS.
type Change struct {
	Kind ChangeKind
	// IsDir says that the object is a directory.
	IsDir bool
	// Dir is the directory in which Path lies.
	Dir NodeID
	// Path is the object, relative to the root, as stored, joined by '/'.
	Path string
	// Node is what is called Path by now; zero if there is nothing.
	Node NodeID
	// OldDir and OldPath are what Dir and Path were before a rename.
	OldDir  NodeID
	OldPath string
}
