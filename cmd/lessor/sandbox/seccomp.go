//go:build amd64 || arm64

package sandbox

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// refused are the system calls that fail with EPERM.
var refused = []uintptr{
	// programs and processes
	unix.SYS_EXECVE, unix.SYS_EXECVEAT, unix.SYS_PTRACE, unix.SYS_KCMP,
	unix.SYS_PROCESS_VM_READV, unix.SYS_PROCESS_VM_WRITEV, unix.SYS_PROCESS_MADVISE, unix.SYS_PIDFD_GETFD,
	unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RT_SIGQUEUEINFO, unix.SYS_RT_TGSIGQUEUEINFO, unix.SYS_TKILL,
	unix.SYS_PERSONALITY,
	// mounts and namespaces
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_UNSHARE, unix.SYS_SETNS,
	unix.SYS_FSOPEN, unix.SYS_FSCONFIG, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_MOVE_MOUNT,
	unix.SYS_OPEN_TREE, unix.SYS_MOUNT_SETATTR, unix.SYS_SWAPON, unix.SYS_SWAPOFF,
	// the kernel
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
	unix.SYS_KEXEC_FILE_LOAD, unix.SYS_REBOOT, unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER,
	unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, unix.SYS_KEYCTL, unix.SYS_SYSLOG, unix.SYS_ACCT,
	unix.SYS_MIGRATE_PAGES, unix.SYS_MOVE_PAGES, unix.SYS_NFSSERVCTL, unix.SYS_LOOKUP_DCOOKIE,
	// the machine
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
	unix.SYS_SETHOSTNAME, unix.SYS_SETDOMAINNAME, unix.SYS_VHANGUP,
}

// Offsets in struct seccomp_data. Of an argument only the lower half is looked at,
// which is all that the calls in question look at; both machines are little-endian.
const (
	offsetCall = 0
	offsetArch = 4
)

func offsetArg(i uint32) uint32 { return 16 + 8*i }

// program is a filter in the making.
type program []unix.SockFilter

func (p *program) add(code uint16, jt, jf uint8, k uint32) {
	*p = append(*p, unix.SockFilter{Code: code, Jt: jt, Jf: jf, K: k})
}

func (p *program) load(offset uint32) { p.add(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset) }
func (p *program) and(mask uint32)    { p.add(unix.BPF_ALU|unix.BPF_AND|unix.BPF_K, 0, 0, mask) }
func (p *program) ret(value uint32)   { p.add(unix.BPF_RET|unix.BPF_K, 0, 0, value) }
func (p *program) fail(errno unix.Errno) {
	p.ret(unix.SECCOMP_RET_ERRNO | uint32(errno))
}

// unless skips the next n instructions unless the accumulator is k.
func (p *program) unless(k uint32, n uint8) { p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, n, k) }

// when skips the next n instructions if the accumulator is k.
func (p *program) when(k uint32, n uint8) { p.add(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, n, 0, k) }

// call adds what body says about one system call; the accumulator holds its number
// before and after.
func (p *program) call(nr uintptr, body func(*program)) {
	var b program
	body(&b)
	p.unless(uint32(nr), uint8(len(b)+1))
	*p = append(*p, b...)
	p.ret(unix.SECCOMP_RET_ALLOW)
}

// filter is the program for a process.
func filter(pid int) program {
	var p program
	p.load(offsetArch)
	p.when(auditArch, 1)
	p.fail(unix.ENOSYS) // 32-bit calls, which have other numbers
	p.load(offsetCall)
	for _, nr := range foreign {
		p.add(unix.BPF_JMP|unix.BPF_JGE|unix.BPF_K, 0, 1, nr)
		p.fail(unix.ENOSYS)
	}
	for _, nr := range append(refused, refusedHere...) {
		p.unless(uint32(nr), 1)
		p.fail(unix.EPERM)
	}
	// Its arguments are out of reach, and glibc can do without.
	p.unless(unix.SYS_CLONE3, 1)
	p.fail(unix.ENOSYS)
	// Threads are fine, processes and namespaces are not.
	p.call(unix.SYS_CLONE, func(b *program) {
		b.load(offsetArg(0))
		b.and(unix.CLONE_THREAD | unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET)
		b.when(unix.CLONE_THREAD, 1)
		b.fail(unix.EPERM)
	})
	for _, nr := range []uintptr{unix.SYS_KILL, unix.SYS_TGKILL} {
		p.call(nr, func(b *program) {
			b.load(offsetArg(0))
			b.when(uint32(pid), 1)
			b.fail(unix.EPERM)
		})
	}
	p.call(unix.SYS_SOCKET, func(b *program) {
		b.load(offsetArg(0))
		b.when(unix.AF_UNIX, 4)
		b.when(unix.AF_INET, 3)
		b.when(unix.AF_INET6, 2)
		b.when(unix.AF_NETLINK, 1)
		b.fail(unix.EAFNOSUPPORT)
		// Landlock looks at TCP alone; package net takes that if there is no other.
		b.load(offsetArg(2))
		b.unless(unix.IPPROTO_MPTCP, 1)
		b.fail(unix.EPROTONOSUPPORT)
	})
	// Memory is not written to first and executed then.
	p.call(unix.SYS_MMAP, func(b *program) {
		b.load(offsetArg(2))
		b.and(unix.PROT_WRITE | unix.PROT_EXEC)
		b.unless(unix.PROT_WRITE|unix.PROT_EXEC, 1)
		b.fail(unix.EPERM)
	})
	for _, nr := range []uintptr{unix.SYS_MPROTECT, unix.SYS_PKEY_MPROTECT} {
		p.call(nr, func(b *program) {
			b.load(offsetArg(2))
			b.and(unix.PROT_EXEC)
			b.unless(unix.PROT_EXEC, 1)
			b.fail(unix.EPERM)
		})
	}
	// Nothing is typed into the terminal that the server was started from.
	p.call(unix.SYS_IOCTL, func(b *program) {
		b.load(offsetArg(1))
		b.unless(unix.TIOCSTI, 1)
		b.fail(unix.EPERM)
	})
	p.ret(unix.SECCOMP_RET_ALLOW)
	return p
}

// filterCalls makes the kernel refuse system calls on all threads. The flag about
// speculation leaves the speed of the process as it is on kernels before 5.16.
func filterCalls(pid int) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	p := filter(pid)
	prog := unix.SockFprog{Len: uint16(len(p)), Filter: &p[0]}
	for _, flags := range []uintptr{unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, unix.SECCOMP_FILTER_FLAG_TSYNC} {
		r, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
		switch {
		case errno == unix.EINVAL && flags != unix.SECCOMP_FILTER_FLAG_TSYNC:
			continue
		case errno == unix.ENOSYS || errno == unix.EINVAL:
			return fmt.Errorf("the kernel has none, or the container hides it")
		case errno != 0:
			return errno
		case r != 0:
			return fmt.Errorf("thread %d has a filter of its own", r)
		}
		break
	}
	return nil
}
