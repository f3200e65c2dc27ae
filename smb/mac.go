package smb

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/afp"
	"lessor/vfs/names"
)

// What clients of Apple find different: the two streams of package afp, listings with
// what the Finder shows, and directories that are renamed with files open in them.
// The create context AAPL of any CREATE turns it on for a whole session, but for the
// rules of the streams, which are those of the share.

// Mac is what a share does for clients of Apple.
type Mac struct {
	// Off does without Apple's extensions: the create context AAPL stays unanswered.
	Off bool
	// Import makes named streams of AppleDouble files and of what Netatalk has stored,
	// when a client looks at them.
	Import bool
	// ZeroFileIDs tells clients of Apple no file ids, so that they do not open files by
	// them.
	ZeroFileIDs bool
	// Model is the kind of machine whose icon the Finder shows; empty: MacSamba.
	Model string
	// TimeMachine says that the share is for backups of Time Machine.
	TimeMachine bool
	// MaxSize is the size of the share in bytes that clients are told, of which the files in it
	// are taken off; 0: that of the storage.
	MaxSize uint64
}

// defaultModel is a name that the Finder knows as that of a file server.
const defaultModel = "MacSamba"

// isMac reports whether the client has turned Apple's extensions on for this session,
// and the share has them.
func (r *request) isMac() bool { return r.sess.mac.Load() && !r.tree.share.Mac.Off }

// stream finds or makes a named stream of a file.
func (r *request) stream(base vfs.Node, name string, create bool) (vfs.Node, error) {
	if r.tree.share.Mac.Off {
		return base.Stream(r.ctx(), r.cred(), name, create)
	}
	return r.streamRules().Stream(r.ctx(), base, r.cred(), name, create)
}

// streamRules are those for the client.
func (r *request) streamRules() afp.Rules { return afp.Rules{NoEmpty: r.sess.mac.Load()} }

// streams lists the named streams of a file.
func (r *request) streams(base vfs.Node) ([]vfs.StreamInfo, error) {
	if r.tree.share.Mac.Off {
		return base.Streams(r.ctx(), r.cred())
	}
	return r.streamRules().Streams(r.ctx(), base, r.cred())
}

// keepsResource reports whether a stream stays when it is deleted: a resource fork goes by
// being cut to nothing, and with its file.
func (sh *share) keepsResource(stream string) bool { return !sh.Mac.Off && afp.IsResource(stream) }

// staysEmpty reports whether a stream that a CREATE has made stays when that fails: it may
// have been there, without existing for clients, and others may have it open.
func (r *request) staysEmpty(stream string) bool {
	return !r.tree.share.Mac.Off && (r.sess.mac.Load() || afp.Special(stream))
}

// imports reports whether the user's looking at files may change them so that what other
// servers have stored is seen.
func (r *request) imports(sh *share) bool {
	return sh.Mac.Import && sh.past == nil && !sh.Mac.Off && sh.caps.Has(vfs.CapStreams) && r.tree.writable()
}

// takeOver makes streams of what other servers have stored with a file. That it fails is
// no reason not to show the file.
func (r *request) takeOver(base vfs.Node, path string) {
	if !r.imports(r.tree.share) || path == "" {
		return
	}
	ctx := r.ctx()
	if err := r.srv().imports.TakeAttr(ctx, base, nil); err != nil {
		r.noteImport(path, err)
	}
	dirPath, name := names.Split(path)
	root := r.tree.share.FS.Root()
	defer root.Release()
	dir, _, err := root.Lookup(ctx, nil, dirPath, vfs.LookupOptions{})
	if err != nil {
		return
	}
	defer dir.Release()
	r.takeDouble(dir, base, names.Join(dirPath, name), name)
}

// takeDouble takes the AppleDouble file of a file over; true: it is gone.
func (r *request) takeDouble(dir, base vfs.Node, path, name string) bool {
	dirPath, _ := names.Split(path)
	double := names.Join(dirPath, afp.DoublePrefix+name)
	if r.locks().HasOpensUnder(r.tree.share.space, double) {
		return false
	}
	done, err := r.srv().imports.TakeDouble(r.ctx(), dir, base, nil, name)
	if err != nil {
		r.noteImport(path, err)
	}
	if done {
		r.tree.share.changed(double, vfs.ActionRemoved, nameFilter(false))
	}
	return done
}

func (r *request) noteImport(path string, err error) {
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	// It comes again with every look, at every such file.
	if dropped, ok := r.tree.share.lines.allow("import"); ok {
		r.conn.log.Warn().Err(err).Str("path", path).Int("similar", dropped).Msg("cannot take over what another server has stored for macOS")
	}
}

