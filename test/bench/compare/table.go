package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// figures are the medians of one server at one workload. Those that a workload does
// not have are 0.
type figures struct {
	OpsPerSec float64 `json:"ops_per_s"`
	MiBPerSec float64 `json:"mib_per_s"`
	P50       float64 `json:"p50_us"`
	CPUPerGiB float64 `json:"server_cpu_s_per_gib"`
	CPUPerKop float64 `json:"server_cpu_s_per_kop"`
}

// rate is what the workload is about: bytes, or else operations.
func (f *figures) rate() float64 {
	if f.MiBPerSec > 0 {
		return f.MiBPerSec
	}
	return f.OpsPerSec
}

func (f *figures) cpu() float64 {
	if f.CPUPerGiB > 0 {
		return f.CPUPerGiB
	}
	return f.CPUPerKop
}

func (f *figures) String() string {
	switch {
	case f.MiBPerSec > 0:
		return fmt.Sprintf("%.0f MiB/s", f.MiBPerSec)
	case f.OpsPerSec >= 10_000:
		return fmt.Sprintf("%.1f k/s", f.OpsPerSec/1000)
	}
	return fmt.Sprintf("%.0f /s", f.OpsPerSec)
}

// results are the rows of one or several runs, in their order.
type results struct {
	order   []string
	medians map[string]map[string]*figures
}

func read(files []string) (*results, error) {
	r := &results{medians: map[string]map[string]*figures{}}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var run struct {
			Medians json.RawMessage `json:"medians"`
		}
		if err := json.Unmarshal(b, &run); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		rows := map[string]map[string]*figures{}
		if err := json.Unmarshal(run.Medians, &rows); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		names, err := keys(run.Medians)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, name := range names {
			if r.medians[name] == nil {
				r.order = append(r.order, name)
			}
			r.medians[name] = rows[name]
		}
	}
	return r, nil
}

// keys returns the keys of an object in the order in which they stand.
func keys(object []byte) (names []string, err error) {
	d := json.NewDecoder(strings.NewReader(string(object)))
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("%v where a name should be", t)
		}
		names = append(names, name)
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// table compares Lessor with the fastest of the others, row by row.
func (r *results) table() string {
	var b strings.Builder
	b.WriteString("| workload | Lessor | fastest other | throughput | p50 | server CPU per unit |\n")
	b.WriteString("|---|---|---|---|---|---|\n")
	for _, name := range r.order {
		l := r.medians[name]["lessor"]
		best, other := "", (*figures)(nil)
		for server, f := range r.medians[name] {
			if server != "lessor" && f != nil && (other == nil || f.rate() > other.rate()) {
				best, other = server, f
			}
		}
		if l == nil || other == nil || l.rate() == 0 || strings.HasPrefix(name, "idle") {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s | %s (%s) | %s | %s | %s |\n", name, l, other, best,
			ratio(l.rate(), other.rate()), ratio(l.P50, other.P50), ratio(l.cpu(), other.cpu()))
	}
	return b.String()
}

func ratio(a, b float64) string {
	if a == 0 || b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", a/b)
}

// The marks in the document around what this program writes.
const (
	beginMark = "<!-- compare: begin -->"
	endMark   = "<!-- compare: end -->"
)

// replace puts a table between the marks of a document.
func replace(file, table string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	lines := strings.Split(string(b), "\n")
	from, to := slices.Index(lines, beginMark), slices.Index(lines, endMark)
	if from < 0 || to < from {
		return fmt.Errorf("%s has no lines %q and %q", file, beginMark, endMark)
	}
	lines = slices.Replace(lines, from+1, to, strings.Split(strings.TrimSuffix(table, "\n"), "\n")...)
	return os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o644)
}
