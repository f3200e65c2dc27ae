package abuse

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/wire"
	"lessor/test/harness"
)

//go:embed testdata/session.py
var impacketScript string

// listen serves on the loopback interface until the test ends.
func (s *server) listen(t *testing.T) *net.TCPAddr {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		check(t, s.Close())
		if err := <-served; !errors.Is(err, smb.ErrServerClosed) {
			t.Error(err)
		}
	})
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatal("no TCP")
	}
	return addr
}

// Impacket builds its NTLM and SPNEGO tokens by hand and asks for what nobody else asks
// for. It comes in with a password or its hash, moves files, and asks for the shares by
// RPC; with another password or hash it does not, and nothing of that breaks the server.
// Its 3.1.1 is left out: version 0.10 derives other keys than anybody else, and smbd
// refuses its signature, too.
func TestImpacket(t *testing.T) {
	harness.Tool(t, "impacket-rpcdump", "python3-impacket")
	hash := auth.NTHash("secret")
	for _, d := range []wire.Dialect{wire.Dialect210, wire.Dialect300} {
		t.Run(d.String(), func(t *testing.T) {
			s := newServer(t, func(c *smb.Config) { c.MinDialect, c.MaxDialect = d, d })
			addr := s.listen(t)
			for _, l := range []struct{ password, hash, want string }{
				{"secret", "", "served"},
				{"", fmt.Sprintf("%x", hash), "served"},
				{"wrong", "", "STATUS_LOGON_FAILURE"},
				{"", strings.Repeat("00", 16), "STATUS_LOGON_FAILURE"},
			} {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				// The interpreter of the system, for which the package is made.
				cmd := exec.CommandContext(ctx, "/usr/bin/python3", "-I", "-c", impacketScript,
					fmt.Sprint(addr.Port), fmt.Sprint(uint16(d)), "alice", l.password, l.hash)
				out, err := cmd.CombinedOutput()
				cancel()
				if !strings.Contains(string(out), l.want) || (err == nil) != (l.want == "served") {
					t.Errorf("password %q, hash %q: %v: %s", l.password, l.hash, err, out)
				}
			}
		})
	}
}
