package smb

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// The metrics of a server. Requests are counted in one place, at the end of
// each link of a chain (dispatch.go). Every label has a bounded set of values:
// commands, named statuses, configured shares, and fixed strings of this
// package; never a file name, a user or an address.

// numCounted is one more than the number of commands: the last slot is for
// codes that name no command.
const numCounted = wire.NumCommands + 1

// durationBuckets reach from a cached read to a client that lets a lease break
// run into its time-out.
var durationBuckets = []float64{
	25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5, 35,
}

// breakBuckets have their end at the default break time-out of 35 s.
var breakBuckets = []float64{500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 2.5, 5, 10, 20, 30, 36}

// metrics counts what a server does. It is made by newMetrics and safe for use
// by many goroutines.
type metrics struct {
	// Immutable after construction.
	reg prometheus.Registerer // nil: counted, but shown nowhere
	err error                 // first failure to register

	connections, sessions, opens, waiting prometheus.Gauge
	connRefused, panics, badSigned        prometheus.Counter
	granted                               prometheus.Counter // credits
	shed                                  [2]prometheus.Counter
	limits                                [numLimits]prometheus.Counter
	logonsRefused                         prometheus.Counter
	// What others do to shared files.
	localChanges, localLost, localBlind prometheus.Counter

	trees                 *prometheus.GaugeVec     // share
	requests              *prometheus.CounterVec   // command, share
	received, sent        *prometheus.CounterVec   // command, share
	durations             *prometheus.HistogramVec // command, share
	failures              *prometheus.CounterVec   // command, status
	authFailures, protErr *prometheus.CounterVec   // reason
	hosts, logonDelays    *prometheus.CounterVec   // scope
	locks                 lockMetrics
	compression           compressionMetrics
	noShare               *shareMetrics // requests outside of a tree

	statuses [numCounted]statusCounters
}

// newMetrics makes the metrics and registers them with reg, which may be nil.
// What could not be registered is counted all the same; err says why.
func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{reg: reg}
	gauge := func(name, help string) prometheus.Gauge {
		return register(m, prometheus.NewGauge(prometheus.GaugeOpts{Name: "lessor_smb_" + name, Help: help}))
	}
	counter := func(name, help string) prometheus.Counter {
		return register(m, prometheus.NewCounter(prometheus.CounterOpts{Name: "lessor_smb_" + name, Help: help}))
	}
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lessor_smb_" + name, Help: help}, labels))
	}
	m.connections = gauge("connections", "Transport connections that are open.")
	m.sessions = gauge("sessions", "Sessions that are authenticated.")
	m.opens = gauge("opens", "Open files, directories and pipes of connected clients.")
	m.waiting = gauge("waiting_requests", "Requests that were answered with an interim reply and are still waiting.")
	m.connRefused = counter("connections_refused_total", "Connections closed at once because a limit was reached.")
	m.panics = counter("panics_total", "Requests whose handler panicked.")
	m.badSigned = counter("bad_signatures_total", "Requests with a signature that does not verify.")
	m.localChanges = counter("local_changes_total", "Changes by programs other than the server that concern what clients cache or watch.")
	m.localLost = counter("local_changes_lost_total", "Times that changes by other programs were lost, and all leases of a share ended.")
	m.localBlind = counter("local_changes_blind_total", "Objects that clients cache or watch without changes by other programs being noticed, because of a limit.")
	m.granted = counter("credits_granted_total", "Credits granted to clients.")
	shed := counters("handle_leases_shed_total", "Directory leases broken because handles ran out, of one session or of the server.", "scope")
	for i, scope := range shedScopes {
		m.shed[i] = shed.WithLabelValues(scope)
	}
	limits := counters("limits_reached_total", "Times that a client has run into a limit, by the name of the setting.", "limit")
	for i, name := range limitNames {
		m.limits[i] = limits.WithLabelValues(name)
	}
	m.hosts = counters("hosts_refused_total", "Connections and tree connects refused because of the address of the client.", "scope")
	m.logonDelays = counters("logons_delayed_total", "Authentications that had to wait because too many had failed.", "scope")
	m.logonsRefused = counter("logons_refused_total", "Authentications refused without looking at them, because too many had failed and too many waited.")
	m.trees = register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lessor_smb_tree_connects", Help: "Tree connects by share."}, []string{"share"}))
	m.requests = counters("requests_total", "Requests answered, by command and share.", "command", "share")
	m.received = counters("received_bytes_total", "Bytes of requests, without framing and sealing.", "command", "share")
	m.sent = counters("sent_bytes_total", "Bytes of replies, without framing and sealing.", "command", "share")
	m.durations = register(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lessor_smb_request_duration_seconds", Buckets: durationBuckets,
		Help: "Time from reading a request to its final reply, waiting included."}, []string{"command", "share"}))
	m.failures = counters("request_errors_total", "Requests that failed, by command and status.", "command", "status")
	m.authFailures = counters("authentication_failures_total", "Failed authentications by reason.", "reason")
	m.protErr = counters("protocol_errors_total", "Connections dropped for breaking the protocol, by reason.", "reason")
	m.locks.init(m)
	m.compression.init(m)
	noShare := m.share("")
	m.noShare = &noShare
	for i := range m.statuses {
		m.statuses[i].init(m.failures, wire.Command(i).String())
	}
	return m
}

// register adds c to the registry of m, if there is one.
func register[C prometheus.Collector](m *metrics, c C) C {
	if m.reg != nil {
		if err := m.reg.Register(c); err != nil && m.err == nil {
			m.err = errors.New("smb: metrics: " + err.Error())
		}
	}
	return c
}

