package smb

import (
	"context"
	"errors"
	"io"
	"time"

	"lessor/locking"
	"lessor/vfs"
	"lessor/vfs/names"
)

// binKeeper is the goroutine that removes what has been in a recycle bin for too long. It
// runs while a share has a bin with a retention. Server.SetShares starts and ends it, under
// localTable.starting.
type binKeeper struct {
	cancel context.CancelFunc
	ended  chan struct{}
	every  time.Duration
}

// keepBins makes the keeper follow a new list of shares.
func (s *Server) keepBins(list []*share) {
	var every time.Duration
	for _, sh := range list {
		if b := sh.bin; b != nil && b.Retention > 0 && !sh.ReadOnly {
			d := min(max(b.Retention/20, time.Millisecond), time.Hour)
			if every == 0 || d < every {
				every = d
			}
		}
	}
	if every == s.bins.every {
		return
	}
	s.stopBins()
	if every == 0 || s.closed.Load() {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.bins = binKeeper{cancel: cancel, ended: make(chan struct{}), every: every}
	go s.purgeBins(ctx, every, s.bins.ended)
}

// endBins ends the keeper, and what counts the size of shares, for good.
func (s *Server) endBins() {
	s.local.starting.Lock()
	defer s.local.starting.Unlock()
	s.stopBins()
	for _, sh := range s.shares.Load().list {
		if sh.limit != nil {
			sh.limit.stop()
		}
	}
}

// stopBins ends the keeper, and waits for it.
func (s *Server) stopBins() {
	if s.bins.cancel != nil {
		s.bins.cancel()
		<-s.bins.ended
	}
	s.bins = binKeeper{}
}

// purgeBins purges all bins again and again.
func (s *Server) purgeBins(ctx context.Context, every time.Duration, ended chan<- struct{}) {
	defer close(ended)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for _, sh := range s.shares.Load().list {
			if b := sh.bin; b == nil || b.Retention <= 0 || sh.ReadOnly {
				continue
			}
			p := purge{s: s, sh: sh, before: time.Now().Add(-sh.bin.Retention)}
			err := p.run(ctx)
			if err != nil && ctx.Err() == nil {
				if dropped, ok := s.strangers.allow("purging " + sh.Name); ok {
					s.log.Warn().Err(err).Str("share", sh.Name).Int("similar", dropped).Msg("cannot purge the recycle bin")
				}
			}
			if p.files > 0 {
				s.log.Info().Str("share", sh.Name).Int("files", p.files).Msg("recycle bin purged")
			}
		}
	}
}

// purge is one walk through a bin.
type purge struct {
	s      *Server
	sh     *share
	before time.Time
	files  int
}

// maxBinDepth bounds the depth of a bin.
const maxBinDepth = 128

func (p *purge) run(ctx context.Context) error {
	root := p.sh.FS.Root()
	defer root.Release()
	dir, path, err := root.Lookup(ctx, nil, p.sh.bin.root, p.sh.named(vfs.LookupOptions{NoFollow: true}))
	if err != nil {
		return nil //nolint:nilerr // nothing was deleted so far, or the share is away
	}
	defer dir.Release()
	if dir.Type() != vfs.TypeDirectory {
		return nil
	}
	return p.directory(ctx, dir, path, maxBinDepth)
}

// directory purges what is in a directory, and below it.
func (p *purge) directory(ctx context.Context, dir vfs.Node, path string, depth int) error {
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	var first error
	batch := make([]vfs.DirEntry, scanBatch)
	for ctx.Err() == nil {
		n, err := h.ReadDir(ctx, nil, batch)
		if errors.Is(err, io.EOF) {
			return first
		}
		if err != nil {
			return err
		}
		for i := range batch[:n] {
			if err := p.entry(ctx, dir, path, batch[i].Name, depth); err != nil && first == nil {
				first = err
			}
		}
	}
	return ctx.Err()
}

// entry purges one entry of a directory. A directory goes when it has been empty for as
// long as a file would have stayed.
func (p *purge) entry(ctx context.Context, dir vfs.Node, path, name string, depth int) error {
	n, _, err := dir.Lookup(ctx, nil, name, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return nil //nolint:nilerr // somebody has taken it out of the bin
	}
	defer n.Release()
	path = names.Join(path, name)
	at, err := n.Attr(ctx, nil)
	if err != nil {
		return err
	}
	isDir := n.Type() == vfs.TypeDirectory
	if isDir && depth > 0 {
		if err := p.directory(ctx, n, path, depth-1); err != nil {
			return err
		}
	}
	if ctx.Err() != nil || !at.Change.Before(p.before) {
		return nil
	}
	leave := p.sh.gate(p.s.locks, path)
	defer leave()
	key := locking.Key(n.ID().Key())
	opens, err := p.s.locks.BreakFile(key, locking.CauseDelete, locking.ClientID{}, locking.LeaseKey{}, false)
	if err != nil || opens > 0 {
		return nil //nolint:nilerr // it is in use: another time
	}
	switch err := dir.Remove(ctx, nil, name); {
	case errors.Is(err, vfs.ErrNotEmpty):
		return nil
	case err != nil:
		return err
	}
	if !isDir {
		p.files++
	}
	p.s.locks.Changed(locking.Key(dir.ID().Key()), locking.LeaseKey{}, false, locking.ClientID{})
	p.sh.changed(path, vfs.ActionRemoved, nameFilter(isDir))
	return nil
}
