package protocol

import (
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// lateShare is a share with DelayWriteTime in a bubble, and the same files on the share
// "plain" without it, which shows what the storage has.
type lateShare struct {
	*bubble
	tree, plain *client.Tree
	list        []smb.Share
}

// inLateShare runs a test with such a share.
func inLateShare(t *testing.T, test func(*testing.T, *lateShare)) {
	t.Helper()
	inBubble(t, func(t *testing.T, b *bubble) {
		files := memfs.New(memfs.Options{})
		s := &lateShare{bubble: b, list: []smb.Share{
			{Name: "share", DefaultAccess: smb.AccessWrite, FS: files, DelayWriteTime: true},
			{Name: "plain", DefaultAccess: smb.AccessWrite, FS: files},
		}}
		check(t, b.SetShares(s.list))
		s.tree = b.connect(t)
		s.plain = must(s.tree.Session.TreeConnect(t.Context(), "plain"))(t)
		b.pass(time.Minute)
		test(t, s)
	})
}

// open opens the file f for all there is, and makes it if it is not there.
func (s *lateShare) open(t *testing.T) *client.File {
	t.Helper()
	return open(t, s.tree, client.CreateArgs{Name: "f", Disposition: client.OpenIf})
}

// second is a second in the units of wire.Filetime.
const second = wire.Filetime(time.Second / 100)

// now is the time of the bubble as clients see it.
func now() wire.Filetime { return wire.FiletimeOf(time.Now()) }

// written is the LastWriteTime of an open file.
func written(t *testing.T, f *client.File) wire.Filetime {
	t.Helper()
	return must(f.Basic(t.Context()))(t).LastWriteTime
}

// stored is the time that the storage has of f.
func (s *lateShare) stored(t *testing.T) wire.Filetime {
	t.Helper()
	f := open(t, s.plain, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
	check(t, f.Close(t.Context()))
	return f.Response.LastWriteTime
}

// want fails the test unless clients see that time, however they ask.
func (s *lateShare) want(t *testing.T, what string, f *client.File, want wire.Filetime) {
	t.Helper()
	ctx := t.Context()
	other := open(t, s.tree, client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
	var network wire.FileNetworkOpenInformation
	check(t, other.Query(ctx, wire.FileInfoNetworkOpen, &network))
	var all wire.FileAllInformation
	check(t, other.Query(ctx, wire.FileInfoAll, &all))
	closed := must(other.CloseAttributes(ctx))(t)
	root := open(t, s.tree, client.CreateArgs{Directory: true, Disposition: client.Open})
	list := must(root.List(ctx, "f"))(t)
	check(t, root.Close(ctx))
	for how, got := range map[string]wire.Filetime{
		"CREATE": other.Response.LastWriteTime, "CLOSE": closed.LastWriteTime, "its own open": written(t, f),
		"FileNetworkOpenInformation": network.LastWriteTime, "FileAllInformation": all.Basic.LastWriteTime,
		"QUERY_DIRECTORY": list[0].LastWriteTime,
	} {
		if got != want {
			t.Errorf("%s: %s says %v, want %v", what, how, got.Time(), want.Time())
		}
	}
}

// write writes one byte.
func write(t *testing.T, f *client.File) {
	t.Helper()
	must(f.Write(t.Context(), 0, []byte("x")))(t)
}

// What is written shows two seconds after the first write, once, and at the close. The
// storage has the time of each write meanwhile.
func TestDelayedWriteTime(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		f := s.open(t)
		made := f.Response.LastWriteTime
		s.pass(time.Second)
		write(t, f)
		first := now()
		s.want(t, "just written", f, made)
		if got := s.stored(t); got != first {
			t.Errorf("the storage has %v, want %v", got.Time(), first.Time())
		}
		s.pass(1999 * time.Millisecond)
		write(t, f)
		s.want(t, "before the two seconds are over", f, made)
		s.pass(time.Millisecond)
		due := now()
		s.want(t, "after two seconds", f, due)
		s.pass(time.Second)
		s.want(t, "later", f, due)
		write(t, f)
		s.pass(time.Hour)
		s.want(t, "after one more write", f, due)
		end := now()
		if got := must(f.CloseAttributes(t.Context()))(t).LastWriteTime; got != end {
			t.Errorf("CLOSE says %v, want %v", got.Time(), end.Time())
		}
		s.pass(time.Second)
		if got := s.stored(t); got != end {
			t.Errorf("the storage has %v, want %v", got.Time(), end.Time())
		}
		f = s.open(t)
		s.want(t, "opened again", f, end)
		write(t, f)
		s.pass(5 * time.Second)
		s.want(t, "nobody has looked when it was due", f, now()-3*second)
		check(t, f.Close(t.Context()))
		if got, want := s.stored(t), now()-3*second; got != want {
			t.Errorf("nothing was written since it was due: the storage has %v, want %v", got.Time(), want.Time())
		}
		f = s.open(t)
		write(t, f)
		s.pass(5 * time.Second)
		write(t, f)
		s.pass(time.Second)
		s.want(t, "written before and after it was due", f, now()-4*second)
		check(t, f.Close(t.Context()))
		if got, want := s.stored(t), now(); got != want {
			t.Errorf("written since it was due: the storage has %v, want %v", got.Time(), want.Time())
		}
	})
}

// What updates the file anyway takes the time of the write along, and then it is at the
// close that one more write shows.
func TestDelayedWriteTimeUsed(t *testing.T) {
	for name, update := range map[string]func(*testing.T, *client.File) error{
		"end of file": func(t *testing.T, f *client.File) error { return f.Truncate(t.Context(), 1) },
		"allocation": func(t *testing.T, f *client.File) error {
			return f.Set(t.Context(), wire.FileInfoAllocation, &wire.FileAllocationInformation{AllocationSize: 1 << 20})
		},
		"FLUSH": func(t *testing.T, f *client.File) error { return f.Flush(t.Context()) },
		"nothing set": func(t *testing.T, f *client.File) error {
			return f.Set(t.Context(), wire.FileInfoBasic, &wire.FileBasicInformation{})
		},
		"another time set": func(t *testing.T, f *client.File) error {
			return f.Set(t.Context(), wire.FileInfoBasic, &wire.FileBasicInformation{CreationTime: now()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			inLateShare(t, func(t *testing.T, s *lateShare) {
				f := s.open(t)
				made := f.Response.LastWriteTime
				s.pass(time.Second)
				write(t, f)
				s.pass(time.Second)
				s.want(t, "before", f, made)
				check(t, update(t, f))
				used := now()
				s.want(t, "after", f, used)
				s.pass(time.Second)
				write(t, f)
				s.pass(time.Minute)
				s.want(t, "after one more write", f, used)
				end := now()
				check(t, f.Close(t.Context()))
				if got := s.stored(t); got != end {
					t.Errorf("the storage has %v, want %v", got.Time(), end.Time())
				}
			})
		})
	}
}

// A time that somebody sets stands, whatever was written before, and does not move any
// more by the open that has set it.
func TestDelayedWriteTimeSet(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		ctx := t.Context()
		f, other := s.open(t), s.open(t)
		write(t, f)
		s.pass(time.Second)
		set := wire.FiletimeOf(time.Now().Add(-24 * time.Hour))
		check(t, other.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{LastWriteTime: set}))
		s.want(t, "set", f, set)
		s.pass(time.Minute)
		write(t, other)
		s.pass(time.Minute)
		s.want(t, "written by who has set it", f, set)
		check(t, other.Close(ctx))
		s.want(t, "closed by who has set it", f, set)
		if got := s.stored(t); got != set {
			t.Errorf("the storage has %v, want %v", got.Time(), set.Time())
		}
		write(t, f)
		s.pass(time.Second)
		s.want(t, "written by another", f, set)
		s.pass(time.Second)
		s.want(t, "two seconds later", f, now())
		check(t, f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{LastWriteTime: set}))
		write(t, f)
		check(t, f.Close(ctx))
		if got := s.stored(t); got != set {
			t.Errorf("set last: the storage has %v, want %v", got.Time(), set.Time())
		}
	})
}

