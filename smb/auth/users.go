package auth

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf16"

	"golang.org/x/crypto/md4" //nolint:staticcheck // MS-NLMP 3.3.2 defines the NT hash by MD4.

	"lessor/smb/statefile"
)

// User is one account of the local user store.
type User struct {
	// Name is unique without regard to case.
	Name string
	// UID is the Unix user id that the account's files belong to. It counts only
	// if HasUID is set, so that a forgotten field does not mean root.
	UID    uint32
	HasUID bool
	// NTHash is the hash of the password (see NTHash). It is as good as the
	// password itself: whoever has it can log on.
	NTHash [16]byte
	// Disabled accounts cannot log on.
	Disabled bool
	// Groups are names of groups that the user belongs to. Set makes those that are
	// not there yet.
	Groups []string
	// RID is the last part of the user's SID. The store gives it, and Set ignores it.
	RID uint32
	// Flags are further words of the flags field, kept for other uses.
	Flags []string
}

// String returns the name and uid, never the hash.
func (u User) String() string {
	if !u.HasUID {
		return u.Name
	}
	return fmt.Sprintf("%s(%d)", u.Name, u.UID)
}

// GoString is String, so that %#v shows no hash either.
func (u User) GoString() string { return u.String() }

// Accounts is where NTLM looks for the hash of a user. Lookup disregards case,
// may be called from many goroutines, and must not block for long.
type Accounts interface {
	Lookup(name string) (User, bool)
}

var (
	// ErrUserFileMode reports a user file that others than its owner may read or
	// write.
	ErrUserFileMode = errors.New("auth: user file is accessible to group or others (want mode 0600)")
	// ErrUserFile reports a user file that cannot be parsed.
	ErrUserFile = errors.New("auth: bad line in user file")
	// ErrUserName reports a name that cannot be stored.
	ErrUserName = errors.New("auth: bad user name")
	// ErrNoUser reports that there is no such user.
	ErrNoUser = errors.New("auth: no such user")
)

// NTHash returns the NT hash of a password: MD4 over its UTF-16 (NTOWFv1 of
// MS-NLMP 3.3.1).
func NTHash(password string) [16]byte {
	h := md4.New()
	h.Write(encodeUTF16(password))
	return [16]byte(h.Sum(nil))
}

// encodeUTF16 returns the little-endian UTF-16 of s.
func encodeUTF16(s string) []byte {
	units := utf16.Encode([]rune(s))
	out := make([]byte, 0, 2*len(units))
	for _, u := range units {
		out = binary.LittleEndian.AppendUint16(out, u)
	}
	return out
}

// decodeUTF16 is the reverse; an odd last byte is dropped, and what is not valid
// becomes U+FFFD.
func decodeUTF16(b []byte) string {
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units))
}

// upcase maps a character as Windows does for names: within the first plane,
// and never from a foreign letter to an ASCII one.
func upcase(r rune) rune {
	up := unicode.ToUpper(r)
	if up > 0xffff || r >= 0x80 && up < 0x80 {
		return r
	}
	return up
}

// foldName returns the form in which names are compared.
func foldName(name string) string { return strings.Map(upcase, name) }

// Users is the local user store: a text file with one line for each user, as
// written by `lessor user`. The file is read again when it has changed, so that
// it may be edited, by Set and Remove of another process too, while the server
// runs. If it can then not be read, the users known before stay valid and Err
// tells why.
type Users struct {
	path string // immutable; empty: in memory only

	// mu serialises reading and writing the file. It is a leaf.
	mu sync.Mutex

	// state is replaced as a whole, under mu, and read without it.
	state atomic.Pointer[userState]
	err   atomic.Pointer[error]
}

// userState is what one version of the file said. It is immutable.
type userState struct {
	info fs.FileInfo // nil for memory
	*userTable
	// fresh: some of the RIDs in the table do not stand in the file yet.
	fresh bool
}

// userLine is one line: a user, a group, or text that is kept as it is.
type userLine struct {
	text  string
	user  *User
	group *Group
}