// taken takes an entry of a listing over that is an AppleDouble file; true: it is gone.
func (l *listing) taken(e *vfs.DirEntry) bool {
	const prefix = len(afp.DoublePrefix)
	if len(e.Name) <= prefix || e.Name[:prefix] != afp.DoublePrefix || !l.r.imports(l.o.share()) {
		return false
	}
	name := e.Name[prefix:]
	n, _, err := l.o.grip.base.Lookup(l.r.ctx(), nil, name, vfs.LookupOptions{NoFollow: true})
	if err != nil {
		return false
	}
	defer n.Release()
	return l.r.takeDouble(l.o.grip.base, n, names.Join(l.o.path(), name), name)
}

// describeMac puts into an entry what macOS asks for: the rights of the user in the place
// of the size of extended attributes, and the size of the resource fork and the essence
// of the Finder's information in that of the short name.
func (l *listing) describeMac(at *vfs.Attr, e *vfs.DirEntry) error {
	d := &l.entry
	if l.o.share().Mac.ZeroFileIDs {
		d.FileID, d.FileID128 = 0, [16]byte{}
	}
	if l.class != wire.FileInfoIDBothDirectory || e == nil || !l.r.sess.macDirs.Load() {
		return nil
	}
	ctx, r := l.r.ctx(), l.r
	n, err := l.entryNode(at, e)
	if err != nil {
		return err
	}
	defer n.Release()
	if r.imports(l.o.share()) && at.HasXattr {
		if err := r.srv().imports.TakeAttr(ctx, n, nil); err != nil {
			r.noteImport(e.Name, err)
		}
	}
	mac := &wire.MacEntry{Mode: macMode(at)}
	var finder afp.FinderInfo
	if mac.MaxAccess, _, err = r.decideAccess(n, at, names.Join(l.o.path(), e.Name), wire.AccessMaximumAllowed, 0, 0); err != nil {
		mac.MaxAccess = 0 // nothing may be done with it
	}
	if l.o.share().caps.Has(vfs.CapStreams) && (!at.Lacks.Has(vfs.ExtraStreams) || r.imports(l.o.share()) && at.HasXattr) {
		m, err := afp.MetaOf(ctx, n, l.o.cred())
		if err != nil {
			return err
		}
		mac.ResourceSize = uint64(m.Resource)
		finder = m.Finder
	}
	mac.Finder = compressFinder(&finder, at)
	d.Mac = mac
	return nil
}

// bareEntry stands for a file of a listing that has nothing to be looked up: no stored
// descriptor, no ACL and no streams.
type bareEntry struct {
	vfs.UnimplementedNode
	typ vfs.FileType
}

// Type returns the kind of the file.
func (n bareEntry) Type() vfs.FileType { return n.typ }

// entryNode returns what describeMac asks about an entry, which the caller releases. Most
// files have nothing that takes a look-up.
func (l *listing) entryNode(at *vfs.Attr, e *vfs.DirEntry) (vfs.Node, error) {
	sh := l.o.share()
	none := vfs.ExtraSecurity
	if sh.caps.Has(vfs.CapStreams) {
		none |= vfs.ExtraStreams
	}
	if sh.DefaultACL == ACLPosix {
		none |= vfs.ExtraPosixACL
	}
	file := at.Type == vfs.TypeRegular || at.Type == vfs.TypeDirectory
	if file && at.Lacks.Has(none) && l.o.cred() == nil && !(at.HasXattr && l.r.imports(sh)) {
		return bareEntry{typ: at.Type}, nil
	}
	n, _, err := l.o.grip.base.Lookup(l.r.ctx(), l.o.cred(), e.Name, vfs.LookupOptions{NoFollow: at.Type == vfs.TypeSymlink})
	return n, err
}

// compressFinder is what a listing has room for: type and creator of a file, flags,
// extended flags, and when the file was added, in seconds since 2000, big-endian.
func compressFinder(f *afp.FinderInfo, at *vfs.Attr) (b [16]byte) {
	if at.Type != vfs.TypeDirectory {
		copy(b[:8], f[:8])
	}
	copy(b[8:10], f[8:10])
	copy(b[10:12], f[24:26])
	added := uint32(int32(at.Birth.Unix() - macEpoch))
	b[12], b[13], b[14], b[15] = byte(added>>24), byte(added>>16), byte(added>>8), byte(added)
	return b
}

// macEpoch is the beginning of 2000, from which Apple counts, in seconds of Unix.
var macEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// macFileID is the file id that a client is told.
func (r *request) macFileID(id uint64) uint64 {
	if r.tree.share.Mac.ZeroFileIDs && r.isMac() {
		return 0
	}
	return id
}

