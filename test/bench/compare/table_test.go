package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const runs = `{"medians": {
 "echo d1": {"lessor": {"ops_per_s": 30000, "p50_us": 20, "server_cpu_s_per_kop": 0.01},
             "full": {"ops_per_s": 15000, "p50_us": 40, "server_cpu_s_per_kop": 0.02}, "fast": null},
 "a read": {"lessor": {"ops_per_s": 2000, "mib_per_s": 2000, "p50_us": 10, "server_cpu_s_per_gib": 0.2, "server_cpu_s_per_kop": 9},
            "full": {"ops_per_s": 900, "mib_per_s": 900}, "fast": {"mib_per_s": 1000, "p50_us": 20, "server_cpu_s_per_gib": 0.4}},
 "idle 200": {"lessor": {"ops_per_s": 1}, "full": {"ops_per_s": 1}},
 "refused": {"full": {"ops_per_s": 1}}
}}`

func TestTable(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	later := `{"medians": {"echo d1": {"lessor": {"ops_per_s": 900}, "full": {"ops_per_s": 300, "p50_us": 1}}}}`
	for file, text := range map[string]string{first: runs, second: later} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := read([]string{first})
	if err != nil {
		t.Fatal(err)
	}
	head := "| workload | Lessor | fastest other | throughput | p50 | server CPU per unit |\n|---|---|---|---|---|---|\n"
	row := "| a read | 2000 MiB/s | 1000 MiB/s (fast) | 2.00 | 0.50 | 0.50 |\n"
	want := head + "| echo d1 | 30.0 k/s | 15.0 k/s (full) | 2.00 | 0.50 | 0.50 |\n" + row
	if got := r.table(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if r, err = read([]string{first, second}); err != nil {
		t.Fatal(err)
	}
	want = head + "| echo d1 | 900 /s | 300 /s (full) | 3.00 | - | - |\n" + row
	if got := r.table(); got != want {
		t.Errorf("two runs: got\n%swant\n%s", got, want)
	}
}

func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "doc")
	text := "before\n" + beginMark + "\nold\nold\n" + endMark + "\nbehind\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(file, "a\nb\n"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(file)
	if want := strings.ReplaceAll(text, "old\nold", "a\nb"); string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := replace(file, "a\n"); err == nil {
		t.Error("a document without marks was taken")
	}
}

func TestAccount(t *testing.T) {
	share, user, password, ok := account("full=127.0.0.1:4801:share:games:a:b:77")
	if !ok || share != "share" || user != "games" || password != "a:b" {
		t.Error(share, user, password, ok)
	}
	for _, bad := range []string{"", "x", "x=1:2:3:4", "x=1:2:3:4:5"} {
		if _, _, _, ok := account(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
}
