//go:build linux

package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// table collects what was measured: of each loop, with each congestion control, one
// sample a round.
type table struct {
	loops    []loop
	controls []control
	samples  [][][]sample // by loop, control, round
}

func newTable(loops []loop, controls []control) *table {
	t := &table{loops: loops, controls: controls, samples: make([][][]sample, len(loops))}
	for i := range t.samples {
		t.samples[i] = make([][]sample, len(controls))
	}
	return t
}

func (t *table) add(loop, control int, s sample) {
	t.samples[loop][control] = append(t.samples[loop][control], s)
}

// String is one table of the loops with data, and one of those without.
func (t *table) String() string {
	var b strings.Builder
	t.write(&b, "MiB/s: median (best)", "CPU s/GiB: median (least)", func(l *loop) bool { return l.size > 0 })
	t.write(&b, "exchanges/s: median (best)", "CPU ms/1,000: median (least)", func(l *loop) bool { return l.size == 0 })
	return b.String()
}

func (t *table) write(b *strings.Builder, rate, cpu string, belongs func(*loop) bool) {
	head := true
	for i := range t.loops {
		l := &t.loops[i]
		if !belongs(l) {
			continue
		}
		if head {
			if b.Len() > 0 {
				b.WriteByte('\n')
			}
			b.WriteString("| loop |")
			for _, c := range t.controls {
				fmt.Fprintf(b, " %s, %s | %s |", c.title, rate, cpu)
			}
			fmt.Fprintf(b, "\n|---|%s\n", strings.Repeat("---|", 2*len(t.controls)))
			head = false
		}
		fmt.Fprintf(b, "| %s |", l.name)
		for _, samples := range t.samples[i] {
			b.WriteString(l.cells(samples))
		}
		b.WriteByte('\n')
	}
}

// cells are the two cells of samples of a loop.
func (l *loop) cells(samples []sample) string {
	if len(samples) == 0 {
		return " - | - |"
	}
	rates, cpus := make([]float64, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		if l.size > 0 {
			rates[i], cpus[i] = s.rate*float64(l.size)/(1<<20), s.cpu*(1<<30)/float64(l.size)
		} else {
			rates[i], cpus[i] = s.rate, s.cpu*1e6
		}
	}
	digits := 2
	if l.size == 0 {
		digits = 1
	}
	return fmt.Sprintf(" %s (%s) | %.*f (%.*f) |", grouped(median(rates)), grouped(slices.Max(rates)),
		digits, median(cpus), digits, slices.Min(cpus))
}

// median sorts its argument.
func median(x []float64) float64 {
	slices.Sort(x)
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

// grouped is a number without fractions, with a comma before each three digits.
func grouped(x float64) string {
	s := strconv.FormatFloat(x, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
