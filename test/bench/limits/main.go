//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"time"
)

type settings struct {
	duration   time.Duration
	rounds     int
	congestion string
	file, dir  string
	only       string
	copies     bool
}

// warmUp is how long a loop runs before it is measured.
const warmUp = 200 * time.Millisecond

func main() {
	var s settings
	flag.DurationVar(&s.duration, "duration", 400*time.Millisecond, "`time` for which a loop is measured")
	flag.IntVar(&s.rounds, "rounds", 5, "times that everything is done")
	flag.StringVar(&s.congestion, "congestion", "system,reno", "`names` of congestion control, with commas between; system: what the system has")
	flag.StringVar(&s.file, "file", "", "`file` to read and to OVERWRITE; empty: one of 256 MiB that is removed again")
	flag.StringVar(&s.dir, "dir", "", "`directory` for that one; empty: /dev/shm, or that for temporary files")
	flag.StringVar(&s.only, "only", "", "`pattern` of loops, as \"read 1M\"")
	flag.BoolVar(&s.copies, "copy", false, "the client copies what it reads")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, &s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "limits:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s *settings) error {
	if flag.NArg() > 0 {
		return fmt.Errorf("%q: there are no arguments, only flags", flag.Arg(0))
	}
	if s.duration <= 0 || s.duration > time.Hour || s.rounds < 1 {
		return errors.New("there is nothing to measure: -duration is above 0 and up to 1h, -rounds at least 1")
	}
	picked, err := pick(s.only)
	if err != nil {
		return err
	}
	controls, err := congestions(s.congestion)
	if err != nil {
		return err
	}
	if err := checkPipe(); err != nil {
		return err
	}
	f, err := openFile(s, picked)
	if err != nil {
		return err
	}
	defer f.close()
	// A collection of garbage in the middle of a loop would count as its time, and
	// there is next to none. With processors to spare, the runtime lets threads that
	// are in system calls alone.
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(runtime.NumCPU() + 8)

	p := plan{file: f, warmUp: warmUp, duration: s.duration, copies: s.copies}
	n := s.rounds * len(picked) * len(controls)
	fmt.Fprintf(os.Stderr, "%d runs, %v\n", n, (time.Duration(n) * (warmUp + s.duration)).Round(time.Second))
	t := newTable(picked, controls)
	start := time.Now()
	before, err := busyNow()
	if err != nil {
		return err
	}
	for range s.rounds {
		for i := range picked {
			for j, c := range controls {
				got, err := measure(ctx, &p, &picked[i], c.name)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", picked[i].name, c.title, err)
				}
				t.add(i, j, got)
			}
		}
	}
	after, err := busyNow()
	if err != nil {
		return err
	}
	fmt.Printf("%s Meanwhile %s.\n\n%s", describe(s, f), before.until(after, time.Since(start)), t)
	return nil
}

// pick returns the loops whose name the pattern matches.
func pick(pattern string) ([]loop, error) {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var picked []loop
	for _, l := range loops() {
		if re.MatchString(l.name) {
			picked = append(picked, l)
		}
	}
	if picked == nil {
		return nil, fmt.Errorf("no loop is called %q", pattern)
	}
	return picked, nil
}

// control is a congestion control: the name for the kernel, where "" sets nothing, and
// the one for the reader.
type control struct{ name, title string }

// congestions tries all that are to be measured.
func congestions(names string) ([]control, error) {
	var all []control
	for name := range strings.SplitSeq(names, ",") {
		c := control{name: strings.TrimSpace(name)}
		switch c.name {
		case "":
			return nil, errors.New("a congestion control without a name")
		case "system":
			c.name = ""
		}
		l, err := listen(c.name)
		if err != nil {
			return nil, err
		}
		c.title, err = l.congestion()
		l.close()
		if err != nil {
			return nil, err
		}
		if c.name == "" {
			c.title += " (system)"
		}
		all = append(all, c)
	}
	return all, nil
}

// describe says what the tables below it are about.
func describe(s *settings, f *file) string {
	var u syscall.Utsname
	release := []byte{}
	if syscall.Uname(&u) == nil {
		for _, c := range u.Release {
			if c == 0 {
				break
			}
			release = append(release, byte(c))
		}
	}
	does := "discards"
	if s.copies {
		does = "copies"
	}
	return fmt.Sprintf("Linux %s, %d processors, %s, a file of %d MiB, %d rounds of %v a loop by turns; the client %s what it reads.",
		release, runtime.NumCPU(), runtime.Version(), f.size>>20, s.rounds, s.duration, does)
}
