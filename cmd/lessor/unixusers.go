package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"lessor/config"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/directory"
	"lessor/vfs"
	"lessor/vfs/asuser"
)

// Words among the flags of the user file that say which Unix user somebody is.
const (
	flagUnixUser = "unix_user="
	flagGID      = "gid="
)

// unixKeep is how long it is remembered which Unix user somebody is, and maxUnixKept of
// how many.
const (
	unixKeep    = time.Minute
	maxUnixKept = 1 << 16
)

// unixUsers finds the Unix users of clients, for shares with identity: unix. It is asked
// from many goroutines.
type unixUsers struct {
	// Immutable after construction.
	users *auth.Users
	dir   *directory.Directory // may be nil
	// domain is the short name of the domain of dir, and realm its Kerberos realm.
	domain, realm string

	mu    sync.Mutex // leaf; guards the next two
	creds map[string]keptCred
	names map[uint32]keptUser
}

type keptCred struct {
	cred  *vfs.Cred
	until time.Time
}

type keptUser struct {
	user  auth.User
	found bool
	until time.Time
}

var _ smb.UnixUsers = (*unixUsers)(nil)

func newUnixUsers(c *config.Config, users *auth.Users, dir *directory.Directory) *unixUsers {
	return &unixUsers{users: users, dir: dir, domain: c.Directory.Domain, realm: c.Directory.Realm,
		creds: make(map[string]keptCred), names: make(map[uint32]keptUser)}
}

// Cred implements smb.UnixUsers. Failures are not remembered: what is wrong may have been
// put right.
func (u *unixUsers) Cred(ctx context.Context, id *auth.Identity) (*vfs.Cred, error) {
	key := strings.ToLower(id.User)
	now := time.Now()
	u.mu.Lock()
	kept, ok := u.creds[key]
	u.mu.Unlock()
	if ok && now.Before(kept.until) {
		return kept.cred, nil
	}
	c, err := u.find(ctx, id.User)
	if err != nil {
		return nil, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.creds) >= maxUnixKept {
		clear(u.creds)
	}
	u.creds[key] = keptCred{c, now.Add(unixKeep)}
	return c, nil
}

// find finds the Unix user of somebody in the user file, or of a realm.
func (u *unixUsers) find(ctx context.Context, name string) (*vfs.Cred, error) {
	if local, ok := u.users.Lookup(name); ok {
		return ofUserFile(&local)
	}
	if !strings.Contains(name, "@") {
		return nil, fmt.Errorf("%q is not in the user file", name)
	}
	return u.ofRealm(ctx, name)
}

// ofUserFile finds the Unix user of an entry of the user file: by its uid, by
// unix_user=, or by its name.
func ofUserFile(a *auth.User) (*vfs.Cred, error) {
	unixName, gid, hasGID := "", uint32(0), false
	for _, f := range a.Flags {
		if v, ok := strings.CutPrefix(f, flagUnixUser); ok {
			unixName = v
		}
		if v, ok := strings.CutPrefix(f, flagGID); ok {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				return nil, fmt.Errorf("the user file has %q, which is no number", f)
			}
			gid, hasGID = uint32(n), true
		}
	}
	var found config.UnixUser
	var err error
	switch {
	case a.HasUID:
		found, err = config.FindUnixID(a.UID)
		if errors.Is(err, config.ErrNoUnixUser) && hasGID {
			found, err = config.UnixUser{UID: a.UID, GID: gid}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the user file gives uid %d and no gid=, and /etc/passwd: %w", a.UID, err)
		}
	case unixName != "":
		if found, err = config.FindUnixUser(unixName); err != nil {
			return nil, fmt.Errorf("unix_user=%s in the user file: /etc/passwd: %w", unixName, err)
		}
	default:
		if found, err = findFolded(a.Name); err != nil {
			return nil, fmt.Errorf("the user file gives neither uid nor unix_user=, and /etc/passwd: %q: %w", a.Name, err)
		}
	}
	if hasGID {
		found.GID = gid
	}
	return credOf(found), nil
}

// findFolded finds a user by a name whose case may be another one.
func findFolded(name string) (config.UnixUser, error) {
	found, err := config.FindUnixUser(name)
	if lower := strings.ToLower(name); errors.Is(err, config.ErrNoUnixUser) && lower != name {
		return config.FindUnixUser(lower)
	}
	return found, err
}

