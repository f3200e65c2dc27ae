package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Plan is what the process keeps.
type Plan struct {
	// ReadWrite are directories in which everything may be done, but devices made.
	ReadWrite []string
	// Read are directories and files.
	Read []string
	// Append are directories in which files may be made and written to.
	Append []string
	// Connect are TCP ports of others that may be connected to.
	Connect []uint16
	// Capabilities are those to keep, as far as they are there.
	Capabilities []uintptr
}

// Report says what became of it.
type Report struct {
	// Landlock is the version in force, 0 for none.
	Landlock int
	// Seccomp says that system calls are filtered.
	Seccomp bool
	// Capabilities says that those not in the Plan are gone.
	Capabilities bool
	// Missing are the parts that could not be had, and why.
	Missing []string

	plan Plan
}

// Enter gives up what the plan does not list. Paths that do not exist are left out.
// It goes as far as it can: see the report.
func Enter(p Plan) *Report {
	r := &Report{plan: p}
	r.note("capabilities", r.dropCapabilities())
	if abi, err := restrictFiles(p); err == nil {
		r.Landlock = abi
	} else {
		r.note("Landlock", err)
	}
	err := filterCalls(os.Getpid())
	r.Seccomp = err == nil
	r.note("seccomp", err)
	return r
}

func (r *Report) note(what string, err error) {
	if err != nil {
		r.Missing = append(r.Missing, fmt.Sprintf("%s: %v", what, err))
	}
}

// Allows reports whether files below path may be opened. Without Landlock all may.
func (r *Report) Allows(path string, write bool) bool {
	if r == nil || r.Landlock == 0 {
		return true
	}
	roots := r.plan.ReadWrite
	if !write {
		roots = slices.Concat(roots, r.plan.Read)
	}
	return slices.ContainsFunc(roots, func(root string) bool { return inside(path, root) })
}

// AllowsAppend reports whether a file may be made, or written to, at path.
func (r *Report) AllowsAppend(path string) bool {
	return r.Allows(path, true) ||
		slices.ContainsFunc(r.plan.Append, func(dir string) bool { return inside(filepath.Dir(path), dir) })
}

func inside(path, dir string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}

// errCgo explains why there is no way to reach all threads.
var errCgo = errors.New("the program was built with cgo")

// everyThread makes a system call on each thread.
//
//go:uintptrescapes
func everyThread(call, a, b, c uintptr) error {
	_, _, errno := syscall.AllThreadsSyscall(call, a, b, c)
	switch errno {
	case 0:
		return nil
	case syscall.ENOTSUP:
		return errCgo
	}
	return errno
}

// dropCapabilities keeps those of the plan, and makes sure that no others come.
func (r *Report) dropCapabilities() error {
	// A local user who has the same account could otherwise read keys from memory.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0); err != nil {
		return err
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have, keep [2]unix.CapUserData
	if err := unix.Capget(&hdr, &have[0]); err != nil {
		return err
	}
	for _, c := range r.plan.Capabilities {
		keep[c/32].Permitted |= have[c/32].Permitted & (1 << (c % 32))
		keep[c/32].Effective = keep[c/32].Permitted
	}
	for c := range uintptr(unix.CAP_LAST_CAP + 1) {
		// Without CAP_SETPCAP this is refused, and not needed, as no_new_privs says
		// the same for what is executed.
		if !slices.Contains(r.plan.Capabilities, c) && have[unix.CAP_SETPCAP/32].Effective&(1<<(unix.CAP_SETPCAP%32)) != 0 {
			if err := everyThread(unix.SYS_PRCTL, unix.PR_CAPBSET_DROP, c, 0); err != nil && err != syscall.EINVAL {
				return err
			}
		}
	}
	if err := everyThread(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0); err != nil {
		return err
	}
	if err := everyThread(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&keep[0])), 0); err != nil {
		return err
	}
	r.Capabilities = true
	return nil
}
