package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lessor/config"
	"lessor/smb"
	"lessor/vfs"
	"lessor/vfs/localfs"
	"lessor/vfs/localwatch"
	"lessor/vfs/memfs"
	"lessor/vfs/snapdir"
)

// volumes are the file systems of all shares that there were since the start.
// One goroutine uses it.
type volumes struct {
	open map[volumeKey]vfs.FS
	// snapshots are those of all shares that there were.
	snapshots map[snapshotKey]*snapdir.Set
	// running: clients are served, so that a share that cannot be had is no reason to end.
	running bool
}

// volumeKey is what decides whether two shares, or a share before and after a
// reload, can use the same file system.
type volumeKey struct {
	typ              config.ShareType
	place            string // path, or name of a share in memory
	noSymlinks       bool
	fileMode, dirMod uint32
	watch            localwatch.Way
	heedModes        bool
	hidden           string
}

// keyOf is the key of a share that is a directory.
func keyOf(s *config.Share) volumeKey {
	return volumeKey{typ: s.Type, place: s.Path, noSymlinks: !s.FollowSymlinks,
		fileMode: uint32(s.CreateMask), dirMod: uint32(s.DirectoryMask), watch: watchWay(s.Watch),
		heedModes: s.DefaultACL == config.DefaultACLPosix, hidden: hiddenSnapshots(s)}
}

// localOptions are how a directory is exported.
func localOptions(name string, k volumeKey) localfs.Options {
	return localfs.Options{
		NoSymlinks: k.noSymlinks, FileMode: k.fileMode, DirMode: k.dirMod, Label: name, Watch: k.watch,
		HeedModes: k.heedModes, Hidden: k.hidden}
}

// get returns the file system of a share, and opens it if it is new.
func (v *volumes) get(s *config.Share) (vfs.FS, error) {
	k := keyOf(s)
	if s.Type == config.ShareMemory {
		k = volumeKey{typ: s.Type, place: strings.ToUpper(s.Name)}
	}
	if fs, ok := v.open[k]; ok {
		return fs, nil
	}
	var fs vfs.FS
	var err error
	switch {
	case s.Type == config.ShareMemory:
		fs = memfs.New(memfs.Options{Label: s.Name, NoSymlinks: !s.FollowSymlinks,
			FileMode: uint32(s.CreateMask), DirMode: uint32(s.DirectoryMask)})
	case s.Removable && !localfs.IsMount(s.Path):
		err = errNotMounted
	default:
		fs, err = localfs.New(s.Path, localOptions(s.Name, k))
	}
	if err != nil {
		return nil, err
	}
	if v.open == nil {
		v.open = make(map[volumeKey]vfs.FS)
	}
	v.open[k] = fs
	return fs, nil
}

func (v *volumes) close() error {
	var errs []error
	for _, set := range v.snapshots {
		errs = append(errs, set.Close())
	}
	v.snapshots = nil
	for _, fs := range v.open {
		errs = append(errs, fs.Close())
	}
	v.open = nil
	return errors.Join(errs...)
}

