package protocol

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/test/harness"
)

// siege is a server that is attacked on the share "share", while a bystander works on
// another one.
type siege struct {
	*server
	began  int64 // size of the log before the attack
	memory int   // RSS before the attack, KiB
	by     *bystander
}

// bounds say what an attack may cost.
type bounds struct {
	// memory is by how much the server may grow, in MiB; 128 if it is 0.
	memory int
	// lines is how many lines of the log it is worth if it takes seconds; 8 if it is 0.
	lines int
	// says are texts that must be in one of these lines each.
	says []string
}

// latency is the longest that the bystander may wait for anything. The attacker and
// other tests use the same processors, so that some of what it waits for is its own turn.
const latency = patience

// lineEvery is how often the server tells the same thing of its clients.
const lineEvery = 5 * time.Second

// besiege runs an attack on a server of its own and looks at what it has done. settings
// are those of the share that is attacked.
func besiege(t *testing.T, config string, limit bounds, attack func(*testing.T, *siege), settings ...string) {
	t.Helper()
	s := &siege{server: startWith(t, config, harness.Share{Name: "share", Settings: settings}, harness.Share{Name: "quiet"})}
	s.by = s.newBystander(t)
	s.began, s.memory = s.LogSize(), s.kibibytes(t, "VmRSS")
	begin := time.Now()
	attack(t, s)
	s.by.stop(t)
	took := time.Since(begin)
	grown := (s.kibibytes(t, "VmHWM") - s.memory) / 1024
	t.Logf("%v; memory %d MiB and %d more; bystander: %d rounds, p50 %v, p99 %v, slowest %v (%s)",
		took.Round(time.Millisecond), s.memory/1024, grown, s.by.rounds, s.by.percentile(50).Round(time.Microsecond),
		s.by.percentile(99).Round(time.Microsecond), s.by.slowest.Round(time.Millisecond), s.by.what)
	if limit.memory == 0 {
		limit.memory = 128
	}
	// The race detector takes several times as much.
	if grown > limit.memory && !strings.Contains(os.Getenv("LESSOR_BUILD_FLAGS"), "-race") {
		t.Errorf("the server has grown by %d MiB, %d are the bound", grown, limit.memory)
	}
	if s.by.slowest > latency {
		t.Errorf("the bystander has waited %v for %s", s.by.slowest, s.by.what)
	}
	s.wantLog(t, limit, took)
	// It serves as before.
	check(t, s.connect(t).WriteFile(t.Context(), "after the siege", []byte("as before")))
	m := s.metrics(t)
	if n := m["lessor_smb_panics_total"]; n != 0 {
		t.Errorf("%v requests have panicked", n)
	}
}

// wantLog fails the test unless the log of the attack, which took so long, is short and
// telling. What a client that logs on leaves is not counted.
func (s *siege) wantLog(t *testing.T, limit bounds, took time.Duration) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(s.LogFrom(s.began)) {
		var entry struct{ Level, Message string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Errorf("no JSON in the log: %q", line)
		}
		if entry.Level != "info" || entry.Message != "session established" && entry.Message != "share connected" {
			lines = append(lines, line)
		}
	}
	most := limit.lines
	if most == 0 {
		most = 8
	}
	again := int(took / lineEvery)
	most *= 1 + again/2
	if len(lines) > most {
		t.Errorf("%d lines in the log, %d are enough:\n%s", len(lines), most, strings.Join(lines[:most], ""))
	}
	for _, text := range limit.says {
		n := 0
		for _, line := range lines {
			if strings.Contains(line, text) {
				n++
			}
		}
		if n == 0 || n > 3+again {
			t.Errorf("%d lines of the log say %q:\n%s", n, text, strings.Join(lines, ""))
		}
	}
}

// kibibytes is a line of /proc/PID/status of the server.
func (s *siege) kibibytes(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	check(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			check(t, err)
			return n
		}
	}
	t.Skipf("no %s in /proc", name)
	return 0
}

