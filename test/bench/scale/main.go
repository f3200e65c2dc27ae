package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strconv"
	"time"

	"lessor/test/client"
)

// target is the server that is measured.
type target struct {
	addr, share string
	path        string // of the share on this machine
	pid         int    // of the server; 0: it is this process
	opts        client.Options
}

var commands = map[string]func(context.Context, *target, []int) error{
	"dirs":    dirs,
	"opens":   opens,
	"clients": clients,
}

func main() {
	t := &target{opts: client.Options{Timeout: time.Hour}}
	flag.StringVar(&t.addr, "addr", "", "`host:port` of the server; empty: one in this process, in memory")
	flag.StringVar(&t.share, "share", "share", "name of the share")
	flag.StringVar(&t.path, "path", "", "`directory` of the share, for dirs")
	flag.StringVar(&t.opts.User, "user", "", "user name")
	flag.StringVar(&t.opts.Password, "password", "", "password")
	flag.IntVar(&t.pid, "pid", 0, "`PID` of the server, for its memory")
	flag.Parse()
	if err := run(t, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(1)
	}
}

func run(t *target, args []string) error {
	if len(args) < 2 || commands[args[0]] == nil {
		return fmt.Errorf("usage: scale [flags] dirs|opens|clients NUMBER")
	}
	var counts []int
	for _, a := range args[1:] {
		n, err := strconv.Atoi(a)
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a positive number", a)
		}
		counts = append(counts, n)
	}
	if t.addr == "" {
		stop, err := serve(t)
		if err != nil {
			return err
		}
		defer stop()
	}
	return commands[args[0]](context.Background(), t, counts)
}

// connect makes a connection of its own.
func (t *target) connect(ctx context.Context) (*client.Tree, error) {
	return client.Connect(ctx, t.addr, t.share, t.opts)
}
