package service

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lessor/smb/transport/smbquic"
	"lessor/test/certs"
	"lessor/test/client"
	"lessor/test/harness"
)

// file is the descriptor of a socket, as a service manager would pass it.
func file(t *testing.T, s interface{ File() (*os.File, error) }) *os.File {
	t.Helper()
	f, err := s.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// activate starts the real program with sockets and returns its output, line by
// line. The process ends with the test.
func activate(t *testing.T, dir string, sockets []*os.File, names string, args ...string) *bufio.Scanner {
	t.Helper()
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	// Only the process itself knows its number, so a shell sets it and becomes it.
	cmd := exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ exec "$0" "$@"`, bin, "serve"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), fmt.Sprintf("LISTEN_FDS=%d", len(sockets)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = sockets
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		for lines.Scan() {
			t.Log(lines.Text())
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	t.Cleanup(func() { limit.Stop() })
	return lines
}

// untilLine returns the first line that holds text.
func untilLine(t *testing.T, lines *bufio.Scanner, text string) string {
	t.Helper()
	for lines.Scan() {
		if strings.Contains(lines.Text(), text) {
			return lines.Text()
		}
		t.Log(lines.Text())
	}
	t.Fatalf("the server never said %q", text)
	return ""
}

func TestSocketActivation(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ca := certs.NewAuthority(t, "CA")
	cert, key := ca.Issue("server").Write(t, dir, "server")
	// The addresses of the file are not to be taken: nobody has this one.
	write("lessor.yaml", fmt.Sprintf("server: {listen: [\"192.0.2.1:445\"], quic: {certificate: %s, key: %s}}\nsandbox: auto\n", cert, key))
	write("password", "Secret-1234\n")
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	stream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	datagram, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sockets := []*os.File{file(t, stream.(*net.TCPListener)), file(t, metrics.(*net.TCPListener)), file(t, datagram.(*net.UDPConn))}
	for _, s := range []interface{ Close() error }{stream, metrics, datagram} {
		s.Close() // the copies are what the server gets
	}
	lines := activate(t, dir, sockets, "lessor.socket:metrics:quic", "-c", "lessor.yaml", "--state", "st",
		"--user", "alice", "--password-file", "password", "--share", "data=data")
	serving := untilLine(t, lines, `"serving"`)
	want := fmt.Sprintf(`"listen":["%s","%s (QUIC)"],"metrics":"%s"`, stream.Addr(), datagram.LocalAddr(), metrics.Addr())
	if !strings.Contains(serving, want) {
		t.Errorf("serving is %s, want %s", serving, want)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	quic := func(ctx context.Context, addr string) (net.Conn, error) {
		return smbquic.Dial(ctx, addr, &tls.Config{RootCAs: ca.Pool()})
	}
	for addr, dial := range map[string]func(context.Context, string) (net.Conn, error){stream.Addr().String(): nil, datagram.LocalAddr().String(): quic} {
		tree, err := client.Connect(ctx, addr, "data", client.Options{User: "alice", Password: "Secret-1234", Dial: dial})
		if err != nil {
			t.Fatalf("%s: %v", addr, err)
		}
		_ = tree.Session.Conn.Close()
	}
	c, err := net.Dial("tcp", metrics.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

func TestSocketsThatAreNone(t *testing.T) {
	bin, err := harness.Binary()
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, tt := range []struct{ env, want string }{
		{"LISTEN_FDS=1", "want a listening TCP socket or a UDP socket"},
		{"LISTEN_FDS=x", `LISTEN_FDS is "x"`},
	} {
		cmd := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" serve`, bin)
		cmd.Dir = t.TempDir()
		cmd.Env = append(os.Environ(), tt.env)
		cmd.ExtraFiles = []*os.File{f}
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), tt.want) {
			t.Errorf("%s: %v\n%s", tt.env, err, out)
		}
	}
}