// shareMetrics are the series of one configured share. The zero value is not
// usable; copies share their counts.
type shareMetrics struct {
	m        *metrics
	name     string
	trees    prometheus.Gauge // nil for requests outside of a tree
	commands *[numCounted]atomic.Pointer[commandMetrics]
}

// commandMetrics are the series of one command on one share.
type commandMetrics struct {
	requests, received, sent prometheus.Counter
	duration                 prometheus.Observer
}

// share returns the series of a share; name must be configured, not sent by a
// client. Asking again continues the same series.
func (m *metrics) share(name string) shareMetrics {
	s := shareMetrics{m: m, name: name, commands: new([numCounted]atomic.Pointer[commandMetrics])}
	if name != "" {
		s.trees = m.trees.WithLabelValues(name)
	}
	return s
}

func (s *shareMetrics) treeConnected()    { s.trees.Inc() }
func (s *shareMetrics) treeDisconnected() { s.trees.Dec() }

// command returns the series of a command, and makes them when it is first
// used, so that a share does not come with series for what nobody asks of it.
func (s *shareMetrics) command(slot int) *commandMetrics {
	if c := s.commands[slot].Load(); c != nil {
		return c
	}
	name := wire.Command(slot).String()
	s.commands[slot].Store(&commandMetrics{
		requests: s.m.requests.WithLabelValues(name, s.name),
		received: s.m.received.WithLabelValues(name, s.name),
		sent:     s.m.sent.WithLabelValues(name, s.name),
		duration: s.m.durations.WithLabelValues(name, s.name),
	})
	return s.commands[slot].Load()
}

// observe counts a finished request: its command and share (nil if it had no
// tree), the final status, the bytes of request and reply, and how long it
// took. It does not allocate, but for the first time that something happens.
func (m *metrics) observe(cmd uint16, share *shareMetrics, status uint32, in, out int, d time.Duration) {
	slot := min(int(cmd), numCounted-1)
	if share == nil {
		share = m.noShare
	}
	c := share.command(slot)
	c.requests.Inc()
	c.received.Add(float64(max(in, 0)))
	c.sent.Add(float64(max(out, 0)))
	c.duration.Observe(d.Seconds())
	if s := ntstatus.Status(status); s.IsError() && s != ntstatus.MoreProcessingRequired {
		m.statuses[slot].inc(s)
	}
}

// statusCounters count the failures of one command by status.
type statusCounters struct {
	// Immutable after init.
	vec     *prometheus.CounterVec
	command string

	// known is replaced as a whole under mu, and read without it.
	known atomic.Pointer[map[ntstatus.Status]prometheus.Counter]
	mu    sync.Mutex // leaf
}

func (s *statusCounters) init(vec *prometheus.CounterVec, command string) {
	s.vec, s.command = vec, command
	s.known.Store(&map[ntstatus.Status]prometheus.Counter{})
}

func (s *statusCounters) inc(st ntstatus.Status) {
	c := (*s.known.Load())[st]
	if c == nil {
		c = s.add(st)
	}
	c.Inc()
}

// add makes the counter of a status. Statuses without a name, which the server
// does not send on purpose, share one and are not remembered.
func (s *statusCounters) add(st ntstatus.Status) prometheus.Counter {
	name := strings.TrimPrefix(st.String(), "STATUS_")
	if strings.HasPrefix(name, "0x") {
		return s.vec.WithLabelValues(s.command, "other")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.known.Load()
	known := make(map[ntstatus.Status]prometheus.Counter, len(old)+1)
	for k, v := range old {
		known[k] = v
	}
	known[st] = s.vec.WithLabelValues(s.command, name)
	s.known.Store(&known)
	return known[st]
}

func (m *metrics) panicked()     { m.panics.Inc() }
func (m *metrics) badSignature() { m.badSigned.Inc() }
func (m *metrics) refused()      { m.connRefused.Inc() }

// shedScopes are the values of the label "scope".
var shedScopes = [2]string{"session", "server"}

// handlesShed counts directory leases that were broken under handle pressure.
func (m *metrics) handlesShed(scope string, n int) {
	for i := range shedScopes {
		if shedScopes[i] == scope {
			m.shed[i].Add(float64(n))
		}
	}
}

// limitReached counts a client that has run into a limit.
func (m *metrics) limitReached(l limit) { m.limits[l].Inc() }

// hostRefused counts a client whose address may not connect, to "server" or "share".
func (m *metrics) hostRefused(scope string) { m.hosts.WithLabelValues(scope).Inc() }

// logonDelayed counts an authentication that has to wait.
func (m *metrics) logonDelayed(scope string) { m.logonDelays.WithLabelValues(scope).Inc() }

// watchMemory shows what is used of Limits.BufferMemory.
func (m *metrics) watchMemory(used func() int64) {
	register(m, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lessor_smb_buffer_memory_bytes",
		Help: "Memory of long requests at work and of replies that are made or wait to be written."},
		func() float64 { return float64(used()) }))
}

// creditsGranted counts what a reply granted.
func (m *metrics) creditsGranted(n uint16) { m.granted.Add(float64(n)) }

// authFailed counts a failed authentication; reason must be a fixed string.
func (m *metrics) authFailed(reason string) { m.authFailures.WithLabelValues(reason).Inc() }

// protocolError counts a dropped connection; reason must be a fixed string.
func (m *metrics) protocolError(reason string) { m.protErr.WithLabelValues(reason).Inc() }

// lockObserver is what the OplockManager reports to.
func (m *metrics) lockObserver() locking.Observer { return &m.locks }

// watchLocks shows the current counts of the manager.
func (m *metrics) watchLocks(src lockCounts) {
	register(m, newLockCollector(src))
}