// shares translates the shares of a configuration.
func (v *volumes) shares(c *config.Config, audits *auditLogs) ([]smb.Share, error) {
	var out []smb.Share
	for i := range c.Shares {
		s := &c.Shares[i]
		fs, err := v.get(s)
		if err == nil {
			_, err = fs.Info(context.Background())
		}
		switch {
		case err != nil && s.Type == config.ShareLocal && v.tolerates(err):
			out = append(out, smb.Share{Name: s.Name, Offline: err.Error()})
			continue
		case err != nil:
			return nil, c.Problem(fmt.Sprintf("shares[%d].path", i), err.Error(), "give the user that runs the server access to it")
		}
		audit, err := audits.get(&s.Audit)
		if err != nil {
			return nil, c.Problem(fmt.Sprintf("shares[%d].audit.file", i), err.Error(), "give a file in an existing directory that the server may write to")
		}
		share := smb.Share{
			Name:                   s.Name,
			Comment:                s.Comment,
			FS:                     fs,
			Path:                   s.Path,
			ReadOnly:               s.ReadOnly,
			Hidden:                 s.Hidden,
			Encryption:             encryption(s.Encryption),
			Compress:               s.Compression,
			CaseSensitive:          s.Case == config.CaseSensitive,
			NameForms:              nameForms(s.NormalizeNames),
			FileMode:               uint32(s.CreateMask),
			DirMode:                uint32(s.DirectoryMask),
			Access:                 shareAccess(s),
			Guest:                  s.Guest,
			Hosts:                  hostRules(&s.Hosts),
			AccessBased:            s.AccessBasedEnumeration,
			DefaultAccess:          access(s.DefaultAccess),
			PosixLocks:             s.PosixLocks,
			NoPosix:                !s.PosixExtensions,
			KernelOplocks:          s.KernelOplocks,
			NoLocalChanges:         s.Watch == config.WatchOff,
			NoLeases:               !s.Leases,
			Veto:                   s.Veto,
			DeleteVetoed:           s.DeleteVetoed,
			Hide:                   s.Hide,
			ShowDotFiles:           !s.HideDotFiles,
			SizeLimit:              int64(s.SizeLimit),
			Recycle:                recycle(&s.Recycle),
			Audit:                  audit,
			DefaultACL:             defaultACL(s.DefaultACL),
			KeepInherited:          s.KeepInheritedACLs,
			ExecuteWithRead:        s.Execute == config.ExecuteWithRead,
			DelayWriteTime:         s.WriteTime == config.WriteTimeDelayed,
			NoStreams:              !s.Streams,
			NoNotify:               !s.ChangeNotify,
			NoShortNames:           !s.ShortNames,
			Mac:                    mac(s),
			ContinuousAvailability: s.ContinuousAvailability,
		}
		if err := identity(&share, s); err != nil {
			return nil, c.Problem(fmt.Sprintf("shares[%d]", i), err.Error(), "correct force_user and force_group")
		}
		if err := v.addSnapshots(c, i, &share); err != nil {
			return nil, err
		}
		out = append(out, share)
	}
	return out, nil
}

func mac(s *config.Share) smb.Mac {
	m := &s.Macos
	return smb.Mac{Off: !m.Enabled, Import: m.Import, ZeroFileIDs: m.ZeroFileIDs, Model: m.Model,
		TimeMachine: s.TimeMachine, MaxSize: uint64(s.TimeMachineMaxSize)}
}

// watchWay is how a file system listens for changes. For one that does not it makes
// no difference, so that it can be turned off and on without opening it anew.
func watchWay(w config.Watch) localwatch.Way {
	switch w {
	case config.WatchFanotify:
		return localwatch.Fanotify
	case config.WatchInotify:
		return localwatch.Inotify
	}
	return localwatch.Auto
}

func nameForms(n config.NameForms) smb.NameForms {
	switch n {
	case config.NamesMatch:
		return smb.NameFormsMatch
	case config.NamesNFC:
		return smb.NameFormsC
	}
	return smb.NameFormsApart
}

func access(a config.Access) smb.Access {
	switch a {
	case config.AccessRead:
		return smb.AccessRead
	case config.AccessWrite:
		return smb.AccessWrite
	}
	return smb.AccessNone
}

func defaultACL(d config.DefaultACL) smb.DefaultACL {
	switch d {
	case config.DefaultACLPosix:
		return smb.ACLPosix
	case config.DefaultACLWindows:
		return smb.ACLWindows
	}
	return smb.ACLEveryone
}

func encryption(e config.Encryption) smb.Encryption {
	switch e {
	case config.EncryptionRequired:
		return smb.EncryptionRequired
	case config.EncryptionEnabled:
		return smb.EncryptionEnabled
	}
	return smb.EncryptionOff
}
