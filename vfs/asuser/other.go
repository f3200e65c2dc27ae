//go:build !linux

package asuser

import (
	"errors"

	"lessor/vfs"
)

// Do answers errors.ErrUnsupported: other systems have no identity of a thread.
func Do(*vfs.Cred, func()) error { return errors.ErrUnsupported }

// Probe answers errors.ErrUnsupported.
func Probe() error { return errors.ErrUnsupported }
