package locking

import (
	"slices"
	"sync"
)

// close carries out Open.Close and Open.Abandon.
func (o *Open) close(abandon bool) Closed {
	f := o.file
	f.mu.Lock()
	if o.closed {
		f.mu.Unlock()
		return Closed{}
	}
	if abandon {
		o.deleteOnClose = false
	}
	c := o.closeLocked()
	f.unlockNoWait()
	if !c.Delete {
		f.release()
	}
	return c
}

// closeDisconnected carries out Open.CloseDisconnected.
func (o *Open) closeDisconnected() (Closed, bool) {
	f := o.file
	f.mu.Lock()
	if o.closed || !o.disconnected {
		f.mu.Unlock()
		return Closed{}, false
	}
	known := o.durable.knownLocked()
	c := o.closeLocked()
	f.m.observer.DurableEnded(DurableClosed)
	if known {
		f.dueLocked()
	}
	f.unlockNoWait()
	f.awaitDue()
	if !c.Delete {
		f.m.drop(f, 1)
	}
	return c, true
}

// closeLocked ends the open (MS-FSA 2.1.5.4). The caller gives the reference
// of the open to the file back, unless there is something to delete: then
// Closed.Deleted does it.
func (o *Open) closeLocked() Closed {
	f, s, m := o.file, o.stream, o.m
	o.closed = true
	if q := o.quiet; q != nil && q.opens == 1 {
		q.held = nil // the client never hears of this oplock or lease
	}
	o.announcedLocked()
	if o.deleteOnClose && !o.pendingLocked() {
		// Stored before the open goes: one of the two is there after a crash. And set
		// before others are broken, as that may close disconnected opens that would do
		// the same, in turn.
		o.markLocked(true)
		// The last moment for others to close what they only keep open. Who
		// wants to wait for them calls Break(CauseDelete) before Close.
		s.breakHoldersLocked(CauseDelete, o.holder)
	}
	s.endWaitersLocked(o, ErrRangeNotLocked)
	had := o.locks != nil
	stored := o.abandonRecordLocked()
	for o.locks != nil {
		o.freeLocked(o.locks)
	}
	o.recountLocked()
	s.modes.add(o.access, o.share, -1)
	s.significantLocked(o, -1)
	s.unlinkLocked(o)
	if h := o.holder; h != nil {
		o.holder = nil
		h.releaseLocked(o)
		if h.opens > 0 && h.connected == 0 && h.breaking {
			// Only disconnected opens are left, and they cannot answer.
			if h.persistentLocked() {
				h.suspendLocked()
			} else {
				h.purgeLocked()
			}
		}
	}
	if o.disconnected {
		o.protectLocked(-1)
		m.stats.durable.Add(-1)
	}
	if o.durable != nil {
		o.durable.stopTimer()
	}
	if o.durable != nil || o.createGuid != ([16]byte{}) {
		m.unindex(o)
	}
	m.stats.opens.Add(-1)
	c := o.closedLocked()
	switch {
	case stored && c.Delete && c.LastOnStream && o.durable.persistent:
		o.forgetWhenDeleted(&c)
	case stored:
		o.queueLocked(change{Change{DeleteOpen: o.id}, o.id, false})
	}
	if had {
		s.retryWaitersLocked()
	}
	f.trimLocked(s)
	f.wakeLocked()
	return c
}

// closedLocked decides what the last close of a stream or file has to delete.
func (o *Open) closedLocked() Closed {
	f, s := o.file, o.stream
	c := Closed{LastOnStream: s.opens == 0, LastOnFile: f.opens == 0, Key: f.key, Volume: o.volume}
	i := f.doomedLocked(o.volume, o.path)
	switch {
	case i >= 0 && !f.doomed[i].going && !f.linkOpenLocked(o.volume, o.path):
		// Closing this one may have ended the last of others.
		f.doomed[i].going = true
		c.Volume, c.DeletePath = f.doomed[i].volume, f.doomed[i].path
		s = &f.base
	case c.LastOnStream && s.name != "" && s.mark != nil && s.deleting == 0 && i < 0:
		c.DeletePath, c.DeleteStream = o.path, s.name
	default:
		return c
	}
	c.Delete = true
	s.deleting++
	name := link{volume: c.Volume, path: c.DeletePath}
	c.Deleted = sync.OnceFunc(func() { f.deleted(s, name) })
	return c
}

