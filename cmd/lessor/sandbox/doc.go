// Package sandbox makes the process give up what it does not need: files
// (Landlock), system calls (seccomp) and capabilities. What is given up cannot be
// had back, whoever gets hold of the process.
//
// It knows the kernel and a Plan, a list of paths. It must not know what the paths
// are for, nor anything else of this module.
//
// # What is given up
//
//	capabilities  all but those of a Plan, also those that a program could gain
//	              (no_new_privs); other processes of the same user cannot look into
//	              the memory, and it is not dumped
//	Landlock      opening, making, removing and moving files outside of the Plan;
//	              executing any; TCP connections but to ports of the Plan, and
//	              further TCP ports. It needs ABI 2
//	              (Linux 5.19): before, it does not let files be moved.
//	seccomp       starting programs and processes, looking into and signalling other
//	              processes, mounts and namespaces, modules, eBPF, io_uring, keys, clocks,
//	              memory that is writable and executable, sockets but of IP, netlink
//	              and Unix. A list of what is refused, as the Go runtime and the kernel
//	              features in use change; refused calls fail with EPERM.
//
// Looking at attributes, and at extended attributes, is not restricted by Landlock,
// nor are files that are open already.
//
// # Threads
//
// The kernel keeps all of these for each thread. Capabilities and Landlock are
// applied to all threads by syscall.AllThreadsSyscall, which a program with cgo does
// not have; seccomp synchronises them itself. Enter is called once, and has no locks.
package sandbox
