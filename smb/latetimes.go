package smb

import (
	"context"
	"slices"
	"sync"
	"time"

	"lessor/vfs"
)

// lateDelay is how long after the first write through an open clients see a newer
// LastWriteTime, on a share with DelayWriteTime.
const lateDelay = 2 * time.Second

// lateTimes is what clients of a share with DelayWriteTime see of the time of the last
// write of files that are being written to: what Windows up to 2016 shows, and Samba up
// to 4.17. MS-FSA 2.1.4.17 leaves open when a server notes that a file was modified. These
// note per handle that there was a write, and use the note up when they update the file
// anyway (its size, its times, a flush), after two seconds, but only once per handle, and
// at the latest when it is closed; the file gets the time of that moment.
//
// There are no timers: what is due is found out when somebody looks. Only a file that an
// open has written to which is not closed yet has an entry; all others show what the
// storage has. What the storage has of a file with an entry is what its writes do to it,
// until the last of these opens is closed and gives it the time that is shown.
type lateTimes struct {
	mu    sync.RWMutex // leaf but for lateFile.mu; guards files
	files map[vfs.NodeID]*lateFile
}

// lateFile is a file that is being written to.
type lateFile struct {
	mu      sync.Mutex // leaf; guards what follows, and the writers
	shown   time.Time  // LastWriteTime for clients, without what has become due since
	writers []*lateWriter
	ending  int // closes that are giving the time to the storage
}

// lateWriter is an open that has written to a file. The mutex of the file guards it.
type lateWriter struct {
	file  *lateFile
	first time.Time // the write that an update is due after; zero if there is none
	last  time.Time // the latest write, zero if no update is to come for it
	once  bool      // there was an update: the next one is at the close
}

// lateGone stands in a grip whose open was closed: nothing is noted any more.
var lateGone = new(lateWriter)

// writeTime is the LastWriteTime that clients are told of a file.
func (sh *share) writeTime(at *vfs.Attr) time.Time {
	if sh.late == nil {
		return at.Modify
	}
	f := sh.late.find(at.ID)
	if f == nil {
		return at.Modify
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settleLocked(time.Now())
	return f.shown
}

// find returns the entry of a file, nil if nobody writes to it.
func (t *lateTimes) find(id vfs.NodeID) *lateFile {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.files[id]
}

// settleLocked carries out what has become due. As everything that sets shown does so
// first, what is due now is newer than that.
func (f *lateFile) settleLocked(now time.Time) {
	var newest time.Time
	for _, w := range f.writers {
		due := w.first.Add(lateDelay)
		if w.first.IsZero() || due.After(now) {
			continue
		}
		w.first, w.once = time.Time{}, true
		if !w.last.After(due) {
			w.last = time.Time{}
		}
		if due.After(newest) {
			newest = due
		}
	}
	if !newest.IsZero() {
		f.shown = newest
	}
}

// useLocked uses up what is noted of an open, and reports whether that is anything.
func (w *lateWriter) useLocked(now time.Time) bool {
	w.file.settleLocked(now)
	if w.last.IsZero() {
		return false
	}
	w.first, w.last, w.once = time.Time{}, time.Time{}, true
	w.file.shown = now
	return true
}

// lateWriter returns where a write through the open is noted that is about to be carried
// out, and nil if its time shows at once, or not at all because the client has taken the
// time over; kept are the times that are given back (keepTimes). POSIX clients know
// nothing of late times, and a stream has none of its own.
func (o *open) lateWriter(ctx context.Context, kept vfs.AttrMask) (*lateWriter, error) {
	g := o.grip
	if g.share.late == nil || g.stream != "" || o.posix || kept&vfs.SetModify != 0 {
		return nil, nil
	}
	switch w := g.late.Load(); w {
	case nil:
		return g.share.late.join(ctx, g)
	case lateGone:
		return nil, nil
	default:
		return w, nil
	}
}

// join makes a writer of a grip before it writes for the first time.
func (t *lateTimes) join(ctx context.Context, g *grip) (*lateWriter, error) {
	at, err := g.node.Attr(ctx, nil)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[at.ID]
	if f == nil {
		f = &lateFile{shown: at.Modify}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &lateWriter{file: f}
	if !g.late.CompareAndSwap(nil, w) {
		// Another request of the open was faster, or its CLOSE was.
		if w = g.late.Load(); w == lateGone {
			w = nil
		}
		return w, nil
	}
	f.writers = append(f.writers, w)
	t.files[at.ID] = f
	return w, nil
}

// lateWritten notes that data was changed. w is what lateWriter has returned before.
func (o *open) lateWritten(w *lateWriter) {
	if w == nil {
		if o.posix {
			o.lateMoved()
		}
		return
	}
	now := time.Now()
	w.file.mu.Lock()
	defer w.file.mu.Unlock()
	if w.first.IsZero() && !w.once {
		w.first = now
	}
	w.last = now
}

// lateUsed uses up what is noted of the open, because the file is updated anyway, and
// reports whether the time has moved by that.
func (o *open) lateUsed() bool {
	if o.grip == nil {
		return false
	}
	w := o.grip.late.Load()
	if w == nil || w == lateGone {
		return false
	}
	w.file.mu.Lock()
	defer w.file.mu.Unlock()
	return w.useLocked(time.Now())
}

// lateMoved notes a change of the file that shows at once.
func (o *open) lateMoved() {
	if o.share().late == nil || o.grip.stream != "" {
		return
	}
	o.lateUsed()
	o.share().late.moved(o.grip.node.ID())
}

// moved gives a file that is being written to the time of this moment.
func (t *lateTimes) moved(id vfs.NodeID) {
	t.change(id, func(f *lateFile, now time.Time) { f.shown = now })
}

// set notes the time that a client has set: it stands until somebody writes again.
func (t *lateTimes) set(id vfs.NodeID, to time.Time) {
	t.change(id, func(f *lateFile, _ time.Time) {
		f.shown = to
		for _, w := range f.writers {
			w.first, w.last = time.Time{}, time.Time{}
		}
	})
}

// change carries out do on a file that is being written to, after what has become due, with
// the mutex of the file held. t may be nil.
func (t *lateTimes) change(id vfs.NodeID, do func(f *lateFile, now time.Time)) {
	if t == nil {
		return
	}
	f := t.find(id)
	if f == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	f.settleLocked(now)
	do(f, now)
}

// lateClosed ends the notes of an open that is closed. The last open that has written to
// the file gives the storage the time that clients were shown, unless another program has
// given it a newer one. frozen are the times that the client has taken over.
func (g *grip) lateClosed(frozen vfs.AttrMask) {
	t := g.share.late
	if t == nil {
		return
	}
	w := g.late.Swap(lateGone)
	if w == nil || w == lateGone {
		return
	}
	f := w.file
	f.mu.Lock()
	w.useLocked(time.Now())
	f.writers = slices.DeleteFunc(f.writers, func(x *lateWriter) bool { return x == w })
	shown, last := f.shown, len(f.writers) == 0
	if last {
		f.ending++
	}
	f.mu.Unlock()
	if !last {
		return
	}
	ctx := context.Background() // the file gets its time, whoever has hung up
	if at, err := g.node.Attr(ctx, nil); err == nil && shown.After(at.Modify) {
		set := vfs.SetAttr{Mask: vfs.SetModify | frozen&vfs.SetChange, Modify: shown, Change: at.Change}
		_ = g.node.SetAttr(ctx, nil, &set) // else it keeps the time of its last write
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ending--
	if id := g.node.ID(); len(f.writers) == 0 && f.ending == 0 && t.files[id] == f {
		delete(t.files, id)
	}
}