// ofRealm finds the Unix user of a Kerberos principal: alice@REALM or DOMAIN\alice in
// /etc/passwd, or the numbers that the directory has. Plain "alice" is somebody else.
func (u *unixUsers) ofRealm(ctx context.Context, principal string) (*vfs.Cred, error) {
	at := strings.LastIndexByte(principal, '@')
	name, realm := principal[:at], principal[at+1:]
	ours := u.dir != nil && (u.realm == "" || strings.EqualFold(u.realm, realm))
	forms := []string{principal}
	if u.domain != "" && ours {
		forms = append(forms, u.domain+`\`+name)
	}
	for _, form := range forms {
		found, err := findFolded(form)
		if err == nil {
			return credOf(found), nil
		}
		if !errors.Is(err, config.ErrNoUnixUser) {
			return nil, err
		}
	}
	if !ours {
		return nil, fmt.Errorf("/etc/passwd has none of %s, and no directory is asked for %s", strings.Join(forms, ", "), realm)
	}
	ids, ok, err := u.dir.UnixIDs(ctx, name)
	switch {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("/etc/passwd has none of %s, and the directory no uidNumber and gidNumber", strings.Join(forms, ", "))
	}
	return &vfs.Cred{UID: ids.UID, GID: ids.GID, Groups: append(ids.Groups, ids.GID)}, nil
}

func credOf(u config.UnixUser) *vfs.Cred {
	return &vfs.Cred{UID: u.UID, GID: u.GID, Groups: u.Groups}
}

// User implements smb.UnixUsers.
func (u *unixUsers) User(uid uint32) (auth.User, bool) {
	now := time.Now()
	u.mu.Lock()
	kept, ok := u.names[uid]
	u.mu.Unlock()
	if ok && now.Before(kept.until) {
		return kept.user, kept.found
	}
	kept = keptUser{until: now.Add(unixKeep)}
	kept.user, kept.found = u.findUID(uid)
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.names) >= maxUnixKept {
		clear(u.names)
	}
	u.names[uid] = kept
	return kept.user, kept.found
}

// findUID finds the entry of the user file whose Unix user has the number.
func (u *unixUsers) findUID(uid uint32) (auth.User, bool) {
	if found, err := config.FindUnixID(uid); err == nil {
		if a, ok := u.users.Lookup(found.Name); ok && isUID(&a, uid) {
			return a, true
		}
	}
	for _, a := range u.users.List() {
		named := a.HasUID && a.UID == uid
		for _, f := range a.Flags {
			named = named || strings.HasPrefix(f, flagUnixUser)
		}
		if named && isUID(&a, uid) {
			return a, true
		}
	}
	return auth.User{}, false
}

func isUID(a *auth.User, uid uint32) bool {
	c, err := ofUserFile(a)
	return err == nil && c.UID == uid
}

// actAsUsers makes sure that the server can act as its users, if a share wants that.
func actAsUsers(c *config.Config) error {
	if !c.ActsAsUsers() {
		return nil
	}
	err := asuser.Probe()
	for i := range c.Shares {
		if err != nil && c.Shares[i].Identity == config.IdentityUnix {
			return c.Problem(fmt.Sprintf("shares[%d].identity", i), err.Error(),
				"start the server as root and without the setting \"user\", or set identity to service")
		}
	}
	return nil
}

// identity says as whom files of a share are opened and made.
func identity(share *smb.Share, s *config.Share) error {
	share.Unix = s.Identity == config.IdentityUnix
	share.ForceFileMode, share.ForceDirMode = uint32(s.ForceCreateMode), uint32(s.ForceDirectoryMode)
	if share.Unix && s.ForceUser != "" {
		u, err := s.ForcedUser()
		if err != nil {
			return fmt.Errorf("%q: %w", s.ForceUser, err)
		}
		share.ForceUser = credOf(u)
	}
	if s.ForceGroup != "" {
		gid, err := s.ForcedGroup()
		if err != nil {
			return fmt.Errorf("%q: %w", s.ForceGroup, err)
		}
		share.ForceGroup, share.HasForceGroup = gid, true
	}
	return nil
}