// forgetWhenDeleted lets a stored open that was closed leave the store when what it
// leaves to delete is deleted, and nobody open that before. Until then the client has
// no answer to its CLOSE, and finds the open after a crash. It is for the last open of
// a stream: those who have a file open by another link may lock at once what it had
// locked.
func (o *Open) forgetWhenDeleted(c *Closed) {
	f, deleted := o.file, c.Deleted
	c.Deleted = sync.OnceFunc(func() {
		f.mu.Lock()
		o.queueLocked(change{Change{DeleteOpen: o.id}, o.id, false})
		batch := o.durable.batch
		f.mu.Unlock()
		_ = batch.wait()
		deleted()
	})
}

// deleted ends the deletion of a stream or file.
func (f *file) deleted(s *stream, name link) {
	f.mu.Lock()
	s.deleting--
	if s != &f.base {
		s.mark = nil
	} else if i := f.doomedLocked(name.volume, name.path); i >= 0 {
		f.doomed = slices.Delete(f.doomed, i, i+1)
	}
	f.trimLocked(s)
	f.wakeLocked()
	f.mu.Unlock()
	f.release()
}

// setDelete carries out Open.SetDelete (MS-FSA 2.1.5.15.3).
func (o *Open) setDelete(del bool) error {
	f := o.file
	f.mu.Lock()
	if o.closed {
		f.mu.Unlock()
		return ErrClosed
	}
	changed, p := o.markLocked(del)
	set := o.markOfLocked()
	f.mu.Unlock()
	err := p.wait()
	if err != nil {
		f.mu.Lock()
		if !o.closed {
			o.unmarkLocked(set, changed)
		}
		f.mu.Unlock()
	}
	return err
}

// unmarkLocked takes back what setDelete could not store: that the open has asked for the
// mark set, or, if that is nil, that it has taken one away.
func (o *Open) unmarkLocked(set *mark, changed bool) {
	if set == nil {
		if changed {
			o.markLocked(true)
		}
		return
	}
	if set.asked--; set.asked == 0 && o.markOfLocked() == set {
		o.markLocked(false)
	}
}

// markOfLocked is the mark of the stream of the open, or of the name by which it was
// opened; nil if there is none.
func (o *Open) markOfLocked() *mark {
	if o.stream.name != "" {
		return o.stream.mark
	}
	if i := o.file.doomedLocked(o.volume, o.path); i >= 0 {
		return o.file.doomed[i].mark
	}
	return nil
}

// markLocked sets or takes away the mark for deletion. It reports whether it was
// different before, and what must be stored before the client is told.
func (o *Open) markLocked(del bool) (changed bool, p promise) {
	f := o.file
	l := link{volume: o.volume, path: o.path}
	was := o.markOfLocked()
	switch {
	case !del && was == nil:
		return false, o.otherMarkLocked(&l)
	case del && was != nil:
		was.asked++
		return false, o.otherMarkLocked(&l)
	case o.stream.name != "":
		o.stream.mark = nil
		if del {
			o.stream.mark = &mark{asked: 1}
		}
	case del:
		l.mark = &mark{asked: 1}
		f.doomed = append(f.doomed, l)
	default:
		i := f.doomedLocked(l.volume, l.path)
		f.doomed = slices.Delete(f.doomed, i, i+1)
	}
	if f.m.commits == nil {
		return true, promise{}
	}
	var changes []change
	f.eachPersistentLocked(&l, func(x *Open) { changes = append(changes, x.recordChangeLocked()) })
	return true, o.markedLocked(changes)
}

// eachPersistentLocked calls fn with each persistent open by a name, which have the mark
// in the store.
func (f *file) eachPersistentLocked(l *link, fn func(*Open)) {
	f.eachStreamLocked(func(s *stream) {
		for x := s.first; x != nil; x = x.next {
			if x.durable != nil && x.durable.persistent && x.durable.stored && l.is(x.volume, x.path) {
				fn(x)
			}
		}
	})
}

// otherMarkLocked is the promise of one who wants the mark as others have made it: they may
// be waiting for the store still.
func (o *Open) otherMarkLocked(l *link) (p promise) {
	o.file.eachPersistentLocked(l, func(*Open) {
		p = promise{batch: o.m.commits.latest(), firm: o.durable != nil && o.durable.persistent}
	})
	return p
}

// markedLocked queues the opens that have got a mark, or lost it, together.
func (o *Open) markedLocked(changes []change) promise {
	if len(changes) == 0 {
		return promise{}
	}
	p := promise{batch: o.m.commits.add(changes...)}
	if d := o.durable; d != nil {
		d.batch, p.firm = p.batch, d.persistent
	}
	return p
}

// pendingLocked reports whether the stream of the open, or the name by which it
// was opened, is marked for deletion.
func (o *Open) pendingLocked() bool {
	return o.stream.mark != nil || o.file.doomedLocked(o.volume, o.path) >= 0
}

// deletePendingNow carries out Open.DeletePending.
func (o *Open) deletePendingNow() bool {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.pendingLocked()
}
