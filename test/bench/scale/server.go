package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/vfs/memfs"
)

// serve starts a server in this process and points t at it.
func serve(t *target) (stop func(), err error) {
	t.opts.User, t.opts.Password = "scale", "secret"
	users, err := auth.NewUsers(auth.User{Name: t.opts.User, NTHash: auth.NTHash(t.opts.Password)})
	if err != nil {
		return nil, err
	}
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "SCALE", Accounts: users})
	if err != nil {
		return nil, err
	}
	cfg := smb.Config{Auth: auth.NewNegotiator(ntlm)}
	cfg.Limits.OpensPerSession = 1 << 20
	s, err := smb.New(cfg)
	if err != nil {
		return nil, err
	}
	if err := s.SetShares([]smb.Share{{Name: t.share, DefaultAccess: smb.AccessWrite, FS: memfs.New(memfs.Options{})}}); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t.addr = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	return func() {
		_ = s.Close()
		<-done
	}, nil
}

// memory is what the server holds, in bytes: the proportional set of its processes,
// or what is reachable in this one.
func (t *target) memory() (uint64, error) {
	if t.pid == 0 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse, nil
	}
	return pss(t.pid)
}

// pss adds up the proportional sets of a process and those below it.
func pss(pid int) (sum uint64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			kib, _ := strconv.ParseUint(f[1], 10, 64)
			sum += kib << 10
		}
	}
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, child := range strings.Fields(string(b)) {
			if n, err := strconv.Atoi(child); err == nil {
				more, _ := pss(n) // it may be gone
				sum += more
			}
		}
	}
	return sum, nil
}
