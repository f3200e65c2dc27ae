//go:build !linux

package transport

type lowat struct{}
