// Package asuser runs a function with the identity of a Unix user, so that the kernel
// decides what it may do to files. It knows credentials and system calls; it must not
// know what the function does, nor who the user is to clients.
//
// # How
//
// Linux keeps the identity that counts for files, and the supplementary groups, for each
// thread. Do ties the goroutine to its thread, changes the thread by system calls of its
// own, runs the function, and changes it back before anybody else can use the thread.
// The wrappers of package syscall would change all threads of the process, and must not
// be used for this. New threads are never made from a changed one: the Go runtime makes
// them from a clean one while a goroutine is tied to its thread.
//
// A thread that cannot be changed back ends the process. The kernel can only refuse that
// for want of memory, or because somebody took the capabilities away, and a thread with
// the wrong identity would serve other users.
//
// # Capabilities
//
// CAP_SETUID and CAP_SETGID are needed. While the function runs, none of those counts
// that let a process pass over permissions (CAP_DAC_OVERRIDE, CAP_CHOWN, CAP_FOWNER and
// the like). For root the kernel sees to that as the identity for files changes from 0;
// for another user who has been given capabilities it does not, and Do does so itself.
// User 0 is therefore nobody to run as.
//
// # State and goroutines
//
// What the process is by itself is looked up once, by the first caller; it must not
// change its user after that. There are no locks and no goroutines.
package asuser
