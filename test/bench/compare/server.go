package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// server is Lessor.
type server struct {
	cmd  *exec.Cmd
	addr string
}

// start starts Lessor with one share below dir, and waits until it listens. It signs
// only what clients want to be signed, as the others do.
func start(ctx context.Context, program, dir, share, user, password string) (*server, error) {
	for _, sub := range []string{"share", "state"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, err
		}
	}
	config, secret := filepath.Join(dir, "lessor.yaml"), filepath.Join(dir, "password")
	if err := os.WriteFile(config, []byte("server:\n  signing: enabled\n"), 0o600); err != nil {
		return nil, err
	}
	if err := os.WriteFile(secret, []byte(password), 0o600); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // for a port that is free
	if err != nil {
		return nil, err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &server{addr: addr, cmd: exec.CommandContext(ctx, program, "serve", "-c", config, "--listen", addr,
		"--share", share+"="+filepath.Join(dir, "share"), "--user", user, "--password-file", secret,
		"--state", filepath.Join(dir, "state"), "--metrics", "")}
	s.cmd.Stderr = os.Stderr
	// A session of its own, as a service has: the kernel shares the processors between sessions (sched_autogroup), and
	// one that shares its own with the client answers `echo` a quarter less often.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for range 100 {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			return s, c.Close()
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.stop()
	return nil, fmt.Errorf("%s does not listen at %s", program, addr)
}

func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	_ = s.cmd.Wait()
}