// Each open counts its own two seconds; who closes last leaves the right time behind, also
// if nobody says goodbye.
func TestDelayedWriteTimeOfSeveral(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		f := s.open(t)
		tree := s.connect(t)
		other := open(t, tree, client.CreateArgs{Name: "f", Disposition: client.OpenIf})
		made := f.Response.LastWriteTime
		s.pass(time.Second)
		write(t, f)
		s.pass(time.Second)
		write(t, other)
		s.pass(time.Second)
		s.want(t, "the first is due", f, now())
		first := now()
		if first == made {
			t.Fatal("no time passes")
		}
		s.pass(500 * time.Millisecond)
		s.want(t, "the second is not", f, first)
		s.pass(time.Second)
		both := first + second
		s.want(t, "the second is due", f, both)
		write(t, f)
		s.pass(time.Second)
		closed := now()
		check(t, f.Close(t.Context()))
		s.want(t, "the first is closed", other, closed)
		s.pass(time.Second)
		write(t, other)
		s.pass(time.Minute)
		s.want(t, "the second has written once more", other, closed)
		cut := now()
		tree.Session.Conn.Close()
		s.pass(time.Second)
		if got := s.stored(t); got != cut {
			t.Errorf("the storage has %v, want %v", got.Time(), cut.Time())
		}
	})
}

