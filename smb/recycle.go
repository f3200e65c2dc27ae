package smb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"lessor/locking"
	"lessor/smb/secdesc"
	"lessor/vfs"
	"lessor/vfs/names"
)

// The recycle bin of a share: a directory of its own into which files are moved that
// clients delete. A move is one rename, done where else the name would be removed
// (Server.removePath), under the gate of the old name. Directories and streams are deleted
// as ever, and so is what is deleted in the bin. Old files leave it by purging
// (recyclepurge.go).

// Recycle is the settings of a recycle bin. It is immutable.
type Recycle struct {
	// Directory is the bin, below the root of the share and joined by '/'. "%U" stands for
	// the name of the user.
	Directory string
	// KeepTree keeps the directories that the file was in.
	KeepTree bool
	// Versions keeps files of one name beside each other; without it the older one goes.
	Versions bool
	// Touch sets the time of the last access to that of the deletion.
	Touch bool
	// Replaced also saves files that a rename replaces.
	Replaced bool
	// MinSize and MaxSize are bytes; what is smaller or larger is deleted. 0: no bound.
	MinSize, MaxSize int64
	// Exclude are patterns of names that are deleted, ExcludeDirs of directories in which
	// everything is.
	Exclude, ExcludeDirs []string
	// Retention is how long files stay in the bin after they were moved there; 0: for ever.
	Retention time.Duration
	// DeleteOnFailure deletes a file that cannot be moved. By default it stays where it
	// is.
	DeleteOnFailure bool
}

// bin is the recycle bin of a share at run time.
type bin struct {
	*Recycle
	exclude, excludeDirs []names.Pattern
	root                 string // the part of Directory that is the same for all users
}

// newBin prepares the bin of a share; nil if there is none.
func newBin(cfg *Recycle) (*bin, error) {
	if cfg == nil {
		return nil, nil
	}
	b := &bin{Recycle: cfg, exclude: compileNames(cfg.Exclude), excludeDirs: compileNames(cfg.ExcludeDirs)}
	fixed := true
	for name := range strings.SplitSeq(cfg.Directory, "/") {
		if name == "" || name == "." || name == ".." {
			return nil, fmt.Errorf("bad recycle bin %q", cfg.Directory)
		}
		if fixed = fixed && !strings.Contains(name, "%"); fixed {
			b.root = names.Join(b.root, name)
		}
	}
	if b.root == "" {
		return nil, fmt.Errorf("recycle bin %q: users would be at the top of the share", cfg.Directory)
	}
	return b, nil
}

// has reports whether a path is the bin or in it.
func (b *bin) has(sh *share, path string) bool {
	root, path := sh.fold(b.root), sh.fold(path)
	return path == root || strings.HasPrefix(path, root+"/")
}

// takes reports whether a file at a path belongs into the bin when it is deleted.
func (b *bin) takes(sh *share, path string, at *vfs.Attr) bool {
	if at.Type != vfs.TypeRegular || b.has(sh, path) || at.Size < b.MinSize || b.MaxSize > 0 && at.Size > b.MaxSize {
		return false
	}
	dir, base := names.Split(path)
	if matchesAny(b.exclude, sh.clientName(base)) {
		return false
	}
	if dir != "" && len(b.excludeDirs) > 0 {
		for name := range strings.SplitSeq(dir, "/") {
			if matchesAny(b.excludeDirs, sh.clientName(name)) {
				return false
			}
		}
	}
	return true
}

// placeFor is the directory in the bin for what a user deletes in a directory, and at which
// of its names the part begins that is the user's alone; -1 if there is none.
func (b *bin) placeFor(user, dir string) (place string, own int) {
	own = -1
	i := 0
	for name := range strings.SplitSeq(b.Directory, "/") {
		if strings.Contains(name, "%U") {
			name = strings.ReplaceAll(name, "%U", fileNameOf(user))
			if own < 0 {
				own = i
			}
		}
		place = names.Join(place, name)
		i++
	}
	if b.KeepTree && dir != "" {
		place = names.Join(place, dir)
	}
	return place, own
}

// fileNameOf makes one name of a file of the name of a user.
func fileNameOf(user string) string {
	out := strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.ToLower(user))
	if out = strings.TrimRight(out, ". "); out == "" {
		return "_"
	}
	return out
}

// errNoRoom says that a bin has too many files of one name.
var errNoRoom = errors.New("too many files of this name in the recycle bin")

