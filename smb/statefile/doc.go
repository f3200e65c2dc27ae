// Package statefile replaces files that a server keeps and an administrator may edit.
//
// # Theory
//
// A file is replaced as a whole: what is read is always all of one version, also after a
// crash, and what was acknowledged is on the disk. Whether somebody has replaced or edited it
// is told by what the kernel knows of it, so that asking costs one stat.
//
// It does not know what is in the files. It keeps no state, takes no locks and starts no
// goroutines; who changes a file sees to it that nobody else does at the same time.
package statefile
