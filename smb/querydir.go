package smb

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"sync"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

const (
	// scanBatch is how many entries are taken from the file system at a time.
	scanBatch = 128
	// firstListing is the memory that a listing begins with; it grows by doubling
	// up to what the client takes.
	firstListing = 16 << 10
	// posixSIDs is the most that the two SIDs of an entry of FileInfoPosix take.
	posixSIDs = 32
)

// dirScan is the cursor of an open directory (MS-FSA 2.1.5.6.3: QueryPattern and
// QueryLastEntry). What was read from the file system and not yet sent waits in
// batch.
type dirScan struct {
	// mu makes the queries of one open follow each other, as they share the cursor
	// of the handle. It is held across calls of vfs; nothing but grip.mu is taken
	// below it.
	mu sync.Mutex

	pattern names.Pattern
	literal string // the name to look up, if the pattern has no wildcards
	chosen  bool   // pattern is set
	asked   bool   // a query with this pattern was answered
	dots    int    // how many of "." and ".." are behind the cursor
	eof     bool   // there is nothing behind batch
	batch   []vfs.DirEntry
	next    int // the next one of batch
}

// queryDirectory carries out QUERY_DIRECTORY (MS-SMB2 3.3.5.18).
func (r *request) queryDirectory(q *wire.QueryDirectoryRequest) error {
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	if o.isPipe() || !o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if q.OutputBufferLength > r.conn.neg.Load().maxTrans {
		return ntstatus.InvalidParameter
	}
	if err := r.checkCharge(int(q.OutputBufferLength)); err != nil {
		return err
	}
	if err := o.can(wire.AccessListDirectory); err != nil {
		return err
	}
	least := wire.DirEntrySize(q.FileInformationClass, 0)
	if least == 0 || q.FileInformationClass == wire.FileInfoPosix && !o.posix {
		return ntstatus.InvalidInfoClass
	}
	if int(q.OutputBufferLength) < least {
		return ntstatus.InfoLengthMismatch
	}
	h, err := o.file(r.ctx())
	if err != nil {
		return err
	}
	if q.OutputBufferLength >= bulkMin {
		if err := r.takeBulk(int(q.OutputBufferLength)); err != nil {
			return err
		}
	}
	s := o.dirScan()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.prepare(o, q, h); err != nil {
		return err
	}
	l := listing{r: r, o: o, s: s, h: h, class: q.FileInformationClass, single: q.Flags&wire.QueryDirectoryReturnSingleEntry != 0}
	return l.answer(int(q.OutputBufferLength))
}

// dirScan returns the cursor of the open.
func (o *open) dirScan() *dirScan {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.scan == nil {
		o.scan = &dirScan{}
	}
	return o.scan
}

// prepare chooses the pattern and brings the cursor to where the query begins.
// An index is not heeded, as with NTFS, whose entries have none either.
func (s *dirScan) prepare(o *open, q *wire.QueryDirectoryRequest, h vfs.Handle) error {
	restart := q.Flags&(wire.QueryDirectoryRestartScans|wire.QueryDirectoryReopen) != 0
	switch {
	case s.chosen && q.Flags&wire.QueryDirectoryReopen == 0 && (!restart || q.FileName == ""):
		// The pattern of the first query holds.
	case q.FileName == "":
		s.choose("*", o)
	default:
		if err := names.CheckPattern(q.FileName); err != nil && !o.posix {
			return err
		}
		s.choose(q.FileName, o)
	}
	if !restart {
		return nil
	}
	s.dots, s.eof, s.asked = 0, false, false
	s.batch, s.next = s.batch[:0], 0
	return h.Rewind()
}

// choose sets the pattern.
func (s *dirScan) choose(pattern string, o *open) {
	s.pattern = names.Compile(pattern)
	s.literal, s.chosen = "", true
	if name, ok := s.pattern.Literal(); ok && name != "." && name != ".." {
		s.literal = o.share().diskName(name)
	} else if o.rule().Form && !names.IsASCII(pattern) {
		s.pattern = names.Compile(names.NFC(pattern))
	}
}

// listing is one QUERY_DIRECTORY at work.
type listing struct {
	r      *request
	o      *open
	s      *dirScan
	h      vfs.Handle
	class  uint8
	single bool
	list   wire.EntryList
	entry  wire.DirEntry // reused
}

// answer fills the reply with entries. A second query behind the last entry says
// STATUS_NO_MORE_FILES, a first one that finds nothing STATUS_NO_SUCH_FILE.
func (l *listing) answer(limit int) error {
	r := l.r
	r.out.b = wire.AppendBufferResponseHeader(r.out.b)
	r.out.reserve(min(limit, firstListing))
	l.list = wire.NewEntryList(r.out.b, limit, wire.DirEntryAlign)
	err := l.fill(limit)
	r.out.b = l.list.Bytes
	first := !l.s.asked
	switch {
	case l.list.Count() > 0:
		// An error behind the first entry is met again by the next query.
		l.s.asked = true
		wire.PatchBufferResponse(r.out.body(), l.list.Len())
		return nil
	case err == nil || err == io.EOF: //nolint:errorlint // as ReadDir returns it
		l.s.asked = true
		if first {
			return ntstatus.NoSuchFile
		}
		return ntstatus.NoMoreFiles
	default:
		return err
	}
}

