package protocol

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// server is the real binary, with the share "share" and the user alice.
type server struct {
	*harness.Server
	// What an idle server holds.
	goroutines float64
	files      int
}

// start runs a server until the end of the test. config is YAML for its
// configuration; settings are those of its share.
func start(t *testing.T, config string, settings ...string) *server {
	t.Helper()
	return startWith(t, config, harness.Share{Name: "share", Settings: settings})
}

// startWith is start with shares of the caller's choice.
func startWith(t *testing.T, config string, shares ...harness.Share) *server {
	t.Helper()
	config += "\nlog:\n  format: json\n"
	s := &server{Server: harness.Run(t, harness.Options{Config: config, Shares: shares})}
	s.goroutines, s.files = s.metrics(t)["go_goroutines"], len(s.descriptors())
	return s
}

// run runs a case on the server, behind which it must be at rest.
func (s *server) run(t *testing.T, name string, test func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			if !t.Failed() {
				s.wantRest(t)
			}
		})
		test(t)
	})
}

// options are those of a client that logs on as alice.
func (s *server) options(tweaks ...func(*client.Options)) client.Options {
	o := client.Options{User: s.User, Password: s.Password, Timeout: patience}
	for _, tweak := range tweaks {
		tweak(&o)
	}
	return o
}

// dial returns a connection without a session; it ends with the test.
func (s *server) dial(t *testing.T, tweaks ...func(*client.Options)) *client.Conn {
	t.Helper()
	o := s.options(tweaks...)
	trace(t, &o)
	c := must(client.Dial(t.Context(), s.Addr, o))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

// connect returns a tree on the share; its connection ends with the test.
func (s *server) connect(t *testing.T, tweaks ...func(*client.Options)) *client.Tree {
	t.Helper()
	return must(must(s.dial(t, tweaks...).SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "share"))(t)
}

// speaks is a tweak: the client offers these dialects alone.
func speaks(d ...wire.Dialect) func(*client.Options) {
	return func(o *client.Options) { o.Dialects = d }
}

// isClient is a tweak: the connection is one of this client.
func isClient(guid wire.GUID) func(*client.Options) {
	return func(o *client.Options) { o.ClientGuid = guid }
}

// metrics are the present values of all series that are numbers, by name and
// labels as they are written.
func (s *server) metrics(t testing.TB) map[string]float64 {
	t.Helper()
	m, err := s.scrape()
	if err != nil {
		t.Fatal("metrics:", err)
	}
	return m
}

// metricsClient keeps no connection: one would be a goroutine of the server.
var metricsClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}

func (s *server) scrape() (map[string]float64, error) {
	reply, err := metricsClient.Get(s.MetricsURL + "/metrics")
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s", reply.Status)
	}
	return parseMetrics(reply.Body)
}

// parseMetrics reads the text format.
func parseMetrics(r io.Reader) (map[string]float64, error) {
	m := make(map[string]float64)
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			continue
		}
		at := strings.LastIndexByte(line, ' ')
		v, err := strconv.ParseFloat(line[at+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("line %q: %w", line, err)
		}
		m[line[:at]] = v
	}
	return m, lines.Err()
}

// held are the gauges of what clients make the server hold.
var held = []string{
	"lessor_smb_connections", "lessor_smb_sessions", "lessor_smb_opens", "lessor_smb_waiting_requests",
	"lessor_smb_tree_connects", "lessor_locked_files", "lessor_registered_opens", "lessor_leases", "lessor_oplocks",
	"lessor_byte_range_locks", "lessor_byte_range_lock_waiters", "lessor_breaks_pending", "lessor_durable_handles_held",
}

// leftovers are the series of held that are not zero, sorted.
func leftovers(m map[string]float64) []string {
	var left []string
	for _, series := range slices.Sorted(maps.Keys(m)) {
		name, _, _ := strings.Cut(series, "{")
		if slices.Contains(held, name) && m[series] != 0 {
			left = append(left, fmt.Sprintf("%s %v", series, m[series]))
		}
	}
	return left
}

// slack is how many goroutines and descriptors a server may have gained for reasons
// of its own: the Go runtime, a watcher made when first needed.
const slack = 6

// wantRest fails the test unless the server comes to hold nothing for anybody.
func (s *server) wantRest(t testing.TB) {
	t.Helper()
	var left []string
	defer func() {
		if t.Failed() {
			t.Logf("the server still holds:\n%s", strings.Join(left, "\n"))
		}
	}()
	eventually(t, "the server at rest", func() bool {
		m := s.metrics(t)
		left = leftovers(m)
		if n := m["go_goroutines"]; n > s.goroutines+slack {
			left = append(left, fmt.Sprintf("%v goroutines, %v when idle", n, s.goroutines))
		}
		if d := s.descriptors(); len(d) > s.files+slack {
			left = append(left, fmt.Sprintf("%d descriptors, %d when idle: %q", len(d), s.files, d))
		}
		return len(left) == 0
	})
}

// descriptors are what the server has open, as far as the system tells, but for the
// directories, which it may go on watching for a while.
func (s *server) descriptors() []string {
	dir := fmt.Sprintf("/proc/%d/fd", s.PID())
	var list []string
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		link := filepath.Join(dir, e.Name())
		name, err := os.Readlink(link)
		if info, e := os.Stat(link); err != nil || e != nil || info.IsDir() {
			continue
		}
		list = append(list, strings.TrimPrefix(name, s.Dir))
	}
	return list
}

// wantMetric waits until a series has a value.
func (s *server) wantMetric(t testing.TB, series string, want float64) {
	t.Helper()
	last := 0.0
	defer func() {
		if t.Failed() {
			t.Logf("%s is %v", series, last)
		}
	}()
	eventually(t, fmt.Sprintf("%s = %v", series, want), func() bool {
		last = s.metrics(t)[series]
		return last == want
	})
}
