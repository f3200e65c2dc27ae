package smb

import (
	"sync"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Offloaded copies (ODX): FSCTL_OFFLOAD_READ gives out a token for a range of a file, and
// FSCTL_OFFLOAD_WRITE writes what the token stands for into another one (MS-FSA
// 2.1.5.10.20, .21). A token is a random number; what it stands for is held here. It
// means the data as they were when it was given out: once the file has changed, the token
// is not valid any more, and the client copies by other means.

const (
	// offloadTTL and maxOffloadTTL are how long a token is good for by default, as
	// with Windows, and at most.
	offloadTTL    = 30 * time.Second
	maxOffloadTTL = 5 * time.Minute
	// maxOffloads and maxUserOffloads bound the tokens of the server and of a user. Each
	// keeps a file open.
	maxOffloads     = 4096
	maxUserOffloads = 512
	// maxOffloadWrite is the most bytes that one FSCTL_OFFLOAD_WRITE copies; a client
	// goes on behind them.
	maxOffloadWrite = 64 << 20
	// offloadType is the type of our tokens, one that nobody else has.
	offloadType = 0x4c534f31
	// settleTime is how old the last change of a file must be before another one is
	// sure to show in its times: clocks of file systems are as coarse as that.
	settleTime = 50 * time.Millisecond
	// maxSettles is how often a request waits for that: a file that others go on writing to
	// is copied by other means.
	maxSettles = 20
)

// offloadID is what makes a token ours.
type offloadID [32]byte

// offload is what a token stands for.
type offload struct {
	// Immutable after construction.
	id    offloadID
	user  string // userKey
	share *share // that the client has connected
	grip  *grip  // holds a reference
	lock  locking.Key
	fold  string // the stream, as package locking names it
	off   int64
	size  int64 // of the range
	state fileState
	timer *time.Timer
}

// fileState tells the contents of a file from later ones.
type fileState struct {
	size           int64
	modify, change time.Time
}

// stateOf is the state of a file with these attributes.
func stateOf(at *vfs.Attr) fileState { return fileState{at.Size, at.Modify, at.Change} }

// same reports whether nothing was changed in between.
func (s fileState) same(t fileState) bool {
	return s.size == t.size && s.modify.Equal(t.modify) && s.change.Equal(t.change)
}

// offloads are the tokens that are good.
type offloads struct {
	mu    sync.Mutex // leaf; guards what follows
	byID  map[offloadID]*offload
	users map[string]int // tokens, by user
	ended bool
}

// add takes a token in, or refuses it.
func (s *offloads) add(t *offload, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.byID) >= maxOffloads || s.users[t.user] >= maxUserOffloads {
		return false
	}
	if s.byID == nil {
		s.byID, s.users = make(map[offloadID]*offload), make(map[string]int)
	}
	t.grip.refs.Add(1)
	s.byID[t.id] = t
	s.users[t.user]++
	t.timer = time.AfterFunc(ttl, func() { s.drop(func(other *offload) bool { return other == t }) })
	return true
}

// take finds a token of a user, with a further reference to its grip.
func (s *offloads) take(id offloadID, user string) *offload {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.byID[id]
	if t == nil || t.user != user {
		return nil
	}
	t.grip.refs.Add(1)
	return t
}

// good reports whether a token is still valid.
func (s *offloads) good(t *offload) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.byID[t.id] == t
}

// drop ends the tokens that which names.
func (s *offloads) drop(which func(*offload) bool) {
	var gone []*offload
	s.mu.Lock()
	for id, t := range s.byID {
		if which(t) {
			delete(s.byID, id)
			if s.users[t.user]--; s.users[t.user] == 0 {
				delete(s.users, t.user)
			}
			gone = append(gone, t)
		}
	}
	s.mu.Unlock()
	for _, t := range gone {
		t.timer.Stop()
		t.grip.release()
	}
}

// close ends all tokens for good.
func (s *offloads) close() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.drop(func(*offload) bool { return true })
}

// hidesChanges ends the tokens of what is open, because its times are about to say less
// than they do else: a client sets them, or has taken them over.
func (o *open) hidesChanges() {
	key, stream := o.lock.Key(), o.lock.Stream()
	o.sess.srv.offloads.drop(func(t *offload) bool { return t.lock == key && t.fold == stream })
}

// offloadRead carries out FSCTL_OFFLOAD_READ.
func (r *request) offloadRead(o *open, c *control) error {
	var q wire.OffloadReadInput
	if o.grip.dir || q.Decode(c.in) != nil || !sectors(q.FileOffset, q.CopyLength) {
		return ntstatus.InvalidParameter
	}
	if c.room < wire.OffloadReadOutputSize {
		return ntstatus.BufferTooSmall
	}
	if err := o.canAny(wire.AccessReadData | wire.AccessExecute); err != nil {
		return err
	}
	if q.CopyLength == 0 {
		c.answer(&wire.OffloadReadOutput{Token: wire.ZeroOffloadToken()})
		return nil
	}
	if err := o.lock.CheckIO(q.FileOffset, q.CopyLength, false); err != nil {
		return err
	}
	if _, err := o.file(r.ctx()); err != nil {
		return err
	}
	at, err := r.settled(o)
	if err != nil {
		return err
	}
	off := int64(q.FileOffset)
	if off >= at.Size {
		return ntstatus.EndOfFile
	}
	// The last sector counts as a whole; what is behind the end are zeros.
	n := min(int64(q.CopyLength), (at.Size-off+sectorSize-1)/sectorSize*sectorSize)
	t := &offload{
		user: r.sess.userKey(), share: r.tree.share, grip: o.grip, lock: o.lock.Key(), fold: o.lock.Stream(),
		off: off, size: n, state: stateOf(&at),
	}
	r.srv().random(t.id[:])
	ttl := offloadTTL
	if q.TokenTimeToLive != 0 {
		ttl = min(time.Duration(q.TokenTimeToLive)*time.Millisecond, maxOffloadTTL)
	}
	if !r.srv().offloads.add(t, ttl) {
		return ntstatus.InsufficientResources
	}
	c.answer(&wire.OffloadReadOutput{TransferLength: uint64(n), Token: wire.NewOffloadToken(offloadType, t.id[:])})
	return nil
}

