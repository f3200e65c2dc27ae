package rpc

import (
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what clients see to testdata instead of comparing it")

// serveTCP bridges TCP connections to instances of a pipe: the data units are
// the same over TCP (ncacn_ip_tcp), so that a client can be tried without SMB.
// It returns the port.
func serveTCP(t *testing.T, b Backend, pipeName, user string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var bridges sync.WaitGroup
	bridges.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			bridges.Go(func() { bridge(t, conn, b, pipeName, user) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		bridges.Wait()
	})
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// bridge serves one connection until the client closes it.
func bridge(t *testing.T, conn net.Conn, b Backend, pipeName, user string) {
	defer func() { _ = conn.Close() }()
	p, err := Open(pipeName, b, user)
	if err != nil {
		t.Error(err)
		return
	}
	defer p.Close()
	buf := make([]byte, 4096)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		if _, err := p.Write(buf[:n]); err != nil {
			return
		}
		for {
			data, _, err := p.Read(1000)
			if errors.Is(err, ErrNoData) {
				break
			}
			if err != nil {
				return
			}
			if _, err := conn.Write(data); err != nil {
				return
			}
		}
	}
}

// TestSambaClient lets Samba's client read the replies. The files in testdata
// were read by a person.
func TestSambaClient(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.CommandContext(t.Context(), python, "-c", "import samba.dcerpc.srvsvc").Run(); err != nil {
		t.Skip("Samba's Python bindings are not installed")
	}
	for name, user := range map[string]string{"admin": admin, "user": alice, "anonymous": ""} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t)
			got, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "samba_client.py"),
				serveTCP(t, b, "srvsvc", user), serveTCP(t, b, "wkssvc", user), serveTCP(t, b, "lsarpc", user)).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, got)
			}
			file := filepath.Join("testdata", "samba_client."+name+".txt")
			if *update {
				if err := os.WriteFile(file, got, 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
				t.Errorf("Samba's client sees something else (-want +got):\n%s", diff)
			}
		})
	}
}
