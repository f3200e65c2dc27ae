// Command run has the Linux kernel's SMB client, in a virtual machine, use a
// share of the server of this module, or of another one, and prints a line for
// each case:
//
//	case <TAB> pass|fail <TAB> seconds <TAB> reason
//
// The exit status is 1 if a case failed, 2 if the cases could not be run. The
// image of the virtual machine is made from Debian packages at the first run.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"

	"lessor/test/harness"
	"lessor/test/kernel"
)

// options are the command line.
type options struct {
	cache, deb, logs   string
	addr, share, login string
}

func main() {
	cache, _ := os.UserCacheDir()
	var o options
	flag.StringVar(&o.cache, "cache", filepath.Join(cache, "lessor-kernel"), "keep images of virtual machines in `DIR`")
	flag.StringVar(&o.deb, "deb", "", "boot the kernel of the Debian package `FILE`, instead of the distribution's")
	flag.StringVar(&o.logs, "logs", "", "keep what the guest's kernel says in `DIR`")
	flag.StringVar(&o.addr, "addr", "", "test the server at 127.0.0.1:`PORT` instead of starting one")
	flag.StringVar(&o.share, "share", "share", "with -addr: the share")
	flag.StringVar(&o.login, "user", "", "with -addr: `USER%PASSWORD`")
	flag.Parse()
	os.Exit(status(o))
}

// status runs the cases and returns the exit status.
func status(o options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer harness.Cleanup()
	failed, err := run(ctx, o)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "run:", err)
		return 2
	case failed > 0:
		return 1
	}
	return 0
}

// run returns the number of cases that failed.
func run(ctx context.Context, o options) (failed int, err error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return 0, fmt.Errorf("%w (Debian package qemu-system-x86)", err)
	}
	img, err := kernel.Build(o.cache, o.deb)
	if err != nil {
		return 0, err
	}
	tmp, err := os.MkdirTemp("", "lessor-kernel-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	logs := cmp.Or(o.logs, tmp)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return 0, err
	}
	to, stop, err := target(o, tmp)
	if err != nil {
		return 0, err
	}
	passed := 0
	err = kernel.Run(ctx, img, logs, to, func(r kernel.Result) {
		verdict := "pass"
		if r.Pass {
			passed++
		} else {
			verdict = "fail"
			failed++
		}
		fmt.Printf("%s\t%s\t%.1f\t%s\n", r.Case, verdict, r.Seconds, r.Reason)
	})
	fmt.Fprintf(os.Stderr, "Linux %s: %d passed, %d failed\n", img.Version, passed, failed)
	return failed, errors.Join(err, stop())
}

// target is the share of -addr, or that of a server that it starts in dir and
// that stop ends.
func target(o options, dir string) (to kernel.Share, stop func() error, err error) {
	if o.addr != "" {
		_, port, err := net.SplitHostPort(o.addr)
		user, password, _ := strings.Cut(o.login, "%")
		return kernel.Share{Port: port, Name: o.share, User: user, Password: password}, func() error { return nil }, err
	}
	srv, err := harness.New(filepath.Join(dir, "server"), harness.Options{})
	if err != nil {
		return kernel.Share{}, nil, err
	}
	to = kernel.Share{Name: "share", User: srv.User, Password: srv.Password}
	err = srv.Start()
	to.Port = srv.Port
	return to, srv.Stop, err
}
