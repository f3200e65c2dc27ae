package main

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"lessor/config"
	"lessor/vfs"
	"lessor/vfs/localfs"
)

// Directories of shares come and go: a disk is mounted late, unmounted, or renamed away.
// sharePlaces looks after them, and tells the main goroutine when one does not lead to where it
// did, or leads anywhere again. That one changes the shares then (daemon.followPlaces).

// lookEvery is how often a place is looked at.
const lookEvery = time.Second

// missesToLose is how many looks in a row must find a place gone.
const missesToLose = 2

// placed is what is known of the file system of a local share; localfs.FS is one.
type placed interface {
	vfs.FS
	IsAt(path string) (bool, error)
	Abandon()
}

// sharePlaces is the directories of all local shares. Its goroutines are that of run, and one for
// each directory that is being looked at, which may hang there for as long as a server of a
// network file system is away.
type sharePlaces struct {
	// changed gets a word when a verdict has changed.
	changed chan struct{}
	stop    chan struct{}
	running sync.WaitGroup

	mu   sync.Mutex // guards list and the places in it; a leaf
	list map[string]*sharePlace
}

// sharePlace is one directory.
type sharePlace struct {
	fs     []placed // what is exported of it; none: the share is offline
	mount  bool     // it counts only while something is mounted there
	misses int
	busy   bool // somebody is looking
	// lost says that the directory is not there any more, and back that it is again.
	lost, back bool
}

func newPlaces() *sharePlaces {
	return &sharePlaces{changed: make(chan struct{}, 1), stop: make(chan struct{}), list: make(map[string]*sharePlace)}
}

// begin starts the goroutine.
func (p *sharePlaces) begin() { p.running.Go(p.run) }

// end stops looking. It does not wait for those who hang.
func (p *sharePlaces) end() {
	close(p.stop)
	p.running.Wait()
}

func (p *sharePlaces) run() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-tick.C:
			p.look()
		}
	}
}

// look looks at all places at once.
func (p *sharePlaces) look() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for path, l := range p.list {
		if l.busy || l.lost || l.back {
			continue
		}
		l.busy = true
		go p.lookAt(path, l, l.fs)
	}
}

// lookAt finds out about one place.
func (p *sharePlaces) lookAt(path string, l *sharePlace, exported []placed) {
	var there bool
	known := true
	if len(exported) == 0 {
		info, err := os.Stat(path)
		there = err == nil && info.IsDir() && (!l.mount || localfs.IsMount(path))
	} else {
		at, err := exported[0].IsAt(path)
		there, known = at && err == nil, err == nil || gone(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.busy = false
	switch {
	case len(exported) == 0:
		l.back = there
	case there:
		l.misses = 0
	case known:
		l.misses++
		l.lost = l.misses >= missesToLose
	}
	if l.lost || l.back {
		select {
		case p.changed <- struct{}{}:
		default:
		}
	}
}

// gone reports whether an error says that there is no such directory, rather than that it
// cannot be looked at.
func gone(err error) bool {
	for _, e := range []error{fs.ErrNotExist, syscall.ENOTDIR, syscall.ENOTCONN, syscall.ESTALE, syscall.EIO, syscall.ESHUTDOWN} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// follow makes the places those of a configuration. open has what is exported of each.
func (p *sharePlaces) follow(c *config.Config, open map[volumeKey]vfs.FS) {
	list := make(map[string]*sharePlace)
	for i := range c.Shares {
		if s := &c.Shares[i]; s.Type == config.ShareLocal {
			l := list[s.Path]
			if l == nil {
				l = &sharePlace{}
				list[s.Path] = l
			}
			l.mount = l.mount || s.Removable
		}
	}
	for k, fs := range open {
		l := list[k.place]
		if f, ok := fs.(placed); ok && l != nil && k.typ == config.ShareLocal {
			l.fs = append(l.fs, f)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = list
}

// lost returns the places that are gone.
func (p *sharePlaces) lost() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for path, l := range p.list {
		if l.lost {
			out = append(out, path)
		}
	}
	return out
}

// drop takes out what is exported of a directory that is gone.
func (v *volumes) drop(path string) []placed {
	var out []placed
	for k, fs := range v.open {
		if f, ok := fs.(placed); ok && k.typ == config.ShareLocal && k.place == path {
			out = append(out, f)
			delete(v.open, k)
		}
	}
	return out
}

// errNotMounted is why a removable share cannot be used.
var errNotMounted = errors.New("nothing is mounted at the path")

// tolerates reports whether a share whose directory cannot be exported is left out for now,
// rather than that the server does not start.
func (v *volumes) tolerates(err error) bool { return v.running || !errors.Is(err, fs.ErrPermission) }

// followPlaces takes shares off whose directory is gone, and puts those up that are back.
func (d *daemon) followPlaces() {
	var dropped []placed
	for _, path := range d.places.lost() {
		dropped = append(dropped, d.volumes.drop(path)...)
	}
	if err := d.share(d.cfg); err != nil {
		d.log.Error().Err(err).Msg("the shares cannot be changed")
	}
	for _, f := range dropped {
		if n := d.srv.Abandon(f); n > 0 {
			d.log.Info().Int("trees", n).Msg("clients were disconnected from a directory that is gone")
		}
		f.Abandon()
	}
	if len(dropped) > 0 {
		clear(dropped)
		runtime.GC() // by which the directory is let go of, so that it can be unmounted
	}
}

// tellOffline logs which shares have gone or come back since the last time.
func (d *daemon) tellOffline(now map[string]string) {
	for name, why := range now {
		if d.offline[name] != why {
			d.log.Warn().Str("share", name).Str("reason", why).Msg("the directory of a share is away; the share is not available until it is back")
		}
	}
	for name := range d.offline {
		if now[name] == "" {
			d.log.Info().Str("share", name).Msg("share is available again")
		}
	}
	d.offline = now
}
