//go:build linux

package localwatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// shell changes files from another process.
func shell(t *testing.T, dir, script string) {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-e", "-c", script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", script, err, out)
	}
}

// each runs a test for both ways, as far as the machine has them.
func each(t *testing.T, fn func(t *testing.T, g Group, dir string, fd int)) {
	for _, way := range []Way{Fanotify, Inotify} {
		t.Run(way.String(), func(t *testing.T) {
			dir := t.TempDir()
			fd := openDir(t, dir)
			g, err := New(way, fd)
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := g.Close(); err != nil {
					t.Error(err)
				}
			})
			if g.Way() != way {
				t.Fatal(g.Way())
			}
			fn(t, g, dir, fd)
		})
	}
}

func openDir(t *testing.T, dir string) int {
	t.Helper()
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

var opLetters = []struct {
	op     Op
	letter string
}{{Create, "C"}, {Delete, "D"}, {Rename, "R"}, {Modify, "M"}, {Attrib, "A"}}

// read returns what is in the queue: operations, '/' for directories, '*' for what
// this process has done; then the directory, by what keys call it, and the name.
func read(t *testing.T, g Group, keys map[Key]string) (list []string) {
	t.Helper()
	for more := true; more; {
		var lost bool
		var err error
		more, lost, err = g.Read(func(ev *Event) {
			var s strings.Builder
			for _, l := range opLetters {
				if ev.Op&l.op != 0 {
					s.WriteString(l.letter)
				}
			}
			if ev.IsDir {
				s.WriteByte('/')
			}
			if ev.Own {
				s.WriteByte('*')
			}
			fmt.Fprintf(&s, " %s:%s", keys[Key(ev.Dir)], ev.Name)
			if ev.Op == Rename {
				fmt.Fprintf(&s, " %s:%s", keys[Key(ev.NewDir)], ev.NewName)
			}
			list = append(list, s.String())
		})
		if err != nil || lost {
			t.Fatal(err, lost)
		}
	}
	return list
}

func want(t *testing.T, got []string, list ...string) {
	t.Helper()
	if !slices.Equal(got, list) {
		t.Fatalf("\n got %q\nwant %q", got, list)
	}
}

func TestEvents(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		shell(t, dir, "mkdir other")
		key, err := g.Mark(fd, true)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[Key]string{key: "d"}
		shell(t, dir, "echo x > a")
		got := read(t, g, keys)
		if g.Way() == Fanotify {
			want(t, got, "CM d:a")
		} else {
			want(t, got, "C d:a", "M d:a")
		}
		shell(t, dir, "chmod 600 a")
		want(t, read(t, g, keys), "A d:a")
		shell(t, dir, "mv a b; mkdir sub")
		want(t, read(t, g, keys), "R d:a d:b", "C/ d:sub")
		shell(t, dir, "mv b other/b")
		want(t, read(t, g, keys), "R d:b :")
		shell(t, dir, "mv other/b c")
		want(t, read(t, g, keys), "R : d:c")
		shell(t, dir, "rm c; rmdir sub; touch other/unseen")
		want(t, read(t, g, keys), "D d:c", "D/ d:sub")

		otherFD := openDir(t, filepath.Join(dir, "other"))
		other, err := g.Mark(otherFD, false)
		if err != nil {
			t.Fatal(err)
		}
		keys[other] = "o"
		shell(t, dir, "echo x > other/unseen; mv other/unseen seen")
		want(t, read(t, g, keys), "R o:unseen d:seen")
		if err := g.Unmark(fd, key); err != nil {
			t.Fatal(err)
		}
		read(t, g, nil) // inotify says goodbye
		shell(t, dir, "rm seen")
		want(t, read(t, g, keys))
		shell(t, dir, "rm -r other")
		if err := g.Unmark(otherFD, other); err != nil {
			t.Fatal("a directory that is gone:", err)
		}
	})
}

func TestOwn(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		key, err := g.Mark(fd, false)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[Key]string{key: "d"}
		if err := os.Mkdir(filepath.Join(dir, "mine"), 0o700); err != nil {
			t.Fatal(err)
		}
		if g.KnowsOwn() {
			want(t, read(t, g, keys), "C/* d:mine")
		} else {
			want(t, read(t, g, keys), "C/ d:mine")
		}
		shell(t, dir, "mkdir theirs")
		want(t, read(t, g, keys), "C/ d:theirs")
	})
}

// A full mark after one for entries tells more; the other order tells no less.
func TestMarkAgain(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		shell(t, dir, "touch f")
		key, err := g.Mark(fd, false)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[Key]string{key: "d"}
		shell(t, dir, "echo x >> f")
		want(t, read(t, g, keys))
		again, err := g.Mark(openDir(t, dir), true)
		if err != nil || again != key {
			t.Fatal(err)
		}
		shell(t, dir, "echo x >> f")
		want(t, read(t, g, keys), "M d:f")
	})
}

