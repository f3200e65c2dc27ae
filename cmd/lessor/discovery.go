package main

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"sync"

	"github.com/rs/zerolog"

	"lessor/config"
	"lessor/discovery"
)

// announcer lets clients on the link find the server. Its socket is there before the
// process is confined.
type announcer struct {
	link discovery.Link
	log  *zerolog.Logger
	stop context.CancelFunc // nil: it has not begun
	ends sync.WaitGroup
}

// newAnnouncer opens the socket. That it cannot be had is no reason not to serve: nil then,
// and where nothing is to be announced.
func newAnnouncer(c *config.Config, log *zerolog.Logger) *announcer {
	if !c.Server.Discovery.MDNS {
		return nil
	}
	link, err := discovery.Listen(context.Background(), nil)
	if err != nil {
		log.Warn().Err(err).Msg("clients cannot find the server by multicast DNS")
		return nil
	}
	return &announcer{link: link, log: log}
}

// begin announces the server and its shares for Time Machine.
func (a *announcer) begin(c *config.Config, listeners []net.Listener) {
	if a == nil {
		return
	}
	list := services(c, listeners)
	if len(list) == 0 {
		a.log.Warn().Msg("nothing is announced by multicast DNS, as the server listens on loopback alone")
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	r := discovery.NewResponder(a.link, cmp.Or(c.Server.Discovery.Name, c.Server.Name), list)
	a.ends.Go(func() {
		if err := r.Run(ctx); err != nil {
			a.log.Warn().Err(err).Msg("clients cannot find the server by multicast DNS any more")
		}
	})
}

// close takes back what was announced. It may be called again.
func (a *announcer) close() {
	if a == nil {
		return
	}
	if a.stop == nil {
		_ = a.link.Close()
		return
	}
	a.stop()
	a.ends.Wait()
}

// services are what is announced: nothing if clients on the network cannot connect.
func services(c *config.Config, listeners []net.Listener) (out []discovery.Service) {
	port := reachablePort(listeners)
	if port == 0 {
		return nil
	}
	out = []discovery.Service{
		{Type: "_smb._tcp", Port: port},
		{Type: "_device-info._tcp", Text: []string{"model=" + model(c)}},
	}
	text := []string{"sys=waMa=0,adVF=0x100"}
	for i := range c.Shares {
		if s := &c.Shares[i]; s.TimeMachine && !s.Hidden {
			// Bits of adVF: SMB is spoken, and the share is for Time Machine.
			text = append(text, fmt.Sprintf("dk%d=adVN=%s,adVF=0x82", len(text)-1, s.Name))
		}
	}
	if len(text) > 1 {
		out = append(out, discovery.Service{Type: "_adisk._tcp", Port: discardPort, Text: text})
	}
	return out
}

// discardPort is what stands for no port at all in _adisk._tcp.
const discardPort = 9

// model is that of the first share for clients of Apple.
func model(c *config.Config) string {
	for i := range c.Shares {
		if m := &c.Shares[i].Macos; m.Enabled {
			return m.Model
		}
	}
	return "MacSamba"
}

// reachablePort is the port of the first listener that others can reach; 0: there is none.
func reachablePort(listeners []net.Listener) uint16 {
	for _, l := range listeners {
		if a, ok := l.Addr().(*net.TCPAddr); ok && !a.IP.IsLoopback() {
			return uint16(a.Port)
		}
	}
	return 0
}