// fill adds entries until there are no more, the buffer is full, or the client
// wanted but one. Only the first entry that does not fit is an error.
func (l *listing) fill(limit int) error {
	for done := false; !done; {
		e, dot, err := l.peek()
		if err != nil {
			return err
		}
		if dot == "" && (l.hidden(e) || l.taken(e)) {
			l.advance(dot)
			continue
		}
		added, err := l.add(e, dot, limit)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission):
			// Gone since it was read, or not to be seen: left out.
		case err != nil:
			return err
		case !added && l.list.Count() == 0:
			return ntstatus.BufferOverflow // not even one entry fits
		case !added:
			return nil
		default:
			done = l.single
		}
		l.advance(dot)
	}
	return nil
}

// peek returns the next entry that matches, without going past it: "." and "..",
// which dot tells, and then what the directory has. io.EOF says that there is
// none.
func (l *listing) peek() (e *vfs.DirEntry, dot string, err error) {
	s := l.s
	for ; s.dots < 2; s.dots++ {
		dot = ".."[:s.dots+1]
		if s.pattern.Match(dot) {
			return nil, dot, nil
		}
	}
	if s.literal != "" {
		return l.peekLiteral()
	}
	for {
		for ; s.next < len(s.batch); s.next++ {
			e = &s.batch[s.next]
			if s.pattern.All() || l.matches(e) {
				return e, "", nil
			}
		}
		if err := l.refill(); err != nil {
			return nil, "", err
		}
	}
}

// peekLiteral is peek for a pattern without wildcards: a look-up takes the place
// of a scan, so that it does not matter how large the directory is.
func (l *listing) peekLiteral() (*vfs.DirEntry, string, error) {
	s := l.s
	if s.next < len(s.batch) {
		return &s.batch[s.next], "", nil
	}
	if s.eof {
		return nil, "", io.EOF
	}
	s.eof = true
	opts := vfs.LookupOptions{Fold: l.o.folds(), Form: l.o.rule().Form, NoFollow: true}
	name := s.literal
	if !l.o.posix {
		name = l.r.storedName(l.o.path(), name)
	}
	n, actual, err := l.o.grip.base.Lookup(l.r.ctx(), l.o.cred(), name, opts)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, vfs.ErrInvalidName) || errors.Is(err, vfs.ErrNameTooLong) {
		return nil, "", io.EOF
	}
	if err != nil {
		s.eof = false
		return nil, "", err
	}
	defer n.Release()
	s.batch, s.next = append(s.batch[:0], vfs.DirEntry{Name: actual, Type: n.Type(), Inode: n.ID().Inode}), 0
	return &s.batch[0], "", nil
}

// refill reads on in the directory.
func (l *listing) refill() error {
	s := l.s
	if s.eof {
		return io.EOF
	}
	if cap(s.batch) < scanBatch {
		s.batch = make([]vfs.DirEntry, scanBatch)
	}
	n, err := l.h.ReadDir(l.r.ctx(), l.o.cred(), s.batch[:scanBatch])
	s.batch, s.next = s.batch[:n], 0
	if err == io.EOF { //nolint:errorlint // as ReadDir returns it
		s.eof, s.batch = true, nil
	}
	return err
}

// advance goes past the entry that peek has returned.
func (l *listing) advance(dot string) {
	if dot != "" {
		l.s.dots++
	} else {
		l.s.next++
	}
}

// add appends an entry to the list; false if it does not fit. Attributes are only
// asked for what fits, and for classes that show them.
func (l *listing) add(e *vfs.DirEntry, dot string, limit int) (bool, error) {
	name := dot
	if dot == "" {
		name = l.shownName(e.Name)
	}
	size := wire.DirEntrySize(l.class, 2*names.UTF16Len(name))
	if l.class == wire.FileInfoPosix {
		size += posixSIDs
	}
	if !l.list.Fits(size) {
		return false, nil
	}
	l.entry = wire.DirEntry{FileName: name}
	if l.class != wire.FileInfoNames {
		at, err := l.attr(e, dot)
		if err != nil {
			return false, err
		}
		if err := l.describe(&at, e); err != nil {
			return false, err
		}
	}
	l.grow(size, limit)
	return l.list.AppendDirEntry(l.class, &l.entry), nil
}

