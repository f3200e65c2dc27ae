package vfs

import (
	"slices"
	"strings"
	"sync"
	"sync/atomic"
)

// Action says what happened to the object of an Event. The values are those of
// MS-FSCC 2.7.1.
type Action uint32

// The actions.
const (
	// ActionLost is not one of MS-FSCC: changes, nobody knows which, were lost. Its
	// Event has no path.
	ActionLost Action = 0

	ActionAdded          Action = 1
	ActionRemoved        Action = 2
	ActionModified       Action = 3
	ActionRenamedOld     Action = 4
	ActionRenamedNew     Action = 5
	ActionAddedStream    Action = 6
	ActionRemovedStream  Action = 7
	ActionModifiedStream Action = 8
)

// Filter is the set of kinds of change that an Event is and a watcher wants.
// The bits are those of the completion filter, MS-SMB2 2.2.35.
type Filter uint32

// The kinds of change.
const (
	FilterFileName    Filter = 0x001
	FilterDirName     Filter = 0x002
	FilterAttributes  Filter = 0x004
	FilterSize        Filter = 0x008
	FilterLastWrite   Filter = 0x010
	FilterLastAccess  Filter = 0x020
	FilterCreation    Filter = 0x040
	FilterEA          Filter = 0x080
	FilterSecurity    Filter = 0x100
	FilterStreamName  Filter = 0x200
	FilterStreamSize  Filter = 0x400
	FilterStreamWrite Filter = 0x800

	// FilterAll is every kind of change.
	FilterAll Filter = 0xFFF
)

// Event is one change, as a Hub passes it on.
type Event struct {
	// Path is the object, relative to the root of the FS, joined by '/'.
	Path string
	// Rel is Path relative to the watched directory; the Hub fills it in.
	Rel    string
	Action Action
	Filter Filter
}

// Hub passes changes on to those who watch a directory or tree. Whoever changes
// something through an FS tells the Hub; so may a watcher of the storage itself.
// The zero value is not usable; a nil *Hub takes events and drops them.
type Hub struct {
	fold  func(string) string // immutable
	count atomic.Int64        // watchers in dirs, so that nobody watching costs nothing

	mu   sync.RWMutex        // leaf; guards dirs
	dirs map[string][]*watch // by folded path; slices are replaced, never changed
}

// watch is one registration.
type watch struct {
	depth int  // components of the watched path
	tree  bool // wants everything below, not only the entries
	want  Filter
	fn    func(Event)
}

// NewHub returns a Hub that compares paths after fold, which must keep the
// number of components; nil compares them as they are.
func NewHub(fold func(string) string) *Hub {
	if fold == nil {
		fold = func(s string) string { return s }
	}
	return &Hub{fold: fold, dirs: make(map[string][]*watch)}
}

// Watch calls fn for each change of a kind in want to an entry of the directory
// at path, "" being the root, or with tree to anything below it. Changes to the
// directory itself are not among them. fn must not block and must not call the
// Hub; the events of one Notify come in order, with nothing between them. After
// stop has returned fn is not called any more; stop may be called repeatedly,
// but not from within fn.
func (h *Hub) Watch(path string, tree bool, want Filter, fn func(Event)) (stop func()) {
	w := &watch{depth: depthOf(path), tree: tree, want: want, fn: fn}
	key := h.fold(path)
	h.mu.Lock()
	h.dirs[key] = append(slices.Clip(h.dirs[key]), w)
	h.count.Add(1)
	h.mu.Unlock()
	return sync.OnceFunc(func() { h.remove(key, w) })
}

// remove ends a registration.
func (h *Hub) remove(key string, w *watch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := slices.DeleteFunc(slices.Clone(h.dirs[key]), func(o *watch) bool { return o == w })
	if len(left) == 0 {
		delete(h.dirs, key)
	} else {
		h.dirs[key] = left
	}
	h.count.Add(-1)
}

// Notify tells the watchers about changes that belong together, such as the two
// halves of a rename. It does not block and costs next to nothing while nobody
// watches.
func (h *Hub) Notify(events ...Event) {
	if h == nil || h.count.Load() == 0 {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for i := range events {
		h.deliverLocked(&events[i])
	}
}

// Lost tells all watchers, whatever they want to know, that changes were lost.
func (h *Hub) Lost() {
	if !h.Watched() {
		return
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	for _, list := range h.dirs {
		for _, w := range list {
			w.fn(Event{Action: ActionLost})
		}
	}
}

// Watched reports whether anybody watches anything, so that a caller can spare
// itself the making of events.
func (h *Hub) Watched() bool { return h != nil && h.count.Load() != 0 }

// deliverLocked walks from the parent of the object up to the root. The caller
// holds mu for reading.
func (h *Hub) deliverLocked(e *Event) {
	if e.Path == "" {
		return
	}
	folded := h.fold(e.Path)
	for direct := true; folded != ""; direct = false {
		folded = folded[:max(0, strings.LastIndexByte(folded, '/'))]
		for _, w := range h.dirs[folded] {
			if (direct || w.tree) && e.Filter&w.want != 0 {
				out := *e
				out.Rel = skip(e.Path, w.depth)
				w.fn(out)
			}
		}
	}
}

// depthOf counts the components of a path.
func depthOf(path string) int {
	if path == "" {
		return 0
	}
	return strings.Count(path, "/") + 1
}

// skip drops the first n components, by number because folding may change the
// length of a name.
func skip(path string, n int) string {
	for ; n > 0; n-- {
		_, path, _ = strings.Cut(path, "/")
	}
	return path
}
