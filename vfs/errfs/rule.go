package errfs

import (
	"context"
	"fmt"
	"path"
	"strings"
	"sync/atomic"
)

// Rule says which calls it is about, and what happens to them. The effects come
// in the order of the fields; a Rule without any merely lets the calls pass.
type Rule struct {
	// Op is the operation; OpAny is every one.
	Op Op
	// Path is a pattern of path.Match, "" matches everything. One without a '/'
	// is matched with the last component, one with a '/' with the whole path;
	// of a rename either of the two paths will do.
	Path string
	// Nth and Every choose among the calls that match, counted from 1 since the
	// rule was added. Both 0: all of them. Nth alone: the nth and no other. Every
	// alone: each whose number is a multiple of it. Both: the nth, and each
	// Every-th after it; so {Nth: 3, Every: 1} is all from the third on.
	Nth, Every int

	// Hook is called in the goroutine of the caller, without any lock. If it
	// returns an error, the call fails with that, and nothing else happens.
	Hook func(ctx context.Context, c Call) error
	// Gate makes the call wait until the channel is closed, or sends something.
	// A call with a context ends with its error if it is done before that.
	Gate <-chan struct{}
	// Short, if greater than 0, is the most that ReadAt, WriteAt and CopyFrom
	// transfer, in bytes, and the most entries of a ReadDir. A call that wants no
	// more is not touched. One that does transfers as much and then answers Err
	// or, if there is none, what the contract asks for: io.ErrUnexpectedEOF for a
	// read, io.ErrShortWrite for a write, nothing for the others.
	Short int
	// Err is what the call answers. Without Short or After it does not reach the
	// inner file system, with the exception of Close.
	Err error
	// After lets the call have its effect before it answers Err, as if the answer
	// had been lost. A Node or Handle that it returned is given back.
	After bool
}

// Call is one call. A field that an operation has no use for is zero.
type Call struct {
	Op Op
	// Path is the object of the call; for those that take a name in a directory,
	// a path, or a stream, what that names.
	Path string
	// To is the new path of a rename.
	To string
	// Name is the name of an extended attribute.
	Name string
	// Off and Len are the span, in bytes, of an operation on data; of a copy or
	// clone it is the one that is written.
	Off, Len int64
}

// rule is a Rule in force.
type rule struct {
	Rule              // immutable
	seen atomic.Int64 // calls that matched
}

// check returns what is wrong with a rule.
func (r *Rule) check() error {
	if _, err := path.Match(r.Path, ""); err != nil {
		return fmt.Errorf("pattern %q: %w", r.Path, err)
	}
	switch {
	case r.Op >= opCount:
		return fmt.Errorf("operation %d does not exist", r.Op)
	case r.Nth < 0 || r.Every < 0 || r.Short < 0:
		return fmt.Errorf("negative number in %+v", *r)
	case r.Short > 0 && !r.Op.mayBeShort():
		return fmt.Errorf("%v is never short", r.Op)
	case r.Short > 0 && r.After:
		return fmt.Errorf("%v is both short and complete", r.Op)
	case r.After && r.Err == nil:
		return fmt.Errorf("%v has nothing to answer afterwards", r.Op)
	case r.Err != nil && (r.Op == OpRoot || r.Op == OpRelease):
		return fmt.Errorf("%v cannot fail", r.Op)
	}
	return nil
}

// matches reports whether the rule is about a call, by operation and path.
func (r *rule) matches(c *Call) bool {
	if r.Op != OpAny && r.Op != c.Op {
		return false
	}
	return r.Path == "" || r.matchesPath(c.Path) || c.To != "" && r.matchesPath(c.To)
}

// matchesPath compares the pattern.
func (r *rule) matchesPath(p string) bool {
	if !strings.Contains(r.Path, "/") {
		p = p[strings.LastIndexByte(p, '/')+1:]
	}
	// The pattern was checked before.
	ok, _ := path.Match(r.Path, p)
	return ok
}

// due counts a call that matches and reports whether it is one that the rule
// chooses.
func (r *rule) due() bool {
	n, nth, every := r.seen.Add(1), int64(r.Nth), int64(r.Every)
	switch {
	case every > 0:
		return n >= nth && (n-nth)%every == 0
	case nth > 0:
		return n == nth
	default:
		return true
	}
}

// verdict is what the rules make of a call.
type verdict struct {
	err   error // to be answered
	after bool  // once the call has had its effect
	short int   // most that is transferred, 0 if all
}

// stop returns the error with which a call ends before it reaches the inner
// file system.
func (v *verdict) stop() error {
	if v.after || v.short > 0 {
		return nil
	}
	return v.err
}

// final returns the answer of a call that got through to the inner file system.
func (v *verdict) final(err error) error {
	if v.after {
		return v.err
	}
	return err
}

// clip returns how much of n may be transferred, and whether that is less.
func (v *verdict) clip(n int64) (int64, bool) {
	if v.short > 0 && int64(v.short) < n {
		return int64(v.short), true
	}
	return n, false
}

// apply lets a rule have its effect on a call. It reports whether no other rule
// is to be asked.
func (r *rule) apply(ctx context.Context, c *Call, v *verdict) (last bool) {
	if r.Hook != nil {
		if err := r.Hook(ctx, *c); err != nil {
			*v = verdict{err: err}
			return true
		}
	}
	if r.Gate != nil {
		select {
		case <-r.Gate:
		case <-ctx.Done():
			*v = verdict{err: ctx.Err()}
			return true
		}
	}
	if r.Short > 0 || r.Err != nil {
		*v = verdict{err: r.Err, after: r.After, short: r.Short}
		return true
	}
	return false
}
