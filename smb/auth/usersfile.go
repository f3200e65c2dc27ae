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
)

// userFileHeader is what a new file begins with, and the description of the
// format.
const userFileHeader = `# Lessor users. One line for each user:
#
#   name:uid:nthash:flags
#
# name    without regard to case; may not contain : / \
# uid     Unix user id that the user's files belong to, or empty
# nthash  32 hexadecimal digits: MD4 of the password in UTF-16LE. It is as good
#         as the password, so this file must have mode 0600.
# flags   words separated by commas, or empty; "disabled" locks the account, and
#         words that begin with @ are groups that the user belongs to
#
# Edit with "lessor user", which keeps comments. A running server notices.
`

const (
	maxUserFile  = 64 << 20
	flagDisabled = "disabled"
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
	lines, err := parseUsers(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return newUserState(info, lines), nil
}

func parseUsers(data string) ([]userLine, error) {
	var lines []userLine
	seen := make(map[string]bool)
	n := 0
	for text := range strings.Lines(data) {
		n++
		text = strings.TrimRight(text, "\r\n")
		if t := strings.TrimSpace(text); t == "" || t[0] == '#' {
			lines = append(lines, userLine{text: text})
			continue
		}
		user, err := parseUser(text)
		if err != nil {
			return nil, fmt.Errorf("%w %d: %w", ErrUserFile, n, err)
		}
		if seen[foldName(user.Name)] {
			return nil, fmt.Errorf("%w %d: second entry for %q", ErrUserFile, n, user.Name)
		}
		seen[foldName(user.Name)] = true
		lines = append(lines, userLine{user: user})
	}
	return lines, nil
}

// parseUser reads one line. Its errors do not quote the line, which may hold a
// hash.
func parseUser(line string) (*User, error) {
	fields := strings.Split(strings.TrimSpace(line), ":")
	if len(fields) != 3 && len(fields) != 4 {
		return nil, fmt.Errorf("want name:uid:nthash:flags, have %d fields", len(fields))
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
	if len(fields) == 4 {
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

func formatUsers(lines []userLine) []byte {
	var b strings.Builder
	for _, l := range lines {
		if l.user == nil {
			b.WriteString(l.text)
			b.WriteByte('\n')
			continue
		}
		uid := ""
		if l.user.HasUID {
			uid = strconv.FormatUint(uint64(l.user.UID), 10)
		}
		flags := slices.Clone(l.user.Flags)
		for _, g := range l.user.Groups {
			flags = append(flags, string(groupMark)+g)
		}
		if l.user.Disabled {
			flags = append([]string{flagDisabled}, flags...)
		}
		fmt.Fprintf(&b, "%s:%s:%x:%s\n", l.user.Name, uid, l.user.NTHash, strings.Join(flags, ","))
	}
	return []byte(b.String())
}

// rewriteUserFile reads the file anew, applies change, and replaces the file
// atomically. The directory is locked meanwhile against other processes that do
// the same. The new file keeps the owner of the old one: root may add users to
// the file of an unprivileged server.
func rewriteUserFile(path string, change func(*userState) ([]userLine, error)) (*userState, error) {
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
	lines, err := change(st)
	if err != nil {
		return nil, err
	}
	info, err := replaceFile(dir, path, st.info, formatUsers(lines))
	if err != nil {
		return nil, fmt.Errorf("auth: user file: %w", err)
	}
	return newUserState(info, lines), nil
}

func flock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// replaceFile writes data to a new file beside path, makes it durable and puts
// it in place of path.
func replaceFile(dir *os.File, path string, old fs.FileInfo, data []byte) (info fs.FileInfo, err error) {
	f, err := os.CreateTemp(dir.Name(), filepath.Base(path)+".*.tmp") // mode 0600
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if err := keepOwner(f, old); err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return nil, err
	}
	return info, dir.Sync()
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
