//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSize = 3 << 20

var testData = sync.OnceValue(func() []byte {
	b := make([]byte, testSize)
	pattern(b, 0)
	return b
})

// testFile makes a file of its own for a test.
func testFile(t *testing.T) *file {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, testData(), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return &file{f: f, size: testSize}
}

// counted is a plan that ends after so many requests of each client, however long they
// take.
func counted(t *testing.T, requests int64) *plan {
	t.Helper()
	return &plan{file: testFile(t), duration: time.Hour, requests: requests}
}

// TestLoops runs each loop for a few requests, and looks at every byte that it moved.
func TestLoops(t *testing.T) {
	for _, l := range loops() {
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			// More than the file has places, so that they come around.
			requests := int64(testSize/max(l.size, testSize/16)) + 3
			p := counted(t, requests)
			switch {
			case l.writes:
				writesRight(t, p, &l)
			case l.size > 0:
				p.copies = true
				readsRight(t, p, &l)
				p.copies, p.check = false, nil
				run1(t, p, &l)
			default:
				run1(t, p, &l) // the client compares
			}
		})
	}
}

// run1 runs a loop once. measure itself compares the numbers of requests and replies.
func run1(t *testing.T, p *plan, l *loop) {
	t.Helper()
	got, err := measure(t.Context(), p, l, "")
	if err != nil {
		t.Fatal(err)
	}
	if got.rate <= 0 || got.cpu < 0 {
		t.Errorf("found %+v", got)
	}
}

func readsRight(t *testing.T, p *plan, l *loop) {
	t.Helper()
	slots := p.file.slots(l.size)
	checked := make(chan int64, 2*p.requests)
	p.check = func(i int64, b []byte) error {
		checked <- i
		if !bytes.Equal(b[:replySize], reply[:]) {
			return errors.New("the head is wrong")
		}
		// Each connection begins at another place of the file.
		for c := range int64(l.conns) {
			off := (slots*c/int64(l.conns) + i) % slots * int64(l.size)
			if bytes.Equal(b[replySize:], testData()[off:off+int64(l.size)]) {
				return nil
			}
		}
		return fmt.Errorf("the data of reply %d are wrong", i)
	}
	run1(t, p, l)
	if n := int64(len(checked)); n != p.requests*int64(l.conns) {
		t.Errorf("%d replies were looked at", n)
	}
}

func writesRight(t *testing.T, p *plan, l *loop) {
	t.Helper()
	const other = 1 << 40 // what is written stands nowhere in the file
	data := func(i int64, b []byte) { pattern(b, other+i*int64(l.size)) }
	p.load = data
	run1(t, p, l)
	slots := p.file.slots(l.size)
	got, written := make([]byte, l.size), make([]byte, l.size)
	for slot := range slots {
		want := testData()[slot*int64(l.size):][:l.size]
		if slot < p.requests {
			want = written
			data(slot+(p.requests-1-slot)/slots*slots, want) // the last one stays
		}
		if _, err := p.file.f.ReadAt(got, slot*int64(l.size)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("place %d of the file is wrong", slot)
		}
	}
	if info, err := p.file.f.Stat(); err != nil || info.Size() != testSize {
		t.Errorf("the file is now %d bytes long (%v)", info.Size(), err)
	}
}

// TestByTime lets the meter end a loop, as it does when something is measured.
func TestByTime(t *testing.T) {
	t.Parallel()
	p := counted(t, 0)
	p.warmUp, p.duration = time.Microsecond, time.Millisecond
	for _, l := range loops() {
		run1(t, p, &l)
	}
}

// TestCancel ends loops that would go on for an hour.
func TestCancel(t *testing.T) {
	t.Parallel()
	f := testFile(t)
	for _, l := range loops() {
		ctx, cancel := context.WithCancel(t.Context())
		p := &plan{file: f, duration: time.Hour, copies: true}
		switch {
		case l.writes:
			p.load = func(i int64, _ []byte) {
				if i == 3 {
					cancel()
				}
			}
		case l.size > 0:
			p.check = func(i int64, _ []byte) error {
				if i == 3 {
					cancel()
				}
				return nil
			}
		default:
			cancel()
		}
		if _, err := measure(ctx, p, &l, ""); err != context.Canceled {
			t.Errorf("%s: %v", l.name, err)
		}
		cancel()
	}
}

// TestErrors lets one end of a loop fail, and wants to hear of that and of nothing else.
func TestErrors(t *testing.T) {
	t.Parallel()
	good := testFile(t)
	f, err := os.Open(filepath.Join("/proc/self/fd", strconv.Itoa(good.fd()))) // to read alone
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	sealed := &file{f: f, size: testSize}
	short := testFile(t)
	if err := short.f.Truncate(32 << 10); err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	for _, l := range loops() {
		p := &plan{file: good, duration: time.Hour, copies: true}
		switch {
		case l.writes:
			p.file = sealed
			if _, err := measure(t.Context(), p, &l, ""); !errors.Is(err, unix.EBADF) || !strings.HasPrefix(err.Error(), "server: ") {
				t.Errorf("%s, a file that cannot be written: %v", l.name, err)
			}
		case l.size > 0:
			p.check = func(int64, []byte) error { return bad }
			if _, err := measure(t.Context(), p, &l, ""); !errors.Is(err, bad) {
				t.Errorf("%s: %v", l.name, err)
			}
			p.check, p.file = nil, short
			if _, err := measure(t.Context(), p, &l, ""); !errors.Is(err, io.ErrUnexpectedEOF) || !strings.HasPrefix(err.Error(), "server: ") {
				t.Errorf("%s, a file that ends: %v", l.name, err)
			}
		}
	}
	l := loops()[0]
	if _, err := measure(t.Context(), &plan{file: good}, &l, "no-such"); err == nil || !strings.Contains(err.Error(), `"no-such"`) {
		t.Errorf("a congestion control that is not there: %v", err)
	}
}

