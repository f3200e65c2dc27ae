//go:build linux

package main

import (
	"bytes"
	"errors"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// client is the end of a connection that asks. Only its thread touches it while a loop
// runs.
type client struct {
	plan           *plan
	fd             int
	size           int // bytes of data of a request
	depth          int64
	busy           *atomic.Int32 // no more is asked when this is 0
	memory         []byte        // what is sent or comes in
	asked, replies int64
}

func (c *client) close() {
	_ = unix.Close(c.fd)
	if c.memory != nil {
		_ = unix.Munmap(c.memory)
	}
}

// due is how many requests can be sent now.
func (c *client) due() int64 {
	if c.busy.Load() == 0 {
		return 0
	}
	n := c.depth - (c.asked - c.replies)
	if most := c.plan.requests; most > 0 {
		n = min(n, most-c.asked)
	}
	return n
}

// read asks for data. All requests that can be sent go together.
func (c *client) read() error {
	var requests [maxDepth * requestSize]byte
	take := c.discard
	if c.plan.copies {
		take = c.copy
	}
	for got := 0; ; {
		if n := c.due(); n > 0 {
			if err := sendAll(c.fd, requests[:n*requestSize], 0); err != nil {
				return err
			}
			c.asked += n
		}
		if c.asked == c.replies {
			return nothingMore(got)
		}
		n, err := take(got)
		if err != nil {
			return err
		}
		got += n
		c.replies += int64(got / (replySize + c.size))
		got %= replySize + c.size
	}
}

// discard takes what is there without a look at it.
func (c *client) discard(int) (int, error) {
	return recv(c.fd, c.memory[:discardSize], unix.MSG_TRUNC)
}

// copy takes what is there up to the end of the reply, of which got bytes have come.
func (c *client) copy(got int) (int, error) {
	b := c.memory[:replySize+c.size]
	n, err := recv(c.fd, b[got:], 0)
	if err == nil && got+n == len(b) && c.plan.check != nil {
		err = c.plan.check(c.replies, b)
	}
	return n, err
}

// write sends data, and takes replies when they are there or when no more can be sent.
func (c *client) write() error {
	request := c.memory[pageSize-requestSize : pageSize+c.size]
	var replies [maxDepth * replySize]byte
	for got := 0; ; {
		wait := unix.MSG_DONTWAIT
		if c.due() > 0 {
			if c.plan.load != nil {
				c.plan.load(c.asked, request[requestSize:])
			}
			if err := sendAll(c.fd, request, 0); err != nil {
				return err
			}
			c.asked++
		}
		if c.asked == c.replies {
			return nothingMore(got)
		}
		if c.due() <= 0 {
			wait = 0
		}
		n, err := recv(c.fd, replies[:], wait)
		if err == unix.EAGAIN {
			continue
		}
		if err != nil {
			return err
		}
		got += n
		c.replies += int64(got / replySize)
		got %= replySize
	}
}

// ping sends a few bytes and waits until they are back.
func (c *client) ping() error {
	out, in := make([]byte, pingSize), make([]byte, pingSize)
	for c.due() > 0 {
		pattern(out, c.asked)
		if err := sendAll(c.fd, out, 0); err != nil {
			return err
		}
		c.asked++
		if err := recvAll(c.fd, in); err != nil {
			return err
		}
		if !bytes.Equal(in, out) {
			return errors.New("what came back is not what was sent")
		}
		c.replies++
	}
	return nil
}

func nothingMore(got int) error {
	if got > 0 {
		return errors.New("more came than was asked for")
	}
	return nil
}
