package main

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// scriptClient is a client of a script, which keeps what it has.
type scriptClient struct {
	tree  *client.Tree
	files map[string]*client.File     // the latest opens, by name
	wants func(context.Context) error // ends when what was waited for last is there
}

// clientsKey is where a script has its clients, by name.
type clientsKey struct{}

// smbCommand is the command "smb" of scripts:
//
//	smb NAME connect SHARE USER PASSWORD   there is a client NAME from here on
//	smb NAME mkdir DIR                     make and open a directory
//	smb NAME open FILE [LEASE [durable]]   open or make a file, with a lease such as RWH
//	smb NAME wants open FILE               open a file, which has to wait for others
//	smb NAME lock FILE OFFSET LENGTH       lock a range for itself
//	smb NAME wants lock FILE OFFSET LENGTH lock a range, which has to wait for others
//	smb NAME wants change DIR              wait for a change in an open directory
//	smb NAME got STATUS                    the answer to what was waited for last
//	smb NAME read FILE STATUS              read from an open file
//	smb NAME drop                          lose the connection
//
// The key of a lease is made of the length of the file's name.
func smbCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: smb NAME COMMAND ...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	clients := ts.Value(clientsKey{}).(map[string]*scriptClient)
	name, verb := args[0], args[1]
	args = append(args[2:len(args):len(args)], "", "", "")
	if verb == "connect" {
		tree, err := client.Connect(ctx, ts.Getenv("ADDR"), args[0], client.Options{User: args[1], Password: args[2]})
		ts.Check(err)
		ts.Defer(func() { _ = tree.Session.Conn.Close() })
		clients[name] = &scriptClient{tree: tree, files: make(map[string]*client.File)}
		return
	}
	c := clients[name]
	if c == nil {
		ts.Fatalf("there is no such client")
	}
	switch verb {
	case "mkdir", "open":
		f, err := c.tree.Create(ctx, createArgs(verb, args))
		ts.Check(err)
		c.files[args[0]] = f
	case "lock":
		ts.Check(c.files[args[0]].Lock(ctx, client.Exclusive(number(ts, args[1]), number(ts, args[2]))))
	case "wants":
		c.want(ctx, ts, args[0], args[1:])
	case "got":
		wantStatus(ts, c.wants(ctx), args[0])
	case "read":
		_, err := c.files[args[0]].Read(ctx, 0, 1)
		wantStatus(ts, err, args[1])
	case "drop":
		ts.Check(c.tree.Session.Conn.Close())
	default:
		ts.Fatalf("unknown command smb %s", verb)
	}
}

// createArgs are the arguments of a CREATE.
func createArgs(verb string, args []string) client.CreateArgs {
	a := client.CreateArgs{Name: args[0], Directory: verb == "mkdir"}
	if args[1] != "" {
		states := map[string]wire.LeaseState{"R": client.R, "RH": client.RH, "RWH": client.RWH}
		a.Lease = &client.Lease{Key: wire.GUID{byte(len(args[0]))}, State: states[args[1]]}
	}
	if args[2] == "durable" {
		a.Durable = &client.Durable{Timeout: 5 * time.Minute}
	}
	return a
}

// want starts a request that has to wait for others.
func (c *scriptClient) want(ctx context.Context, ts *testscript.TestScript, verb string, args []string) {
	var p *client.Pending
	switch verb {
	case "open":
		call := c.tree.StartCreate(createArgs(verb, args))
		p, c.wants = call.Pending, func(ctx context.Context) error { _, err := call.Wait(ctx); return err }
	case "lock":
		call := c.files[args[0]].StartLock(client.Waiting(client.Exclusive(number(ts, args[1]), number(ts, args[2]))))
		p, c.wants = call.Pending, func(ctx context.Context) error { _, err := call.Wait(ctx); return err }
	case "change":
		call := c.files[args[0]].StartChangeNotify(wire.NotifyChangeAll, false)
		p, c.wants = call.Pending, func(ctx context.Context) error { _, err := call.Wait(ctx); return err }
	default:
		ts.Fatalf("unknown command smb wants %s", verb)
	}
	_, err := p.Interim(ctx)
	ts.Check(err)
}

func wantStatus(ts *testscript.TestScript, err error, want string) {
	st, ok := client.StatusOf(err)
	if !ok {
		ts.Check(err)
	}
	if got := st.String(); got != want && (st != ntstatus.Success || want != "") {
		ts.Fatalf("status %s, want %s", got, want)
	}
}

func number(ts *testscript.TestScript, text string) uint64 {
	n, err := strconv.ParseUint(text, 10, 64)
	ts.Check(err)
	return n
}

// until is the command "until REGEXP PROGRAM ARGS" of scripts: it runs a program until
// its output matches.
func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP PROGRAM ARGS...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		cmd := exec.CommandContext(ctx, args[1], args[2:]...)
		cmd.Dir = ts.MkAbs(".")
		cmd.Env = append(cmd.Environ(), "PATH="+ts.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err == nil && want.Match(out) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("no %s in\n%s%v", args[0], out, err)
		}
	}
}
