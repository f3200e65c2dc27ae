package smb

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Faults of the storage behind a share. Each kind is told of in one line when it begins, and
// in another when it is over, whatever number of requests meet it: clients that find a disk
// full try again and again.

// faultKind is what is wrong with the storage.
type faultKind uint8

const (
	faultFull     faultKind = iota // no space is left
	faultQuota                     // a quota is used up
	faultReadOnly                  // the volume takes no changes
	faultIO                        // the medium, or the way to it, fails
	faultCount
)

// faultKinds has the errors that they show by, and what is said of them.
var faultKinds = [faultCount]struct {
	err   error
	level zerolog.Level
	began string
}{
	faultFull:     {vfs.ErrNoSpace, zerolog.WarnLevel, "the volume is full: writing fails"},
	faultQuota:    {vfs.ErrQuota, zerolog.WarnLevel, "a quota is used up: writing fails"},
	faultReadOnly: {vfs.ErrReadOnly, zerolog.ErrorLevel, "the volume is read-only: changes fail"},
	faultIO:       {vfs.ErrIO, zerolog.ErrorLevel, "the storage fails"},
}

// faultOver is how long a fault must not have been met before a success ends it: on a full
// disk, small writes succeed now and then.
const faultOver = 20 * time.Second

// faults is what is wrong with the storage of a share.
type faults struct {
	// any says that there is something, so that requests that succeed need not look.
	any atomic.Bool

	mu   sync.Mutex // leaf; guards list
	list [faultCount]fault
}

// fault is one that has begun; count is 0 if there is none.
type fault struct {
	began, last time.Time
	count       int
}

// storageFault finds out whether an error is a fault of the storage.
func storageFault(err error) (faultKind, bool) {
	for k := range faultKinds {
		if errors.Is(err, faultKinds[k].err) {
			return faultKind(k), true
		}
	}
	return 0, false
}

// met takes note of a fault; first says that it is a new one.
func (f *faults) met(k faultKind) (first bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := &f.list[k]
	now := time.Now()
	if e.count == 0 {
		e.began, first = now, true
	}
	e.count++
	e.last = now
	f.any.Store(true)
	return first
}

// worked takes note that something succeeded that the fault would have kept from it; over
// says that the fault has ended by that.
func (f *faults) worked(k faultKind) (was fault, over bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	was = f.list[k]
	if was.count == 0 || time.Since(was.last) < faultOver {
		return was, false
	}
	f.list[k] = fault{}
	left := false
	for i := range f.list {
		left = left || f.list[i].count > 0
	}
	f.any.Store(left)
	return was, true
}

// noteFault logs a fault of the storage when it begins. It reports false if the error is
// something else.
func (r *request) noteFault(err error) bool {
	k, ok := storageFault(err)
	if !ok || r.tree == nil || r.tree.share.faults == nil {
		return ok && k != faultIO // then nobody has to hear of it
	}
	if r.tree.share.faults.met(k) {
		e := r.conn.log.WithLevel(faultKinds[k].level).Err(err).Str("share", r.tree.share.Name).Str("command", r.hdr.Command.String())
		if r.numOpens > 0 && !r.opens[0].isPipe() {
			e = e.Str("path", r.opens[0].fullPath())
		}
		e.Msg(faultKinds[k].began)
	}
	return true
}

// closed logs that a file could not be closed, or was closed by nobody who could be told that
// what he wrote is not on the disk. A network file system writes at the end what it has put off,
// when the CLOSE was answered.
func (sh *share) closed(err error) {
	if err == nil || sh.log == nil {
		return
	}
	if similar, ok := sh.lines.allow("close"); ok {
		sh.log.Error().Err(err).Str("share", sh.Name).Int("similar", similar).Msg("a file could not be closed: what was written to it last may be lost")
	}
}

// noteWorks ends faults that are over when a request has succeeded.
func (r *request) noteWorks() {
	f := r.tree.share.faults
	var kinds []faultKind
	switch r.hdr.Command {
	case wire.CmdWrite, wire.CmdFlush:
		kinds = []faultKind{faultFull, faultQuota, faultReadOnly, faultIO}
	case wire.CmdRead:
		kinds = []faultKind{faultIO}
	}
	for _, k := range kinds {
		if was, over := f.worked(k); over {
			r.conn.log.Info().Str("share", r.tree.share.Name).Int("failed", was.count).
				Stringer("for", was.last.Sub(was.began).Round(time.Second)).Str("was", faultKinds[k].began).Msg("the storage works again")
		}
	}
}

// noteSuccess is called for every request without an error.
func (r *request) noteSuccess(st ntstatus.Status) {
	if st == ntstatus.Success && r.tree != nil && r.tree.share.faults != nil && r.tree.share.faults.any.Load() {
		r.noteWorks()
	}
}
