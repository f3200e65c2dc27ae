//go:build !linux

package transport

import (
	"errors"
	"net"
	"time"
)

// socket does not exist here.
type socket struct{}

func newSocket(*net.TCPConn, bool) (*socket, error) { return nil, errors.ErrUnsupported }

func (*socket) Read(func(uintptr) bool) error    { return errors.ErrUnsupported }
func (*socket) Write(func(uintptr) bool) error   { return errors.ErrUnsupported }
func (*socket) setReadDeadline(time.Time) error  { return errors.ErrUnsupported }
func (*socket) setWriteDeadline(time.Time) error { return errors.ErrUnsupported }
func (*socket) attended() bool                   { return false }
func (*socket) version() uint32                  { return 0 }
func (*socket) reset()                           {}
func (*socket) close() error                     { return errors.ErrUnsupported }
