package auth

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lessor/smb/statefile"
)

// userFileHeader is what a new file begins with, and the description of the
// format.
const userFileHeader = `# Lessor users and groups. One line for each:
#
#   name:uid:nthash:flags:rid
#   @group:rid
#
# name    without regard to case; may not contain : / \
# uid     Unix user id that the user's files belong to, or empty
# nthash  32 hexadecimal digits: MD4 of the password in UTF-16LE. It is as good
#         as the password, so this file must have mode 0600.
# flags   words separated by commas, or empty; "disabled" locks the account, and
#         words that begin with @ are groups that the user belongs to
# rid     the last number of the SID, by which access lists know the account. Leave
#         it out for a new one: the server fills in a number that nobody had before,
#         from the line !next-rid on, which must stay.
#
# Edit with "lessor user" and "lessor group", which keep comments. A running server
# notices.
`

const (
	maxUserFile  = 64 << 20
	flagDisabled = "disabled"
	// nextRIDMark begins the line with the counter of RIDs.
	nextRIDMark = "!next-rid"
)

// readUserFile reads, checks and parses the file.
func readUserFile(path string) (*userState, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: %s is not a regular file", ErrUserFile, path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w: %s has mode %#o", ErrUserFileMode, path, info.Mode().Perm())
	}
	data, err := io.ReadAll(io.LimitReader(f, maxUserFile))
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	t, err := parseUsers(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	fresh, err := t.assign()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	st := newUserState(info, t)
	st.fresh = fresh
	return st, nil
}

// parseUsers reads the text of a file. RIDs that do not stand there are 0.
func parseUsers(data string) (*userTable, error) {
	t := &userTable{}
	seen := make(map[string]bool)
	rids := make(map[uint32]bool)
	n := 0
	// claim refuses what is there twice.
	claim := func(name string, rid uint32) error {
		if seen[name] {
			return fmt.Errorf("second entry for %q", name)
		}
		if rid != 0 && rids[rid] {
			return fmt.Errorf("second entry with the rid %d", rid)
		}
		seen[name], rids[rid] = true, true
		return nil
	}
	for text := range strings.Lines(data) {
		n++
		text = strings.TrimRight(text, "\r\n")
		trimmed := strings.TrimSpace(text)
		if trimmed == "" || trimmed[0] == '#' {
			t.lines = append(t.lines, userLine{text: text})
			continue
		}
		err := t.parseLine(trimmed, claim)
		if err != nil {
			return nil, fmt.Errorf("%w %d: %w", ErrUserFile, n, err)
		}
	}
	return t, nil
}

// parseLine reads a line that says something.
func (t *userTable) parseLine(text string, claim func(string, uint32) error) error {
	name, number, _ := strings.Cut(text, ":")
	short := strings.Count(text, ":") == 1 // users have more fields
	switch {
	case short && name == nextRIDMark:
		next, err := parseRID(number)
		if err != nil {
			return err
		}
		t.next = next
		return claim(nextRIDMark+":", 0) // no name of a user has a colon
	case short && name[:min(1, len(name))] == string(groupMark):
		g := &Group{Name: name[1:]}
		if err := checkGroupName(g.Name); err != nil {
			return err
		}
		if number != "" {
			var err error
			if g.RID, err = parseRID(number); err != nil {
				return err
			}
		}
		t.lines = append(t.lines, userLine{group: g})
		return claim(string(groupMark)+":"+foldName(g.Name), g.RID)
	}
	user, err := parseUser(text)
	if err != nil {
		return err
	}
	t.lines = append(t.lines, userLine{user: user})
	return claim(foldName(user.Name), user.RID)
}

func parseRID(text string) (uint32, error) {
	rid, err := strconv.ParseUint(text, 10, 32)
	if err != nil || rid < firstRID || rid >= foreignRIDs {
		return 0, fmt.Errorf("rid is not a number from %d to %d", firstRID, foreignRIDs-1)
	}
	return uint32(rid), nil
}

