// Package localwatch hears from the Linux kernel what happens in directories. It
// knows fanotify and inotify and the form of their events; it knows nothing of
// file systems, paths or who wants to know, and it decides nothing.
//
// # Objects
//
//	Group  a queue of the kernel with marks on directories; made by New
//	Event  one event, as far as it is the same for both ways of listening
//	Key    what a directory is called in events
//
// # Two ways
//
// fanotify with FAN_REPORT_DFID_NAME (Linux 5.9, without privileges 5.13) names
// the directory by its file handle and tells by the process id which events this
// process has caused itself. With CAP_SYS_ADMIN and CAP_DAC_READ_SEARCH a whole
// volume can be marked at once. The halves of a rename come as one event since
// Linux 5.17.
//
// inotify is there where fanotify is not: on older kernels, in containers whose
// seccomp profile forbids fanotify_init, on file systems without file handles. It
// does not know who has caused an event.
//
// Neither reports writes through mmap, nor what another machine does to a file
// system that both have mounted.
//
// # Locks and goroutines
//
// There are none. A Group is read by one goroutine: Wait, Read, Pause in turn.
// Everything else may be called by others at the same time; Close only when the
// reader has returned.
package localwatch
