//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// busy is the CPU time that others have had up to some moment: other programs, and the
// host of a virtual machine, which took it away.
type busy struct{ others, host time.Duration }

// ticksPerSecond is the unit of times in /proc, the same on all processors that Go
// knows.
const ticksPerSecond = 100

// busyNow adds up all processes. The totals of /proc/stat would not do: it depends on
// the kernel whether these and getrusage(2) mean the same by the time of interrupts,
// and that is much of what the loops take.
func busyNow() (b busy, err error) {
	const proc = "/proc"
	stat, err := os.ReadFile(filepath.Join(proc, "stat"))
	if err != nil {
		return b, err
	}
	if b.host, err = parseStolen(string(stat)); err != nil {
		return b, err
	}
	all, err := os.ReadDir(proc)
	if err != nil {
		return b, err
	}
	for _, e := range all {
		if pid, err := strconv.Atoi(e.Name()); err != nil || pid == os.Getpid() {
			continue
		}
		stat, err := os.ReadFile(filepath.Join(proc, e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		d, err := parseProcess(string(stat))
		if err != nil {
			return b, err
		}
		b.others += d
	}
	return b, nil
}

// parseStolen takes what the host took out of /proc/stat: see proc_stat(5).
func parseStolen(stat string) (time.Duration, error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	return ticks(f[8])
}

// kthreadd is the process that is the parent of the threads of the kernel. Some of them
// work for the loops.
const kthreadd = "2"

// parseProcess returns what a process and its children that have ended have had, from
// /proc/PID/stat: see proc_pid_stat(5). The sum over all processes loses nothing when
// one ends.
func parseProcess(stat string) (sum time.Duration, err error) {
	f := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]) // behind the name, which may be anything
	if len(f) < 15 {
		return 0, fmt.Errorf("a process has the state %q", stat)
	}
	if f[1] == kthreadd {
		return 0, nil
	}
	for _, s := range f[11:15] { // utime, stime, cutime, cstime
		d, err := ticks(s)
		if err != nil {
			return 0, err
		}
		sum += d
	}
	return sum, nil
}

func ticks(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	return time.Duration(n) * time.Second / ticksPerSecond, err
}

// until tells how much others took of one processor from b to now, in percent. What is
// measured while that is much says nothing about the machine.
func (b busy) until(now busy, wall time.Duration) string {
	percent := func(d time.Duration) float64 { return max(0, 100*d.Seconds()/wall.Seconds()) }
	return fmt.Sprintf("other programs took %.0f %% of a processor, the host of the machine %.0f %%",
		percent(now.others-b.others), percent(now.host-b.host))
}
