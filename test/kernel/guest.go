package kernel

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed guest/cases
var casesScript []byte

// Mounts are the ways in which the share is mounted, as mount options. Dialect
// 2.1 cannot seal.
var Mounts = []string{
	"vers=2.1", "vers=3.0", "vers=3.0,seal", "vers=3.0.2", "vers=3.0.2,seal", "vers=3.1.1", "vers=3.1.1,seal",
}

const (
	bootTimeout = 5 * time.Minute
	caseTimeout = 3 * time.Minute
)

// Share is what the guest mounts, at 127.0.0.1 of this machine.
type Share struct {
	Port, Name, User, Password string
}

// Result is the end of one case.
type Result struct {
	Case    string
	Pass    bool
	Seconds float64
	Reason  string
}

// Run boots the image, has it run the cases on the share, and calls done for each
// result. What the guest's kernel says goes to the file console.log in dir. The
// error is about the guest, not about the cases.
func Run(ctx context.Context, img *Image, dir string, share Share, done func(Result)) error {
	initrd, err := withCases(img, dir, share)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", qemuArgs(img.Kernel, initrd, filepath.Join(dir, "console.log"))...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := make(chan string)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- strings.TrimRight(s.Text(), "\r")
		}
	}()
	err = follow(lines, done)
	cancel()
	for range lines { // let the reader end
	}
	_ = cmd.Wait()
	if err != nil {
		err = fmt.Errorf("%w\nqemu: %send of %s:\n%s", err, &stderr, filepath.Join(dir, "console.log"), consoleEnd(dir))
	}
	return err
}

// follow reads what the guest reports until it is done.
func follow(lines <-chan string, done func(Result)) error {
	limit := time.NewTimer(bootTimeout)
	defer limit.Stop()
	current := ""
	for {
		var line string
		var open bool
		select {
		case line, open = <-lines:
		case <-limit.C:
			return lost(current, "the guest hangs", done)
		}
		if !open {
			return lost(current, "the guest died", done)
		}
		limit.Reset(caseTimeout)
		switch f := strings.Split(line, "\t"); {
		case line == "DONE":
			return nil
		case f[0] == "START" && len(f) == 2:
			current = f[1]
		case f[0] == "RESULT" && len(f) == 5:
			seconds, err := strconv.ParseFloat(f[3], 64)
			if err != nil || f[1] != current {
				return fmt.Errorf("unexpected %q from the guest in case %q", line, current)
			}
			done(Result{Case: current, Pass: f[2] == "pass", Seconds: seconds, Reason: strings.TrimSpace(f[4])})
			current = ""
		default:
			return fmt.Errorf("unexpected %q from the guest", line)
		}
	}
}

// lost reports the case in which the guest was lost.
func lost(current, why string, done func(Result)) error {
	if current == "" {
		return fmt.Errorf("%s outside of a case", why)
	}
	done(Result{Case: current, Reason: why})
	return fmt.Errorf("%s in case %s; the cases behind it did not run", why, current)
}

// withCases writes the image's initramfs with the cases behind it.
func withCases(img *Image, dir string, share Share) (string, error) {
	base, err := os.ReadFile(img.Initrd)
	if err != nil {
		return "", err
	}
	var a archive
	a.add("cases", modeFile, casesScript)
	a.add("params", modeFile, []byte(fmt.Sprintf("PORT=%s SHARE=%s LOGIN=%s PASSWORD=%s MOUNTS=%s\n",
		shellQuote(share.Port), shellQuote(share.Name), shellQuote(share.User), shellQuote(share.Password),
		shellQuote(strings.Join(Mounts, " ")))))
	file := filepath.Join(dir, "initrd")
	return file, os.WriteFile(file, append(base, compressed(a.bytes())...), 0o600)
}

// shellQuote makes one word of s for a shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func qemuArgs(kernel, initrd, console string) []string {
	return []string{
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-machine", "pc,usb=off", "-smp", "2", "-m", "512", "-rtc", "base=utc",
		// Not kvm: where it is there it may not work, in a virtual machine for
		// one. And cmpxchg16b as qemu 7.2 does it makes Linux 6.12 panic.
		"-accel", "tcg,thread=multi", "-cpu", "max,-cx16,la57=off",
		"-kernel", kernel, "-initrd", initrd,
		"-append", "console=ttyS0 quiet loglevel=4 panic=-1 oops=panic mitigations=off nokaslr " +
			"no_timer_check tsc=reliable random.trust_cpu=on cryptomgr.notests",
		"-netdev", "user,id=net,ipv6=off", "-device", "virtio-net-pci,netdev=net,romfile=",
		"-device", "virtio-rng-pci",
		"-serial", "file:" + console, "-serial", "stdio",
	}
}

// consoleEnd is the end of what the guest's kernel said.
func consoleEnd(dir string) string {
	f, err := os.Open(filepath.Join(dir, "console.log"))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	if info, err := f.Stat(); err == nil && info.Size() > 4000 {
		_, _ = f.Seek(-4000, io.SeekEnd)
	}
	text, _ := io.ReadAll(f)
	return string(text)
}
