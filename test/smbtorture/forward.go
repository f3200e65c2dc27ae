package smbtorture

import (
	"io"
	"net"
	"sync"
)

// wellKnownHost is an address of this machine that hardly anybody uses, where the
// server can be found at the well-known port by tests that ask for no other.
const wellKnownHost = "127.77.4.45"

// forwarder passes connections to the well-known port on to a server.
type forwarder struct {
	listener net.Listener
	to       string
	wg       sync.WaitGroup
}

// newForwarder needs the right to listen on a port below 1024.
func newForwarder(to string) (*forwarder, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(wellKnownHost, "445"))
	if err != nil {
		return nil, err
	}
	f := &forwarder{listener: l, to: to}
	f.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.wg.Go(func() { f.forward(c) })
		}
	})
	return f, nil
}

// forward serves one connection, until one side ends it.
func (f *forwarder) forward(c net.Conn) {
	defer c.Close()
	server, err := net.Dial("tcp", f.to)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(c, server)
		_ = c.Close()
	})
	_, _ = io.Copy(server, c)
	_ = server.Close()
	back.Wait()
}

// close ends the forwarder when the connections have ended.
func (f *forwarder) close() {
	_ = f.listener.Close()
	f.wg.Wait()
}
