package smb

import (
	"context"
	"iter"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lessor/smb/rpc"
	"lessor/smb/secdesc"
)

// Groups of a directory by name, as in "@EXAMPLE\staff", in lists of shares, of
// administrators and of those with privileges. A client proves the SIDs of its groups, so the names are looked up, and
// again from time to time: a group may be made anew under its name. No request waits for
// that. What was found once holds as long as the directory says nothing else. An entry
// that denies and has not been found yet denies everybody who comes with groups of a
// directory, as nobody knows whom it means.

const (
	// groupNamesAgain is when names are looked up again.
	groupNamesAgain = 5 * time.Minute
	// groupNamesSoon is when that is if some have not been found.
	groupNamesSoon = 20 * time.Second
	// groupNameWait is for one name.
	groupNameWait = 10 * time.Second
)

// domainMark separates the domain from the name of a group.
const domainMark = `\`

// groupNames are the groups that lists name.
type groupNames struct {
	dir      Directory
	trusts   func(secdesc.SID) bool
	notFound func(name string)
	table    atomic.Pointer[groupTable] // nil: no list has such a name

	mu     sync.Mutex // leaf; guards what follows
	shares []string   // keys of lists, as in Share.Access
	admins []string
	// privileged are those of Config.Privileged.
	privileged []string
	known      map[string]secdesc.SID
	told       map[string]bool // that it was not found
	timer      *time.Timer     // nil while names are looked up, or none is to be
	stop       context.CancelFunc
	closed     bool
	wg         sync.WaitGroup
}

// groupTable is what is known at one time. It is immutable.
type groupTable struct {
	bySID   map[secdesc.SID][]string // keys as in Share.Access
	missing map[string]bool
}

// ofDirectory reports whether a key of a list is the name of a group of a directory.
func ofDirectory(key string) bool {
	return strings.HasPrefix(key, groupMark) && strings.Contains(key, domainMark)
}

// wantForShares, wantForAdmins and wantForPrivileged take the keys of lists over, before
// these count.
func (g *groupNames) wantForShares(list []Share) {
	g.want(&g.shares, func(yield func(string) bool) {
		for i := range list {
			for key := range list[i].Access {
				if !yield(key) {
					return
				}
			}
		}
	})
}

func (g *groupNames) wantForAdmins(list map[string]bool) { g.want(&g.admins, maps.Keys(list)) }

func (g *groupNames) wantForPrivileged(list map[string]secdesc.Privilege) {
	g.want(&g.privileged, maps.Keys(list))
}

func (g *groupNames) want(into *[]string, list iter.Seq[string]) {
	var keys []string
	for key := range list {
		if ofDirectory(key) {
			keys = append(keys, key)
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	*into = keys
	g.wantedLocked()
}

// noneLocked reports whether no list has such a name.
func (g *groupNames) noneLocked() bool { return len(g.shares)+len(g.admins)+len(g.privileged) == 0 }

// wantedLocked makes the table anew after lists have changed, and has new names looked up.
func (g *groupNames) wantedLocked() {
	missing := g.tableLocked()
	switch {
	case g.dir == nil, g.closed, g.stop != nil, g.table.Load() == nil:
	case missing > 0:
		if g.timer != nil {
			g.timer.Stop()
			g.timer = nil
		}
		g.startLocked()
	case g.timer == nil:
		g.timer = time.AfterFunc(groupNamesAgain, g.again)
	}
}

// tableLocked makes the table of what is known, and returns how many names are not. What no
// list has any more is forgotten.
func (g *groupNames) tableLocked() (missing int) {
	if g.noneLocked() {
		g.table.Store(nil)
		clear(g.known)
		clear(g.told)
		return 0
	}
	t := &groupTable{bySID: map[secdesc.SID][]string{}, missing: map[string]bool{}}
	seen := map[string]bool{}
	for _, list := range [][]string{g.shares, g.admins, g.privileged} {
		for _, key := range list {
			if seen[key] {
				continue
			}
			seen[key] = true
			if sid, ok := g.known[key]; ok {
				t.bySID[sid] = append(t.bySID[sid], key)
			} else {
				t.missing[key] = true
			}
		}
	}
	g.table.Store(t)
	maps.DeleteFunc(g.known, func(key string, _ secdesc.SID) bool { return !seen[key] })
	maps.DeleteFunc(g.told, func(key string, _ bool) bool { return !seen[key] })
	return len(t.missing)
}

// startLocked looks all names up, on a goroutine of its own.
func (g *groupNames) startLocked() {
	ctx, cancel := context.WithCancel(context.Background())
	g.stop = cancel
	g.wg.Go(func() { g.lookUp(ctx) })
}

// lookUp is the goroutine of startLocked.
func (g *groupNames) lookUp(ctx context.Context) {
	for {
		t := g.table.Load()
		if t == nil {
			t = &groupTable{}
		}
		names := maps.Clone(t.missing)
		for _, keys := range t.bySID {
			for _, key := range keys {
				names[key] = true
			}
		}
		found := map[string]secdesc.SID{}
		for key := range names {
			if sid, ok := g.ask(ctx, key); ok {
				found[key] = sid
			}
		}
		if g.learn(ctx, names, found) {
			return
		}
	}
}

// ask looks one name up.
func (g *groupNames) ask(ctx context.Context, key string) (secdesc.SID, bool) {
	ctx, cancel := context.WithTimeout(ctx, groupNameWait)
	defer cancel()
	domain, name, _ := strings.Cut(strings.TrimPrefix(key, groupMark), domainMark)
	acc, ok := g.dir.LookupName(ctx, domain, name)
	if !ok || acc.Type != rpc.AccountGroup && acc.Type != rpc.AccountAlias || !g.trusts(acc.SID) {
		return secdesc.SID{}, false
	}
	return acc.SID, true
}

// learn takes over what was found. It reports false if lists have got new names meanwhile.
func (g *groupNames) learn(ctx context.Context, asked map[string]bool, found map[string]secdesc.SID) (done bool) {
	var unknown []string
	defer func() {
		for _, key := range unknown {
			g.notFound(strings.TrimPrefix(key, groupMark))
		}
	}()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.known == nil {
		g.known, g.told = map[string]secdesc.SID{}, map[string]bool{}
	}
	maps.Copy(g.known, found)
	missing := g.tableLocked()
	if ctx.Err() != nil {
		return true
	}
	if t := g.table.Load(); t != nil {
		for key := range t.missing {
			if !asked[key] {
				return false
			}
			if !g.told[key] {
				g.told[key] = true
				unknown = append(unknown, key)
			}
		}
	}
	g.stop()
	g.stop = nil
	if g.noneLocked() {
		return true
	}
	again := groupNamesAgain
	if missing > 0 {
		again = groupNamesSoon
	}
	g.timer = time.AfterFunc(again, g.again)
	return true
}

// again is the timer.
func (g *groupNames) again() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.timer == nil {
		return // stopped at the last moment
	}
	g.timer = nil
	if !g.closed && g.stop == nil {
		g.startLocked()
	}
}

// close ends the looking up.
func (g *groupNames) close() {
	g.mu.Lock()
	g.closed = true
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	if g.stop != nil {
		g.stop()
	}
	g.mu.Unlock()
	g.wg.Wait()
}

// keysOf are the keys of a user in lists, with the names of his groups that lists have.
func (g *groupNames) keysOf(p *principal) []string {
	t := g.table.Load()
	if t == nil || len(p.GroupSIDs) == 0 {
		return p.keys
	}
	keys := p.keys[:len(p.keys):len(p.keys)]
	for _, sid := range p.GroupSIDs {
		keys = append(keys, t.bySID[sid]...)
	}
	return keys
}

// sid is that of the group of a key, if it is known.
func (g *groupNames) sid(key string) (secdesc.SID, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sid, ok := g.known[key]
	return sid, ok
}

// mayDeny reports whether an entry that denies may mean the user, though nobody knows.
func (g *groupNames) mayDeny(s *Share, p *principal) bool {
	t := g.table.Load()
	if t == nil || len(p.GroupSIDs) == 0 {
		return false
	}
	for key := range t.missing {
		if a, ok := s.Access[key]; ok && a == AccessNone {
			return true
		}
	}
	return false
}
