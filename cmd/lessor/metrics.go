package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// newRegistry returns a registry with what is true of the process as a whole.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	v, c := build()
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "lessor_build_info",
		Help:        "Always 1; the labels tell what is running.",
		ConstLabels: prometheus.Labels{"version": v, "commit": c, "goversion": runtime.Version()},
	})
	info.Set(1)
	reg.MustRegister(info, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// observer serves the metrics address: what looks at the server without changing
// it.
type observer struct {
	// Immutable after construction.
	listener net.Listener
	server   http.Server
	serving  sync.WaitGroup // the goroutine of serve

	ready atomic.Bool // clients are served
}

// newObserver answers at l.
func newObserver(l net.Listener, reg *prometheus.Registry) *observer {
	o := &observer{listener: l}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", o.readyz)
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	o.server.Handler = mux
	o.server.ReadHeaderTimeout = 10 * time.Second
	o.server.IdleTimeout = 2 * time.Minute
	return o
}

func (o *observer) readyz(w http.ResponseWriter, _ *http.Request) {
	if !o.ready.Load() {
		http.Error(w, "not listening", http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ready\n"))
}

// serve answers until close; fail is told why it ended before.
func (o *observer) serve(fail func(error)) {
	o.serving.Go(func() {
		if err := o.server.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
}

// close ends the server, whether it was started or not, and waits for its goroutine.
func (o *observer) close() {
	_ = o.server.Close()
	_ = o.listener.Close() // Serve has closed it, if it came to that
	o.serving.Wait()
}
