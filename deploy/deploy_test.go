package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lessor/config"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// TestSampleConfigurations puts the directories of each sample somewhere they
// exist.
func TestSampleConfigurations(t *testing.T) {
	files, err := filepath.Glob("config/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		c, err := config.Read(file, config.Default())
		if err != nil {
			t.Error(err)
			continue
		}
		for i := range c.Shares {
			c.Shares[i].Path = t.TempDir()
		}
		if err := c.Validate(); err != nil {
			t.Error(err)
		}
	}
}

// metricName finds metrics in expressions.
var metricName = regexp.MustCompile(`\b(lessor|process|go)_[a-z_]+\b`)

func TestMetricsInUseExist(t *testing.T) {
	known := knownMetrics(t)
	for _, file := range []string{"prometheus/alerts.yaml", "grafana/dashboards/lessor.json", "../docs/admin.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		used := metricName.FindAllString(string(text), -1)
		if len(used) == 0 {
			t.Errorf("%s uses no metric", file)
		}
		for _, name := range used {
			base := name
			for _, suffix := range []string{"_bucket", "_sum", "_count"} {
				base = strings.TrimSuffix(base, suffix)
			}
			if !known[name] && !known[base] {
				t.Errorf("%s uses %s, which does not exist", file, name)
			}
		}
	}
}

// TestMetricsAreDocumented: an operator finds every metric of the server's own in the
// documentation.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range knownMetrics(t) {
		if strings.HasPrefix(name, "lessor_") && !bytes.Contains(text, []byte("`"+name+"`")) {
			t.Errorf("docs/admin.md does not mention %s", name)
		}
	}
}

// knownMetrics asks the server for all of its metrics, those without a value
// included, and the program for the rest.
func knownMetrics(t *testing.T) map[string]bool {
	known := make(map[string]bool)
	users, err := auth.NewUsers()
	if err != nil {
		t.Fatal(err)
	}
	ntlm, err := auth.NewNTLM(auth.NTLMConfig{Computer: "TEST", Accounts: users})
	if err != nil {
		t.Fatal(err)
	}
	srv, err := smb.New(smb.Config{Auth: auth.NewNegotiator(ntlm), Metrics: describer{t, known}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = srv.Close() })
	text := get(t, harness.Run(t, harness.Options{}).MetricsURL+"/metrics")
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) `).FindAllStringSubmatch(text, -1) {
		known[m[1]] = true
	}
	return known
}

// describer is a registry that only notes names.
type describer struct {
	t     *testing.T
	known map[string]bool
}

var descName = regexp.MustCompile(`fqName: "([^"]+)"`)

func (d describer) Register(c prometheus.Collector) error {
	ch := make(chan *prometheus.Desc)
	go func() {
		c.Describe(ch)
		close(ch)
	}()
	for desc := range ch {
		m := descName.FindStringSubmatch(desc.String())
		if m == nil {
			d.t.Errorf("no name in %v", desc)
			continue
		}
		d.known[m[1]] = true
	}
	return nil
}

func (d describer) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		_ = d.Register(c)
	}
}

func (d describer) Unregister(prometheus.Collector) bool { return false }

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: time.Minute}
	defer client.CloseIdleConnections()
	reply, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err != nil || reply.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, reply.Status, err)
	}
	return string(text)
}

// run runs a tool with text as its input.
func run(t *testing.T, text, tool string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool, args...)
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s %v: %v\n%s", tool, args, err, out)
	}
}

func TestAlerts(t *testing.T) {
	promtool := harness.Tool(t, "promtool", "prometheus")
	run(t, "", promtool, "check", "config", "prometheus/prometheus.yaml")
	run(t, "", promtool, "check", "rules", "prometheus/alerts.yaml")
	run(t, "", promtool, "test", "rules", "prometheus/alerts_test.yaml")
}

