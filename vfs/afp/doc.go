// Package afp keeps what macOS stores beside the data of a file: the information
// of the Finder and the resource fork. Clients see both as named streams,
// AFP_AfpInfo and AFP_Resource, which obey rules of their own; other servers
// keep them in AppleDouble files or in an attribute of Netatalk, which this
// package can take over.
//
// # What it knows
//
// The two streams, on top of the named streams of a vfs.Node; the format of
// AppleDouble. It knows neither SMB nor paths: who takes over an AppleDouble file
// gives it the directory and the name.
//
// # The rules
//
//   - AFP_AfpInfo has 60 bytes, always. One without information of the Finder does
//     not exist, one that was just made reads as if it were there, and writing zeros as the
//     information removes it. Its size cannot be changed.
//   - AFP_Resource exists if it is not empty.
//
// A stream that does not exist by these rules is stored nevertheless, with a
// length of 0, while and after it is open: a handle that was there before goes
// on working, and what it writes is not lost. Programs without these rules see an
// empty stream.
//
// # State, locks, goroutines
//
// The streams have none; a call that reads and then writes is not one step, and the
// caller's opens, which share modes keep apart, are its protection. An Importer knows the
// files that it is working on; its mutex is a leaf.
package afp
