//go:build !linux

package discovery

import (
	"context"
	"errors"
)

// Listen is there on Linux alone.
func Listen(context.Context) (Link, error) { return nil, errors.ErrUnsupported }