// copyWhole carries out an FSCTL_SRV_COPYCHUNK without chunks of a client of Apple:
// the file is copied with its streams, extended attributes and attribute bits. The
// reply has the number of bytes of the unnamed stream, as far as 32 bits have room.
func (r *request) copyWhole(dst, src *open, to, from vfs.Handle, done *wire.SrvCopychunkResponse) error {
	ctx := r.ctx()
	if dst.grip.stream != "" || src.grip.stream != "" || dst.lock.Key() == src.lock.Key() {
		return ntstatus.InvalidParameter
	}
	if dst.lock.OtherStreamsOpen() {
		return ntstatus.SharingViolation
	}
	if err := dst.can(wire.AccessWriteData); err != nil {
		return err // what may only be added to is not replaced
	}
	at, err := src.attr(ctx)
	if err != nil {
		return err
	}
	eas, err := r.mayCopyMeta(dst, src, &at)
	if err != nil {
		return err
	}
	if err := r.mayGrow(dst, at.Size); err != nil {
		return err
	}
	if err := errors.Join(src.lock.CheckIO(0, uint64(at.Size), false), dst.lock.CheckIO(0, uint64(at.Size), true)); err != nil {
		return err
	}
	if err := to.Truncate(at.Size); err != nil {
		return err
	}
	if err := copyAll(ctx, to, from, at.Size); err != nil {
		return err
	}
	if err := r.copyStreams(dst.grip.base, src.grip.base); err != nil {
		return err
	}
	if err := r.copyEAs(dst.grip.base, src.grip.base, eas); err != nil {
		return err
	}
	if at.DOSSet {
		if err := dst.grip.base.SetAttr(ctx, dst.cred(), &vfs.SetAttr{Mask: vfs.SetDOS, DOS: at.DOS}); err != nil {
			return err
		}
	}
	done.TotalBytesWritten = uint32(min(at.Size, 1<<32-1))
	return nil
}

// copyStep is how much is copied between two looks at whether the client still waits.
const copyStep = 64 << 20

// copyAll copies size bytes; a source that became shorter is no error.
func copyAll(ctx context.Context, to, from vfs.Handle, size int64) error {
	for done := int64(0); done < size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := to.CopyFrom(ctx, from, done, done, min(size-done, copyStep))
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		done += n
	}
	return nil
}

func (r *request) copyStreams(dst, src vfs.Node) error {
	sh := r.tree.share
	if !sh.caps.Has(vfs.CapStreams) {
		return nil
	}
	list, err := r.streams(src)
	if err != nil {
		return err
	}
	for i := range list {
		if err := r.copyStream(dst, src, list[i].Name, list[i].Size); err != nil {
			return err
		}
	}
	return nil
}

// copyStream copies one stream over what may be there of that name.
func (r *request) copyStream(dst, src vfs.Node, name string, size int64) error {
	ctx, cred := r.ctx(), r.cred()
	from, err := r.stream(src, name, false)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it went away meanwhile
	}
	if err != nil {
		return err
	}
	defer from.Release()
	if err := dst.RemoveStream(ctx, cred, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	to, err := r.stream(dst, name, true)
	if err != nil {
		return err
	}
	defer to.Release()
	in, err := from.Open(ctx, cred, vfs.OpenMode{Read: true})
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := to.Open(ctx, cred, vfs.OpenMode{Read: true, Write: true})
	if err != nil {
		return err
	}
	return errors.Join(copyAll(ctx, out, in, size), out.Close())
}

// mayCopyMeta lists the extended attributes of a file that is to be copied, and checks
// whether these and its attribute bits may be. The opens are made for the data alone, so it
// is what the user might have opened the files for that counts.
func (r *request) mayCopyMeta(dst, src *open, at *vfs.Attr) (eas []string, err error) {
	if r.tree.share.caps.Has(vfs.CapXattr) {
		if eas, err = src.grip.base.ListXattr(r.ctx(), src.cred()); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return nil, err
		}
	}
	var read, write uint32
	if len(eas) > 0 {
		read, write = wire.AccessReadEA, wire.AccessWriteEA
	}
	if at.DOSSet {
		write |= wire.AccessWriteAttributes
	}
	if r.rightsOn(src)&read != read || r.rightsOn(dst)&write != write {
		return nil, ntstatus.AccessDenied
	}
	return eas, nil
}

// rightsOn is what the user may do with a file that is open, for whatever it was opened. Of
// one of another share, only that is known.
func (r *request) rightsOn(o *open) uint32 {
	if o.tree != r.tree || o.isPast() {
		return o.access
	}
	at, err := o.grip.base.Attr(r.ctx(), o.cred())
	if err != nil {
		return o.access
	}
	rights, err := r.maximalAccess(o.grip.base, &at, o.path())
	if err != nil {
		return o.access
	}
	return o.access | rights
}

// copyEAs copies the extended attributes of a list.
func (r *request) copyEAs(dst, src vfs.Node, list []string) error {
	leave := r.enterEas(dst)
	defer leave()
	ctx, cred := r.ctx(), r.cred()
	for _, name := range list {
		value, err := src.Xattr(ctx, cred, name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if err := dst.SetXattr(ctx, cred, name, value); err != nil {
			return err
		}
	}
	return nil
}
