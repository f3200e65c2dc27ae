//go:build !linux

package mcast

import (
	"context"
	"errors"
)

// Socket is there on Linux alone.
type Socket struct{ Link }

// Listen is there on Linux alone.
func Listen(context.Context, Group) (*Socket, error) { return nil, errors.ErrUnsupported }

// Port is there on Linux alone.
func (s *Socket) Port() int { return 0 }
