package errfs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"lessor/vfs"
)

// FS wraps another one. It is made by New.
type FS struct {
	vfs.FS // the inner one

	// Atomic.
	calls [opCount]atomic.Int64
	rules atomic.Pointer[[]*rule] // the list is replaced, never changed

	mu sync.Mutex // leaf; held while a new list of rules is made
}

var _ vfs.FS = (*FS)(nil)

// New returns an FS without rules, which does what inner does.
func New(inner vfs.FS) *FS {
	f := &FS{FS: inner}
	f.rules.Store(new([]*rule))
	return f
}

// Add puts a rule in force, for the calls that begin from now on. Rules are
// asked in the order in which they were added, and every one that matches
// counts the call, until one of them decides what it answers. remove ends it, as
// often as it is called; calls that wait at its gate go on waiting. Add panics if
// the rule makes no sense.
func (f *FS) Add(r Rule) (remove func()) {
	if err := r.check(); err != nil {
		panic(fmt.Sprint("errfs: ", err))
	}
	added := &rule{Rule: r}
	f.change(func(list []*rule) []*rule { return append(list, added) })
	return func() {
		f.change(func(list []*rule) []*rule {
			return slices.DeleteFunc(list, func(o *rule) bool { return o == added })
		})
	}
}

// change replaces the list of rules by what fn makes of a copy.
func (f *FS) change(fn func(list []*rule) []*rule) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := fn(slices.Clone(*f.rules.Load()))
	f.rules.Store(&list)
}

// Calls returns how many calls of an operation have begun, those that a rule
// stopped included; for OpAny, how many of all operations.
func (f *FS) Calls(op Op) int {
	if op >= opCount {
		return 0
	}
	return int(f.calls[op].Load())
}

// begin counts a call and asks the rules.
func (f *FS) begin(ctx context.Context, c Call) (v verdict) {
	f.calls[c.Op].Add(1)
	f.calls[OpAny].Add(1)
	for _, r := range *f.rules.Load() {
		if r.matches(&c) && r.due() && r.apply(ctx, &c, &v) {
			break
		}
	}
	return v
}

// run carries out a call that answers with an error alone.
func (f *FS) run(ctx context.Context, c Call, do func() error) error {
	v := f.begin(ctx, c)
	if err := v.stop(); err != nil {
		return err
	}
	return v.final(do())
}

// get carries out a call that answers with a value.
func get[T any](ctx context.Context, f *FS, c Call, do func() (T, error)) (T, error) {
	v := f.begin(ctx, c)
	var none T
	if err := v.stop(); err != nil {
		return none, err
	}
	out, err := do()
	if v.after {
		return none, v.err
	}
	return out, err
}

// getNode carries out a call that answers with a Node, which is called by the
// path of the call.
func (f *FS) getNode(ctx context.Context, c Call, do func() (vfs.Node, error)) (vfs.Node, error) {
	v := f.begin(ctx, c)
	if err := v.stop(); err != nil {
		return nil, err
	}
	n, err := do()
	if final := v.final(err); final != nil {
		if n != nil && err == nil {
			n.Release()
		}
		return nil, final
	}
	return f.wrap(n, c.Path), nil
}

// wrap returns a Node around an inner one.
func (f *FS) wrap(n vfs.Node, path string) *node { return &node{Node: n, fs: f, path: path} }

// Root returns a Node around that of the inner one.
func (f *FS) Root() vfs.Node {
	f.begin(context.Background(), Call{Op: OpRoot})
	return f.wrap(f.FS.Root(), "")
}

// ByID wraps FS.ByID.
func (f *FS) ByID(ctx context.Context, id vfs.NodeID) (vfs.Node, error) {
	c := Call{Op: OpByID, Path: fmt.Sprint("#", id.Inode)}
	return f.getNode(ctx, c, func() (vfs.Node, error) { return f.FS.ByID(ctx, id) })
}

// Info wraps FS.Info.
func (f *FS) Info(ctx context.Context) (vfs.FSInfo, error) {
	return get(ctx, f, Call{Op: OpInfo}, func() (vfs.FSInfo, error) { return f.FS.Info(ctx) })
}

// Close wraps FS.Close.
func (f *FS) Close() error {
	v := f.begin(context.Background(), Call{Op: OpCloseFS})
	return errors.Join(v.err, f.FS.Close())
}
