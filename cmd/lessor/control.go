package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"lessor/smb"
)

// controlSocket is the socket in the state directory by which the owner of a
// server looks at it and ends what clients have. It speaks HTTP; the answers are JSON:
//
//	GET  /status?part=P&user=U&client=C&path=P      report; parts are those of partNames
//	GET  /explain?access=A&share=S&path=P&user=U     smb.Explanation; 400 if there is no such access
//	POST /close-file?id=ID                          []smb.OpenStatus, those that were closed
//	POST /close-file?share=S&path=P                 likewise; 404 if there is no such share
//	POST /disconnect?who=W                          smb.Ended
const controlSocket = "control.sock"

// report is what a server tells about itself.
type report struct {
	Version string   `json:"version"`
	PID     int      `json:"pid"`
	Listen  []string `json:"listen"`
	smb.Status
}

// controlled is what the control socket needs of a server; *smb.Server is one.
type controlled interface {
	StatusOf(smb.StatusQuery) smb.Status
	FindOpen(id uint64) (smb.OpenStatus, bool)
	CloseOpen(id uint64) bool
	CloseFile(share, path string) (closed []smb.OpenStatus, ok bool)
	Disconnect(who string) smb.Ended
	Explain(context.Context, smb.ExplainQuery) (*smb.Explanation, error)
}

// control serves the control socket.
type control struct {
	// Immutable after construction.
	srv     controlled
	listen  []string
	socket  net.Listener
	server  http.Server
	serving sync.WaitGroup // the goroutine of serve
}

// errControlInUse means that another server has the state directory.
var errControlInUse = errors.New("another server uses this directory")

// newControl listens in the state directory. A socket that nobody listens on is
// left from a server that was killed.
func newControl(dir string, srv controlled, listen []string) (*control, error) {
	path, done, err := socketPath(dir)
	if err != nil {
		return nil, err
	}
	defer done()
	conn, err := new(net.Dialer).DialContext(context.Background(), "unix", path)
	switch {
	case err == nil:
		_ = conn.Close()
		return nil, errControlInUse
	case errors.Is(err, syscall.ECONNREFUSED):
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	// No other goroutine makes files yet.
	old := syscall.Umask(0o177)
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	syscall.Umask(old)
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false) // the path may be one of this very process; close does it
	c := &control{srv: srv, listen: listen, socket: l}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", c.status)
	mux.HandleFunc("GET /explain", c.explain)
	mux.HandleFunc("POST /close-file", c.closeFile)
	mux.HandleFunc("POST /disconnect", c.disconnect)
	c.server.Handler = mux
	c.server.ReadHeaderTimeout = 10 * time.Second
	return c, nil
}

// socketPath returns a path of the socket that is short enough for the kernel,
// good until done is called.
func socketPath(dir string) (path string, done func(), err error) {
	path = filepath.Join(dir, controlSocket)
	if len(path) < len(syscall.RawSockaddrUnix{}.Path) {
		return path, func() {}, nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("/proc/self/fd/%d/%s", d.Fd(), controlSocket), func() { _ = d.Close() }, nil
}

// serve answers until close.
func (c *control) serve(fail func(error)) {
	c.serving.Go(func() {
		if err := c.server.Serve(c.socket); !errors.Is(err, http.ErrServerClosed) {
			fail(err)
		}
	})
}

// close ends the server, whether it was started or not, and removes the socket.
func (c *control) close(dir string) error {
	_ = c.server.Close()
	_ = c.socket.Close() // Serve has closed it, if it came to that
	c.serving.Wait()
	return os.Remove(filepath.Join(dir, controlSocket))
}

func (c *control) status(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := smb.StatusQuery{User: v.Get("user"), Client: v.Get("client"), Path: v.Get("path")}
	for _, name := range v["part"] {
		q.Parts |= partNames[name]
	}
	version, _ := build()
	answer(w, report{Version: version, PID: os.Getpid(), Listen: c.listen, Status: c.srv.StatusOf(q)})
}

func (c *control) closeFile(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	if v.Has("share") {
		closed, ok := c.srv.CloseFile(v.Get("share"), v.Get("path"))
		if !ok {
			http.Error(w, "no such share", http.StatusNotFound)
			return
		}
		answer(w, closed)
		return
	}
	var closed []smb.OpenStatus
	if id, err := strconv.ParseUint(v.Get("id"), 10, 64); err == nil {
		if o, ok := c.srv.FindOpen(id); ok && c.srv.CloseOpen(id) {
			closed = append(closed, o)
		}
	}
	answer(w, closed)
}

func (c *control) disconnect(w http.ResponseWriter, r *http.Request) {
	answer(w, c.srv.Disconnect(r.URL.Query().Get("who")))
}

// answer writes the answer to a request.
func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// askControl sends a request to the server with the given state directory. The
// caller closes the body.
func askControl(ctx context.Context, dir, method, path string, query url.Values) (*http.Response, error) {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			sock, done, err := socketPath(dir)
			if err != nil {
				return nil, err
			}
			defer done()
			return new(net.Dialer).DialContext(ctx, "unix", sock)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://lessor"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(req)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("no server runs with the state directory %s; say which with -c FILE or --state DIR", dir)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("only root and the user that runs the server may do this")
	}
	return reply, err
}
