package errfs_test

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"lessor/vfs"
	"lessor/vfs/errfs"
)

// zeroArgs are arguments for a method, good enough for one that does nothing.
func zeroArgs(m reflect.Method) (args []reflect.Value) {
	for in := range m.Type.Ins() {
		switch in {
		case reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(ctx))
		case reflect.TypeFor[vfs.Node]():
			args = append(args, reflect.ValueOf(vfs.UnimplementedNode{}))
		case reflect.TypeFor[vfs.Handle]():
			args = append(args, reflect.ValueOf(vfs.UnimplementedHandle{}))
		case reflect.TypeFor[*vfs.DirEntry]():
			args = append(args, reflect.ValueOf(&vfs.DirEntry{}))
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	return args
}

// opener is a Node that can be opened.
type opener struct{ vfs.UnimplementedNode }

// Open returns a Handle that can do nothing.
func (opener) Open(context.Context, *vfs.Cred, vfs.OpenMode) (vfs.Handle, error) {
	return described{}, nil
}

// described is a Handle with a descriptor.
type described struct{ vfs.UnimplementedHandle }

// Fd returns a number that is none.
func (described) Fd() (uintptr, bool) { return 12345, true }

// openers is an FS with an opener at the top.
type openers struct{ vfs.UnimplementedFS }

// Root returns an opener.
func (openers) Root() vfs.Node { return opener{} }

// Watch returns what hears of nothing.
func (openers) Watch(func([]vfs.Change)) (vfs.Watch, error) { return deaf{}, nil }

// deaf is a Watch and what it was asked for.
type deaf struct{}

func (deaf) Add(vfs.Node, bool) (vfs.Watched, bool, error) { return deaf{}, true, nil }
func (deaf) Means() string                                 { return "nothing" }
func (deaf) Close() error                                  { return nil }
func (deaf) Stop()                                         {}

// Every method of the contract must be an operation, counted, and fail with the
// error of a rule. What the contract gains is missed here, not in a test that
// waits for an error in vain.
func TestEveryMethodIsAnOperation(t *testing.T) {
	constant := map[string]bool{"FS.Caps": true, "Node.ID": true, "Node.Type": true, "Watch.Means": true, "Watch.Close": true}
	cannotFail := map[string]bool{"FS.Root": true, "Node.Release": true}
	ops := make(map[string]errfs.Op)
	for op := errfs.OpAny + 1; op.String() != "unknown"; op++ {
		ops[op.String()] = op
	}
	for _, iface := range []reflect.Type{
		reflect.TypeFor[vfs.FS](), reflect.TypeFor[vfs.Node](), reflect.TypeFor[vfs.Handle](),
		reflect.TypeFor[vfs.Watcher](), reflect.TypeFor[vfs.Watch](),
	} {
		for m := range iface.Methods() {
			name := iface.Name() + "." + m.Name
			if constant[name] {
				continue
			}
			op, ok := ops[name]
			if !ok {
				t.Errorf("%s is no operation", name)
				continue
			}
			delete(ops, name)
			f := errfs.New(openers{})
			n := f.Root()
			h, err := n.Open(ctx, nil, vfs.OpenMode{})
			if err != nil {
				t.Fatal(err)
			}
			w, err := f.Watch(nil)
			if err != nil {
				t.Fatal(err)
			}
			object := map[string]any{"FS": f, "Node": n, "Handle": h, "Watcher": f, "Watch": w}[iface.Name()]
			before, all := f.Calls(op), f.Calls(errfs.OpAny)
			call := reflect.ValueOf(object).MethodByName(m.Name)
			call.Call(zeroArgs(m))
			if f.Calls(op) != before+1 || f.Calls(errfs.OpAny) != all+1 {
				t.Errorf("%s is not counted", name)
			}
			if cannotFail[name] {
				continue
			}
			wrong := errors.New("wrong")
			f.Add(errfs.Rule{Op: op, Err: wrong})
			out := call.Call(zeroArgs(m))
			last := out[len(out)-1].Interface()
			if err, _ := last.(error); !errors.Is(err, wrong) && last != false {
				t.Errorf("%s with a rule: %v", name, last)
			}
		}
	}
	for name := range ops {
		t.Errorf("%s is no method", name)
	}
}

// stopped counts what was given back.
type stopped struct {
	openers
	closes, stops int
}

func (s *stopped) Watch(func([]vfs.Change)) (vfs.Watch, error) { return s, nil }
func (s *stopped) Add(vfs.Node, bool) (vfs.Watched, bool, error) {
	return s, true, nil
}
func (s *stopped) Means() string { return "nothing" }
func (s *stopped) Close() error  { s.closes++; return nil }
func (s *stopped) Stop()         { s.stops++ }

// What succeeded below a rule that answers an error afterwards is given back.
func TestWatchAfterwards(t *testing.T) {
	inner := &stopped{}
	f := errfs.New(inner)
	w, err := f.Watch(nil)
	if err != nil {
		t.Fatal(err)
	}
	f.Add(errfs.Rule{Op: errfs.OpWatch, Err: vfs.ErrIO, After: true})
	f.Add(errfs.Rule{Op: errfs.OpWatchAdd, Err: vfs.ErrIO, After: true})
	if w, err := f.Watch(nil); w != nil || !errors.Is(err, vfs.ErrIO) || inner.closes != 1 {
		t.Error(w, err, inner.closes)
	}
	if what, _, err := w.Add(f.Root(), false); what != nil || !errors.Is(err, vfs.ErrIO) || inner.stops != 1 {
		t.Error(what, err, inner.stops)
	}
	if _, err := errfs.New(vfs.UnimplementedFS{}).Watch(nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func TestDescriptorIsWithheld(t *testing.T) {
	f := errfs.New(openers{})
	h, err := f.Root().Open(ctx, nil, vfs.OpenMode{})
	if err != nil {
		t.Fatal(err)
	}
	if fd, ok := h.Fd(); fd != 12345 || !ok {
		t.Errorf("%d, %v without a rule", fd, ok)
	}
	f.Add(errfs.Rule{Op: errfs.OpFd, Err: errors.ErrUnsupported})
	if fd, ok := h.Fd(); fd != 0 || ok {
		t.Errorf("%d, %v with a rule", fd, ok)
	}
}

func TestRulesWithoutSense(t *testing.T) {
	f := errfs.New(openers{})
	for what, r := range map[string]errfs.Rule{
		"pattern":            {Path: "[", Err: vfs.ErrIO},
		"operation":          {Op: 200, Err: vfs.ErrIO},
		"negative":           {Nth: -1},
		"negative step":      {Every: -1},
		"negative length":    {Op: errfs.OpReadAt, Short: -1},
		"short of what":      {Op: errfs.OpSync, Short: 1},
		"short of anything":  {Short: 1},
		"short and whole":    {Op: errfs.OpReadAt, Short: 1, After: true, Err: vfs.ErrIO},
		"nothing afterwards": {Op: errfs.OpSync, After: true},
		"root":               {Op: errfs.OpRoot, Err: vfs.ErrIO},
		"release":            {Op: errfs.OpRelease, Err: vfs.ErrIO},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: accepted", what)
				}
			}()
			f.Add(r)
		}()
	}
	if got := f.Calls(200); got != 0 {
		t.Errorf("%d calls of what does not exist", got)
	}
}
