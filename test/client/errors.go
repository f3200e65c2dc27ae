package client

import (
	"errors"
	"fmt"

	"lessor/smb/ntstatus"
)

var (
	// ErrProtocol is wrapped by every error that says that the server broke the
	// protocol. The connection has ended with it.
	ErrProtocol = errors.New("client: protocol violation")
	// ErrClosed is wrapped by the errors of a Conn after Close.
	ErrClosed = errors.New("client: connection closed")
	// ErrNoInterim is wrapped by Pending.Interim when the final reply came first.
	ErrNoInterim = errors.New("client: answered without an interim reply")
)

func violation(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrProtocol, fmt.Sprintf(format, args...))
}

// StatusOf returns the status of a reply that err stands for: Success for nil,
// and false if err is no status.
func StatusOf(err error) (ntstatus.Status, bool) {
	if err == nil {
		return ntstatus.Success, true
	}
	var s ntstatus.Status
	ok := errors.As(err, &s)
	return s, ok
}
