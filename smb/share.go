package smb

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/vfs"
	"lessor/vfs/names"
)

// ipcName is the share of named pipes, which every server has.
const ipcName = "IPC$"

// maxShareName is the longest name of a share in characters (MS-SRVS 2.2.2.4).
const maxShareName = 80

// share is one share at run time. It is immutable; what changes belongs to the
// objects that it points to.
type share struct {
	Share
	hub     *vfs.Hub // changes below the root, for CHANGE_NOTIFY
	metrics shareMetrics
	caps    vfs.Caps
	volume  uint64      // NodeID.Volume of the root
	root    locking.Key // of the root directory
	space   uint64      // tells paths of this share from those of others, for package locking
	tunnel  *tunnel     // what short names have meant lately
	log     *zerolog.Logger
	lines   *logLimit   // of log: about names that differ in their form alone, lost writes, imports
	rules   nameRules   // Veto and Hide
	bin     *bin        // nil: what is deleted is gone
	faults  *faults     // of the storage; nil for IPC$
	limit   *sizeLimit  // nil: there is none
	groups  *groupNames // those of the server
	backups *backups    // what those of Time Machine take; nil: nobody wants to know
	ipc     bool        // the share of named pipes, without an FS
	unix    *unixUsers
	// local hears of changes by others; nil if nobody does.
	local *localChanges
	// late is what is shown of the times of files that are being written to; nil: what the
	// storage has.
	late *lateTimes
	// past is the snapshot that the share is made of; nil: it is the real one.
	past *past
}

// shareTable is the set of shares at one time, by folded name.
type shareTable struct {
	byName map[string]*share
	list   []*share // in the order of SetShares, without IPC$
	// offline are the reasons why shares cannot be used, by folded name.
	offline map[string]string
}

// foldShare is the key of a share name.
func foldShare(name string) string { return names.Fold(name) }

// SetShares replaces the list of shares. Connected clients keep what they have
// connected to; a share that has neither changed its name nor its FS goes on
// with its watchers and its metrics. The error names a share with a bad or
// duplicate name, without FS, or with one that cannot listen for changes by others
// in the way that it was told to; nothing is changed then.
func (s *Server) SetShares(list []Share) error {
	s.local.starting.Lock()
	defer s.local.starting.Unlock()
	old := s.shares.Load()
	t := &shareTable{byName: map[string]*share{ipcName: s.ipc}, offline: make(map[string]string)}
	for _, cfg := range list {
		key := foldShare(cfg.Name)
		switch {
		case cfg.Name == "" || len([]rune(cfg.Name)) > maxShareName || strings.ContainsAny(cfg.Name, `"\/[]:|<>+=;,*?`):
			return fmt.Errorf("smb: bad share name %q", cfg.Name)
		case t.byName[key] != nil || t.offline[key] != "":
			return fmt.Errorf("smb: share name %q is taken", cfg.Name)
		case cfg.Offline != "":
			t.offline[key] = cfg.Offline
			continue
		case cfg.FS == nil:
			return fmt.Errorf("smb: share %q has no file system", cfg.Name)
		case cfg.ContinuousAvailability && s.cfg.Store == nil:
			return fmt.Errorf("smb: share %q: continuous availability needs a store", cfg.Name)
		case cfg.Unix && s.cfg.Unix == nil && cfg.ForceUser == nil:
			return fmt.Errorf("smb: share %q: nobody knows the Unix identities of users", cfg.Name)
		case cfg.PosixLocks && !cfg.FS.Caps().Has(vfs.CapRangeLocks):
			return fmt.Errorf("smb: share %q: its file system has no POSIX locks", cfg.Name)
		case cfg.KernelOplocks && !cfg.FS.Caps().Has(vfs.CapLeases):
			return fmt.Errorf("smb: share %q: its file system has no leases", cfg.Name)
		}
		sh := &share{Share: cfg, metrics: s.metrics.share(cfg.Name), caps: cfg.caps(), tunnel: &tunnel{}, log: &s.log, lines: &logLimit{}, faults: &faults{}, groups: &s.groups,
			unix: s.unix, rules: nameRules{veto: compileNames(cfg.Veto), hide: compileNames(cfg.Hide)}}
		if cfg.DelayWriteTime {
			sh.late = &lateTimes{files: make(map[vfs.NodeID]*lateFile)}
		}
		if cfg.Mac.TimeMachine && cfg.Mac.MaxSize > 0 {
			sh.backups = &backups{}
		}
		var err error
		if sh.bin, err = newBin(cfg.Recycle); err != nil {
			return fmt.Errorf("smb: share %q: %w", cfg.Name, err)
		}
		if was := old.lookup(cfg.Name); was != nil && was.FS == cfg.FS && was.CaseSensitive == cfg.CaseSensitive && was.oneForm() == sh.oneForm() {
			sh.hub, sh.metrics, sh.faults = was.hub, was.metrics, was.faults
			if sh.late != nil && was.late != nil {
				sh.late = was.late
			}
		} else {
			sh.hub = vfs.NewHub(sh.rule().Key)
		}
		if err := sh.measure(context.Background()); err != nil {
			return fmt.Errorf("smb: share %q: %w", cfg.Name, err)
		}
		t.byName[key] = sh
		t.list = append(t.list, sh)
	}
	finish, err := s.listenTo(t.list)
	if err != nil {
		return err
	}
	s.groups.wantForShares(list)
	var before []*share
	if old != nil {
		before = old.list
	}
	s.keepLimits(before, t.list)
	s.shares.Store(t)
	finish()
	s.keepBins(t.list)
	return nil
}

// measure finds out what tells the files of the share from those of others.
func (sh *share) measure(ctx context.Context) error {
	info, err := sh.FS.Info(ctx)
	if err != nil {
		return err
	}
	sh.volume = info.VolumeID
	root := sh.FS.Root()
	defer root.Release()
	sh.root = locking.Key(root.ID().Key())
	sh.space = spaceOf(sh.root)
	return nil
}

// spaceOf makes a number of the root directory of a share: several shares may lie
// on one volume, and equal paths in them mean different files.
func spaceOf(root locking.Key) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(root[:])
	return h.Sum64()
}

// caps are the abilities of the FS that the share uses.
func (s *Share) caps() vfs.Caps {
	c := s.FS.Caps()
	if s.NoStreams {
		c &^= vfs.CapStreams
	}
	return c
}

// lookup finds a share by the name that a client gave.
func (t *shareTable) lookup(name string) *share {
	if t == nil {
		return nil
	}
	return t.byName[foldShare(name)]
}

// fold maps a name or path of the share to what tells it from others.
func (sh *share) fold(name string) string {
	return sh.rule().Key(name)
}

// encrypt reports whether a tree of this share must be sealed, given the policy
// of the server.
func (sh *share) encrypt() bool { return sh.Encryption == EncryptionRequired }
