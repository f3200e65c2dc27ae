package transport

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestHeadsStayOut: a kernel whose pipes write into files is known by that.
func TestHeadsStayOut(t *testing.T) {
	if keepsPages(func(_ *pipe, file int) error {
		_, err := unix.Pwrite(file, []byte{'x'}, 1) // what CVE-2022-0847 comes to
		return err
	}) {
		t.Error("a file that has changed is not noticed")
	}
	if keepsPages(func(*pipe, int) error { return unix.EIO }) {
		t.Error("what nobody knows is taken for good")
	}
	if !keepsPages(func(*pipe, int) error { return nil }) {
		t.Error("a file that has not changed is said to have")
	}
}

// TestNothingIsGatheredInBadPipes: without a kernel that is known to do no harm, nothing is written to pipes.
func TestNothingIsGatheredInBadPipes(t *testing.T) {
	old := headsStayOut
	t.Cleanup(func() { headsStayOut = old })
	headsStayOut = func() bool { return false }
	data := pattern(1, 128<<10)
	file := diskFile(t, data)
	p := packet([]byte("head"))
	p.File, p.N = file, 64<<10
	b := &batch{pkts: []Packet{p, p}}
	if b.canGather() {
		t.Error("gathered")
	}
	sendParts(t, file, data, 32<<10, 32<<10, 32<<10)
	headsStayOut = func() bool { return true }
	if !b.canGather() {
		t.Error("not gathered")
	}
}
