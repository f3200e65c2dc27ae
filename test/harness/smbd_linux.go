package harness

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Smbd is Samba's server as a peer: what one of the two has stored, the other one reads.
type Smbd struct {
	// Addr is its address, and User and Password are of one who may do everything in its
	// share, which is called "share".
	Addr, User, Password string
}

// smbdUser is an account of every Debian system; in the share it acts as root.
const smbdUser = "games"

// smbdConfig is a server of its own in the directory %[1]s, at port %[2]s, that shares
// %[3]s.
const smbdConfig = `[global]
    server role = standalone server
    workgroup = LESSOR
    netbios name = PEER
    smb ports = %[2]s
    interfaces = 127.0.0.1/8
    bind interfaces only = yes
    disable netbios = yes
    load printers = no
    disable spoolss = yes
    printing = bsd
    printcap name = /dev/null
    log level = 0
    log file = %[1]s/log/smbd
    state directory = %[1]s/state
    lock directory = %[1]s/lock
    pid directory = %[1]s/pid
    private dir = %[1]s/private
    cache directory = %[1]s/cache
    ncalrpc dir = %[1]s/ncalrpc
    passdb backend = smbpasswd:%[1]s/private/smbpasswd
    server min protocol = SMB2_10
    server max protocol = SMB3_11
    map to guest = never
[share]
    path = %[3]s
    read only = no
    admin users = %[4]s
    vfs objects = acl_xattr streams_xattr
    ea support = yes
    store dos attributes = yes
%[5]s
`

// RunSmbd starts smbd with the directory share as its only share; settings are lines
// about it. It ends with the test, which is skipped where there is no smbd, or nobody
// who may start it.
func RunSmbd(t testing.TB, share string, settings ...string) *Smbd {
	t.Helper()
	program, err := exec.LookPath("smbd")
	if err != nil {
		if program, err = exec.LookPath("/usr/sbin/smbd"); err != nil {
			t.Skip("smbd is not installed (Debian package samba)")
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("smbd needs root, to act as its users")
	}
	// The sockets in it have names of 108 bytes at most.
	dir, err := os.MkdirTemp("", "smbd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, sub := range []string{"state", "lock", "pid", "private", "cache", "ncalrpc", "log"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Smbd{Addr: l.Addr().String(), User: smbdUser, Password: Password}
	_ = l.Close()
	_, port, _ := net.SplitHostPort(s.Addr)
	config := filepath.Join(dir, "smb.conf")
	text := fmt.Sprintf(smbdConfig, dir, port, share, smbdUser, "    "+strings.Join(settings, "\n    "))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	add := exec.Command(Tool(t, "smbpasswd", "samba-common-bin"), "-c", config, "-s", "-a", smbdUser)
	add.Stdin = strings.NewReader(s.Password + "\n" + s.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("smbpasswd: %v\n%s", err, out)
	}
	cmd := exec.Command(program, "--foreground", "--no-process-group", "-s", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	t.Cleanup(func() {
		// It has children of its own, for each connection and for more.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-done
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	s.wait(t, done)
	return s
}

// wait returns when smbd takes connections.
func (s *Smbd) wait(t testing.TB, done <-chan struct{}) {
	t.Helper()
	limit, tick := time.NewTimer(readyTimeout), time.NewTicker(pollEvery)
	defer limit.Stop()
	defer tick.Stop()
	for {
		if c, err := net.Dial("tcp", s.Addr); err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-done:
			t.Fatal("smbd has ended")
		case <-limit.C:
			t.Fatalf("smbd takes no connections after %v", readyTimeout)
		case <-tick.C:
		}
	}
}
