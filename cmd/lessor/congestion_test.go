package main

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"lessor/config"
)

func TestCongestionProblem(t *testing.T) {
	allowed := []string{"reno", "bbr"}
	for name, tt := range map[string]struct {
		err     error
		setting config.Congestion
		allowed []string
		want    string // empty: it is fine
	}{
		"fine":              {nil, "bbr", allowed, ""},
		"no list":           {nil, "bbr", nil, ""},
		"for root alone":    {nil, "cubic", allowed, `server.tcp.congestion: the system does not let everybody use "cubic"; choose one of reno, bbr, or add it to the sysctl`},
		"not for this user": {os.NewSyscallError("setsockopt", syscall.EPERM), "cubic", allowed, `the system does not let everybody use "cubic"; choose one of reno, bbr, or`},
		"none":              {os.NewSyscallError("setsockopt", syscall.ENOENT), "cubik", allowed, `the system has no "cubik"; choose one of reno, bbr, or load the module tcp_cubik`},
		"none, no list":     {syscall.ENOENT, "cubik", nil, `the system has no "cubik"; see /proc/sys/net/ipv4/`},
		"no choice":         {errors.ErrUnsupported, "reno", nil, "this system does not let programs choose; set it to auto or system"},
		"no socket":         {os.NewSyscallError("socket", syscall.EMFILE), "reno", allowed, `"reno" cannot be used: socket: too many open files; choose`},
	} {
		c := config.Default()
		c.Server.TCP.Congestion = tt.setting
		err := congestionProblem(c, tt.err, tt.allowed)
		if tt.want == "" && err == nil {
			continue
		}
		if tt.want == "" || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestCheckCongestion(t *testing.T) {
	settings := []config.Congestion{config.CongestionAuto, config.CongestionSystem}
	if list, err := os.ReadFile(allowedCongestion); err == nil {
		for _, name := range strings.Fields(string(list)) {
			settings = append(settings, config.Congestion(name))
		}
	}
	c := config.Default()
	for _, c.Server.TCP.Congestion = range settings {
		if err := checkCongestion(c); err != nil {
			t.Error(err)
		}
	}
}
