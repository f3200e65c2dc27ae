//go:build !linux

package smbtorture

import "errors"

func makeSnapshot(string, string) error { return errors.ErrUnsupported }
