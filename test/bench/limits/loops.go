//go:build linux

package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// What the two ends say to each other, in bytes.
const (
	requestSize = 117 // before the data of a write
	replySize   = 84  // before the data of a read
	pingSize    = 68
)

const (
	pageSize = 4096
	// partSize is how much is moved at a time where a request is taken in parts.
	partSize = 128 << 10
	// discardSize is how much a client discards at a time.
	discardSize = 1 << 20
	// maxDepth bounds how many requests a client has outstanding.
	maxDepth = 8
)

// loop is one row of what is measured.
type loop struct {
	name         string
	size         int // bytes of data of a request; 0: there is none
	depth, conns int
	pipeFlags    int
	writes       bool // the file

	serve func(*server) error // until the client has ended, with io.EOF
	ask   func(*client) error
}

// way is one way to serve requests of one kind.
type way struct {
	name      string
	serve     func(*server) error
	pipeFlags int
}

var readWays = []way{
	{name: "sendfile", serve: func(s *server) error { return s.reads((*server).sendfile) }},
	{name: "splice", serve: func(s *server) error { return s.reads((*server).splice) }},
	{name: "copy", serve: func(s *server) error { return s.reads((*server).copy) }},
	// A full pipe is told, and not waited for: nobody else empties it.
	{name: "gather", serve: func(s *server) error { return s.reads((*server).gather) }, pipeFlags: unix.O_NONBLOCK},
}

var writeWays = []way{
	{name: "whole", serve: func(s *server) error { return s.writes(s.size) }},
	{name: "parts", serve: func(s *server) error { return s.writes(partSize) }},
	{name: "splice", serve: (*server).spliceWrites},
}

// loops returns all loops. The rows to compare with each other stand together.
func loops() (all []loop) {
	sizes := []struct {
		name string
		size int
	}{{"1M", 1 << 20}, {"64K", 64 << 10}}
	depths := []int{1, maxDepth}
	for _, n := range sizes {
		for _, d := range depths {
			for _, w := range readWays {
				all = append(all, loop{name: fmt.Sprintf("read %s d%d %s", n.name, d, w.name), size: n.size, depth: d, conns: 1,
					pipeFlags: w.pipeFlags, serve: w.serve, ask: (*client).read})
			}
			if d > 1 && n.size == 1<<20 {
				all = append(all, loop{name: fmt.Sprintf("read %s d%d splice, 2 connections", n.name, d), size: n.size, depth: d, conns: 2,
					serve: readWays[1].serve, ask: (*client).read})
			}
		}
	}
	for _, n := range sizes {
		for _, d := range depths {
			for _, w := range writeWays {
				if w.name == "parts" && n.size <= partSize {
					continue // the same as whole
				}
				all = append(all, loop{name: fmt.Sprintf("write %s d%d %s", n.name, d, w.name), size: n.size, depth: d, conns: 1, writes: true,
					serve: w.serve, ask: (*client).write})
			}
		}
	}
	return append(all,
		loop{name: "ping-pong read", depth: 1, conns: 1, serve: (*server).pong, ask: (*client).ping},
		loop{name: "ping-pong ppoll", depth: 1, conns: 1, serve: (*server).pongPoll, ask: (*client).ping})
}
