package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"github.com/rs/zerolog"

	"lessor/config"
	"lessor/discovery"
	"lessor/discovery/mcast"
	"lessor/discovery/wsd"
)

// announcer lets clients on the link find the server. Its sockets are there before the
// process is confined, which may take no port after that. The main goroutine uses it.
type announcer struct {
	log  *zerolog.Logger
	mdns []discovery.Link // none: not announced by multicast DNS
	// Of WS-Discovery; web is nil where it is not announced by it.
	wsd  []mcast.Link
	web  net.Listener
	stop context.CancelFunc // nil: it has not begun
	ends sync.WaitGroup
}

// newAnnouncer opens the sockets. That they cannot be had is no reason not to serve.
func newAnnouncer(c *config.Config, listeners []net.Listener, log *zerolog.Logger) *announcer {
	a := &announcer{log: log}
	d := &c.Server.Discovery
	if !d.MDNS && !d.WSD {
		return a
	}
	port, at := reachable(listeners)
	if port == 0 {
		log.Warn().Msg("clients cannot find the server, as it listens on loopback alone")
		return a
	}
	if d.MDNS {
		var err error
		if a.mdns, err = discovery.Listen(context.Background(), at); err != nil {
			log.Warn().Err(err).Msg("clients cannot find the server by multicast DNS")
		}
	}
	if d.WSD {
		if err := a.openWSD(at); err != nil {
			log.Warn().Err(err).Msg("Windows cannot find the server by WS-Discovery")
		} else if port != smbPort {
			log.Warn().Uint16("port", port).Msg("Windows shows the server under Network, but opens port 445, and the server listens on another")
		}
	}
	return a
}

// smbPort is the only one that Windows connects to from Explorer.
const smbPort = 445

// openWSD opens the port of HTTP, which another program that does the same has, and the
// sockets of the families of addresses that there are.
func (a *announcer) openWSD(at []netip.Addr) error {
	web, err := net.Listen("tcp", fmt.Sprintf(":%d", wsd.WebPort))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("another program, such as wsdd, has the port: %w", err)
	}
	if err != nil {
		return err
	}
	var failed []error
	for _, g := range wsd.Groups(at) {
		link, err := mcast.Listen(context.Background(), g)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		a.wsd = append(a.wsd, link)
	}
	if len(a.wsd) == 0 {
		return errors.Join(append(failed, web.Close())...)
	}
	if len(failed) > 0 {
		a.log.Info().Errs("errors", failed).Msg("WS-Discovery has one family of addresses")
	}
	a.web = web
	return nil
}

// begin announces the server and its shares for Time Machine.
func (a *announcer) begin(c *config.Config, listeners []net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	a.stop = cancel
	if len(a.mdns) > 0 {
		r := discovery.NewResponder(a.mdns, cmp.Or(c.Server.Discovery.Name, c.Server.Name), services(c, listeners))
		a.run(ctx, r, "clients cannot find the server by multicast DNS any more")
	}
	if a.web != nil {
		dev := device(c)
		a.run(ctx, wsd.New(dev, a.wsd, a.web), "Windows cannot find the server by WS-Discovery any more")
		a.log.Info().Str("name", dev.Name).Str("workgroup", dev.Workgroup).Str("domain", dev.Domain).Str("uuid", dev.UUID).
			Msg("announced by WS-Discovery")
	}
}

func (a *announcer) run(ctx context.Context, r interface{ Run(context.Context) error }, failure string) {
	a.ends.Go(func() {
		if err := r.Run(ctx); err != nil {
			a.log.Warn().Err(err).Msg(failure)
		}
	})
}

// leave begins to take back what was announced. It may be called again.
func (a *announcer) leave() {
	if a.stop != nil {
		a.stop()
	}
}

// close takes back what was announced, waits for that, and closes the sockets. It may be
// called again, and there need not be an announcer.
func (a *announcer) close() {
	if a == nil {
		return
	}
	a.leave()
	a.ends.Wait()
	if a.stop != nil {
		return // they were closed by those who had them
	}
	for _, l := range slices.Concat(a.mdns, a.wsd) {
		_ = l.Close()
	}
	if a.web != nil {
		_ = a.web.Close()
	}
}

// device is what Windows is told of the server. Explorer connects to the name, so that it
// is the one that the server has, whatever people call it.
func device(c *config.Config) wsd.Device {
	d := wsd.Device{
		UUID: wsd.UUID(cmp.Or(knownMachineSID(c).String(), c.Server.Name)),
		Name: c.Server.Name, FriendlyName: cmp.Or(c.Server.Discovery.Name, c.Server.Name),
	}
	if len(c.Directory.URLs) > 0 {
		d.Domain = workgroup(c)
	} else {
		d.Workgroup = workgroup(c)
	}
	return d
}

// workgroup is what the server says it is in, by every protocol: the domain of its directory, or
// a workgroup.
func workgroup(c *config.Config) string {
	if len(c.Directory.URLs) > 0 {
		return c.Directory.Domain
	}
	return c.Server.Discovery.Workgroup
}

// services are what is announced by multicast DNS.
func services(c *config.Config, listeners []net.Listener) (out []discovery.Service) {
	port, _ := reachable(listeners)
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

// reachable is the port of the first listener that others can reach, 0 if there is none; and
// at which addresses of this machine they can, none if at all.
func reachable(listeners []net.Listener) (port uint16, at []netip.Addr) {
	everywhere := false
	for _, l := range listeners {
		a, ok := l.Addr().(*net.TCPAddr)
		if !ok || a.IP.IsLoopback() {
			continue
		}
		port = cmp.Or(port, uint16(a.Port))
		if everywhere = everywhere || a.IP.IsUnspecified(); !everywhere {
			at = append(at, a.AddrPort().Addr().Unmap().WithZone(""))
		}
	}
	if everywhere {
		at = nil
	}
	return port, at
}
