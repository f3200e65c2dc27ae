//go:build !linux

package smbtorture

import (
	"errors"
	"fmt"
)

type blocker struct{}

func newBlocker(string, int, bool) (*blocker, error) {
	return nil, fmt.Errorf("connections can be blocked on Linux alone: %w", errors.ErrUnsupported)
}

func (*blocker) command() string { return "" }

func (*blocker) close() {}
