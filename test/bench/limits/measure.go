//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// plan is what all runs have in common. It does not change.
type plan struct {
	file             *file
	warmUp, duration time.Duration
	copies           bool // the client copies what it reads

	// For tests. A client asks so many times and no more, if requests is not 0. load
	// fills the data of a request before it is sent, check looks at what a reply
	// brought (with copies), both with the number of the request.
	requests int64
	load     func(i int64, data []byte)
	check    func(i int64, reply []byte) error
}

// patience is how much longer than planned a run may take.
const patience = 30 * time.Second

// sample is what one run, or one server in it, found.
type sample struct {
	rate float64 // requests a second
	cpu  float64 // seconds of the server's threads for a request
}

var errLate = errors.New("it does not come to an end")

// measure runs a loop once.
func measure(ctx context.Context, p *plan, l *loop, congestion string) (sample, error) {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	ctx, cancel := context.WithTimeoutCause(ctx, p.warmUp+p.duration+patience, errLate)
	defer cancel()

	var busy atomic.Int32 // meters that have not seen enough
	busy.Store(int32(l.conns))
	var servers []*server
	var clients []*client
	defer func() {
		for _, s := range servers {
			s.close()
		}
		for _, c := range clients {
			c.close()
		}
	}()
	for i := range l.conns {
		s, c, err := newPair(p, l, congestion, i, &busy)
		if err != nil {
			return sample{}, err
		}
		servers, clients = append(servers, s), append(clients, c)
	}

	shut := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(shut)
		for i := range servers {
			_ = unix.Shutdown(servers[i].fd, unix.SHUT_RDWR)
			_ = unix.Shutdown(clients[i].fd, unix.SHUT_RDWR)
		}
	})
	var wg sync.WaitGroup
	thread := func(who string, f func() error) {
		wg.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			if err := f(); err != nil {
				fail(fmt.Errorf("%s: %w", who, err))
			}
		})
	}
	for i := range servers {
		thread("server", func() error { return servers[i].run(l) })
		thread("client", func() error { return clients[i].run(l) })
	}
	wg.Wait()
	if !stop() {
		<-shut // the sockets are not closed before
	}
	if err := context.Cause(ctx); err != nil {
		return sample{}, err
	}
	return sum(servers, clients)
}

// sum adds up what the servers found, if all bytes have come that should have.
func sum(servers []*server, clients []*client) (total sample, err error) {
	var cpu float64 // a second
	for i, s := range servers {
		if c := clients[i]; c.replies != c.asked || s.meter.replies != c.asked {
			return total, fmt.Errorf("%d requests, %d were answered, %d replies came", c.asked, s.meter.replies, c.replies)
		}
		got := s.meter.found
		total.rate += got.rate
		cpu += got.rate * got.cpu
	}
	if total.rate == 0 {
		return total, errors.New("nothing was measured")
	}
	total.cpu = cpu / total.rate
	return total, nil
}

// newPair makes a connection, with a server and a client at its ends, the i-th of the
// run.
func newPair(p *plan, l *loop, congestion string, i int, busy *atomic.Int32) (*server, *client, error) {
	ln, err := listen(congestion)
	if err != nil {
		return nil, nil, err
	}
	sfd, cfd, err := ln.connect()
	ln.close()
	if err != nil {
		return nil, nil, err
	}
	s := &server{fd: sfd, pipe: pipe{-1, -1}, size: l.size, meter: meter{warmUp: p.warmUp, duration: p.duration, busy: busy}}
	c := &client{plan: p, fd: cfd, size: l.size, depth: int64(l.depth), busy: busy}
	if l.size > 0 {
		s.file, s.slots = p.file.fd(), p.file.slots(l.size)
		s.slot = s.slots * int64(i) / int64(l.conns) // each begins elsewhere
		s.pipe, err = newPipe(l.pipeFlags)
	}
	if err == nil {
		s.memory, err = newMemory(pageSize + l.size)
	}
	if err == nil {
		c.memory, err = newMemory(max(pageSize+l.size, discardSize))
	}
	if err != nil {
		s.close()
		c.close()
		return nil, nil, err
	}
	return s, c, nil
}

// meter belongs to the thread of a server.
type meter struct {
	warmUp, duration time.Duration
	busy             *atomic.Int32 // one less when this meter has seen enough

	state   meterState
	replies int64
	begun   time.Time // of the server, or of what is measured
	first   int64     // replies before what is measured
	cpu     time.Duration
	found   sample
}

// The states of a meter follow each other in this order.
type meterState int

const (
	warming meterState = iota
	measuring
	full
)

func (m *meter) start() (err error) {
	m.begun = time.Now()
	if m.warmUp == 0 {
		m.state = measuring
		m.cpu, err = threadCPU()
	}
	return err
}

// reply counts n replies, which were sent since the last call.
func (m *meter) reply(n int) error {
	m.replies += int64(n)
	if m.state == full {
		return nil
	}
	now := time.Now()
	switch since := now.Sub(m.begun); {
	case m.state == warming && since >= m.warmUp:
		cpu, err := threadCPU()
		m.begun, m.first, m.cpu, m.state = now, m.replies, cpu, measuring
		return err
	case m.state == measuring && since >= m.duration:
		return m.end(now)
	}
	return nil
}

func (m *meter) end(now time.Time) error {
	cpu, err := threadCPU()
	if n := float64(m.replies - m.first); n > 0 {
		m.found = sample{rate: n / max(now.Sub(m.begun), 1).Seconds(), cpu: (cpu - m.cpu).Seconds() / n}
	}
	m.state = full
	m.busy.Add(-1)
	return err
}

// finish ends what is measured where the client has ended first, as it does in tests.
func (m *meter) finish() error {
	if m.state == measuring {
		return m.end(time.Now())
	}
	return nil
}

// run serves until the client has ended.
func (s *server) run(l *loop) error {
	if err := s.meter.start(); err != nil {
		return err
	}
	if err := l.serve(s); err != io.EOF {
		return err
	}
	return s.meter.finish()
}

// run asks until the meters have seen enough, and tells the server so.
func (c *client) run(l *loop) error {
	if err := l.ask(c); err != nil {
		return whole(1, err) // there is no end that a client expects
	}
	if err := unix.Shutdown(c.fd, unix.SHUT_WR); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}
