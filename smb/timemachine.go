package smb

import (
	"context"
	"errors"
	"io"
	"math"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"lessor/vfs"
)

// The size of a share for Time Machine (Mac.MaxSize). A backup is a directory, a sparse
// bundle, whose data lies in files of one size, bands; Info.plist says which. What the backups
// take is the number of bands by their size. So the free space that Time Machine sees does not
// depend on how the storage lays files out, and it removes old backups in time.

// bundleSuffixes end the names of sparse bundles.
var bundleSuffixes = []string{".sparsebundle", ".backupbundle"}

const (
	// maxBundles is how many bundles of a share are looked at.
	maxBundles = 1024
	// maxPlist is how much of Info.plist is read, in bytes.
	maxPlist = 64 << 10
	// backupBlock is the size of a block that clients are told, in bytes.
	backupBlock = 1024
)

var bandSize = regexp.MustCompile(`<key>\s*band-size\s*</key>\s*<integer>\s*(\d{1,15})\s*</integer>`)

// backups remembers what the bundles of a share take. Bands are counted anew if their
// directory has changed. One request looks at a time, without a lock, as there may be very
// many bands; those that come meanwhile get what it finds.
type backups struct {
	mu      sync.Mutex // leaf; guards running
	running *looking   // nil: nobody looks

	// bundles by their names, of who looks.
	bundles map[string]bundle
}

// looking is a look at all bundles. What follows done is written before it is closed, and
// read after.
type looking struct {
	done  chan struct{}
	total uint64
	err   error
}

// bundle is what was found out about one.
type bundle struct {
	band    uint64 // bytes
	bands   uint64
	changed time.Time // of the directory of the bands
	plist   time.Time // of Info.plist
}

// room is how full a share is: info, within the limit of the backups.
func (b *backups) room(ctx context.Context, sh *share, info vfs.FSInfo) (vfs.FSInfo, error) {
	used, err := b.used(ctx, sh.FS)
	if err != nil {
		return info, err
	}
	limit := sh.Mac.MaxSize
	scale := func(n uint64) uint64 {
		if info.BlockSize == 0 {
			return 0
		}
		return n * uint64(info.BlockSize) / backupBlock
	}
	left := (limit - min(used, limit)) / backupBlock
	info.Blocks, info.Free, info.Avail = min(scale(info.Blocks), limit/backupBlock), min(scale(info.Free), left), min(scale(info.Avail), left)
	info.BlockSize = backupBlock
	return info, nil
}

// used is what all bundles take. Errors: what the storage answers, and that of ctx.
func (b *backups) used(ctx context.Context, fs vfs.FS) (uint64, error) {
	for {
		l, mine := b.join()
		if mine {
			return b.look(ctx, fs, l)
		}
		select {
		case <-l.done:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		if !errors.Is(l.err, context.Canceled) { // else the client of that request has gone
			return l.total, l.err
		}
	}
}

// join returns the look that is going on; mine says that there was none, and that the caller
// is the one who looks.
func (b *backups) join() (l *looking, mine bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.running == nil {
		b.running, mine = &looking{done: make(chan struct{})}, true
	}
	return b.running, mine
}

// look is used of who looks.
func (b *backups) look(ctx context.Context, fs vfs.FS, l *looking) (uint64, error) {
	l.err = context.Canceled // should the request panic
	defer func() {
		b.mu.Lock()
		b.running = nil
		b.mu.Unlock()
		close(l.done)
	}()
	l.total, l.err = b.count(ctx, fs)
	return l.total, l.err
}

// count adds up what all bundles take.
func (b *backups) count(ctx context.Context, fs vfs.FS) (total uint64, err error) {
	root := fs.Root()
	defer root.Release()
	now := make(map[string]bundle)
	err = eachEntry(ctx, root, func(e *vfs.DirEntry) bool {
		if !isBundle(e.Name) {
			return true
		}
		was := b.bundles[e.Name]
		if is, err := was.look(ctx, root, e.Name); err == nil {
			now[e.Name] = is
			total = addBands(total, is.bands, is.band)
		}
		return len(now) < maxBundles
	})
	if err == nil {
		b.bundles = now
	}
	return total, err
}

// addBands adds n bands of a size. The size is what a client has written down, so that no
// sum of it may begin again at 0.
func addBands(total, n, size uint64) uint64 {
	high, low := bits.Mul64(n, size)
	sum, carry := bits.Add64(total, low, 0)
	if high != 0 || carry != 0 {
		return math.MaxUint64
	}
	return sum
}

func isBundle(name string) bool {
	for _, s := range bundleSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return false
}

// eachEntry calls fn for the entries of a directory until it returns false.
func eachEntry(ctx context.Context, dir vfs.Node, fn func(e *vfs.DirEntry) bool) error {
	h, err := dir.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	batch := make([]vfs.DirEntry, scanBatch)
	for {
		n, err := h.ReadDir(ctx, nil, batch)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		for i := range batch[:n] {
			if !fn(&batch[i]) {
				return nil
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// look is what is found now, with what was known of it before.
func (was bundle) look(ctx context.Context, root vfs.Node, name string) (is bundle, err error) {
	plist, plistAt, err := attrOf(ctx, root, name+"/Info.plist", vfs.OpenMode{Read: true})
	if err != nil {
		return is, err
	}
	defer plist.Release()
	bands, bandsAt, err := attrOf(ctx, root, name+"/bands", vfs.OpenMode{})
	if err != nil {
		return is, err
	}
	defer bands.Release()
	is = was
	if is.band == 0 || !is.plist.Equal(plistAt.Modify) {
		is.plist = plistAt.Modify
		if is.band, err = readBandSize(ctx, plist); err != nil {
			return is, err
		}
	}
	if is.changed.Equal(bandsAt.Modify) {
		return is, nil
	}
	is.changed, is.bands = bandsAt.Modify, 0
	if time.Since(bandsAt.Modify) < time.Second {
		is.changed = time.Time{} // it may change again without its time showing that
	}
	err = eachEntry(ctx, bands, func(*vfs.DirEntry) bool { is.bands++; return true })
	return is, err
}

func attrOf(ctx context.Context, root vfs.Node, path string, hint vfs.OpenMode) (vfs.Node, vfs.Attr, error) {
	n, _, err := root.Lookup(ctx, nil, path, vfs.LookupOptions{NoFollow: true, Hint: hint})
	if err != nil {
		return nil, vfs.Attr{}, err
	}
	at, err := n.Attr(ctx, nil)
	if err != nil {
		n.Release()
		return nil, vfs.Attr{}, err
	}
	return n, at, nil
}

// errNoBands says that something is no sparse bundle.
var errNoBands = errors.New("no size of bands in Info.plist")

// readBandSize reads the size of the bands.
func readBandSize(ctx context.Context, plist vfs.Node) (uint64, error) {
	h, err := plist.Open(ctx, nil, vfs.OpenMode{Read: true})
	if err != nil {
		return 0, err
	}
	defer func() { _ = h.Close() }()
	b := make([]byte, maxPlist)
	n, err := h.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	m := bandSize.FindSubmatch(b[:n])
	if m == nil {
		return 0, errNoBands
	}
	return strconv.ParseUint(string(m[1]), 10, 64)
}
