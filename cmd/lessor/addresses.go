package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"lessor/config"
	"lessor/smb/transport"
)

// addresses are the sockets of a server. They are taken first of all, as the
// rights that some of them need are given up then.
type addresses struct {
	smb     []net.Listener
	quic    []net.PacketConn
	metrics net.Listener // nil: none
}

// takeAddresses takes what the service manager has passed, and opens the rest. Of
// each kind it is all or nothing: where a socket was passed, the setting does not
// count.
func takeAddresses(c *config.Config) (_ *addresses, err error) {
	p, err := passedSockets()
	if err != nil {
		return nil, err
	}
	a := &addresses{smb: p.smb, quic: p.quic, metrics: p.metrics}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	listen := transport.ListenTCP
	if c.Server.TCP.Congestion == config.CongestionAuto {
		listen = transport.ListenTCPUnpaced
	}
	if a.smb, err = takeAll(c, "server.listen", c.Server.Listen, a.smb, listen); err != nil {
		return nil, err
	}
	if a.quic, err = takeAll(c, "server.quic.listen", c.Server.QUIC.Listen, a.quic, transport.ListenUDP); err != nil {
		return nil, err
	}
	if addr := c.MetricsAddr(); addr != "" && a.metrics == nil {
		a.metrics, err = new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		if err != nil {
			return nil, addressProblem(c, "metrics.listen", addr, err)
		}
	}
	return a, nil
}

// takeAll opens the sockets of a list, unless there are some already.
func takeAll[T any](c *config.Config, key string, list []string, have []T, listen func(context.Context, string) ([]T, error)) ([]T, error) {
	if len(have) > 0 {
		return have, nil
	}
	for i, addr := range list {
		sockets, err := listen(context.Background(), addr)
		if err != nil {
			return have, addressProblem(c, fmt.Sprintf("%s[%d]", key, i), addr, err)
		}
		have = append(have, sockets...)
	}
	return have, nil
}

func (a *addresses) close() {
	(&passed{smb: a.smb, quic: a.quic, metrics: a.metrics}).close()
}

// list is how the addresses are shown.
func (a *addresses) list() []string {
	var out []string
	for _, l := range a.smb {
		out = append(out, l.Addr().String())
	}
	for _, s := range a.quic {
		out = append(out, s.LocalAddr().String()+" (QUIC)")
	}
	return out
}

// metricsAddr is where the metrics are; empty if there are none.
func (a *addresses) metricsAddr() string {
	if a.metrics == nil {
		return ""
	}
	return a.metrics.Addr().String()
}

// addressProblem explains why the server cannot listen.
func addressProblem(c *config.Config, key, addr string, err error) error {
	var errno syscall.Errno
	what, remedy := err.Error(), "give another address"
	if errors.As(err, &errno) {
		what = fmt.Sprintf("cannot listen on %s: %v", addr, errno)
		switch errno {
		case syscall.EADDRINUSE:
			remedy = "end the program that has it, or choose another port"
		case syscall.EACCES:
			remedy = "choose a port above 1023, or give the program CAP_NET_BIND_SERVICE"
		case syscall.EADDRNOTAVAIL:
			remedy = "no interface has this address; see \"ip address\""
		case syscall.EAFNOSUPPORT:
			remedy = "this machine has no addresses of that kind; see \"ip address\""
		}
	} else if strings.Contains(what, "no interface") {
		remedy = "give an address or the name of an interface; see \"ip address\""
	}
	return c.Problem(key, what, remedy)
}
