package smb

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lessor/locking"
)

// What the lock manager reports. lockMetrics is called under its locks and
// therefore has every series resolved beforehand.

const (
	numGrants = int(locking.OplockLease) + 1
	numEnds   = int(locking.BreakUndeliverable) + 1

	numDurableEnds = int(locking.DurableClosed) + 1
)

// breakKinds are the values of the label "kind", by isLease.
var breakKinds = [2]string{"oplock", "lease"}

// lockMetrics implements locking.Observer. It is immutable after init.
type lockMetrics struct {
	oplocks   [numGrants]prometheus.Counter // by level; none for leases
	leases    [8]prometheus.Counter         // by state
	sent      [2]prometheus.Counter         // by isLease
	ended     [2][numEnds]prometheus.Counter
	latency   [2]prometheus.Observer
	durable   [numDurableEnds]prometheus.Counter
	changes   prometheus.Counter
	storeErrs prometheus.Counter
	commit    prometheus.Histogram
}

var _ locking.Observer = (*lockMetrics)(nil)

func (l *lockMetrics) init(m *metrics) {
	counters := func(name, help string, labels ...string) *prometheus.CounterVec {
		return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lessor_" + name, Help: help}, labels))
	}
	oplocks := counters("oplocks_granted_total", "Answers to requests for an oplock, by level.", "level")
	for i := range l.oplocks {
		if level := locking.OplockLevel(i); level != locking.OplockLease {
			l.oplocks[i] = oplocks.WithLabelValues(level.String())
		}
	}
	leases := counters("leases_granted_total", "Answers to requests for a lease, by state.", "state")
	for i := range l.leases {
		l.leases[i] = leases.WithLabelValues(stateLabel(i))
	}
	sent := counters("breaks_sent_total", "Break notifications handed to clients, by kind.", "kind")
	ended := counters("breaks_ended_total",
		"Breaks that needed an acknowledgement, by kind and how they ended.", "kind", "how")
	latency := register(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "lessor_break_duration_seconds", Buckets: breakBuckets,
		Help: "Time from a break notification to the end of the break."}, []string{"kind"}))
	for i, kind := range breakKinds {
		l.sent[i] = sent.WithLabelValues(kind)
		l.latency[i] = latency.WithLabelValues(kind)
		for how := range l.ended[i] {
			l.ended[i][how] = ended.WithLabelValues(kind, locking.BreakEnd(how).String())
		}
	}
	durable := counters("durable_ended_total", "Disconnected durable handles that wait for their client no more, by result.", "result")
	for how := range l.durable {
		l.durable[how] = durable.WithLabelValues(locking.DurableEnd(how).String())
	}
	l.changes = counters("store_changes_total", "Changes committed to the lock store.").WithLabelValues()
	l.storeErrs = counters("store_errors_total", "Transactions of the lock store that failed.").WithLabelValues()
	l.commit = register(m, prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "lessor_store_commit_duration_seconds", Help: "Duration of a transaction of the lock store.",
		Buckets: []float64{10e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 50e-3, 250e-3, 1, 5}}))
}

// stateLabel names a LeaseState given as bits.
func stateLabel(bits int) string {
	if bits == 0 {
		return "none"
	}
	return locking.LeaseState(bits).String()
}

func kindOf(lease bool) int {
	if lease {
		return 1
	}
	return 0
}

// Granted implements locking.Observer.
func (l *lockMetrics) Granted(level locking.OplockLevel, state locking.LeaseState) {
	if level == locking.OplockLease {
		l.leases[state&7].Inc()
	} else if int(level) < len(l.oplocks) {
		l.oplocks[level].Inc()
	}
}

// BreakSent implements locking.Observer.
func (l *lockMetrics) BreakSent(lease bool, _, _ locking.LeaseState) { l.sent[kindOf(lease)].Inc() }

// BreakEnded implements locking.Observer.
func (l *lockMetrics) BreakEnded(lease bool, how locking.BreakEnd, took time.Duration) {
	kind := kindOf(lease)
	if int(how) < numEnds {
		l.ended[kind][how].Inc()
	}
	l.latency[kind].Observe(took.Seconds())
}

// DurableEnded implements locking.Observer.
func (l *lockMetrics) DurableEnded(how locking.DurableEnd) {
	if int(how) < len(l.durable) {
		l.durable[how].Inc()
	}
}

// Committed implements locking.Observer.
func (l *lockMetrics) Committed(changes int, took time.Duration, err error) {
	l.commit.Observe(took.Seconds())
	if err != nil {
		l.storeErrs.Inc()
		return
	}
	l.changes.Add(float64(changes))
}

// lockCounts is what the collector asks, at each scrape; *locking.OplockManager
// is one.
type lockCounts interface{ Stats() locking.Stats }

// lockCollector shows locking.Stats as gauges.
type lockCollector struct {
	src                                     lockCounts
	files, opens, leases, oplocks           *prometheus.Desc
	ranges, rangeWaiters, breaking, durable *prometheus.Desc
}

func newLockCollector(src lockCounts) *lockCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("lessor_"+name, help, labels, nil)
	}
	return &lockCollector{
		src:          src,
		files:        desc("locked_files", "Files that somebody has open."),
		opens:        desc("registered_opens", "Opens known to the lock manager, disconnected ones included."),
		leases:       desc("leases", "Leases by state.", "state"),
		oplocks:      desc("oplocks", "Oplocks by level.", "level"),
		ranges:       desc("byte_range_locks", "Byte-range locks that are held."),
		rangeWaiters: desc("byte_range_lock_waiters", "Requests that wait for a byte-range lock."),
		breaking:     desc("breaks_pending", "Breaks that await an acknowledgement."),
		durable:      desc("durable_handles_held", "Disconnected durable handles that wait for their client."),
	}
}

// Describe implements prometheus.Collector.
func (c *lockCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.files, c.opens, c.leases, c.oplocks, c.ranges, c.rangeWaiters, c.breaking, c.durable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *lockCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.src.Stats()
	send := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	send(c.files, s.Files)
	send(c.opens, s.Opens)
	for i, n := range s.Leases {
		send(c.leases, n, stateLabel(i))
	}
	send(c.oplocks, s.OplocksII, locking.OplockII.String())
	send(c.oplocks, s.OplocksExclusive, locking.OplockExclusive.String())
	send(c.oplocks, s.OplocksBatch, locking.OplockBatch.String())
	send(c.ranges, s.Ranges)
	send(c.rangeWaiters, s.RangeWaiters)
	send(c.breaking, s.Breaking)
	send(c.durable, s.DurableHeld)
}
