package harness

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// readyTimeout is for a server to start; a machine under load is slow.
	readyTimeout = 60 * time.Second
	// stopTimeout is for a server to end after SIGTERM: longer than its own
	// limit for running requests (timeouts.shutdown), which is 30 s.
	stopTimeout = 45 * time.Second
	// pollEvery is how often /readyz is asked.
	pollEvery = 20 * time.Millisecond
)

// User and Password are of the one who may use all shares of every server.
const (
	User     = "alice"
	Password = "Correct-Horse-7"
)

// Share is a share of the server under test, with a fresh directory of its own.
type Share struct {
	Name string
	// Settings are lines of YAML such as "hidden: true", in the words of
	// config/default.yaml. Without any, the share is given as a flag; with
	// "type: memory" it has no directory.
	Settings []string
	// Of is the name of another share whose directory this one has, too; it needs Settings.
	Of string
}

// Options say what server a test wants. The zero value is a server with the
// share "share" and the settings that the binary comes with.
type Options struct {
	// Shares are what it exports; none: one share named "share".
	Shares []Share
	// Config is YAML for the configuration file: any top-level key but shares
	// and those that the flags of the harness give (addresses, user, state).
	Config string
	// Args are more arguments of serve, and Env more variables NAME=VALUE.
	Args, Env []string
}

// Server is one server with what it owns on disk and on the network.
type Server struct {
	// Immutable after New, except that the first Start may choose the ports anew.

	// Addr is the address of the SMB port, and Host and Port its parts.
	Addr, Host, Port string
	// User and Password have read and write access to every share.
	User, Password string
	// MetricsURL is the root of the metrics address: append /metrics, /readyz.
	MetricsURL string
	// Dir holds all of the server's files; StateDir is its --state.
	Dir, StateDir string

	opt Options

	// Of the running process; replaced by Start.

	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended; exit is set before
	exit error
	// meant says that Stop or Kill ended the process.
	meant bool
	// started says that the ports were used once and stay.
	started bool
}

// New prepares a server in dir, which it fills: shares/NAME, state, log. It does
// not start it.
func New(dir string, opt Options) (*Server, error) {
	if len(opt.Shares) == 0 {
		opt.Shares = []Share{{Name: "share"}}
	}
	s := &Server{
		User:     User,
		Password: Password,
		Host:     "127.0.0.1",
		Dir:      dir,
		StateDir: filepath.Join(dir, "state"),
		opt:      opt,
	}
	if err := os.MkdirAll(s.StateDir, 0o700); err != nil {
		return nil, err
	}
	for _, sh := range opt.Shares {
		if sh.Of != "" {
			continue
		}
		if err := os.MkdirAll(s.Path(sh.Name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(s.file("password"), []byte(s.Password+"\n"), 0o600); err != nil {
		return nil, err
	}
	return s, os.WriteFile(s.file("lessor.yaml"), []byte(s.yaml()), 0o600)
}

// Run starts a server that ends with the test. It fails the test when the server
// cannot start, when it does not end cleanly, or when its log holds a panic.
func Run(t testing.TB, opt Options) *Server {
	t.Helper()
	s, err := New(t.TempDir(), opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("end of the server's log:\n%s", tail(s.Log(), 60))
		}
	})
	return s
}

// AddUser makes one more user known to the server. The shares given as flags are
// not for that user.
func (s *Server) AddUser(name, password string) error {
	bin, err := Binary()
	if err != nil {
		return err
	}
	cmd := exec.Command(bin, "user", "add", name, "--state", s.StateDir, "--password-file", "-")
	cmd.Stdin = strings.NewReader(password + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("lessor user add %s: %w\n%s", name, err, out)
	}
	return nil
}

// Path is the directory of a share, or of a name inside it.
func (s *Server) Path(share string, elem ...string) string {
	return filepath.Join(append([]string{s.Dir, "shares", share}, elem...)...)
}

func (s *Server) file(name string) string { return filepath.Join(s.Dir, name) }

// yaml is the configuration file: what the flags cannot say.
func (s *Server) yaml() string {
	var b strings.Builder
	b.WriteString(s.opt.Config)
	var shares strings.Builder
	for _, sh := range s.opt.Shares {
		if len(sh.Settings) == 0 {
			continue
		}
		fmt.Fprintf(&shares, "  - name: %q\n", sh.Name)
		if !slices.Contains(sh.Settings, "type: memory") {
			fmt.Fprintf(&shares, "    path: %q\n", s.Path(cmp.Or(sh.Of, sh.Name)))
		}
		fmt.Fprintf(&shares, "    users:\n      - name: %q\n        access: write\n", s.User)
		for _, line := range sh.Settings {
			fmt.Fprintf(&shares, "    %s\n", line)
		}
	}
	if shares.Len() > 0 {
		b.WriteString("\nshares:\n" + shares.String())
	}
	return b.String()
}

// args is the command line after the program.
func (s *Server) args(metrics string) []string {
	a := []string{"serve"}
	if s.yaml() != "" {
		a = append(a, "-c", s.file("lessor.yaml"))
	}
	a = append(a, "--listen", s.Addr, "--metrics", metrics, "--state", s.StateDir,
		"--user", s.User, "--password-file", s.file("password"))
	for _, sh := range s.opt.Shares {
		if len(sh.Settings) == 0 {
			a = append(a, "--share", sh.Name+"="+s.Path(sh.Name))
		}
	}
	return append(a, s.opt.Args...)
}

// errPortTaken says that somebody else took the port between its choice and its
// use.
var errPortTaken = errors.New("the port is taken")

// Start runs the server and returns when /readyz answers 200. A server that was
// started before keeps its addresses, its state and its shares; its log is
// continued.
func (s *Server) Start() error {
	if s.Alive() {
		return errors.New("the server runs already")
	}
	bin, err := Binary()
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		if !s.started {
			if err := s.choosePorts(); err != nil {
				return err
			}
		}
		err := s.start(bin)
		if errors.Is(err, errPortTaken) && !s.started && try < 5 {
			continue
		}
		s.started = s.started || err == nil
		return err
	}
}

