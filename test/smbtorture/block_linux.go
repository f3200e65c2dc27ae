package smbtorture

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Some tests cut a connection so that neither side hears of it: what one sends does not
// arrive, and is not acknowledged. They call iptables for that, which needs a machine
// of its own, or its network at least. In its place they get a script that passes the
// call on to a blocker, and that one has the kernel drop all that arrives for the
// server's end of the connection, or for the client's.

// blocker makes a process deaf to single connections. It is used by one goroutine, but
// for the one of its own.
type blocker struct {
	dir    string
	server int      // process id
	client bool     // make the client deaf
	asked  *os.File // where the script writes its arguments, a line each time
	reply  *os.File // where it reads its exit status
	ended  chan struct{}
}

// blockScript is what is called in place of iptables.
const blockScript = `#!/bin/sh
echo "$$ $*" >%[1]q/asked && read -r status <%[1]q/reply && exit "$status"
exit 1
`

// newBlocker starts a blocker for the server with this process id, with files in dir.
// With client, smbtorture is made deaf in place of the server. The error says
// fs.ErrPermission or errors.ErrUnsupported where this user or machine cannot do it.
func newBlocker(dir string, server int, client bool) (b *blocker, err error) {
	b = &blocker{dir: dir, server: server, client: client, ended: make(chan struct{})}
	defer func() {
		if err != nil {
			b.closeFiles()
		}
	}()
	if err := mayTakeDescriptors(server); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name string
		file **os.File
	}{{"asked", &b.asked}, {"reply", &b.reply}} {
		path := filepath.Join(dir, f.name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			return nil, &os.PathError{Op: "mkfifo", Path: path, Err: err}
		}
		// For reading and writing: neither does opening wait for the script, nor is
		// there an end when a script ends. Without O_NONBLOCK Close would not wake Read.
		if *f.file, err = os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(b.command(), fmt.Appendf(nil, blockScript, dir), 0o700); err != nil {
		return nil, err
	}
	go b.run()
	return b, nil
}

// command is the script.
func (b *blocker) command() string { return filepath.Join(b.dir, "iptables") }

// run answers the script.
func (b *blocker) run() {
	defer close(b.ended)
	lines := bufio.NewScanner(b.asked)
	for lines.Scan() {
		status := "0"
		if err := b.carryOut(lines.Text()); err != nil {
			fmt.Fprintln(os.Stderr, "run: block:", err)
			status = "1"
		}
		if _, err := fmt.Fprintln(b.reply, status); err != nil {
			return
		}
	}
}

// mayTakeDescriptors reports why those of the process cannot be used here.
func mayTakeDescriptors(pid int) error {
	pidfd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	fd, err := unix.PidfdGetfd(pidfd, 0, 0)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.EBADF) {
		return nil // it has none of this number
	}
	return os.NewSyscallError("pidfd_getfd", err)
}

// blockRule is the only rule that tests set: -I blocks, -D lets go.
var blockRule = regexp.MustCompile(`^(\d+) -([ID]) \S+ -p tcp --sport (\d+) -j DROP$`)

// carryOut carries out one call of iptables. The chains that it makes mean nothing
// here.
func (b *blocker) carryOut(args string) error {
	m := blockRule.FindStringSubmatch(args)
	if m == nil {
		return nil
	}
	script, err := strconv.Atoi(m[1])
	if err != nil {
		return err
	}
	port, err := strconv.Atoi(m[3])
	if err != nil {
		return err
	}
	end := connEnd{pid: b.server, name: unix.Getpeername, port: port}
	if b.client {
		// smbtorture leads the group of the processes that it starts.
		if end.pid, err = unix.Getpgid(script); err != nil {
			return os.NewSyscallError("getpgid", err)
		}
		end.name = unix.Getsockname
	}
	return end.setDeaf(m[2] == "I")
}

// connEnd is an end of a connection: a process, and what is at that port of its socket.
type connEnd struct {
	pid  int
	name func(fd int) (unix.Sockaddr, error)
	port int
}

// setDeaf finds the end of the connection, and makes it deaf or hear again.
func (c *connEnd) setDeaf(deaf bool) error {
	pidfd, err := unix.PidfdOpen(c.pid, 0)
	if err != nil {
		return os.NewSyscallError("pidfd_open", err)
	}
	defer unix.Close(pidfd)
	dir := fmt.Sprintf("/proc/%d/fd", c.pid)
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range list {
		if to, _ := os.Readlink(filepath.Join(dir, e.Name())); !strings.HasPrefix(to, "socket:") {
			continue
		}
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			return err
		}
		found, err := c.deafen(pidfd, n, deaf)
		if found || err != nil {
			return err
		}
	}
	if !deaf {
		return nil // it was closed
	}
	return fmt.Errorf("process %d has no connection with the client's port %d", c.pid, c.port)
}

// deafen sets or removes the filter of a descriptor of the process, if it is the one.
func (c *connEnd) deafen(pidfd, n int, deaf bool) (found bool, err error) {
	fd, err := unix.PidfdGetfd(pidfd, n, 0)
	if errors.Is(err, unix.EBADF) {
		return false, nil // closed meanwhile
	}
	if err != nil {
		return false, os.NewSyscallError("pidfd_getfd", err)
	}
	defer unix.Close(fd)
	addr, err := c.name(fd)
	if err != nil {
		return false, nil // it listens
	}
	switch a := addr.(type) {
	case *unix.SockaddrInet4:
		found = a.Port == c.port
	case *unix.SockaddrInet6:
		found = a.Port == c.port
	}
	if !found {
		return false, nil
	}
	if deaf {
		settle(fd)
		nothing := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
		err = unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing[0]})
	} else {
		err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
	return true, os.NewSyscallError("setsockopt", err)
}

// settle waits a moment until what was sent has been acknowledged. Otherwise the kernel
// would send that again and again, and nothing new behind it.
func settle(fd int) {
	for range 500 {
		info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil || info.Unacked == 0 {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func (b *blocker) closeFiles() {
	for _, f := range []*os.File{b.asked, b.reply} {
		if f != nil {
			_ = f.Close()
		}
	}
}

// close ends the blocker. Connections that are blocked stay so.
func (b *blocker) close() {
	b.closeFiles()
	<-b.ended
}
