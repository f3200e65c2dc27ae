package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"lessor/cmd/lessor/sandbox"
	"lessor/config"
	"lessor/locking"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/directory"
	"lessor/smb/privileges"
	"lessor/smb/transport"
	"lessor/smb/transport/smbquic"
	"lessor/smb/wire"
)

// daemon is a running server with all that belongs to it. The main goroutine
// uses it.
type daemon struct {
	// Immutable after open.
	load  func() (*config.Config, error) // the configuration as it is now
	file  string                         // that of the configuration, if there is one
	log   zerolog.Logger
	sink  *logSink
	users *auth.Users
	store locking.LockStore
	// foreign is the numbers of users of realms that tell no SIDs.
	foreign *auth.Foreign
	// privileges is who has which.
	privileges *privileges.Store
	dir        *directory.Directory // nil: there is none
	srv        *smb.Server

	cfg       *config.Config // replaced by reload
	volumes   volumes
	audits    auditLogs
	places    *sharePlaces
	offline   map[string]string // shares that cannot be used, and why
	addrs     *addresses
	listeners []net.Listener  // of addrs, those of QUIC among them
	jail      *sandbox.Report // nil: the process is in no sandbox
	control   *control
	announcer *announcer     // nil: open has not come so far
	observer  *observer      // nil: no metrics address
	started   bool           // clients were served
	failed    chan error     // a listener ended by itself
	serving   sync.WaitGroup // the goroutines in Serve
}

// newDaemon opens everything, so that a mistake shows before the first client, and
// then gives up what is not needed any more. It owns the addresses. On success the
// caller closes it.
func newDaemon(c *config.Config, file string, load func() (*config.Config, error), a *addresses) (*daemon, error) {
	d := &daemon{load: load, file: file, cfg: c, addrs: a, failed: make(chan error, len(a.smb)+len(a.quic)+2)}
	err := d.open()
	if err == nil {
		err = d.confine()
	}
	if err == nil {
		err = actAsUsers(c)
	}
	if err != nil {
		d.close()
		return nil, err
	}
	d.show()
	return d, nil
}

// show begins to serve those who only look. That is behind confine, which has a word
// with every thread: the fewer there are, and the less they do, the better.
func (d *daemon) show() {
	d.control.serve(d.fail)
	if d.observer != nil {
		d.observer.serve(d.fail)
	}
}

func (d *daemon) open() (err error) {
	if d.log, d.sink, err = newLog(d.cfg); err != nil {
		return err
	}
	d.audits = auditLogs{log: &d.log, sink: d.sink}
	d.places = newPlaces()
	if d.users, err = createUsers(d.cfg); err != nil {
		return err
	}
	if err = checkUsers(d.cfg, d.users); err != nil {
		return err
	}
	if d.store, err = openStore(d.cfg); err != nil {
		return err
	}
	reg := newRegistry()
	if d.srv, err = d.newServer(reg); err != nil {
		return err
	}
	if err = d.share(d.cfg); err != nil {
		return err
	}
	if err = d.listen(reg); err != nil {
		return err
	}
	d.announcer = newAnnouncer(d.cfg, d.listeners, &d.log)
	return nil
}

