//go:build !linux

package transport

import (
	"net"
	"syscall"
	"time"
)

func setUserTimeout(*net.TCPConn, time.Duration) {}

func bindEarly(_, _ string, _ syscall.RawConn) error { return nil }