// settled returns the attributes of a file once its last change is long enough ago for
// the next one to show. Errors: STATUS_OFFLOAD_READ_FILE_NOT_SUPPORTED if it does not
// come to rest.
func (r *request) settled(o *open) (vfs.Attr, error) {
	for range maxSettles {
		at, err := o.attr(r.ctx())
		if err != nil {
			return at, err
		}
		age := time.Since(at.Change)
		if age > settleTime || age < 0 { // what claims to be from the future never settles
			return at, nil
		}
		r.giveTurn()
		wait := time.NewTimer(settleTime - age + time.Millisecond)
		select {
		case <-wait.C:
		case <-r.ctx().Done():
			wait.Stop()
			return at, errConnClosed
		}
	}
	return vfs.Attr{}, ntstatus.OffloadReadFileNotSupported
}

// sectors reports whether a range begins and ends with a sector, and is one.
func sectors(off, n uint64) bool {
	return off%sectorSize == 0 && n%sectorSize == 0 && off <= maxFileSize && n <= maxFileSize && off+n <= maxFileSize
}

// offloadWrite carries out FSCTL_OFFLOAD_WRITE. What would be behind the end of the file
// is not written, and counts as written: the client has set the end before.
func (r *request) offloadWrite(o *open, c *control) error {
	var q wire.OffloadWriteInput
	if o.grip.dir || q.Decode(c.in) != nil || !sectors(q.FileOffset, q.CopyLength) || !sectors(q.TransferOffset, q.CopyLength) {
		return ntstatus.InvalidParameter
	}
	if c.room < wire.OffloadWriteOutputSize {
		return ntstatus.BufferTooSmall
	}
	if err := o.can(wire.AccessWriteData); err != nil {
		return err
	}
	if q.CopyLength == 0 {
		c.answer(&wire.OffloadWriteOutput{})
		return nil
	}
	if err := o.lock.CheckIO(q.FileOffset, q.CopyLength, true); err != nil {
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	off := int64(q.FileOffset)
	if off >= at.Size {
		return ntstatus.EndOfFile
	}
	n := min(int64(q.CopyLength), maxOffloadWrite)
	if err := r.writeToken(o, &q, &n, min(n, at.Size-off)); err != nil {
		return err
	}
	c.answer(&wire.OffloadWriteOutput{LengthWritten: uint64(n)})
	return nil
}

// writeToken writes what a token stands for. n is how much of it is meant, and what
// comes back; real is how much of that lies before the end of the file.
func (r *request) writeToken(o *open, q *wire.OffloadWriteInput, n *int64, real int64) error {
	if q.Token.IsZero() {
		return r.changeUnchecked(o, locking.CauseZeroData, func(to vfs.Handle) error {
			return to.Alloc(r.ctx(), int64(q.FileOffset), real, vfs.AllocZero)
		})
	}
	var id offloadID
	if copy(id[:], q.Token.ID()); q.Token != wire.NewOffloadToken(offloadType, id[:]) {
		return ntstatus.InvalidToken
	}
	t := r.srv().offloads.take(id, r.sess.userKey())
	if t == nil {
		return ntstatus.InvalidToken
	}
	defer t.grip.release()
	skip := int64(q.TransferOffset)
	if skip >= t.size {
		return ntstatus.InvalidParameter
	}
	*n = min(*n, t.size-skip)
	real = min(real, *n)
	same := t.lock == o.lock.Key() && t.fold == o.lock.Stream()
	if from := t.off + skip; same && max(from, int64(q.FileOffset))-min(from, int64(q.FileOffset)) < real {
		return ntstatus.OffloadWriteFileNotSupported // the copy would change what it copies
	}
	if err := r.unchanged(o, t); err != nil {
		return err
	}
	err := r.changeUnchecked(o, locking.CauseWrite, func(to vfs.Handle) error {
		from, err := t.grip.file(r.ctx(), o.cred())
		if err != nil {
			return err
		}
		return r.fill(to, from, t.off+skip, int64(q.FileOffset), real)
	})
	if err != nil {
		return err
	}
	if same {
		return nil // what was read of the file is as it was; a further use finds it changed
	}
	return r.unchanged(o, t) // else what was written is a mixture
}

// unchanged reports by an error whether the file of a token is not as it was.
func (r *request) unchanged(o *open, t *offload) error {
	at, err := t.grip.node.Attr(r.ctx(), o.cred())
	if err != nil || !t.state.same(stateOf(&at)) || !r.srv().offloads.good(t) {
		return ntstatus.InvalidToken
	}
	return nil
}

// fill copies n bytes; those that the source does not have are zeros.
func (r *request) fill(to, from vfs.Handle, srcOff, dstOff, n int64) error {
	got, err := to.CopyFrom(r.ctx(), from, srcOff, dstOff, n)
	if err != nil || got == n {
		return err
	}
	if n-got < sectorSize { // the end of the last sector of a file
		_, err := to.WriteAt(make([]byte, n-got), dstOff+got)
		return err
	}
	return ntstatus.InvalidToken // it became shorter
}
