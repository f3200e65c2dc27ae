//go:build !linux

package transport

import (
	"errors"
	"net"
)

func setCongestion(*net.TCPConn, string, func(string) bool) {}

// TryCongestion returns errors.ErrUnsupported.
func TryCongestion(string) error { return errors.ErrUnsupported }
