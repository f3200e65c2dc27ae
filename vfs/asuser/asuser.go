//go:build linux

package asuser

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// Errors of Do. All match fs.ErrPermission.
var (
	// ErrRoot is a Cred of user 0.
	ErrRoot = fmt.Errorf("asuser: nobody is served as root: %w", fs.ErrPermission)
	// ErrRefused means that the kernel does not let the process become the user.
	ErrRefused = fmt.Errorf("asuser: the kernel does not let the server act as the user: %w", fs.ErrPermission)
)

// maskFS are the capabilities that pass over permissions of files, the kernel's
// CAP_FS_SET.
const maskFS = 1<<unix.CAP_CHOWN | 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH | 1<<unix.CAP_FOWNER |
	1<<unix.CAP_FSETID | 1<<unix.CAP_LINUX_IMMUTABLE | 1<<unix.CAP_MKNOD

// noID is an id that nobody can have: the calls that take it change nothing, and
// return what is in force.
const noID = ^uint32(0)

// process is what the process is by itself. It is immutable.
type process struct {
	uid, gid uint32
	groups   []uint32
	// caps says that the kernel keeps capabilities when the identity for files changes, so
	// that they are to be taken off.
	caps bool
	with [2]unix.CapUserData // those that it has
	less [2]unix.CapUserData // without those of maskFS in effect
}

// self looks the process up once.
var self = sync.OnceValue(func() *process {
	p := &process{uid: uint32(syscall.Geteuid()), gid: uint32(syscall.Getegid())}
	if list, err := syscall.Getgroups(); err == nil {
		for _, g := range list {
			p.groups = append(p.groups, uint32(g))
		}
	}
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	if unix.Capget(&hdr, &p.with[0]) == nil {
		p.less = p.with
		p.less[0].Effective &^= maskFS
		bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
		const noFixup = 1 << 2 // SECBIT_NO_SETUID_FIXUP
		p.caps = p.less != p.with && (p.uid != 0 || err != nil || bits&noFixup != 0)
	}
	return p
})

// Do runs f as the user of c, for the kernel's decisions about files. f must neither
// call Do nor start goroutines, nor keep anything waiting that others need: the thread is
// its own meanwhile. Errors: ErrRoot, ErrRefused; f was not run then.
func Do(c *vfs.Cred, f func()) error {
	if c.UID == 0 || c.UID == noID || c.GID == noID {
		return ErrRoot
	}
	p := self()
	runtime.LockOSThread()
	if !setGroups(c.Groups) {
		runtime.UnlockOSThread() // nothing has changed
		return ErrRefused
	}
	if !p.become(c) {
		p.restore()
		runtime.UnlockOSThread()
		return ErrRefused
	}
	// Behind a panic, too, the thread is what it was.
	defer func() {
		p.restore()
		runtime.UnlockOSThread()
	}()
	f()
	return nil
}

// become changes the thread, which has the groups of c, the user last: that is what takes
// the capabilities off.
func (p *process) become(c *vfs.Cred) bool {
	setID(unix.SYS_SETFSGID, c.GID)
	if p.caps && !setCaps(&p.less) {
		return false
	}
	if was := setID(unix.SYS_SETFSUID, c.UID); was != p.uid {
		// Somebody called Do inside of Do, or a thread was left changed.
		die(fmt.Sprintf("a thread had the user %d", was))
	}
	return setID(unix.SYS_SETFSGID, noID) == c.GID && setID(unix.SYS_SETFSUID, noID) == c.UID
}

// patience is how long the kernel may be out of memory.
const patience = time.Second

// restore makes the thread what the process is, or ends the process.
func (p *process) restore() {
	for wait := time.Millisecond; ; wait *= 2 {
		setID(unix.SYS_SETFSUID, p.uid)
		caps := !p.caps || setCaps(&p.with)
		setID(unix.SYS_SETFSGID, p.gid)
		groups := setGroups(p.groups)
		if caps && groups && setID(unix.SYS_SETFSUID, noID) == p.uid && setID(unix.SYS_SETFSGID, noID) == p.gid {
			return
		}
		if wait > patience {
			die("a thread cannot be changed back")
		}
		time.Sleep(wait)
	}
}

// die ends the process, past everything that recovers from panics.
func die(why string) {
	go panic("asuser: " + why + "; the server ends rather than serve with the identity of another user")
	select {}
}

// setID is setfsuid or setfsgid. It returns what was in force; of failures it does not
// tell.
func setID(call uintptr, id uint32) uint32 {
	r, _, _ := syscall.RawSyscall(call, uintptr(id), 0, 0)
	return uint32(r)
}

// setGroups sets the supplementary groups.
func setGroups(list []uint32) bool {
	_, _, e := syscall.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(list)), uintptr(unsafe.Pointer(unsafe.SliceData(list))), 0)
	return e == 0
}

// setCaps sets the capabilities.
func setCaps(data *[2]unix.CapUserData) bool {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	_, _, e := syscall.RawSyscall(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&hdr)), uintptr(unsafe.Pointer(&data[0])), 0)
	return e == 0
}

// Probe tries out whether the process can act as somebody else, and whether the
// capabilities that pass over permissions are off then. The error says what is missing.
func Probe() error {
	var have [2]unix.CapUserData
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var err error
	const nobody = 65534
	if e := Do(&vfs.Cred{UID: nobody, GID: nobody}, func() { err = unix.Capget(&hdr, &have[0]) }); e != nil {
		return errors.New("the server needs the capabilities CAP_SETUID and CAP_SETGID to act as its users")
	}
	if err != nil {
		return err
	}
	if have[0].Effective&maskFS != 0 {
		return fmt.Errorf("the server keeps capabilities %#x while it acts as a user", have[0].Effective&maskFS)
	}
	return nil
}
