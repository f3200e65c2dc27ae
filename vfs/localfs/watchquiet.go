//go:build linux

package localfs

import (
	"time"

	"golang.org/x/sys/unix"

	"lessor/vfs"
	"lessor/vfs/localwatch"
)

// An event costs about a microsecond, a tenth of what a small WRITE costs. So when
// this process keeps writing to a file that is watched, the kernel is told to leave
// its writes out for a while. Others that write to it are heard of when they close
// it; one that has it open all the time is heard of when the while is over.
const (
	// quietAfter is how many looks into the queue in a row must have seen a file
	// being written.
	quietAfter = 5
	// quietFor is how long it is left alone.
	quietFor = time.Second
	// maxQuiet bounds the files that are left alone, and those that may soon be.
	maxQuiet = 64
)

// quiet is the files that this process keeps writing to. It belongs to the reader.
type quiet struct {
	look    int // into the queue
	streaks map[streakKey]streak
	files   []quietFile // the first to be heeded in front
}

// streakKey is a name in a directory.
type streakKey struct {
	dir  localwatch.Key
	name string
}

// streak is how often in a row a file was seen being written, and when last.
type streak struct{ length, look int }

// quietFile is a file that is left alone.
type quietFile struct {
	node  *node // holds a reference
	until time.Time
}

// wrote notes that this process has written to a file.
func (b *batch) wrote(ev *localwatch.Event) {
	q := &b.w.quiet
	key := streakKey{localwatch.Key(ev.Dir), string(ev.Name)}
	s, known := q.streaks[key]
	switch {
	case !known && len(q.streaks)+len(q.files) >= maxQuiet:
		return
	case s.look != q.look:
		s = streak{s.length + 1, q.look}
	}
	if s.length >= quietAfter {
		delete(q.streaks, key)
		b.ignore(b.place(ev.Dir), key.name)
		return
	}
	if q.streaks == nil {
		q.streaks = make(map[streakKey]streak)
	}
	q.streaks[key] = s
}

// ignore leaves the writes of a file out.
func (b *batch) ignore(dir *place, name string) {
	if dir == nil {
		return
	}
	fd, e := openat2(dir.node.fd, name, unix.O_PATH|unix.O_NOFOLLOW, 0, unix.RESOLVE_BENEATH|unix.RESOLVE_NO_SYMLINKS)
	if e != 0 {
		return
	}
	n, err := b.w.fs.adopt(fd, fdPath)
	if err != nil {
		return
	}
	if n.typ != vfs.TypeRegular || b.w.group.Ignore(n.fd) != nil {
		n.Release()
		return
	}
	b.w.quiet.files = append(b.w.quiet.files, quietFile{n, time.Now().Add(quietFor)})
}

// settle ends the streaks that this look into the queue has not seen, and heeds the
// files that were left alone long enough.
func (w *watch) settle() {
	q := &w.quiet
	for key, s := range q.streaks {
		if s.look != q.look {
			delete(q.streaks, key)
		}
	}
	q.look++
	for len(q.files) > 0 && time.Until(q.files[0].until) <= 0 {
		w.heed()
	}
}

// heed hears of the writes of the first file again.
func (w *watch) heed() {
	f := w.quiet.files[0]
	w.quiet.files = w.quiet.files[1:]
	_ = w.group.Heed(f.node.fd) // a file that is gone has no marks
	f.node.Release()
}

// patience is how long the reader may wait for events.
func (w *watch) patience() time.Duration {
	if len(w.quiet.files) == 0 {
		return -1
	}
	return max(time.Until(w.quiet.files[0].until), 0)
}
