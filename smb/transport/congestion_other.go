//go:build !linux

package transport

import (
	"errors"
	"syscall"
)

func setCongestion(syscall.Conn, string, func(string) bool) bool { return false }

// TryCongestion returns errors.ErrUnsupported.
func TryCongestion(string) error { return errors.ErrUnsupported }
