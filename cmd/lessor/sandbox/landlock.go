package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// leastABI is the first version of Landlock that can allow moving files between
// directories.
const leastABI = 2

// The rights of Landlock that mean something for a file that is no directory.
const rightsOfFiles = unix.LANDLOCK_ACCESS_FS_EXECUTE | unix.LANDLOCK_ACCESS_FS_WRITE_FILE |
	unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV

const (
	rightsToRead   = unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR
	rightsToAppend = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_MAKE_REG
	rightsToWrite  = rightsToRead | rightsToAppend | unix.LANDLOCK_ACCESS_FS_TRUNCATE |
		unix.LANDLOCK_ACCESS_FS_REMOVE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_SYM |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK | unix.LANDLOCK_ACCESS_FS_REFER
)

// handledBy returns the rights that a version knows: those are denied where no
// rule grants them.
func handledBy(abi int) (files, net uint64) {
	files = 1<<13 - 1 // EXECUTE to MAKE_SYM, of the first version
	for _, r := range []struct {
		abi   int
		right uint64
	}{{2, unix.LANDLOCK_ACCESS_FS_REFER}, {3, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {5, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV}} {
		if abi >= r.abi {
			files |= r.right
		}
	}
	if abi >= 4 {
		net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
	}
	return files, net
}

// restrictFiles applies the plan to all threads, and returns the version of
// Landlock.
func restrictFiles(p Plan) (int, error) {
	version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	switch {
	case errno == unix.ENOSYS:
		return 0, fmt.Errorf("the kernel has none, or the container hides it")
	case errno == unix.EOPNOTSUPP:
		return 0, fmt.Errorf("it is switched off in the kernel (parameter lsm=)")
	case errno != 0:
		return 0, errno
	case version < leastABI:
		return 0, fmt.Errorf("the kernel has version %d, and %d is needed", version, leastABI)
	}
	abi := int(version)
	var attr unix.LandlockRulesetAttr
	attr.Handled_access_fs, attr.Handled_access_net = handledBy(abi)
	size := unsafe.Sizeof(attr.Handled_access_fs) // as old kernels know it
	if abi >= 4 {
		size += unsafe.Sizeof(attr.Handled_access_net)
	}
	set, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return 0, errno
	}
	defer func() { _ = unix.Close(int(set)) }()
	for _, rule := range []struct {
		paths  []string
		rights uint64
	}{{p.ReadWrite, rightsToWrite}, {p.Read, rightsToRead}, {p.Append, rightsToAppend}} {
		for _, path := range rule.paths {
			if err := allow(set, path, rule.rights&attr.Handled_access_fs); err != nil && !os.IsNotExist(err) {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	if attr.Handled_access_net != 0 {
		for _, port := range p.Connect {
			if err := allowPort(set, port); err != nil {
				return 0, fmt.Errorf("port %d: %w", port, err)
			}
		}
	}
	if err := everyThread(unix.SYS_LANDLOCK_RESTRICT_SELF, set, 0, 0); err != nil {
		return 0, err
	}
	return abi, closed(p)
}

// ruleNetPort and portAttr are LANDLOCK_RULE_NET_PORT and its structure.
const ruleNetPort = 2

type portAttr struct{ access, port uint64 }

// allowPort adds a rule for TCP connections to a port.
func allowPort(set uintptr, port uint16) error {
	rule := portAttr{unix.LANDLOCK_ACCESS_NET_CONNECT_TCP, uint64(port)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, ruleNetPort, uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// allow adds a rule for a path and all below.
func allow(set uintptr, path string, rights uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		rights &= rightsOfFiles
	}
	rule := unix.LandlockPathBeneathAttr{Allowed_access: rights, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, set, unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}

// closed makes sure that it works: a directory outside of the plan cannot be
// opened any more.
func closed(p Plan) error {
	dir := "/"
	for _, path := range append(p.Read, p.ReadWrite...) {
		if filepath.Clean(path) == dir {
			return nil // everything is inside
		}
	}
	f, err := os.Open(dir)
	if err == nil {
		_ = f.Close()
		return fmt.Errorf("the kernel accepts the rules and does not follow them")
	}
	return nil
}