// What changes a file in another way than by a write through an open shows at once, and a
// newer time that another program gives it meanwhile stays.
func TestDelayedWriteTimeOfOthers(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		ctx := t.Context()
		f := s.open(t)
		write(t, f)
		s.pass(time.Minute)
		s.want(t, "due", f, now()-58*second)
		check(t, open(t, s.tree, client.CreateArgs{Name: "f", Disposition: client.Overwrite}).Close(ctx))
		s.want(t, "overwritten", f, now())
		s.pass(time.Minute)
		resizer := s.open(t)
		check(t, resizer.Truncate(ctx, 100))
		check(t, resizer.Close(ctx))
		s.want(t, "another size", f, now())
		last := now()
		s.pass(time.Minute)
		check(t, s.SetShares(s.list))
		again := open(t, s.connect(t), client.CreateArgs{Name: "f", Access: client.ReadAccess, Disposition: client.Open})
		if got := written(t, again); got != last {
			t.Errorf("after a reload: %v, want %v", got.Time(), last.Time())
		}
		check(t, again.Close(ctx))

		write(t, f)
		later := wire.FiletimeOf(time.Now().Add(time.Hour))
		local := open(t, s.plain, client.CreateArgs{Name: "f", Disposition: client.Open})
		check(t, local.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{LastWriteTime: later}))
		check(t, local.Close(ctx))
		check(t, f.Close(ctx))
		if got := s.stored(t); got != later {
			t.Errorf("the storage has %v, want %v", got.Time(), later.Time())
		}
	})
}

// A durable open that waits for its client keeps what is noted of it.
func TestDelayedWriteTimeDurable(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		guid := wire.GUID{1}
		a := client.CreateArgs{Name: "f", Lease: lease(client.RWH), Durable: &client.Durable{}}
		f := open(t, s.connect(t, isClient(guid)), a)
		made := f.Response.LastWriteTime
		s.pass(time.Second)
		write(t, f)
		f.Tree.Session.Conn.Close()
		s.pass(time.Second)
		back := open(t, s.connect(t, isClient(guid)), f.ReconnectArgs())
		if back.Response.LastWriteTime != made {
			t.Errorf("reconnected: %v, want %v", back.Response.LastWriteTime.Time(), made.Time())
		}
		s.pass(time.Second)
		due := now()
		if got := written(t, back); got != due {
			t.Errorf("after two seconds: %v, want %v", got.Time(), due.Time())
		}
		check(t, back.Close(t.Context()))
		if got := s.stored(t); got != due {
			t.Errorf("the storage has %v, want %v", got.Time(), due.Time())
		}
	})
}

// Who watches the directory hears of it when a flush lets the time of a write show.
func TestDelayedWriteTimeNotify(t *testing.T) {
	inLateShare(t, func(t *testing.T, s *lateShare) {
		f := s.open(t)
		root := open(t, s.tree, client.CreateArgs{Directory: true, Disposition: client.Open})
		watch := root.StartChangeNotify(wire.NotifyChangeLastWrite, false)
		write(t, f)
		check(t, f.Flush(t.Context()))
		got := must(watch.Wait(t.Context()))(t)
		if len(got) != 1 || got[0].FileName != "f" || got[0].Action != wire.ActionModified {
			t.Errorf("%+v", got)
		}
	})
}