// parseUser reads one line. Its errors do not quote the line, which may hold a
// hash.
func parseUser(line string) (*User, error) {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) < 3 || len(fields) > 5 {
		return nil, fmt.Errorf("want name:uid:nthash:flags:rid, have %d fields", len(fields))
	}
	u := &User{Name: fields[0]}
	if err := checkUserName(u.Name); err != nil {
		return nil, err
	}
	if fields[1] != "" {
		uid, err := strconv.ParseUint(fields[1], 10, 32)
		if err != nil || uid == math.MaxUint32 {
			return nil, errors.New("uid is not a number below 4294967295")
		}
		u.UID, u.HasUID = uint32(uid), true
	}
	hash, err := hex.DecodeString(fields[2])
	if err != nil || len(hash) != len(u.NTHash) {
		return nil, errors.New("nthash is not 32 hexadecimal digits")
	}
	copy(u.NTHash[:], hash)
	if len(fields) == 5 && fields[4] != "" {
		if u.RID, err = parseRID(fields[4]); err != nil {
			return nil, err
		}
	}
	if len(fields) >= 4 {
		for _, f := range strings.Split(fields[3], ",") {
			switch f = strings.TrimSpace(f); {
			case f == "":
			case f == flagDisabled:
				u.Disabled = true
			case f[0] == groupMark:
				if err := checkGroupName(f[1:]); err != nil {
					return nil, err
				}
				u.Groups = append(u.Groups, f[1:])
			default:
				u.Flags = append(u.Flags, f)
			}
		}
	}
	return u, nil
}

func formatUsers(t *userTable) []byte {
	var b strings.Builder
	for _, l := range t.lines {
		switch {
		case l.user != nil:
			b.WriteString(formatUser(l.user))
		case l.group != nil:
			fmt.Fprintf(&b, "%c%s:%s", groupMark, l.group.Name, formatRID(l.group.RID))
		default:
			b.WriteString(l.text)
		}
		b.WriteByte('\n')
	}
	if t.next != 0 {
		fmt.Fprintf(&b, "%s:%d\n", nextRIDMark, t.next)
	}
	return []byte(b.String())
}

func formatUser(u *User) string {
	uid := ""
	if u.HasUID {
		uid = strconv.FormatUint(uint64(u.UID), 10)
	}
	flags := slices.Clone(u.Flags)
	for _, g := range u.Groups {
		flags = append(flags, string(groupMark)+g)
	}
	if u.Disabled {
		flags = append([]string{flagDisabled}, flags...)
	}
	return fmt.Sprintf("%s:%s:%x:%s:%s", u.Name, uid, u.NTHash, strings.Join(flags, ","), formatRID(u.RID))
}

func formatRID(rid uint32) string {
	if rid == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(rid), 10)
}

// rewriteUserFile reads the file anew, applies change, and replaces the file
// atomically. The directory is locked meanwhile against other processes that do
// the same. The new file keeps the owner of the old one: root may add users to
// the file of an unprivileged server.
func rewriteUserFile(path string, change func(*userTable) error) (*userState, error) {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	defer func() { _ = dir.Close() }() // gives up the lock
	if err := flock(dir); err != nil {
		return nil, fmt.Errorf("auth: locking %s: %w", dir.Name(), err)
	}
	st, err := readUserFile(path)
	if err != nil {
		return nil, err
	}
	t := st.clone()
	if err := t.edit(change); err != nil {
		return nil, err
	}
	info, err := statefile.Replace(path, formatUsers(t), func(f *os.File) error { return keepOwner(f, st.info) })
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	return newUserState(info, t), nil
}

func flock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// keepOwner gives f the owner of the file that it replaces, if that differs.
func keepOwner(f *os.File, old fs.FileInfo) error {
	was, ok := old.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if is, ok := info.Sys().(*syscall.Stat_t); ok && is.Uid == was.Uid && is.Gid == was.Gid {
		return nil
	}
	return f.Chown(int(was.Uid), int(was.Gid))
}
