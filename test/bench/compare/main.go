package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

type settings struct {
	compare, smbload, lessor string
	rounds, duration, only   string
	from, out                string
	idle                     string
	peers                    []string
}

func main() {
	var s settings
	flag.StringVar(&s.compare, "compare", "", "`program` that runs the load generator")
	flag.StringVar(&s.smbload, "smbload", "", "load generator, if the program does not find it")
	flag.StringVar(&s.lessor, "lessor", "bin/lessor", "`program` of Lessor")
	flag.StringVar(&s.rounds, "rounds", "3", "times that everything is done")
	flag.StringVar(&s.duration, "duration", "2s", "time of one run")
	flag.StringVar(&s.only, "only", "", "`pattern` of workloads")
	flag.StringVar(&s.idle, "idle", "200", "numbers of idle connections")
	flag.StringVar(&s.from, "from", "", "files of earlier runs, with commas between, instead of a run")
	flag.StringVar(&s.out, "o", "docs/performance.md", "document to write into; empty: only print")
	flag.Parse()
	s.peers = flag.Args()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, &s)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s *settings) error {
	files := strings.Split(s.from, ",")
	if s.from == "" {
		dir, err := os.MkdirTemp("", "lessor-compare-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(dir) }()
		files = []string{filepath.Join(dir, "runs.json")}
		if err := measure(ctx, s, dir, files[0]); err != nil {
			return err
		}
	}
	r, err := read(files)
	if err != nil {
		return err
	}
	t := r.table()
	fmt.Print(t)
	if s.out == "" {
		return nil
	}
	return replace(s.out, t)
}

// measure starts Lessor and runs the comparison, which leaves its results in file.
func measure(ctx context.Context, s *settings, dir, file string) error {
	if s.compare == "" || len(s.peers) == 0 {
		return fmt.Errorf("nothing to compare with: see go doc lessor/test/bench/compare")
	}
	share, user, password, ok := account(s.peers[0])
	if !ok {
		return fmt.Errorf("%q is not NAME=HOST:PORT:SHARE:USER:PASSWORD:PID", s.peers[0])
	}
	l, err := start(ctx, s.lessor, dir, share, user, password)
	if err != nil {
		return err
	}
	defer l.stop()
	args := []string{"--rounds", s.rounds, "--duration", s.duration, "--only", s.only, "--idle", s.idle, "--json", file}
	if s.smbload != "" {
		args = append(args, "--smbload", s.smbload)
	}
	args = append(args, fmt.Sprintf("lessor=%s:%s:%s:%s:%d", l.addr, share, user, password, l.cmd.Process.Pid))
	cmd := exec.CommandContext(ctx, s.compare, append(args, s.peers...)...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// account takes the share and the user out of the description of a server.
func account(peer string) (share, user, password string, ok bool) {
	_, rest, ok := strings.Cut(peer, "=")
	f := strings.SplitN(rest, ":", 5) // the password may have colons
	if !ok || len(f) != 5 {
		return "", "", "", false
	}
	end := strings.LastIndexByte(f[4], ':')
	if end < 0 {
		return "", "", "", false
	}
	return f[2], f[3], f[4][:end], true
}