// bystander is a client at work that checks everything it gets.
type bystander struct {
	tree *client.Tree
	halt context.CancelFunc
	done chan struct{}

	// Valid once done is closed.
	err     error
	rounds  int
	slowest time.Duration
	what    string // what took so long
	waits   []time.Duration
}

// newBystander starts a bystander, and returns when it has done its first round.
func (s *siege) newBystander(t *testing.T) *bystander {
	t.Helper()
	c := must(client.Dial(t.Context(), s.Addr, s.options()))(t)
	b := &bystander{done: make(chan struct{})}
	b.tree = must(must(c.SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "quiet"))(t)
	ctx, halt := context.WithCancel(context.Background())
	b.halt = halt
	first := make(chan struct{})
	go b.work(ctx, first)
	t.Cleanup(func() {
		halt()
		<-b.done
		c.Close()
	})
	select {
	case <-first:
	case <-b.done:
		t.Fatal("bystander:", b.err)
	}
	return b
}

// stop ends the work and fails the test if anything was wrong with it.
func (b *bystander) stop(t *testing.T) {
	t.Helper()
	b.halt()
	<-b.done
	if b.err != nil {
		t.Error("bystander:", b.err)
	}
	b.tree.Session.Conn.Close()
}

// percentile is what so many of a hundred waits were not longer than.
func (b *bystander) percentile(p int) time.Duration {
	slices.Sort(b.waits)
	return b.waits[(len(b.waits)-1)*p/100]
}

// pause is how long a bystander rests between two rounds: it is to measure, not to
// be a load of its own.
const pause = 2 * time.Millisecond

func (b *bystander) work(ctx context.Context, first chan struct{}) {
	defer close(b.done)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	// A round that has begun is ended, also after the halt.
	whole := context.WithoutCancel(ctx)
	f, err := b.tree.Create(whole, client.CreateArgs{Name: "work", Lease: lease(client.RWH)})
	if err != nil {
		b.err = err
		close(first)
		return
	}
	for {
		if err := b.round(whole, f); err != nil {
			b.err = fmt.Errorf("round %d: %w", b.rounds, err)
			return
		}
		if b.rounds++; b.rounds == 1 {
			close(first)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// round is one round of checked work.
func (b *bystander) round(ctx context.Context, f *client.File) error {
	data := bytes.Repeat([]byte{byte(b.rounds), byte(b.rounds >> 8), byte(rand.Uint32())}, 5000)
	off := uint64(rand.IntN(1 << 20))
	name := fmt.Sprintf("file %d", b.rounds)
	var list []wire.DirEntry
	var got []byte
	steps := []struct {
		what string
		do   func() error
	}{
		{"write", func() error { return f.WriteAll(ctx, off, data) }},
		{"read", func() (err error) { got, err = f.Read(ctx, off, len(data)); return err }},
		{"lock", func() error { return f.Lock(ctx, client.Exclusive(off, 100)) }},
		{"unlock", func() error { return f.Lock(ctx, client.Unlock(off, 100)) }},
		{"create", func() error { return b.tree.WriteFile(ctx, name, data[:100]) }},
		{"rename", func() error { return b.tree.RenameFile(ctx, name, name+" renamed", false) }},
		{"list", func() (err error) { list, err = b.tree.ReadDir(ctx, ""); return err }},
		{"remove", func() error { return b.tree.Remove(ctx, name+" renamed") }},
		{"echo", func() error { return b.tree.Session.Echo(ctx) }},
	}
	for _, step := range steps {
		begin := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.what, err)
		}
		took := time.Since(begin)
		b.waits = append(b.waits, took)
		if took > b.slowest {
			b.slowest, b.what = took, step.what
		}
	}
	if !bytes.Equal(got, data) {
		return errors.New("what was read is not what was written")
	}
	names := make(map[string]bool)
	for _, e := range list {
		names[e.FileName] = true
	}
	if !names["work"] || !names[name+" renamed"] || names[name] {
		return fmt.Errorf("listing %v in which %s should be renamed", names, name)
	}
	return b.tree.Session.Conn.NoBreak(ctx)
}