func (d *daemon) newServer(reg prometheus.Registerer) (*smb.Server, error) {
	s := &d.cfg.Server
	var err error
	if d.dir, err = openDirectory(d.cfg, &d.log); err != nil {
		return nil, err
	}
	mechs, kerberos, err := mechanisms(d.cfg, d.users, d.dir)
	if err != nil {
		return nil, err
	}
	d.logMechanisms(kerberos)
	sid, err := d.openAccounts()
	if err != nil {
		return nil, err
	}
	log := d.log
	var names smb.Directory
	if d.dir != nil {
		names = d.dir
	}
	return smb.New(smb.Config{
		Directory:       names,
		DirectoryUnix:   d.cfg.Directory.Schema == config.SchemaRFC2307,
		Name:            s.Name,
		Comment:         s.Comment,
		Workgroup:       workgroup(d.cfg),
		Auth:            auth.NewNegotiator(mechs...),
		MinDialect:      wire.Dialect(s.Dialects.Min),
		MaxDialect:      wire.Dialect(s.Dialects.Max),
		NoPosix:         !s.PosixExtensions,
		SigningOptional: s.Signing != config.SigningRequired,
		Encryption:      encryption(s.Encryption),
		Compression:     compression(&s.Compression),
		Limits: smb.Limits{
			Connections:           s.Limits.Connections,
			ConnectionsPerAddress: s.Limits.ConnectionsPerAddress,
			Unauthenticated:       s.Limits.Unauthenticated,
			Sessions:              s.Limits.Sessions,
			SessionsPerConnection: s.Limits.SessionsPerConnection,
			TreesPerSession:       s.Limits.TreesPerSession,
			Opens:                 s.Limits.Opens,
			OpensPerSession:       s.Limits.OpensPerSession,
			RequestsPerConnection: s.Limits.RequestsPerConnection,
			Waiting:               s.Limits.Waiting,
			WaitingPerConnection:  s.Limits.WaitingPerConnection,
			ReadSize:              uint32(s.Limits.ReadSize),
			WriteSize:             uint32(s.Limits.WriteSize),
			TransactSize:          uint32(s.Limits.TransactSize),
			BufferMemory:          int64(s.Limits.BufferMemory),
		},
		Throttle:   throttle(&s.Logon.Throttle),
		Hosts:      hostRules(&s.Hosts),
		Interfaces: interfaceRules(&s.Multichannel),
		Admins:     s.Admins,
		Privileged: privileged(&s.Privileges),
		Anonymous:  s.Logon.Anonymous,
		MachineSID: sid,
		Accounts:   d.users,
		Foreign:    d.foreign,
		Privileges: d.privileges,
		Unix:       newUnixUsers(d.cfg, d.users, d.dir),
		Timeouts: smb.Timeouts{
			Authentication: s.Timeouts.Authentication,
			Frame:          s.Timeouts.Frame,
			Write:          s.Timeouts.Write,
		},
		TCP: transport.TCPOptions{
			Idle: orNever(s.TCP.KeepaliveIdle), Interval: orNever(s.TCP.KeepaliveInterval),
			Probes: orNever(s.TCP.KeepaliveProbes), UserTimeout: orNever(s.TCP.UserTimeout),
			Congestion: string(s.TCP.Congestion),
		},
		BreakTimeout:   d.cfg.Locking.BreakTimeout,
		DurableTimeout: d.cfg.Locking.DurableTimeout,
		WindowsReplay:  d.cfg.Locking.ReplayProfile == config.ReplayWindows,
		Store:          d.store,
		Log:            &log,
		Metrics:        reg,
	})
}

// orNever makes the zero of the settings, "leave it to the system", that of package
// smb, where zero is the default.
func orNever[T int | time.Duration](v T) T {
	if v == 0 {
		return -1
	}
	return v
}

// share makes the shares of a configuration those of the server.
func (d *daemon) share(c *config.Config) error {
	shares, err := d.volumes.shares(c, &d.audits)
	if err != nil {
		return err
	}
	if err := d.srv.SetShares(shares); err != nil {
		return c.Problem("shares", err.Error(), "correct the list")
	}
	offline := make(map[string]string)
	for i := range shares {
		if why := shares[i].Offline; why != "" {
			offline[shares[i].Name] = why
		}
	}
	d.tellOffline(offline)
	d.places.follow(c, d.volumes.open)
	return nil
}

// listen makes listeners of the addresses, also for those who only look.
func (d *daemon) listen(reg *prometheus.Registry) error {
	d.listeners = d.addrs.smb
	for _, socket := range d.addrs.quic {
		l, err := d.listenQUIC(socket)
		if err != nil {
			return err
		}
		d.listeners = append(d.listeners, l)
	}
	ctl, err := newControl(d.cfg.StateDir, d.srv, d.addrs.list())
	if err != nil {
		return d.cfg.Problem("state_dir", fmt.Sprintf("%s: %v", d.cfg.StateDir, err), "give each server a directory of its own that it may write to")
	}
	d.control = ctl
	if d.addrs.metrics != nil {
		d.observer = newObserver(d.addrs.metrics, reg)
	}
	return nil
}

