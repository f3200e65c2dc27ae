package protocol

import (
	"testing"

	"lessor/smb/ntstatus"
	"lessor/test/client"
)

// Who waits for data of a pipe hears that its other end has gone, when the pipe is closed
// in whatever way. Names of pipes have no directory before them.
func TestPipeEndsWhileSomebodyReads(t *testing.T) {
	s := start(t, "")
	for name, end := range map[string]func(*testing.T, *client.File) error{
		"close":           func(t *testing.T, f *client.File) error { return f.Close(t.Context()) },
		"tree disconnect": func(t *testing.T, f *client.File) error { return f.Tree.Disconnect(t.Context()) },
		"logoff":          func(t *testing.T, f *client.File) error { return f.Tree.Session.Logoff(t.Context()) },
	} {
		s.run(t, name, func(t *testing.T) {
			tree := must(must(s.dial(t).SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "IPC$"))(t)
			f := open(t, tree, client.CreateArgs{Name: "lsarpc", Disposition: client.Open})
			p := f.StartRead(0, 1024)
			must(p.Interim(t.Context()))(t)
			check(t, end(t, f))
			_, err := p.Wait(t.Context())
			wantStatus(t, err, ntstatus.PipeBroken)
		})
	}
	s.run(t, "names", func(t *testing.T) {
		tree := must(must(s.dial(t).SessionSetup(t.Context()))(t).TreeConnect(t.Context(), "IPC$"))(t)
		for _, name := range []string{`\srvsvc`, `pipe\srvsvc`, `\pipe\srvsvc`, "none"} {
			_, err := tree.Create(t.Context(), client.CreateArgs{Name: name, Disposition: client.Open})
			wantStatus(t, err, ntstatus.ObjectNameNotFound)
		}
		check(t, open(t, tree, client.CreateArgs{Name: "SRVSVC", Disposition: client.Open}).Close(t.Context()))
	})
}
