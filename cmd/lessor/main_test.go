package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"lessor/config"
)

func TestWelcome(t *testing.T) {
	for _, tc := range []struct {
		listen string
		want   []string // host in UNC names, in URLs, for Windows; "" for none
		local  bool
	}{
		{"127.0.0.1:445", []string{"//127.0.0.1/s -U u", "smb://u@127.0.0.1/s", `net use * \\127.0.0.1\s /user:u`}, true},
		{"192.0.2.1:4450", []string{"//192.0.2.1/s -p 4450 -U u", "smb://u@192.0.2.1:4450/s", `\\192.0.2.1\s /user:u /tcpport:4450`}, false},
		{"[::1]:4450", []string{"//::1/s -p 4450 -U u", "smb://u@[::1]:4450/s", `\\--1.ipv6-literal.net\s /user:u /tcpport:4450`}, true},
		{"localhost:445", []string{"//localhost/s -U u"}, true},
	} {
		f := &serveFlags{user: "u"}
		c := config.Default()
		c.Server.Listen = []string{tc.listen}
		s := config.DefaultShare()
		s.Name, s.Path = "s", "/srv/s"
		c.Shares = []config.Share{s}
		var out strings.Builder
		if err := f.printWelcome(&out, c, "abc"); err != nil {
			t.Fatal(err)
		}
		for _, want := range tc.want {
			if !strings.Contains(out.String(), want+"\n") && !strings.Contains(out.String(), want+"'\n") {
				t.Errorf("%s: no %q in:\n%s", tc.listen, want, out.String())
			}
		}
		if got := strings.Contains(out.String(), "Only this machine"); got != tc.local {
			t.Errorf("%s: loopback %v", tc.listen, got)
		}
		if strings.Contains(tc.listen, ":445") && !strings.Contains(tc.listen, "4450") && strings.Contains(out.String(), "24H2") {
			t.Errorf("%s: warns about the port", tc.listen)
		}
	}
	// A server for all interfaces is known by the name of the machine.
	f := &serveFlags{}
	c := config.Default()
	s := config.DefaultShare()
	s.Name = "s"
	c.Shares = []config.Share{s}
	var out strings.Builder
	if err := f.printWelcome(&out, c, ""); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "\\\\\\") || strings.Contains(out.String(), "///") {
		t.Errorf("no host in:\n%s", out.String())
	}
}

func TestRandomPassword(t *testing.T) {
	seen := make(map[string]bool)
	form := regexp.MustCompile(`^([a-z2-7]{5}-){3}[a-z2-7]{5}$`)
	for range 100 {
		p := randomPassword()
		if !form.MatchString(p) || seen[p] {
			t.Fatalf("password %q", p)
		}
		seen[p] = true
	}
}

func TestFirstLine(t *testing.T) {
	for _, tc := range []struct{ in, want, err string }{
		{"abc", "abc", ""},
		{"abc\n", "abc", ""},
		{" a b \r\nsecond\n", " a b ", ""},
		{"Grüße\n", "Grüße", ""},
		{"", "", "empty"},
		{"\nabc\n", "", "empty"},
		{"\xff\n", "", "not UTF-8"},
		{strings.Repeat("x", maxPassword) + "\n", strings.Repeat("x", maxPassword), ""},
		{strings.Repeat("x", maxPassword+1) + "\n", "", "longer"},
		{strings.Repeat("x", 1<<20), "", "longer"},
	} {
		got, err := firstLine(strings.NewReader(tc.in))
		if got != tc.want || (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
			t.Errorf("%.20q: %.20q, %v", tc.in, got, err)
		}
	}
}

func TestPrintError(t *testing.T) {
	c := config.Default()
	c.SetOrigin("log.file", "f.yaml:3")
	err := fmt.Errorf("opening: %w", errors.New("bad luck"))
	var out bytes.Buffer
	printError(&out, errors.Join(c.Problem("log.file", "w", "r"), c.Problem("log.level", "w", "r"), errors.Join(err)))
	want := "f.yaml:3: log.file: w; r\nlessor: log.level: w; r\nlessor: opening: bad luck\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

// stuck is a server whose requests never finish.
type stuck struct {
	started, closed chan struct{}
}

func (s stuck) Shutdown(ctx context.Context) error {
	close(s.started)
	<-ctx.Done()
	return ctx.Err()
}

func (s stuck) Close() error {
	close(s.closed)
	return nil
}

func TestShutdown(t *testing.T) {
	t.Run("second signal", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := stuck{make(chan struct{}), make(chan struct{})}
			sig := make(chan os.Signal, 2)
			done := make(chan struct{})
			go func() {
				shutdown(srv, time.Hour, sig, zerolog.Nop())
				close(done)
			}()
			<-srv.started
			sig <- syscall.SIGHUP // not a reason to hurry
			synctest.Wait()
			select {
			case <-srv.closed:
				t.Fatal("closed by SIGHUP")
			default:
			}
			start := time.Now()
			sig <- syscall.SIGTERM
			<-done
			<-srv.closed
			if waited := time.Since(start); waited != 0 {
				t.Errorf("took %v after the second signal", waited)
			}
		})
	})
	t.Run("time-out", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			srv := stuck{make(chan struct{}), make(chan struct{})}
			start := time.Now()
			var log bytes.Buffer
			shutdown(srv, 30*time.Second, nil, zerolog.New(&log))
			if waited := time.Since(start); waited != 30*time.Second {
				t.Errorf("waited %v", waited)
			}
			if !strings.Contains(log.String(), "not everything could finish") {
				t.Errorf("log: %s", log.String())
			}
		})
	})
}

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"a b/ä.txt": "a b/ä.txt", "": `""`, "a\tb": `"a\tb"`, "\x1b[2J": `"\x1b[2J"`, "a\u202eb": `"a\u202eb"`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %s", in, got)
		}
	}
}

func TestBuildIsKnown(t *testing.T) {
	v, c := build()
	if v == "" || c == "" {
		t.Errorf("version %q, commit %q", v, c)
	}
}

func TestLetters(t *testing.T) {
	for _, tc := range []struct {
		read, write, del uint32
		want             string
	}{{1, 2, 4, "RWD"}, {0, 0, 0, "-"}, {0x20, 0, 0x10000, "RD"}, {0, 4, 0, "W"}} {
		if got := letters(tc.read, tc.write, tc.del); got != tc.want {
			t.Errorf("%+v: %s", tc, got)
		}
	}
}

// TestReportIsDocumented: the documentation names every field of the report.
func TestReportIsDocumented(t *testing.T) {
	text, err := os.ReadFile("../../docs/admin.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := make(map[string]string)
	for _, m := range regexp.MustCompile("(?m)^\\| (?:each of )?`?([a-z ]+)`? \\| (.*) \\|$").FindAllStringSubmatch(string(text), -1) {
		rows[m[1]] = m[2]
	}
	var check func(row string, typ reflect.Type)
	check = func(row string, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Anonymous {
				check(row, f.Type)
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name == "-":
				continue
			case name == "":
				t.Errorf("%v.%s has no name in JSON", typ, f.Name)
			case !strings.Contains(rows[row], "`"+name+"`"):
				t.Errorf("docs/admin.md does not mention %s of %s", name, row)
			}
			sub := f.Type
			if sub.Kind() == reflect.Slice {
				sub = sub.Elem()
			}
			if sub.Kind() == reflect.Struct && sub != reflect.TypeFor[time.Time]() {
				check(name, sub)
			}
		}
	}
	check("the whole", reflect.TypeFor[report]())
}