// maxVersions bounds the files of one name in a directory of the bin.
const maxVersions = 10000

// recycle moves a file that is being deleted into the bin of its share. moved is where it
// is now; it is empty if the file does not belong there, and is to be deleted. The caller
// holds the gate of its name. parent is the directory in which it is called name.
func (s *Server) recycle(sh *share, parent, node vfs.Node, path, name string, by *session) (moved string, err error) {
	b := sh.bin
	if b == nil || node.Type() != vfs.TypeRegular {
		return "", nil
	}
	ctx := context.Background()
	at, err := node.Attr(ctx, nil)
	if err == nil && !b.takes(sh, path, &at) {
		return "", nil
	}
	if err == nil {
		moved, err = s.moveToBin(ctx, sh, parent, path, name, by)
	}
	if err == nil && b.Touch {
		// It is in the bin already; if its time cannot be set it is there none the less.
		_ = node.SetAttr(ctx, nil, &vfs.SetAttr{Mask: vfs.SetAccess, Access: time.Now()})
	}
	if err == nil {
		return moved, nil
	}
	if dropped, ok := s.strangers.allow("recycle bin of " + sh.Name); ok {
		s.log.Warn().Err(err).Str("share", sh.Name).Str("path", path).Bool("deleted", b.DeleteOnFailure).
			Int("similar", dropped).Msg("cannot move a file to the recycle bin")
	}
	if b.DeleteOnFailure {
		return "", nil
	}
	return "", fmt.Errorf("recycle bin: %w", err)
}