func TestVolume(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		err := g.MarkVolume(fd)
		if g.Way() == Inotify && err == nil {
			t.Fatal("inotify knows no volumes")
		}
		if errors.Is(err, ErrNoVolumes) {
			return // not privileged
		}
		if err != nil {
			t.Fatal(err)
		}
		shell(t, dir, "mkdir -p a/b")
		sub := openDir(t, filepath.Join(dir, "a/b"))
		shell(t, dir, "touch a/b/here")
		found := false
		for more := true; more; {
			more, _, err = g.Read(func(ev *Event) {
				if string(ev.Name) != "here" {
					return
				}
				found = true
				opened, err := g.Open(ev.Dir, fd)
				if err != nil {
					t.Error(err)
					return
				}
				defer func() { _ = unix.Close(opened) }()
				var x, y unix.Stat_t
				if unix.Fstat(opened, &x) != nil || unix.Fstat(sub, &y) != nil || x.Ino != y.Ino {
					t.Error("another directory")
				}
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if !found {
			t.Error("no event")
		}
		if err := g.UnmarkVolume(fd); err != nil {
			t.Fatal(err)
		}
	})
}

func TestOverflow(t *testing.T) {
	if testing.Short() {
		t.Skip("fills the queue of the kernel")
	}
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		if _, err := g.Mark(fd, false); err != nil {
			t.Fatal(err)
		}
		limit := 16384
		if b, err := os.ReadFile("/proc/sys/fs/" + g.Way().String() + "/max_queued_events"); err == nil {
			_, _ = fmt.Sscan(string(b), &limit)
		}
		if limit > 1<<20 {
			t.Skip("the queue is too long to be filled")
		}
		for i := range limit + 10 {
			if err := unix.Symlinkat("x", fd, fmt.Sprint(i)); err != nil {
				t.Fatal(err)
			}
		}
		events, overflow := 0, false
		for more := true; more; {
			var lost bool
			var err error
			more, lost, err = g.Read(func(*Event) { events++ })
			if err != nil {
				t.Fatal(err)
			}
			overflow = overflow || lost
		}
		if !overflow || events < limit-1 {
			t.Errorf("%d events, lost: %v", events, overflow)
		}
	})
}

// While the writes of a file are left out, who has written is told when he is done.
func TestIgnore(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		key, err := g.Mark(fd, true)
		if err != nil {
			t.Fatal(err)
		}
		keys := map[Key]string{key: "d"}
		f, err := os.Create(filepath.Join(dir, "f"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := g.Ignore(int(f.Fd())); errors.Is(err, errors.ErrUnsupported) && g.Way() == Inotify {
			if err := g.Heed(int(f.Fd())); !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			return
		} else if err != nil {
			t.Fatal(err)
		}
		read(t, g, keys)
		for range 3 {
			if _, err := f.WriteString("x"); err != nil {
				t.Fatal(err)
			}
		}
		want(t, read(t, g, keys))
		shell(t, dir, "exec 3>>f; echo x >&3; exec 3>&-; exec 4<f; exec 4>&-; touch g")
		want(t, read(t, g, keys), "M d:f", "CA d:g")
		if err := g.Heed(int(f.Fd())); err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString("x"); err != nil {
			t.Fatal(err)
		}
		want(t, read(t, g, keys), "M* d:f")
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		want(t, read(t, g, keys))
		if err := g.Wait(time.Millisecond); err != nil {
			t.Fatal(err)
		}
	})
}

func TestWake(t *testing.T) {
	each(t, func(t *testing.T, g Group, dir string, fd int) {
		done := make(chan error)
		go func() {
			err := g.Wait(-1)
			done <- errors.Join(err, g.Pause(1<<40))
		}()
		g.Wake()
		if err := <-done; err != nil {
			t.Error(err)
		}
		want(t, read(t, g, nil))
	})
}

func TestNoSuchWay(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, way := range []Way{Auto, Fanotify, Inotify} {
		if g, err := New(way, int(f.Fd())); err == nil || g != nil {
			t.Errorf("%v listens to a file", way)
		}
	}
}

// FuzzDecode: whatever stands in the buffer, nothing is read beyond it.
func FuzzDecode(f *testing.F) {
	ev := make([]byte, unix.FAN_EVENT_METADATA_LEN)
	binary.NativeEndian.PutUint64(ev[8:], unix.FAN_CREATE)
	info := []byte{unix.FAN_EVENT_INFO_TYPE_DFID_NAME, 0, 0, 0}
	info = append(info, make([]byte, fsidSize)...)
	info = binary.NativeEndian.AppendUint32(info, 8)
	info = binary.NativeEndian.AppendUint32(info, 1)
	info = append(info, "12345678name\x00\x00\x00\x00"...)
	binary.NativeEndian.PutUint16(info[2:], uint16(len(info)))
	f.Add(append(ev, info...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= unix.FAN_EVENT_METADATA_LEN {
			g := &fanotify{}
			if e, _ := g.decode(b); e.Op != 0 && len(e.Dir) == 0 && len(e.NewDir) == 0 {
				t.Error("an event without a place")
			}
		}
		if len(b) >= unix.SizeofInotifyEvent {
			g := &inotify{}
			g.decode(b)
		}
	})
}
