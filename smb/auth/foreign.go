package auth

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"lessor/smb/statefile"
)

// foreignRIDs begins the numbers of users that are in no user file: above all that
// the user file gives, now or in earlier versions.
const foreignRIDs = 3 << 30

// Foreign gives numbers to users of a realm whose KDC tells no SIDs. It keeps them
// in a file with one line for each, "rid name", that only grows: a number is never
// given twice. One process uses a file at a time.
type Foreign struct {
	// mu guards what follows, and the file. It is held while the file is written,
	// once in the life of a user. It is a leaf.
	mu     sync.RWMutex
	f      *os.File // nil: in memory only
	size   int64    // of what is whole in f
	byName map[string]uint32
	names  []string // by number, less foreignRIDs
}

// ErrForeign reports a file of Foreign that cannot be read.
var ErrForeign = errors.New("auth: bad file of foreign users")

// NewForeign returns a store in memory, for tests and embedding programs.
func NewForeign() *Foreign { return &Foreign{byName: make(map[string]uint32)} }

// OpenForeign opens the file at path, and makes it if there is none. A last line
// that a crash has left unfinished is cut off: nobody has seen its number. Errors:
// ErrForeign with the number of the line; those of the file.
func OpenForeign(path string) (*Foreign, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("auth: foreign users: %w", err)
	}
	n := NewForeign()
	n.f = f
	data, err := io.ReadAll(io.LimitReader(f, maxUserFile))
	if err == nil {
		err = n.parse(string(data))
	}
	if err == nil {
		// The new file must be found after a crash, too.
		err = statefile.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	return n, nil
}

func (n *Foreign) parse(data string) error {
	for line := range strings.Lines(data) {
		if !strings.HasSuffix(line, "\n") {
			return nil
		}
		number, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rid, err := strconv.ParseUint(number, 10, 32)
		if err != nil || rid != foreignRIDs+uint64(len(n.names)) || n.byName[name] != 0 || !storable(name) {
			return fmt.Errorf("%w: line %d", ErrForeign, len(n.names)+1)
		}
		n.add(name)
		n.size += int64(len(line))
	}
	return nil
}

func storable(name string) bool { return name != "" && !strings.ContainsAny(name, "\r\n") }

func (n *Foreign) add(name string) uint32 {
	rid := foreignRIDs + uint32(len(n.names))
	n.byName[name] = rid
	n.names = append(n.names, name)
	return rid
}

// RID returns the number of a user, letter case included. At the first time it
// writes to the disk. Errors: ErrUserName, ErrNoRID, those of the file.
func (n *Foreign) RID(name string) (uint32, error) {
	n.mu.RLock()
	rid := n.byName[name]
	n.mu.RUnlock()
	if rid != 0 {
		return rid, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if rid := n.byName[name]; rid != 0 {
		return rid, nil
	}
	switch {
	case !storable(name):
		return 0, fmt.Errorf("%w: %q", ErrUserName, name)
	case len(n.names) >= 1<<32-1-foreignRIDs:
		return 0, ErrNoRID
	}
	if n.f != nil {
		line := fmt.Sprintf("%d %s\n", foreignRIDs+uint32(len(n.names)), name)
		// A line that failed half-way is overwritten by the next one, or cut off.
		_, err := n.f.WriteAt([]byte(line), n.size)
		if err == nil {
			err = n.f.Truncate(n.size + int64(len(line)))
		}
		if err == nil {
			err = n.f.Sync()
		}
		if err != nil {
			return 0, fmt.Errorf("auth: foreign users: %w", err)
		}
		n.size += int64(len(line))
	}
	return n.add(name), nil
}

// Name returns the user with a number.
func (n *Foreign) Name(rid uint32) (string, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	i := rid - foreignRIDs
	if rid < foreignRIDs || int(i) >= len(n.names) {
		return "", false
	}
	return n.names[i], true
}

// Find returns the number of a user who has one, letter case included.
func (n *Foreign) Find(name string) (uint32, bool) {
	n.mu.RLock()
	defer n.mu.RUnlock()
	rid, ok := n.byName[name]
	return rid, ok
}

// Close closes the file.
func (n *Foreign) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.f == nil {
		return nil
	}
	return n.f.Close()
}
