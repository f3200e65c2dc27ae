//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// busy is how much of the processors was taken up to some time: by all programs, by this
// one, and by the host of a virtual machine, which gave it to others.
type busy struct{ all, own, stolen time.Duration }

// ticksPerSecond is the unit of /proc/stat, the same on all processors that Go knows.
const ticksPerSecond = 100

func busyNow() (b busy, err error) {
	stat, err := os.ReadFile("/proc/stat")
	if err != nil {
		return b, err
	}
	if b.all, b.stolen, err = parseStat(string(stat)); err != nil {
		return b, err
	}
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return b, fmt.Errorf("getrusage: %w", err)
	}
	b.own = time.Duration(r.Utime.Nano() + r.Stime.Nano())
	return b, nil
}

// parseStat takes what programs took, and what the host took, out of /proc/stat: see proc_stat(5).
// The time of interrupts is left out, as it is in getrusage(2) where the kernel tells it apart.
func parseStat(stat string) (all, stolen time.Duration, err error) {
	line, _, _ := strings.Cut(stat, "\n")
	f := strings.Fields(line)
	if len(f) < 9 || f[0] != "cpu" {
		return 0, 0, fmt.Errorf("/proc/stat begins with %q", line)
	}
	for i, s := range f[1:9] {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		switch d := time.Duration(n) * time.Second / ticksPerSecond; i {
		case 0, 1, 2: // user, nice, system
			all += d
		case 7:
			stolen = d
		}
	}
	return all, stolen, nil
}

// beside tells how much others took of one processor since b, in percent. What is measured
// while that is much says nothing about the machine.
func (b busy) beside(now busy, wall time.Duration) string {
	percent := func(d time.Duration) float64 { return max(0, 100*d.Seconds()/wall.Seconds()) }
	return fmt.Sprintf("other programs took %.0f %% of a processor, the host of the machine %.0f %%",
		percent(now.all-b.all-(now.own-b.own)), percent(now.stolen-b.stolen))
}
