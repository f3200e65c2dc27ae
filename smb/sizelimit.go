package smb

import (
	"context"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"lessor/smb/ntstatus"
	"lessor/vfs"
)

// The size limit of a share (Share.SizeLimit). Where the storage has quotas for directories
// they are exact, and better. The limit needs none: a goroutine adds up what is below the
// root, at the start and every sizeRecount, and in between takes for the share's whatever
// the volume has become fuller by. So the share may seem fuller than it is for a while,
// if others write to the volume, and may exceed its limit by what is written in sizeLook. A
// WRITE costs one look at a flag; only while the share is full it finds out whether the file
// would grow.

const (
	// sizeLook is how often the volume is looked at, and sizeRecount how often the files
	// are.
	sizeLook    = time.Second
	sizeRecount = 10 * time.Minute
	// sizeRecountFull is how often a share that is full is counted again, because others may
	// have filled the volume, or removed files.
	sizeRecountFull = 10 * time.Second
)

// sizeLimit is the limit of a share at run time.
type sizeLimit struct {
	// Immutable after construction.
	sh     *share
	bytes  uint64
	cancel context.CancelFunc
	ended  chan struct{}

	full atomic.Bool
	used atomic.Uint64 // as far as it is known

	once    sync.Once
	counted chan struct{} // closed when the files were counted for the first time
}

// inUse is how many bytes the files of the share take.
func (l *sizeLimit) inUse() uint64 { return l.used.Load() }

// startLimit begins to count what a share takes.
func (s *Server) startLimit(sh *share) *sizeLimit {
	ctx, cancel := context.WithCancel(context.Background())
	l := &sizeLimit{sh: sh, bytes: uint64(sh.SizeLimit), cancel: cancel, ended: make(chan struct{}), counted: make(chan struct{})}
	go l.run(ctx, s)
	return l
}

// stop ends the counting, and waits for it. Who still has the limit has none from then on.
func (l *sizeLimit) stop() {
	l.cancel()
	<-l.ended
	l.full.Store(false)
}

// keepLimits starts the limits of new shares, with those of the list before that are the
// same, and ends the others. It is called under localTable.starting.
func (s *Server) keepLimits(old, list []*share) {
	kept := make(map[*sizeLimit]bool)
	for _, sh := range list {
		for _, was := range old {
			if l := was.limit; l != nil && foldShare(was.Name) == foldShare(sh.Name) && was.FS == sh.FS && l.bytes == uint64(sh.SizeLimit) {
				sh.limit = l
			}
		}
		if sh.limit == nil && sh.SizeLimit > 0 && !s.closed.Load() {
			sh.limit = s.startLimit(sh)
		}
		kept[sh.limit] = true
	}
	for _, was := range old {
		if was.limit != nil && !kept[was.limit] {
			was.limit.stop()
		}
	}
}

func (l *sizeLimit) run(ctx context.Context, s *Server) {
	defer close(l.ended)
	tick := time.NewTicker(sizeLook)
	defer tick.Stop()
	var base, free uint64
	var at time.Time // of the count
	for {
		info, err := l.sh.FS.Info(ctx)
		if err == nil {
			now := info.Free * uint64(info.BlockSize)
			grown := free - min(now, free)
			every := sizeRecount
			if base+grown >= l.bytes {
				every = sizeRecountFull
			}
			if at.IsZero() || time.Since(at) >= every || base+grown >= l.bytes && !l.full.Load() {
				if n, err := sizeBelow(ctx, l.sh.FS); err == nil {
					base, free, grown = n, now, 0
				} else if dropped, ok := s.strangers.allow("size of " + l.sh.Name); ok && ctx.Err() == nil {
					s.log.Warn().Err(err).Str("share", l.sh.Name).Int("similar", dropped).Msg("cannot count what the share takes")
				}
				at = time.Now()
			}
			l.used.Store(base + grown)
			l.full.Store(base+grown >= l.bytes)
			l.once.Do(func() { close(l.counted) })
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sizeBelow adds up the storage of all files below the root. A file with several names
// counts once for each.
func sizeBelow(ctx context.Context, fs vfs.FS) (uint64, error) {
	root := fs.Root()
	defer root.Release()
	return sizeOfTree(ctx, root, maxSizeDepth)
}

// maxSizeDepth bounds how deep directories are looked into.
const maxSizeDepth = 256

func sizeOfTree(ctx context.Context, dir vfs.Node, depth int) (total uint64, err error) {
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return 0, err
	}
	defer func() { _ = h.Close() }()
	batch := make([]vfs.DirEntry, scanBatch)
	for ctx.Err() == nil {
		n, err := h.ReadDir(ctx, nil, batch)
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		for i := range batch[:n] {
			at, err := h.EntryAttr(ctx, nil, &batch[i])
			if err != nil {
				continue // it is gone
			}
			total += uint64(max(at.Alloc, 0))
			if at.Type != vfs.TypeDirectory || depth == 0 {
				continue
			}
			below, _, err := dir.Lookup(ctx, nil, batch[i].Name, vfs.LookupOptions{NoFollow: true})
			if err != nil {
				continue
			}
			n, err := sizeOfTree(ctx, below, depth-1)
			below.Release()
			total += n
			if err != nil && ctx.Err() != nil {
				return total, err
			}
		}
	}
	return total, ctx.Err()
}

// mayGrow refuses to make a file larger that is open, if the share has no room left. In a
// file that has its size, storage may still be given to holes.
func (r *request) mayGrow(o *open, end int64) error {
	l := o.share().limit
	if l == nil || !l.full.Load() {
		return nil
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if end > at.Size {
		return ntstatus.DiskFull
	}
	return nil
}