// moveToBin finds the place in the bin and a name that is free there.
func (s *Server) moveToBin(ctx context.Context, sh *share, parent vfs.Node, path, name string, by *session) (string, error) {
	b := sh.bin
	user := "_"
	if by != nil {
		user = by.userName()
	}
	dir, _ := names.Split(path)
	place, own := b.placeFor(user, dir)
	// A purge may remove an empty directory between its making and the move.
	for try := 0; ; try++ {
		to, err := s.binDirectory(ctx, sh, place, own, by)
		if err != nil {
			return "", err
		}
		moved, err := s.moveInto(ctx, sh, parent, name, to)
		key := locking.Key(to.ID().Key())
		to.Release()
		switch {
		case err == nil:
			full := names.Join(place, moved)
			s.locks.Changed(key, locking.LeaseKey{}, false, locking.ClientID{})
			sh.changed(full, vfs.ActionAdded, vfs.FilterFileName)
			return full, nil
		case try > 0 || !errors.Is(err, vfs.ErrStale) && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
	}
}

// moveInto renames a file into a directory of the bin, under the first name that is free.
func (s *Server) moveInto(ctx context.Context, sh *share, parent vfs.Node, name string, to vfs.Node) (string, error) {
	if !sh.bin.Versions {
		err := parent.Rename(ctx, nil, name, to, name, s.mayReplaceInBin(ctx, sh, to, name))
		if !errors.Is(err, fs.ErrExist) {
			return name, err
		}
	}
	for n := 1; n < maxVersions; n++ {
		as := versionName(name, n)
		err := parent.Rename(ctx, nil, name, to, as, false)
		if errors.Is(err, vfs.ErrNameTooLong) && n == 1 || !errors.Is(err, fs.ErrExist) {
			return as, err
		}
	}
	return "", errNoRoom
}

// mayReplaceInBin reports whether what has the name in the bin is a file that nobody has
// open.
func (s *Server) mayReplaceInBin(ctx context.Context, sh *share, dir vfs.Node, name string) bool {
	old, _, err := dir.Lookup(ctx, nil, name, sh.named(vfs.LookupOptions{NoFollow: true}))
	if err != nil {
		return false
	}
	defer old.Release()
	opens, err := s.locks.BreakFile(locking.Key(old.ID().Key()), locking.CauseDelete, locking.ClientID{}, locking.LeaseKey{}, false)
	return err == nil && opens == 0 && old.Type() == vfs.TypeRegular
}

// versionName is the n-th name that a file of this name may have: "a.txt", "a (2).txt".
func versionName(name string, n int) string {
	if n == 1 {
		return name
	}
	base, ext := name, ""
	if dot := strings.LastIndexByte(name, '.'); dot > 0 {
		base, ext = name[:dot], name[dot:]
	}
	mark := fmt.Sprintf(" (%d)", n)
	const longest = 255 // bytes, on all file systems of Linux that matter here
	for len(base)+len(mark)+len(ext) > longest && base != "" {
		_, size := utf8.DecodeLastRuneInString(base)
		base = base[:len(base)-size]
	}
	if len(base)+len(mark)+len(ext) > longest {
		base, ext = "file", ""
	}
	return base + mark + ext
}

// binDirectory returns the directory of the bin at a path, and makes what is missing. What
// lies at the own-th name and below is the user's alone.
func (s *Server) binDirectory(ctx context.Context, sh *share, path string, own int, by *session) (vfs.Node, error) {
	dir := sh.FS.Root()
	i := 0
	for name := range strings.SplitSeq(path, "/") {
		next, _, err := dir.Lookup(ctx, nil, name, sh.named(vfs.LookupOptions{NoFollow: true}))
		if errors.Is(err, fs.ErrNotExist) {
			next, err = s.makeBinDirectory(ctx, sh, dir, name, own >= 0 && i >= own, by)
		}
		dir.Release()
		if err != nil {
			return nil, err
		}
		if next.Type() != vfs.TypeDirectory {
			next.Release()
			return nil, fmt.Errorf("%s: %w", name, vfs.ErrNotDir)
		}
		dir = next
		i++
	}
	return dir, nil
}

// makeBinDirectory makes one directory; somebody else may be faster.
func (s *Server) makeBinDirectory(ctx context.Context, sh *share, dir vfs.Node, name string, private bool, by *session) (vfs.Node, error) {
	opts := vfs.CreateOptions{Type: vfs.TypeDirectory, Mode: sh.DirMode, Fold: !sh.CaseSensitive, Form: sh.oneForm()}
	made, err := dir.Create(ctx, nil, name, opts)
	if errors.Is(err, fs.ErrExist) {
		made, _, err = dir.Lookup(ctx, nil, name, sh.named(vfs.LookupOptions{NoFollow: true}))
		return made, err
	}
	if err != nil || !private || by == nil || !sh.caps.Has(vfs.CapSecurity) {
		return made, err
	}
	b, err := privateDescriptor(by.user.Load().token.User, s.machine.account(secdesc.RIDUsers)).Append(nil)
	if err == nil {
		err = made.SetSecurity(ctx, nil, b)
	}
	if err != nil {
		made.Release()
		return nil, errors.Join(err, dir.Remove(ctx, nil, name))
	}
	return made, nil
}

// privateDescriptor lets one user and administrators in.
func privateDescriptor(user, group secdesc.SID) *secdesc.Descriptor {
	const inherited = secdesc.ObjectInherit | secdesc.ContainerInherit
	return &secdesc.Descriptor{
		Control: secdesc.SelfRelative | secdesc.DACLPresent | secdesc.DACLProtected,
		Owner:   user,
		Group:   group,
		DACL: secdesc.NewACL(
			secdesc.Allow(user, secdesc.FileAllAccess, inherited),
			secdesc.Allow(secdesc.BuiltinAdministrators, secdesc.FileAllAccess, inherited),
			secdesc.Allow(secdesc.System, secdesc.FileAllAccess, inherited),
		),
	}
}

// saveReplaced moves a file that a rename or link is going to replace into the bin, if the
// share wants that. undo brings it back when the rename has failed.
func (r *request) saveReplaced(m *move, replaces bool) (undo func(), err error) {
	sh := m.o.share()
	if !replaces || sh.bin == nil || !sh.bin.Replaced || m.target.ID() == m.o.grip.base.ID() {
		return func() {}, nil
	}
	dir, _ := names.Split(m.to)
	moved, err := r.srv().recycle(sh, m.newDir, m.target, names.Join(dir, m.targetName), m.targetName, r.sess)
	if err != nil || moved == "" {
		return func() {}, err
	}
	return func() {
		ctx := context.WithoutCancel(r.ctx())
		place, name := names.Split(moved)
		root := sh.FS.Root()
		defer root.Release()
		from, _, err := root.Lookup(ctx, nil, place, vfs.LookupOptions{})
		if err == nil {
			err = from.Rename(ctx, nil, name, m.newDir, m.targetName, false)
			from.Release()
		}
		if err != nil {
			r.conn.log.Warn().Err(err).Str("share", sh.Name).Str("path", moved).Msg("what a rename should have replaced stays in the recycle bin")
		}
	}, nil
}