// NewUsers returns a store in memory with the given users, for tests and
// embedding programs. The error is that of Set.
func NewUsers(users ...User) (*Users, error) {
	u := &Users{}
	u.state.Store(newUserState(nil, &userTable{next: firstRID}))
	for _, user := range users {
		if err := u.Set(user); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// OpenUsers opens the user file at path. Errors: fs.ErrNotExist; ErrUserFileMode
// if group or others have any permission on it; ErrUserFile with the number of
// the line if it cannot be parsed.
func OpenUsers(path string) (*Users, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // a rewrite must replace the file, not the link to it
	}
	u := &Users{path: path}
	st, err := readUserFile(path)
	if err != nil {
		return nil, err
	}
	u.state.Store(st)
	return u, nil
}

// CreateUsers is OpenUsers that makes an empty file with mode 0600 if there is
// none.
func CreateUsers(path string) (*Users, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return OpenUsers(path)
	case err != nil:
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	_, err = f.WriteString(userFileHeader)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	return OpenUsers(path)
}

// Lookup implements Accounts. It costs one stat of the file.
func (u *Users) Lookup(name string) (User, bool) {
	st := u.current()
	i, ok := st.byName[foldName(name)]
	if !ok {
		return User{}, false
	}
	return st.lines[i].user.clone(), true
}

// List returns all users in the order of the file.
func (u *Users) List() []User {
	var out []User
	for _, l := range u.current().lines {
		if l.user != nil {
			out = append(out, l.user.clone())
		}
	}
	return out
}

// Err returns why the file could not be read when it last changed, or nil.
func (u *Users) Err() error {
	if p := u.err.Load(); p != nil {
		return *p
	}
	return nil
}

// Set adds a user, or replaces the one of that name, and writes the file before
// it returns. Errors: ErrUserName for a name of user or group with a colon, a slash, a backslash,
// a control character, a space at its ends, a leading '#', or more than 256
// bytes; ErrNoRID; those of the file.
func (u *Users) Set(user User) error {
	if err := checkUserName(user.Name); err != nil {
		return err
	}
	for _, f := range user.Flags {
		if f == "" || f[0] == groupMark || strings.ContainsAny(f, ":,\r\n \t") {
			return fmt.Errorf("%w: flag %q", ErrUserName, f)
		}
	}
	for _, g := range user.Groups {
		if err := checkGroupName(g); err != nil {
			return err
		}
	}
	user = user.clone()
	return u.edit(func(t *userTable) error {
		user.RID = 0
		if i, ok := t.byName[foldName(user.Name)]; ok {
			user.RID = t.lines[i].user.RID
			t.lines[i] = userLine{user: &user}
		} else {
			t.lines = append(t.lines, userLine{user: &user})
		}
		return nil
	})
}

// Remove deletes a user and writes the file before it returns; ErrNoUser if
// there is none of that name. No other account gets his RID.
func (u *Users) Remove(name string) error {
	return u.edit(func(t *userTable) error {
		i, ok := t.byName[foldName(name)]
		if !ok {
			return fmt.Errorf("%w: %q", ErrNoUser, name)
		}
		t.lines = slices.Delete(t.lines, i, i+1)
		return nil
	})
}

func checkUserName(name string) error {
	bad := name == "" || len(name) > 256 || name[0] == '#' || strings.TrimSpace(name) != name ||
		strings.ContainsAny(name, ":/\\") || strings.ContainsFunc(name, unicode.IsControl)
	if bad {
		return fmt.Errorf("%w: %q", ErrUserName, name)
	}
	return nil
}

// groupMark is what a flag begins with that names a group.
const groupMark = '@'

func checkGroupName(name string) error {
	if err := checkUserName(name); err != nil {
		return err
	}
	if name[0] == groupMark || strings.ContainsRune(name, ',') {
		return fmt.Errorf("%w: group %q", ErrUserName, name)
	}
	return nil
}

// current returns the newest state that can be had.
func (u *Users) current() *userState {
	st := u.state.Load()
	if u.path == "" {
		return st
	}
	info, err := os.Stat(u.path)
	if err == nil && statefile.SameVersion(st.info, info) {
		if u.err.Load() != nil {
			u.err.Store(nil)
		}
		return st
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.reloadLocked()
}

// reloadLocked reads the file if it differs from the state. On failure the state
// stays.
func (u *Users) reloadLocked() *userState {
	st := u.state.Load()
	info, err := os.Stat(u.path)
	if err == nil && statefile.SameVersion(st.info, info) {
		return st
	}
	fresh, err := readUserFile(u.path)
	if err != nil {
		u.err.Store(&err)
		return st
	}
	if fresh.fresh {
		// An editor has added a user. If the file cannot be written, the number that
		// he got holds until somebody adds one who can.
		if kept, err := rewriteUserFile(u.path, func(*userTable) error { return nil }); err == nil {
			fresh = kept
		}
	}
	u.state.Store(fresh)
	u.err.Store(nil)
	return fresh
}

// edit applies change to the newest state and stores the result, with a RID for
// whatever has none.
func (u *Users) edit(change func(*userTable) error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.path == "" {
		t := u.state.Load().clone()
		if err := t.edit(change); err != nil {
			return err
		}
		u.state.Store(newUserState(nil, t))
		return nil
	}
	st, err := rewriteUserFile(u.path, change)
	if err != nil {
		return err
	}
	u.state.Store(st)
	u.err.Store(nil)
	return nil
}

func newUserState(info fs.FileInfo, t *userTable) *userState {
	t.index()
	return &userState{info: info, userTable: t}
}