// TestCloses counts the descriptors before and after.
func TestCloses(t *testing.T) {
	p := counted(t, 2)
	count := func() int {
		for _, l := range loops() {
			run1(t, p, &l)
		}
		fds, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Skip(err)
		}
		return len(fds)
	}
	before := count()
	if after := count(); after != before {
		t.Errorf("%d descriptors, %d before", after, before)
	}
}

func TestOpenFile(t *testing.T) {
	dir := t.TempDir()
	picked := loops()
	name := filepath.Join(dir, "file")
	if err := os.WriteFile(name, make([]byte, 1<<20-1), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{name, dir, filepath.Join(dir, "missing")} {
		if f, err := openFile(&settings{file: bad}, picked); err == nil {
			f.close()
			t.Errorf("%s was taken", bad)
		}
	}
	if err := os.Truncate(name, 1<<20); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(&settings{file: name}, picked)
	if err != nil {
		t.Fatal(err)
	}
	f.close()
	if f, err = newFile(dir, 12345); err != nil {
		t.Fatal(err)
	}
	defer f.close()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside the file: %v, %v", left, err)
	}
	if info, err := f.f.Stat(); err != nil || info.Size() != 12345 {
		t.Errorf("the file is %d bytes long (%v)", info.Size(), err)
	}
}

func TestPick(t *testing.T) {
	names := map[string]bool{}
	for _, l := range loops() {
		if names[l.name] {
			t.Errorf("two loops are called %q", l.name)
		}
		names[l.name] = true
	}
	got, err := pick("^read 64K d8 s")
	if err != nil || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"(", "no such loop"} {
		if _, err := pick(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestCongestions(t *testing.T) {
	got, err := congestions("system, reno") // the kernel always has reno
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].name != "" || !strings.HasSuffix(got[0].title, " (system)") || got[1] != (control{"reno", "reno"}) {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"system,no-such", "reno,"} {
		if got, err := congestions(bad); err == nil {
			t.Errorf("%q was taken as %+v", bad, got)
		}
	}
}

func TestBusy(t *testing.T) {
	if _, err := busyNow(); err != nil {
		t.Fatal(err)
	}
	const s = time.Second
	if host, err := parseStolen("cpu  100 200 300 4000 50 6 7 80 9 10\ncpu0 1 2 3\n"); host != 800*time.Millisecond || err != nil {
		t.Error(host, err)
	}
	const line = "7 (a) b) S %d 7 7 0 -1 4194560 1 2 3 4 100 200 300 400 20 0 1 0 5"
	if sum, err := parseProcess(fmt.Sprintf(line, 1)); sum != 10*s || err != nil {
		t.Error(sum, err)
	}
	if sum, err := parseProcess(fmt.Sprintf(line, 2)); sum != 0 || err != nil {
		t.Error("a thread of the kernel:", sum, err)
	}
	for _, bad := range []string{"", "cpu  1 2 3", "cpu0 1 2 3 4 5 6 7 8", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseStolen(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
		if _, err := parseProcess(bad); err == nil {
			t.Errorf("%q was taken for a process", bad)
		}
	}
	want := "other programs took 25 % of a processor, the host of the machine 10 %"
	if got := (busy{others: 5 * s, host: s}).until(busy{others: 10 * s, host: 3 * s}, 20*s); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	tab := newTable([]loop{{name: "a", size: 1 << 20}, {name: "b"}, {name: "c", size: 64 << 10}}, []control{{title: "x"}, {title: "y"}})
	for _, s := range []sample{{rate: 3000, cpu: 0.0002}, {rate: 1000, cpu: 0.0003}, {rate: 2000, cpu: 0.0001}, {rate: 1500, cpu: 0.0004}} {
		tab.add(0, 0, s)
		tab.add(1, 1, s)
	}
	tab.add(2, 1, sample{rate: 16, cpu: 0.01})
	want := `| loop | x, MiB/s: median (best) | CPU s/GiB: median (least) | y, MiB/s: median (best) | CPU s/GiB: median (least) |
|---|---|---|---|---|
| a | 1,750 (3,000) | 0.26 (0.10) | - | - |
| c | - | - | 1 (1) | 163.84 (163.84) |

| loop | x, exchanges/s: median (best) | CPU ms/1,000: median (least) | y, exchanges/s: median (best) | CPU ms/1,000: median (least) |
|---|---|---|---|---|
| b | - | - | 1,750 (3,000) | 250.0 (100.0) |
`
	if got := tab.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
