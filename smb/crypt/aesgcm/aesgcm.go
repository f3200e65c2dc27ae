package aesgcm

import "errors"

const (
	blockSize = 16
	nonceSize = 12
	tagSize   = 16
	// group is how many bytes the assembly takes at a time.
	group = 16 * blockSize
	// piece is how many bytes go through both passes before the next ones.
	piece = 8 << 10
)

var errOpen = errors.New("aesgcm: message authentication failed")