// listedRights are those without which a share with AccessBased does not list a file:
// all of FILE_GENERIC_READ.
const listedRights = secdesc.FileReadData | secdesc.FileReadEA | secdesc.FileReadAttributes | secdesc.ReadControl

// hidden reports whether the share keeps an entry from the user, because it does not
// exist for clients, or because he may not read it
// (SMB2_SHAREFLAG_ACCESS_BASED_DIRECTORY_ENUM, MS-SMB2 2.2.10). What the
// directory grants to all its files does not count.
func (l *listing) hidden(e *vfs.DirEntry) bool {
	if sh := l.o.share(); sh.vetoed(e.Name) || sh.SnapshotDir != "" && sh.hidesEntry(l.o.path(), e.Name) {
		return true
	}
	if !l.o.share().AccessBased {
		return false
	}
	ctx, who := l.r.ctx(), l.r.sess.user.Load()
	n, _, err := l.o.grip.base.Lookup(ctx, l.o.cred(), e.Name, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return true
	}
	defer n.Release()
	if cred := l.o.cred(); cred != nil && n.Type() != vfs.TypeSymlink && n.Access(ctx, cred, vfs.AccessRead) != nil {
		return true
	}
	at, err := n.Attr(ctx, nil)
	if err != nil {
		return true
	}
	d, _, err := l.r.srv().descriptor(ctx, l.o.share(), n, &at, who)
	if err != nil {
		return true
	}
	_, err = secdesc.Check(d, l.o.tree.granted().token, listedRights)
	return err != nil
}

// grow makes room for an entry in a pooled buffer.
func (l *listing) grow(size, limit int) {
	b := l.list.Bytes
	if cap(b)-len(b) >= size+wire.DirEntryAlign {
		return
	}
	l.r.out.b = b
	l.r.out.reserve(min(max(2*l.list.Len(), size+wire.DirEntryAlign), limit))
	l.list.Bytes = l.r.out.b
}

// attr returns the attributes of an entry.
func (l *listing) attr(e *vfs.DirEntry, dot string) (vfs.Attr, error) {
	ctx, cred := l.r.ctx(), l.o.cred()
	switch dot {
	case ".":
		return l.o.attr(ctx)
	case "..":
		return l.parentAttr(ctx)
	}
	at, err := l.h.EntryAttr(ctx, cred, e)
	if err != nil || at.Type != vfs.TypeSymlink || l.o.posix {
		return at, err
	}
	// A link that is followed when it is opened looks like what it leads to.
	n, _, err := l.o.grip.base.Lookup(ctx, cred, e.Name, vfs.LookupOptions{})
	if err != nil {
		return at, nil
	}
	defer n.Release()
	if target, err := n.Attr(ctx, cred); err == nil {
		return target, nil
	}
	return at, nil
}

// parentAttr returns the attributes of the directory above; nothing is above the
// root of the share.
func (l *listing) parentAttr(ctx context.Context) (vfs.Attr, error) {
	sh := l.o.share()
	dir, _ := names.Split(l.o.path())
	root := sh.FS.Root()
	defer root.Release()
	n, _, err := root.Lookup(ctx, l.o.cred(), dir, sh.named(vfs.LookupOptions{}))
	if err != nil {
		return l.o.attr(ctx)
	}
	defer n.Release()
	return n.Attr(ctx, l.o.cred())
}

// addEaSize looks the file up for the size of its extended attributes, which few
// files have.
func (l *listing) addEaSize(e *vfs.DirEntry) error {
	n, _, err := l.o.grip.base.Lookup(l.r.ctx(), l.o.cred(), e.Name, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return err
	}
	defer n.Release()
	l.entry.EaSize, err = l.r.eaSizeOf(n)
	return err
}

// describe fills in the entry from the attributes of the file; e is nil for "."
// and "..".
func (l *listing) describe(at *vfs.Attr, e *vfs.DirEntry) error {
	d := &l.entry
	d.CreationTime = wire.FiletimeOf(at.Birth)
	d.LastAccessTime = wire.FiletimeOf(at.Access)
	d.LastWriteTime = wire.FiletimeOf(l.o.share().writeTime(at))
	d.ChangeTime = wire.FiletimeOf(at.Change)
	d.EndOfFile, d.AllocationSize = endOfFile(at), allocationSize(at)
	d.FileAttributes = l.o.share().attributes(at, d.FileName)
	d.ReparseTag = reparseTag(at)
	d.FileID = indexNumber(at)
	d.FileID128 = fileID128(at)
	if d.ShortName = ""; e != nil && !l.o.share().NoShortNames {
		d.ShortName = names.ShortName(d.FileName, 0)
	}
	if e != nil && at.HasXattr {
		if err := l.addEaSize(e); err != nil {
			return err
		}
	}
	if l.class == wire.FileInfoPosix {
		l.describePosix(at)
	}
	if l.r.isMac() {
		return l.describeMac(at, e)
	}
	return nil
}
