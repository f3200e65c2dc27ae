// Package snapdir finds the snapshots of a directory, as Btrfs, ZFS, LVM or a program
// that copies have left them, and gives each as a vfs.FS that nobody can change.
//
// It knows how tools lay snapshots out and name them. It knows neither SMB nor how a
// directory is exported: Options.Open does that.
//
// # Objects
//
// A Set is all snapshots of one directory. A snapshot is told by its time, in whole
// seconds, as protocols do; of two with the same time the first by name counts. What
// is found is remembered for some seconds (see Set.List). The FS of a snapshot is opened
// when somebody wants it, shared by all who do, and closed some seconds after the last of
// them has given it back, so that the snapshot can be unmounted or destroyed.
//
// The FS is a wrapper (ReadOnly). It refuses every change, whatever the storage would do,
// and gives files ids of their own: a snapshot of a block device has the ids of the live
// files, and a Btrfs subvolume their inode numbers.
//
// # What must not be trusted
//
// A directory of snapshots may lie in the share, where clients may make names. So nothing
// below Options.Root, if the directory lies there, and nothing below the directory of
// snapshots is resolved through a symbolic link, and all of it beneath that directory by
// openat2. The FS is made around the descriptor that was found so, not around a path.
//
// # Locks
//
// Set.mu is a leaf and guards what a Set remembers. It is held across system calls on the
// directory of snapshots and the opening of one: an automount delays those who want
// a snapshot, and nobody else.
//
// # Goroutines
//
// None; a timer closes what is unused.
package snapdir
