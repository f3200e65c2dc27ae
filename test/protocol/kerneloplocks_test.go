//go:build linux

package protocol

import (
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// reading is a local program that reads a file of the share; the result is sent once
// it is there.
func (s *server) reading(name string) <-chan string {
	done := make(chan string, 1)
	go func() {
		text, err := os.ReadFile(s.Path("share", name))
		if err != nil {
			text = []byte(err.Error())
		}
		done <- string(text)
	}()
	return done
}

// wantWaiting fails the test if the program has not waited.
func wantWaiting(t *testing.T, program <-chan string) {
	t.Helper()
	select {
	case text := <-program:
		t.Errorf("the program has not waited: %q", text)
	default:
	}
}

func TestKernelOplocksHoldProgramsUp(t *testing.T) {
	s := start(t, "locking:\n  break_timeout: 5s\n", "kernel_oplocks: true")
	ends := map[string]struct {
		durable bool
		end     func(t *testing.T, f *client.File)
		want    string
	}{
		"until the client has written back": {false, func(t *testing.T, f *client.File) {
			must(f.Write(t.Context(), 0, []byte("written back")))(t)
			check(t, f.AckOplock(t.Context(), wire.OplockNone))
		}, "written back"},
		"until it closes": {false, func(t *testing.T, f *client.File) {
			must(f.Write(t.Context(), 0, []byte("closed")))(t)
			check(t, f.Close(t.Context()))
		}, "closed"},
		"until it hangs up":         {false, func(_ *testing.T, f *client.File) { f.Tree.Session.Conn.Close() }, "before"},
		"until its durable is lost": {true, func(_ *testing.T, f *client.File) { f.Tree.Session.Conn.Close() }, "before"},
		"until its time is up":      {false, func(*testing.T, *client.File) {}, "before"},
	}
	for name, c := range ends {
		for _, level := range []wire.OplockLevel{wire.OplockExclusive, wire.OplockBatch} {
			if c.durable && level != wire.OplockBatch {
				continue
			}
			s.run(t, name+", "+map[wire.OplockLevel]string{wire.OplockExclusive: "exclusive", wire.OplockBatch: "batch"}[level], func(t *testing.T) {
				args := client.CreateArgs{Name: name, Oplock: level}
				if c.durable {
					args.Durable = &client.Durable{}
				}
				f := open(t, s.connect(t), args)
				if f.Response.OplockLevel != level || f.Durable() != c.durable {
					t.Fatalf("level %#x, durable %v", f.Response.OplockLevel, f.Durable())
				}
				must(f.Write(t.Context(), 0, []byte("before")))(t)
				program := s.reading(name)
				wantOplockBreak(t, f, wire.OplockNone)
				wantWaiting(t, program)
				c.end(t, f)
				if text := <-program; text != c.want {
					t.Errorf("the program read %q, want %q", text, c.want)
				}
				check(t, os.Remove(s.Path("share", name)))
			})
		}
	}
	// A durable open whose client is gone is pushed out.
	s.run(t, "by nobody", func(t *testing.T) {
		guid := client.NewGUID()
		f := s.lose(t, guid, client.CreateArgs{Name: "lost", Oplock: wire.OplockBatch, Durable: &client.Durable{}})
		if text := <-s.reading("lost"); text != "" {
			t.Errorf("the program read %q", text)
		}
		_, err := s.reclaim(t, guid, f.ReconnectArgs())
		wantStatus(t, err, ntstatus.ObjectNameNotFound)
	})
	s.run(t, "and again", func(t *testing.T) {
		guid := client.NewGUID()
		f := s.lose(t, guid, client.CreateArgs{Name: "again", Oplock: wire.OplockBatch, Durable: &client.Durable{}})
		back := must(s.reclaim(t, guid, f.ReconnectArgs()))(t)
		program := s.reading("again")
		wantOplockBreak(t, back, wire.OplockNone)
		wantWaiting(t, program)
		check(t, back.AckOplock(t.Context(), wire.OplockNone))
		<-program
		check(t, back.Close(t.Context()))
	})
}

func TestKernelOplocksAmongClients(t *testing.T) {
	s := start(t, "", "kernel_oplocks: true")
	level := func(t *testing.T, f *client.File, want wire.OplockLevel) {
		t.Helper()
		if got := f.Response.OplockLevel; got != want {
			t.Errorf("level %#x, want %#x", got, want)
		}
	}
	s.run(t, "one after the other", func(t *testing.T) {
		first := open(t, s.connect(t), client.CreateArgs{Name: "two", Oplock: wire.OplockBatch})
		level(t, first, wire.OplockBatch)
		p := s.connect(t).StartCreate(client.CreateArgs{Name: "two", Oplock: wire.OplockBatch})
		wantOplockBreak(t, first, wire.OplockNone)
		check(t, first.AckOplock(t.Context(), wire.OplockNone))
		second := must(p.Wait(t.Context()))(t)
		level(t, second, wire.OplockNone)
		check(t, first.Close(t.Context()))
		check(t, second.Close(t.Context()))
		level(t, open(t, first.Tree, client.CreateArgs{Name: "two", Oplock: wire.OplockExclusive}), wire.OplockExclusive)
	})
	s.run(t, "an overwrite", func(t *testing.T) {
		check(t, os.WriteFile(s.Path("share", "full"), make([]byte, 1000), 0o600))
		f := open(t, s.connect(t), client.CreateArgs{Name: "full", Oplock: wire.OplockBatch, Disposition: client.OverwriteIf})
		level(t, f, wire.OplockBatch)
		must(f.Write(t.Context(), 0, []byte("new")))(t)
		check(t, f.Truncate(t.Context(), 2))
		check(t, f.Close(t.Context()))
	})
	s.run(t, "no more than that", func(t *testing.T) {
		tree := s.connect(t)
		level(t, open(t, tree, client.CreateArgs{Name: "second", Oplock: wire.OplockII}), wire.OplockNone)
		level(t, open(t, tree, client.CreateArgs{Name: "look", Oplock: wire.OplockBatch, Access: client.AttributesOnly}), wire.OplockNone)
		leased := open(t, tree, client.CreateArgs{Name: "leased", Lease: lease(client.RWH), Durable: &client.Durable{}})
		if leased.LeaseState() != 0 || leased.Durable() {
			t.Errorf("lease %s, durable %v", client.LeaseString(leased.LeaseState()), leased.Durable())
		}
		dir := open(t, tree, client.CreateArgs{Name: "dir", Directory: true, Lease: lease(client.RH)})
		if dir.LeaseState() != client.RH {
			t.Errorf("directory: %s", client.LeaseString(dir.LeaseState()))
		}
	})
	s.run(t, "beside a program", func(t *testing.T) {
		p := s.newProgram(t, "busy")
		f := open(t, s.connect(t), client.CreateArgs{Name: "busy", Oplock: wire.OplockBatch})
		level(t, f, wire.OplockNone)
		check(t, p.Close())
	})
}

// A program outside may have a lease, on a share with any settings.
func TestCreateWaitsForAProgram(t *testing.T) {
	s := start(t, "")
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGIO)
	defer signal.Stop(asked)
	s.run(t, "that lets go", func(t *testing.T) {
		p := s.newProgram(t, "file")
		must(unix.FcntlInt(p.Fd(), unix.F_SETLEASE, unix.F_WRLCK))(t)
		tree := s.connect(t)
		call := tree.StartCreate(client.CreateArgs{Name: "file", Disposition: client.Open})
		<-asked
		// The server does other things meanwhile.
		check(t, open(t, tree, client.CreateArgs{Name: "other"}).Close(t.Context()))
		must(p.WriteString("by the program"))(t)
		must(unix.FcntlInt(p.Fd(), unix.F_SETLEASE, unix.F_UNLCK))(t)
		f := must(call.Wait(t.Context()))(t)
		if text := must(f.Read(t.Context(), 0, 100))(t); string(text) != "by the program" {
			t.Errorf("read %q", text)
		}
		check(t, f.Close(t.Context()))
		check(t, p.Close())
	})
	s.run(t, "and is cancelled", func(t *testing.T) {
		p := s.newProgram(t, "kept")
		must(unix.FcntlInt(p.Fd(), unix.F_SETLEASE, unix.F_WRLCK))(t)
		call := s.connect(t).StartCreate(client.CreateArgs{Name: "kept", Disposition: client.Open})
		<-asked
		check(t, call.Cancel())
		_, err := call.Wait(t.Context())
		wantStatus(t, err, ntstatus.Cancelled)
		check(t, p.Close())
	})
}
