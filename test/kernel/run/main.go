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

func main() {
	cache, _ := os.UserCacheDir()
	dir := flag.String("cache", filepath.Join(cache, "lessor-kernel"), "keep the image of the virtual machine in `DIR`")
	deb := flag.String("deb", "", "make the image anew with the kernel package `FILE`, instead of Debian's stable kernel")
	logs := flag.String("logs", "", "keep what the guest's kernel says in `DIR`")
	addr := flag.String("addr", "", "test the server at 127.0.0.1:`PORT` instead of starting one")
	share := flag.String("share", "share", "with -addr: the share")
	login := flag.String("user", "", "with -addr: `USER%PASSWORD`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	failed, err := run(ctx, *dir, *deb, *logs, *addr, *share, *login)
	harness.Cleanup()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "run:", err)
		os.Exit(2)
	case failed > 0:
		os.Exit(1)
	}
}

// run returns the number of cases that failed.
func run(ctx context.Context, cache, deb, logs, addr, share, login string) (failed int, err error) {
	if _, err := exec.LookPath("qemu-system-x86_64"); err != nil {
		return 0, fmt.Errorf("%w (Debian package qemu-system-x86)", err)
	}
	img, err := kernel.Build(cache, deb)
	if err != nil {
		return 0, err
	}
	tmp, err := os.MkdirTemp("", "lessor-kernel-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	if logs == "" {
		logs = tmp
	} else if err := os.MkdirAll(logs, 0o755); err != nil {
		return 0, err
	}
	user, password, _ := strings.Cut(login, "%")
	to := kernel.Share{Name: share, User: user, Password: password}
	if addr != "" {
		if _, to.Port, err = net.SplitHostPort(addr); err != nil {
			return 0, err
		}
	} else {
		srv, err := start(tmp)
		if err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, srv.Stop()) }()
		to = kernel.Share{Port: srv.Port, Name: "share", User: srv.User, Password: srv.Password}
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
	return failed, err
}

// start starts the server of this module.
func start(dir string) (*harness.Server, error) {
	srv, err := harness.New(filepath.Join(dir, "server"), harness.Options{})
	if err != nil {
		return nil, err
	}
	return srv, srv.Start()
}
