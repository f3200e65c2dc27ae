//go:build linux

package smb_test

import (
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// lockModel is what two opens and a program hold of the first bytes of a file.
type lockModel struct {
	held    [2][]wire.LockElement // without LockFlagFailImmediately
	program [lockModelSize]int16
}

const lockModelSize = 5

// newLockModel is a file that nobody has locked.
func newLockModel() *lockModel {
	m := &lockModel{}
	for at := range m.program {
		m.program[at] = unix.F_UNLCK
	}
	return m
}

func overlap(a, b wire.LockElement) bool {
	return a.Offset < b.Offset+b.Length && b.Offset < a.Offset+a.Length
}

func isExclusive(e wire.LockElement) bool { return e.Flags&wire.LockFlagExclusiveLock != 0 }

// lock is a LOCK of an open; all or nothing (MS-FSA 2.1.5.7).
func (m *lockModel) lock(open int, list []wire.LockElement) bool {
	before := slices.Clone(m.held[open])
	for _, e := range list {
		e.Flags &^= wire.LockFlagFailImmediately
		for i := range m.held {
			for _, h := range m.held[i] {
				if overlap(e, h) && (isExclusive(e) || isExclusive(h) && i != open) {
					m.held[open] = before
					return false
				}
			}
		}
		for at := e.Offset; at < e.Offset+e.Length; at++ {
			if m.program[at] == unix.F_WRLCK || isExclusive(e) && m.program[at] == unix.F_RDLCK {
				m.held[open] = before
				return false
			}
		}
		m.held[open] = append(m.held[open], e)
	}
	return true
}

// unlock is an unlock of an open; up to the first that is not held.
func (m *lockModel) unlock(open int, list []wire.LockElement) bool {
	for _, e := range list {
		best := -1
		for i, h := range m.held[open] {
			if h.Offset == e.Offset && h.Length == e.Length && (best < 0 || isExclusive(h)) {
				best = i
			}
		}
		if best < 0 {
			return false
		}
		m.held[open] = slices.Delete(m.held[open], best, best+1)
	}
	return true
}

// shown is what the program sees.
func (m *lockModel) shown() string {
	b := slices.Repeat([]byte{'.'}, lockModelSize)
	for _, held := range m.held {
		for _, h := range held {
			for at := h.Offset; at < h.Offset+h.Length; at++ {
				if isExclusive(h) {
					b[at] = 'x'
				} else if b[at] == '.' {
					b[at] = 's'
				}
			}
		}
	}
	return string(b)
}

// Random histories of two opens and a program.
func TestPosixLocksModel(t *testing.T) {
	s := newLockedShare(t)
	ctx := t.Context()
	one, two := s.connect(t), s.connect(t)
	rapid.Check(t, func(rt *rapid.T) {
		files := [2]*client.File{create(t, one, client.CreateArgs{Name: "f"}), create(t, two, client.CreateArgs{Name: "f"})}
		defer func() {
			for _, f := range files {
				mustBe(t, "close", f.Close(ctx), ntstatus.Success)
			}
			s.must(unix.F_UNLCK, 0, 0)
		}()
		m := newLockModel()
		span := func() (off, n uint64) {
			off = rapid.Uint64Range(0, lockModelSize-1).Draw(rt, "from")
			return off, rapid.Uint64Range(1, lockModelSize-off).Draw(rt, "length")
		}
		send := func(list []wire.LockElement, do func(int, []wire.LockElement) bool, refused ntstatus.Status) {
			i := rapid.IntRange(0, 1).Draw(rt, "open")
			want := ntstatus.Success
			if !do(i, list) {
				want = refused
			}
			if got, _ := client.StatusOf(files[i].Lock(ctx, list...)); got != want {
				rt.Fatalf("open %d, %v: %v, want %v", i, list, got, want)
			}
		}
		for range 50 {
			var list []wire.LockElement
			n := rapid.IntRange(1, 3).Draw(rt, "elements")
			switch rapid.IntRange(0, 4).Draw(rt, "do") {
			case 0, 1:
				for range n {
					kind := rapid.SampledFrom([]func(_, _ uint64) wire.LockElement{client.Exclusive, client.Shared, client.Shared}).Draw(rt, "kind")
					list = append(list, kind(span()))
				}
				send(list, m.lock, ntstatus.LockNotGranted)
			case 2:
				for range n {
					list = append(list, client.Unlock(span()))
				}
				send(list, m.unlock, ntstatus.RangeNotLocked)
			case 3: // of what is there
				all := slices.Concat(m.held[0], m.held[1])
				if len(all) == 0 {
					continue
				}
				for range n {
					h := rapid.SampledFrom(all).Draw(rt, "held")
					list = append(list, client.Unlock(h.Offset, h.Length))
				}
				send(list, m.unlock, ntstatus.RangeNotLocked)
			case 4:
				off, n := span()
				typ := rapid.SampledFrom([]int16{unix.F_WRLCK, unix.F_RDLCK, unix.F_UNLCK}).Draw(rt, "program")
				refused := slices.ContainsFunc([]byte(m.shown()[off:off+n]), func(c byte) bool {
					return c == 'x' && typ != unix.F_UNLCK || c == 's' && typ == unix.F_WRLCK
				})
				if err := s.program(typ, int64(off), int64(n)); errors.Is(err, unix.EAGAIN) != refused {
					rt.Fatalf("the program: %v, to be refused %v", err, refused)
				}
				for at := off; at < off+n && !refused; at++ {
					m.program[at] = typ
				}
			}
			if got, want := s.shown(lockModelSize), m.shown(); got != want {
				rt.Fatalf("%q, want %q", got, want)
			}
		}
	})
}