// listenQUIC serves SMB over QUIC on a socket.
func (d *daemon) listenQUIC(socket net.PacketConn) (net.Listener, error) {
	q := &d.cfg.Server.QUIC
	if q.Certificate == "" || q.Key == "" {
		return nil, d.cfg.Problem("server.quic.certificate", "there is none", "give a PEM file, and one with its key; or do not pass a UDP socket")
	}
	for i, text := range q.ClientAllow {
		key := fmt.Sprintf("server.quic.client_allow[%d]", i)
		r, err := smbquic.ParseRule(text)
		switch {
		case err != nil:
			return nil, d.cfg.Problem(key, err.Error(), "correct the entry")
		case r.NeedsCA() && q.ClientCA == "":
			return nil, d.cfg.Problem(key, fmt.Sprintf("%q says nothing without an authority", text), "set client_ca, or give the fingerprint of the certificate")
		}
	}
	l, err := smbquic.Listen(socket, smbquic.Config{
		Certificate: q.Certificate, Key: q.Key, ClientCA: q.ClientCA, AllowClients: q.ClientAllow,
		Connections: d.cfg.Server.Limits.Connections, Handshakes: d.cfg.Server.Limits.Unauthenticated,
		IdleTimeout: q.IdleTimeout, Log: &d.log,
	})
	if err != nil {
		return nil, d.cfg.Problem("server.quic", err.Error(), "give PEM files that the user that runs the server may read, the key being that of the first certificate")
	}
	return l, nil
}

// start brings back what outlived the last run, and begins to serve.
func (d *daemon) start() error {
	n, err := d.srv.Restore()
	if err != nil {
		return fmt.Errorf("cannot restore durable handles: %w", err)
	}
	d.started, d.volumes.running = true, true
	d.places.begin()
	for _, l := range d.listeners {
		d.serving.Go(func() {
			if err := d.srv.Serve(l); !errors.Is(err, smb.ErrServerClosed) {
				d.fail(err)
			}
		})
	}
	d.announcer.begin(d.cfg, d.listeners)
	v, _ := build()
	var limit syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) // the runtime has raised it as far as allowed
	d.log.Info().Str("version", v).Strs("listen", d.control.listen).Str("metrics", d.addrs.metricsAddr()).
		Int("shares", len(d.cfg.Shares)).Int("restored", n).Uint64("files", limit.Cur).Msg("serving")
	if d.observer != nil {
		d.observer.ready.Store(true) // who has waited for it may look at the log
	}
	if len(d.users.List()) == 0 && d.cfg.Auth.Kerberos.Keytab == "" {
		d.log.Warn().Str("file", d.cfg.UsersPath()).Msg("there are no users, so nobody can connect; add one with \"lessor user add\"")
	}
	if err := notify("READY=1"); err != nil {
		d.log.Warn().Err(err).Msg("cannot notify the service manager")
	}
	return nil
}

// fail tells run that a goroutine had to give up.
func (d *daemon) fail(err error) {
	select {
	case d.failed <- err:
	default:
	}
}

// run serves until a signal says otherwise or a listener breaks.
func (d *daemon) run(sig <-chan os.Signal) error {
	for {
		select {
		case s := <-sig:
			if s == syscall.SIGHUP {
				d.reload()
				continue
			}
			d.stop(s, sig)
			return nil
		case <-d.places.changed:
			d.followPlaces()
		case err := <-d.failed:
			d.log.Error().Err(err).Msg("cannot go on serving")
			d.stop(nil, sig)
			return err
		}
	}
}

// stop lets running requests finish, up to the time-out or the next signal.
func (d *daemon) stop(why os.Signal, sig <-chan os.Signal) {
	limit := d.cfg.Server.Timeouts.Shutdown
	ev := d.log.Info().Stringer("timeout", limit)
	if why != nil {
		ev = ev.Stringer("signal", why)
	}
	ev.Msg("stopping")
	_ = notify("STOPPING=1")
	if d.observer != nil {
		d.observer.ready.Store(false)
	}
	d.announcer.leave()
	shutdown(d.srv, limit, sig, d.log)
}

