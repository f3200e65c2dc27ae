//go:build !linux

package smbtorture

import "errors"

type blocker struct{}

func newBlocker(string, int, bool) (*blocker, error) {
	return nil, errors.New("connections can be blocked on Linux alone")
}

func (*blocker) command() string { return "" }

func (*blocker) close() {}