// choosePorts asks the kernel for two free ports.
func (s *Server) choosePorts() error {
	smb, err := net.Listen("tcp", s.Host+":0")
	if err != nil {
		return err
	}
	defer func() { _ = smb.Close() }()
	metrics, err := net.Listen("tcp", s.Host+":0")
	if err != nil {
		return err
	}
	defer func() { _ = metrics.Close() }()
	s.Addr = smb.Addr().String()
	_, s.Port, err = net.SplitHostPort(s.Addr)
	s.MetricsURL = "http://" + metrics.Addr().String()
	return err
}

func (s *Server) start(bin string) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	from := s.LogSize()
	cmd := exec.Command(bin, s.args(strings.TrimPrefix(s.MetricsURL, "http://"))...)
	cmd.Dir = s.Dir
	cmd.Env = append(os.Environ(), s.opt.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	dieWithParent(cmd)
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	s.cmd, s.done, s.meant = cmd, done, false
	go func() {
		s.exit = cmd.Wait()
		close(done)
	}()
	if err := s.waitReady(from); err != nil {
		_ = s.Kill()
		return err
	}
	return nil
}

// dump has a server that does not get on write what its goroutines are at to its log.
func (s *Server) dump() {
	_ = s.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
	}
}

// waitReady polls /readyz: the one thing that another process offers to wait for.
func (s *Server) waitReady(from int64) error {
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	limit := time.NewTimer(readyTimeout)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-s.done:
			text := s.LogFrom(from)
			if strings.Contains(text, "address already in use") {
				return errPortTaken
			}
			return fmt.Errorf("the server ended before it was ready: %s\n%s", s.how(), tail(text, 30))
		case <-limit.C:
			s.dump()
			return fmt.Errorf("the server was not ready after %v: %w\n%s", readyTimeout, last, tail(s.LogFrom(from), 300))
		case <-tick.C:
		}
		reply, err := client.Get(s.MetricsURL + "/readyz")
		if err != nil {
			last = err
			continue
		}
		_ = reply.Body.Close()
		if reply.StatusCode == http.StatusOK {
			return nil
		}
		last = fmt.Errorf("/readyz answers %s", reply.Status)
	}
}

// Alive says whether the process runs.
func (s *Server) Alive() bool {
	select {
	case <-s.Done():
		return false
	default:
		return true
	}
}

// Done is closed when the process that was started last has ended, or when none
// was started.
func (s *Server) Done() <-chan struct{} {
	if s.done == nil {
		closed := make(chan struct{})
		close(closed)
		return closed
	}
	return s.done
}

// PID is the process that was started last.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Signal sends a signal to the process.
func (s *Server) Signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// Stop ends the server as a service manager would and waits for it. It is an
// error if the server had died, takes too long (its goroutines are in the log
// then), does not exit with 0, or if its log holds a panic or a data race. After
// Kill it only looks at the log.
func (s *Server) Stop() error {
	if s.cmd == nil {
		return nil
	}
	if s.Alive() {
		s.meant = true
		if err := s.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		if err := s.waitEnd(); err != nil {
			return err
		}
		if s.exit != nil {
			return fmt.Errorf("the server ended with %w\n%s", s.exit, tail(s.Log(), 30))
		}
	}
	if !s.meant {
		return s.died()
	}
	if line := s.Complaint(0); line != "" {
		return fmt.Errorf("the server's log holds: %s", line)
	}
	return nil
}

// died is the error of a process that nobody asked to end.
func (s *Server) died() error {
	return fmt.Errorf("the server ended by itself: %s\n%s", s.how(), tail(s.Log(), 30))
}

// how says how the process ended.
func (s *Server) how() string {
	if s.exit != nil {
		return s.exit.Error()
	}
	return "exit status 0"
}

// waitEnd waits for the process after SIGTERM. One that does not end is made to
// write the stacks of its goroutines.
func (s *Server) waitEnd() error {
	if waitFor(s.done, stopTimeout) {
		return nil
	}
	_ = s.Signal(syscall.SIGQUIT)
	if !waitFor(s.done, 5*time.Second) {
		_ = s.Kill()
	}
	return fmt.Errorf("the server did not end within %v of SIGTERM; its goroutines are in %s", stopTimeout, s.logFile())
}

func waitFor(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

// Kill ends the process without notice (SIGKILL) and waits for it. It is an error
// if the process had ended by itself.
func (s *Server) Kill() error {
	if s.cmd == nil {
		return nil
	}
	if !s.Alive() {
		if s.meant {
			return nil
		}
		return s.died()
	}
	s.meant = true
	if err := s.Signal(syscall.SIGKILL); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-s.done
	return nil
}