// stoppable is what shutdown needs of a server; *smb.Server is one.
type stoppable interface {
	Shutdown(context.Context) error
	Close() error
}

// shutdown returns when requests have finished, the time is over, or a further
// signal has come.
func shutdown(srv stoppable, limit time.Duration, sig <-chan os.Signal, log zerolog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- srv.Shutdown(ctx) }()
	for {
		select {
		case err := <-done:
			if err != nil {
				log.Warn().Err(err).Msg("not everything could finish")
			}
			return
		case s := <-sig:
			if s != syscall.SIGHUP {
				log.Warn().Stringer("signal", s).Msg("closing at once")
				cancel()
				if err := srv.Close(); err != nil {
					log.Warn().Err(err).Msg("closing the server")
				}
			}
		}
	}
}

// close gives everything back in reverse order of its making. It works at any
// stage of open.
func (d *daemon) close() {
	d.announcer.close()
	if d.places != nil {
		d.places.end()
	}
	if d.srv != nil {
		d.warn(d.srv.Close(), "closing the server")
	}
	for _, l := range d.listeners {
		_ = l.Close() // Serve has closed it, if it came to that
		if q, ok := l.(*smbquic.Listener); ok {
			q.Wait()
		}
	}
	d.addrs.close() // what nobody has come to own
	d.serving.Wait()
	if d.observer != nil {
		d.observer.close()
	}
	if d.control != nil {
		d.warn(d.control.close(d.cfg.StateDir), "closing the control socket")
	}
	d.warn(d.audits.close(), "closing the audit logs")
	d.warn(d.volumes.close(), "closing the shares")
	if d.dir != nil {
		d.dir.Close()
	}
	if d.foreign != nil {
		d.warn(d.foreign.Close(), "closing the list of foreign users")
	}
	if d.store != nil {
		d.warn(d.store.Close(), "closing the lock store")
	}
	if d.started {
		d.log.Info().Msg("stopped")
	}
}

func (d *daemon) warn(err error, doing string) {
	if err != nil {
		d.log.Warn().Err(err).Msg(doing)
	}
}

// reload follows a changed configuration as far as that is possible without a
// restart. One line says what it did.
func (d *daemon) reload() {
	_ = notify("RELOADING=1")
	defer func() { _ = notify("READY=1") }()
	d.warn(d.audits.reopen(), "opening the audit logs anew")
	c, err := d.load()
	if err == nil {
		err = checkUsers(c, d.users)
	}
	if err == nil {
		err = d.inJail(c)
	}
	if err == nil {
		err = d.sink.configure(c)
	}
	if err == nil {
		if err = d.share(c); err != nil {
			err = errors.Join(err, d.sink.configure(d.cfg))
		}
	}
	if err != nil {
		d.log.Error().Err(err).Msg("configuration not reloaded; everything stays as it was")
		return
	}
	ch := config.Diff(d.cfg, c)
	d.srv.SetHosts(hostRules(&c.Server.Hosts))
	d.srv.SetInterfaces(interfaceRules(&c.Server.Multichannel))
	d.srv.SetAdmins(c.Server.Admins)
	d.srv.SetPrivileged(privileged(&c.Server.Privileges))
	// What waits for a restart is still to be told at the next reload.
	d.cfg.Shares, d.cfg.Log = c.Shares, c.Log
	d.cfg.Server.Hosts, d.cfg.Server.Admins, d.cfg.Server.Privileges = c.Server.Hosts, c.Server.Admins, c.Server.Privileges
	d.cfg.Server.Multichannel = c.Server.Multichannel
	ev := d.log.Info().Strs("changed", ch.Live)
	if len(ch.Restart) > 0 {
		ev = ev.Strs("needs_restart", ch.Restart)
	}
	ev.Msg("configuration reloaded")
}
