package privileges

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"lessor/smb/secdesc"
	"lessor/smb/statefile"
)

// maxAccounts is how many accounts a Store keeps, so that a list of them fits into one
// answer.
const maxAccounts = 4096

// maxFile bounds what is read of a file: far more than maxAccounts lines take.
const maxFile = 4 << 20

// Errors of a Store; besides them there are those of the file, fs.ErrExist and
// fs.ErrNotExist.
var (
	// ErrFull: there are too many accounts.
	ErrFull = errors.New("privileges: too many accounts")
	// ErrFile reports a line that says nothing.
	ErrFile = errors.New("privileges: bad file")
)

// Account is what an account has.
type Account struct {
	SID        secdesc.SID
	Privileges secdesc.Privilege
}

// Store keeps who has which privilege.
type Store struct {
	path string // immutable; empty: in memory only

	mu    sync.Mutex            // leaf, held across file I/O; a change is made under it
	table atomic.Pointer[table] // replaced under mu
}

// table is what holds at one time. It is immutable.
type table struct {
	accounts map[secdesc.SID]secdesc.Privilege
	info     fs.FileInfo // of the file it comes from; nil: there is none
}

// New returns a Store in memory, which begins with the defaults.
func New() *Store {
	s := &Store{}
	s.table.Store(&table{accounts: defaults()})
	return s
}

// Open returns a Store over a file, which need not be there. Errors: ErrFile with the
// number of the line; those of the file.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	t, err := read(path)
	if err != nil {
		return nil, err
	}
	s.table.Store(t)
	return s, nil
}

// current is the newest table that can be had: a file that cannot be read changes
// nothing.
func (s *Store) current() *table {
	t := s.table.Load()
	if s.path == "" || t.upToDate(s.path) {
		return t
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fresh, err := s.freshLocked(); err == nil {
		return fresh
	}
	return s.table.Load()
}

// freshLocked is the table that the file says.
func (s *Store) freshLocked() (*table, error) {
	t := s.table.Load()
	if s.path == "" || t.upToDate(s.path) {
		return t, nil
	}
	t, err := read(s.path)
	if err == nil {
		s.table.Store(t)
	}
	return t, err
}

func (t *table) upToDate(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) && t.info == nil
	}
	return t.info != nil && statefile.SameVersion(t.info, info)
}

// Of is what a token has by its user and groups.
func (s *Store) Of(t *secdesc.Token) secdesc.Privilege {
	accounts := s.current().accounts
	set := accounts[t.User]
	for _, sid := range t.Groups {
		set |= accounts[sid]
	}
	return set
}

// List returns all accounts, in an order that stays the same.
func (s *Store) List() []Account {
	accounts := s.current().accounts
	out := make([]Account, 0, len(accounts))
	for sid, set := range accounts {
		out = append(out, Account{sid, set})
	}
	slices.SortFunc(out, func(a, b Account) int { return strings.Compare(a.SID.String(), b.SID.String()) })
	return out
}

// Lookup returns what an account has, and whether there is such an account.
func (s *Store) Lookup(sid secdesc.SID) (secdesc.Privilege, bool) {
	set, ok := s.current().accounts[sid]
	return set, ok
}

// Create makes an account without privileges. Errors: fs.ErrExist, ErrFull, those of the
// file.
func (s *Store) Create(sid secdesc.SID) error {
	return s.change(func(accounts map[secdesc.SID]secdesc.Privilege) error {
		if _, ok := accounts[sid]; ok {
			return fs.ErrExist
		}
		accounts[sid] = 0
		return nil
	})
}

// Grant gives privileges to an account, which is made if there is none. Errors: ErrFull,
// those of the file.
func (s *Store) Grant(sid secdesc.SID, set secdesc.Privilege) error {
	return s.change(func(accounts map[secdesc.SID]secdesc.Privilege) error {
		accounts[sid] |= set & All
		return nil
	})
}

// Revoke takes privileges from an account; those that it has not do not matter. With
// prune, an account that then has none goes away. Errors: fs.ErrNotExist, those of the
// file.
func (s *Store) Revoke(sid secdesc.SID, set secdesc.Privilege, prune bool) error {
	return s.change(func(accounts map[secdesc.SID]secdesc.Privilege) error {
		had, ok := accounts[sid]
		if !ok {
			return fs.ErrNotExist
		}
		accounts[sid] = had &^ set
		if prune && had&^set == 0 {
			delete(accounts, sid)
		}
		return nil
	})
}

// Delete removes an account with all that it has. Errors: fs.ErrNotExist, those of the
// file.
func (s *Store) Delete(sid secdesc.SID) error {
	return s.change(func(accounts map[secdesc.SID]secdesc.Privilege) error {
		if _, ok := accounts[sid]; !ok {
			return fs.ErrNotExist
		}
		delete(accounts, sid)
		return nil
	})
}

// change makes a change to what the file says, and counts when that is on the disk.
func (s *Store) change(edit func(map[secdesc.SID]secdesc.Privilege) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.freshLocked()
	if err != nil {
		return err
	}
	next := &table{accounts: maps.Clone(old.accounts), info: old.info}
	if err := edit(next.accounts); err != nil {
		return err
	}
	switch {
	case maps.Equal(next.accounts, old.accounts):
		return nil
	case len(next.accounts) > maxAccounts && len(next.accounts) > len(old.accounts):
		return ErrFull
	case s.path != "":
		if next.info, err = statefile.Replace(s.path, next.format(), nil); err != nil {
			return fmt.Errorf("privileges: %w", err)
		}
	}
	s.table.Store(next)
	return nil
}

// header is what a file begins with.
const header = `# Who has which privilege on this server: SID:privilege,privilege
#
# Written when somebody changes that over the network ("net rpc rights", or the tools of
# Windows). It may be edited; a running server notices. Without this file the
# administrators (S-1-5-32-544) have all of them, and others none.
`

func (t *table) format() []byte {
	lines := make([]string, 0, len(t.accounts))
	for sid, set := range t.accounts {
		lines = append(lines, sid.String()+":"+Names(set)+"\n")
	}
	slices.Sort(lines)
	return []byte(header + strings.Join(lines, ""))
}

// read reads and parses a file. Without one it returns the defaults.
func read(path string) (*table, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &table{accounts: defaults()}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%w: %s is not a regular file, or too large", ErrFile, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	accounts, err := parse(string(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &table{accounts: accounts, info: info}, nil
}

func parse(data string) (map[secdesc.SID]secdesc.Privilege, error) {
	accounts := make(map[secdesc.SID]secdesc.Privilege)
	n := 0
	for line := range strings.Lines(data) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		sid, set, err := parseLine(line)
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrFile, n, err)
		}
		if _, twice := accounts[sid]; twice {
			return nil, fmt.Errorf("%w: line %d: second line for %v", ErrFile, n, sid)
		}
		accounts[sid] = set
	}
	return accounts, nil
}

func parseLine(line string) (sid secdesc.SID, set secdesc.Privilege, err error) {
	text, names, ok := strings.Cut(line, ":")
	if !ok {
		return sid, 0, errors.New("want SID:privilege,privilege")
	}
	if sid, err = secdesc.ParseSID(strings.TrimSpace(text)); err != nil {
		return sid, 0, err
	}
	for name := range strings.SplitSeq(names, ",") {
		name = strings.TrimSpace(name)
		if name == "" {
			continue
		}
		p, ok := Named(name)
		if !ok {
			return sid, 0, fmt.Errorf("there is no privilege %q", name)
		}
		set |= p.Bit
	}
	return sid, set, nil
}