// TestMetricsFollowTheRules looks at a server that has done a bit of everything
// that fills its metrics: work, a refused logon, a missing file.
func TestMetricsFollowTheRules(t *testing.T) {
	promtool := harness.Tool(t, "promtool", "prometheus")
	smbclient := harness.Tool(t, "smbclient", "smbclient")
	s := harness.Run(t, harness.Options{})
	share := "//" + s.Host + "/share"
	client := func(password, command string) {
		creds := filepath.Join(t.TempDir(), "creds")
		if err := os.WriteFile(creds, []byte("username="+s.User+"\npassword="+password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), smbclient, share, "-p", s.Port, "-A", creds, "-c", command)
		out, err := cmd.CombinedOutput()
		if (err == nil) != (password == s.Password) {
			t.Errorf("smbclient: %v\n%s", err, out)
		}
	}
	client(s.Password, "mkdir d; ls; dir d/*")
	client("wrong", "ls")
	text := get(t, s.MetricsURL+"/metrics")
	for _, want := range []string{
		`lessor_smb_requests_total{command="CREATE",share="share"}`,
		`lessor_smb_authentication_failures_total{reason=`,
		`lessor_smb_request_errors_total{command="SESSION_SETUP",status="LOGON_FAILURE"}`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	run(t, text, promtool, "check", "metrics")
}

func TestDashboard(t *testing.T) {
	text, err := os.ReadFile("grafana/dashboards/lessor.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			ID      int
			Title   string
			Type    string
			GridPos struct{ X, Y, W, H int }
			Targets []struct{ Expr string }
		}
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&board); err != nil {
		t.Fatal(err)
	}
	ids := make(map[int]bool)
	place := make(map[[2]int]string)
	for _, p := range board.Panels {
		if ids[p.ID] {
			t.Errorf("two panels with id %d", p.ID)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := place[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q lies over %q", p.Title, other)
				}
				place[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestDashboardQueries has Prometheus parse every expression, by way of a rule
// file.
func TestDashboardQueries(t *testing.T) {
	promtool := harness.Tool(t, "promtool", "prometheus")
	text, err := os.ReadFile("grafana/dashboards/lessor.json")
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	fill := strings.NewReplacer("$__rate_interval", "1m", "$job", "lessor", "$instance", ".*")
	for _, m := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(text, -1) {
		var expr string
		if err := json.Unmarshal(m[1], &expr); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, rule{"dashboard:query" + strings.Repeat("_", len(rules)), fill.Replace(expr)})
	}
	if len(rules) < 20 {
		t.Fatalf("only %d queries found", len(rules))
	}
	file := filepath.Join(t.TempDir(), "rules.yaml")
	data, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "dashboard", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", promtool, "check", "rules", file)
}

// TestUnit has systemd read the unit, with a program that exists.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd here")
	}
	text, err := os.ReadFile("systemd/lessor.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := filepath.Join(t.TempDir(), "lessor.service")
	text = bytes.ReplaceAll(text, []byte("/usr/bin/lessor"), []byte("/bin/true"))
	if err := os.WriteFile(unit, text, 0o600); err != nil {
		t.Fatal(err)
	}
	socket, err := os.ReadFile("systemd/lessor.socket")
	if err != nil {
		t.Fatal(err)
	}
	socketUnit := filepath.Join(filepath.Dir(unit), "lessor.socket")
	if err := os.WriteFile(socketUnit, socket, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, "", analyze, "verify", unit, socketUnit)
	run(t, "", analyze, "security", "--offline=true", "--threshold=25", unit) // tenths: 2.5 of 10
}

// TestReadmeProgram compiles the program that the README shows.
func TestReadmeProgram(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```go\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("no program in the README")
	}
	dir := t.TempDir()
	program, overlay := filepath.Join(dir, "main.go"), filepath.Join(dir, "overlay.json")
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	// The go command is made to see it inside the module.
	place := filepath.Join(root, "readme", "main.go")
	data, err := json.Marshal(map[string]any{"Replace": map[string]string{place: program}})
	if err != nil {
		t.Fatal(err)
	}
	for file, data := range map[string][]byte{program: m[1], overlay: data} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "", "go", "build", "-o", filepath.Join(dir, "program"), "-overlay", overlay, "lessor/readme")
}

// TestReadmeFiles follows the links of the documentation.
func TestReadmeFiles(t *testing.T) {
	files, err := filepath.Glob("../docs/*.md")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range append(files, "../README.md", "../CHANGELOG.md") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllSubmatch(text, -1) {
			link := string(m[1])
			if strings.Contains(link, "://") {
				continue
			}
			to, place, _ := strings.Cut(link, "#")
			to = filepath.Join(filepath.Dir(file), to)
			if to == filepath.Dir(file) {
				to = file // a place in the same file
			}
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", file, err)
			} else if place != "" && !slices.Contains(placesIn(t, to), place) {
				t.Errorf("%s: there is no %q in %s", file, place, to)
			}
		}
	}
}

// placesIn returns what a link can name in a file: its headings, in lower case, without
// punctuation and with - between the words.
func placesIn(t *testing.T, file string) (out []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllSubmatch(text, -1) {
		heading := regexp.MustCompile(`[^\p{L}\p{N}_ -]`).ReplaceAllString(strings.ToLower(string(m[1])), "")
		out = append(out, strings.ReplaceAll(heading, " ", "-"))
	}
	return out
}

// TestDependenciesHaveReasons compares go.mod with the list of reasons.
func TestDependenciesHaveReasons(t *testing.T) {
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile("../docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	direct := regexp.MustCompile(`(?m)^(?:require|\t)\s*(\S+\.\S+/\S+) v\S+$`).FindAllSubmatch(mod, -1)
	if len(direct) == 0 {
		t.Fatal("no dependencies found in go.mod")
	}
	for _, m := range direct {
		if !bytes.Contains(reasons, append([]byte("| "), append(m[1], " |"...)...)) {
			t.Errorf("docs/dependencies.md does not say why there is %s", m[1])
		}
	}
}
