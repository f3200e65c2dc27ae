// Command jail enters a sandbox and tells what it can still do: one line for each
// attempt.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/cmd/lessor/sandbox"
)

func main() {
	dir, outside := os.Args[1], os.Args[2]
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	known, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	holdThreads(8)
	r := sandbox.Enter(sandbox.Plan{
		ReadWrite: []string{filepath.Join(dir, "rw"), filepath.Join(dir, "none")}, Read: []string{filepath.Join(dir, "r"), "/proc/self"},
		Append: []string{filepath.Join(dir, "a")}, Capabilities: []uintptr{unix.CAP_DAC_OVERRIDE},
		Connect: []uint16{uint16(known.Addr().(*net.TCPAddr).Port)},
	})
	fmt.Println("landlock", r.Landlock, "seccomp", r.Seccomp, "capabilities", r.Capabilities, "missing", r.Missing)
	fmt.Println("allows", r.Allows(dir+"/rw/x", true), r.Allows(dir+"/r/x", true), r.Allows(dir+"/r/x", false), r.Allows(outside, false),
		r.AllowsAppend(dir+"/a/log"), r.AllowsAppend(outside+"/log"))
	in := func(p string) string { return filepath.Join(dir, p) }
	try("write", os.WriteFile(in("rw/f"), []byte("x"), 0o600))
	try("truncate", os.Truncate(in("rw/f"), 0))
	try("mkdir", os.Mkdir(in("rw/d"), 0o700))
	try("move", os.Rename(in("rw/f"), in("rw/d/f")))
	try("link", os.Link(in("rw/d/f"), in("rw/g")))
	try("symlink", os.Symlink(outside, in("rw/s")))
	try("mkfifo", unix.Mkfifo(in("rw/fifo"), 0o600))
	try("mknod", unix.Mknod(in("rw/null"), unix.S_IFCHR|0o600, 259))
	try("own descriptor", open(fmt.Sprintf("/proc/self/fd/%d", must(os.Open(in("rw/g"))).Fd())))
	try("list own descriptors", open("/proc/self/fd"))
	try("read", open(in("r/f")))
	try("change read-only", os.WriteFile(in("r/f"), nil, 0o600))
	try("append", appendTo(in("a/log")))
	try("read appended", open(in("a/log")))
	try("outside", open(outside+"/f"))
	try("outside by symlink", open(in("rw/s")+"/f"))
	try("outside on all threads", onThreads(8, func() error { return open(outside + "/f") }))
	try("move out", os.Rename(in("rw/g"), filepath.Join(outside, "g")))
	try("make outside", os.WriteFile(filepath.Join(outside, "new"), nil, 0o600))
	try("exec", refusedCall(syscall.Exec("/no/such/program", nil, nil)))
	try("fork", fork())
	try("tcp listen", listen("tcp", "127.0.0.1:0"))
	try("tcp connect to a port of the plan", dial(known.Addr().String()))
	try("tcp connect", dial(taken.Addr().String()))
	try("udp", listenUDP())
	try("raw socket", socket(unix.AF_PACKET))
	try("mount", unix.Mount("none", in("rw/d"), "tmpfs", 0, ""))
	try("namespace", unix.Unshare(unix.CLONE_NEWUSER))
	try("signal self", unix.Kill(os.Getpid(), 0))
	try("signal parent", unix.Kill(os.Getppid(), 0))
	_, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE|unix.PROT_EXEC, unix.MAP_ANON|unix.MAP_PRIVATE)
	try("code", err)
	try("setuid", unix.Setuid(12345))
	c, err := taken.(*net.TCPListener).SyscallConn()
	try("old socket", err)
	_ = c
	try("gc", onThreads(16, func() error { runtime.GC(); return nil }))
}

func try(what string, err error) {
	result := "ok"
	if err != nil {
		result = "no"
	}
	fmt.Printf("%s: %s (%v)\n", what, result, err)
}

// refusedCall returns the error of a call that the filter refuses, and nil if the
// kernel has looked at it.
func refusedCall(err error) error {
	if err == unix.EPERM {
		return err
	}
	return nil
}

func open(path string) error {
	f, err := os.Open(path)
	if err == nil {
		_ = f.Close()
	}
	return err
}

func must(f *os.File, err error) *os.File {
	if err != nil {
		panic(err)
	}
	return f
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("x")
	return err
}

// onThreads runs f on n threads at once, and returns an error if one has none:
// what one may do that nobody should.
func onThreads(n int, f func() error) error {
	var ready, done sync.WaitGroup
	errs := make([]error, n)
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			ready.Wait()
			errs[i] = f()
		})
	}
	done.Wait()
	for _, err := range errs {
		if err == nil {
			return nil
		}
	}
	return errs[0]
}

// holdThreads makes n threads that exist when the sandbox is entered.
func holdThreads(n int) {
	var ready sync.WaitGroup
	ready.Add(n)
	for range n {
		go func() {
			runtime.LockOSThread()
			ready.Done()
			ready.Wait()
			select {}
		}()
	}
	ready.Wait()
}

func fork() error {
	pid, _, errno := syscall.RawSyscall6(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0, 0, 0, 0)
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		syscall.RawSyscall(syscall.SYS_EXIT_GROUP, 0, 0, 0)
	}
	return nil
}

func listen(network, addr string) error {
	l, err := net.Listen(network, addr)
	if err == nil {
		_ = l.Close()
	}
	return err
}

func listenUDP() error {
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err == nil {
		_ = l.Close()
	}
	return err
}

func dial(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		_ = c.Close()
	}
	return err
}

func socket(domain int) error {
	fd, err := unix.Socket(domain, unix.SOCK_RAW, 0)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}
