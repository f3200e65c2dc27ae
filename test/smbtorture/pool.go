package smbtorture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"lessor/test/harness"
	"lessor/test/kdc"
)

// serverConfig is what the tests need of the server: some speak 2.0.2, and many
// do not sign.
const serverConfig = `server:
  signing: %s
  logon: {%s}
  admins: [%s]
  dialects:
    min: "2.0.2"
locking:
  replay_profile: %s
`

// kerberosConfig is what tests need that log on with a ticket.
const kerberosConfig = `auth:
  kerberos:
    keytab: %q
`

// settings are what a server is started with; tests that want the same share one.
type settings struct {
	signing, replay string
	logon           string
	admins          string
	name            string // of the share
	share           string // a line each
	second          string // share of the same directory; empty: none
	secondShare     string // a line each
	fs              string // of the share; empty: the machine's
	kerberos        bool
}

// settings are those that the test needs.
func (t *Test) settings() settings {
	return settings{
		signing: cmp.Or(t.Signing, "enabled"), replay: cmp.Or(t.Replay, "samba"), share: strings.Join(t.Share, "\n"),
		logon: strings.Join(t.Logon, ", "), name: cmp.Or(t.ShareName, "share"), kerberos: t.Kerberos,
		fs: t.FS, admins: t.admins(), second: t.Second, secondShare: strings.Join(t.SecondSet, "\n"),
	}
}

// admins are the administrators of the server, in a list of YAML.
func (t *Test) admins() string {
	if t.Admin {
		return harness.User
	}
	return ""
}

// The second user of each server.
const user2, password2 = "bob", "Battery-Staple-9"

// Pool runs tests side by side.
type Pool struct {
	// Program is smbtorture; empty: look for it in $PATH.
	Program string
	// Jobs is the number of workers; less than 1: one.
	Jobs int
	// Dir is where the servers live, each in a directory of its own that goes with
	// it.
	Dir string
	// Target is a server to use instead; Jobs should be 1 then.
	Target *Target
	// Fresh starts a new server for each test.
	Fresh bool

	// realm starts the KDC of the pool when the first test needs it.
	realm func() (*realm, error)
}

// realm is a KDC with the user of the servers and with their keytab.
type realm struct {
	*kdc.KDC
	keytab string
}

// kerberosHost is what a server is called that clients log on to with a ticket.
// smbtorture refuses to ask for one for "localhost", in small letters.
const kerberosHost = "Localhost"

// startRealm starts the KDC.
func (p *Pool) startRealm() (*realm, error) {
	dir, err := os.MkdirTemp(p.Dir, "kdc-")
	if err != nil {
		return nil, err
	}
	k, err := kdc.Start(dir)
	if err != nil {
		return nil, err
	}
	r := &realm{KDC: k, keytab: filepath.Join(dir, "keytab")}
	const service = "cifs/" + kerberosHost
	for _, err := range []error{
		k.AddUser(harness.User, harness.Password), k.AddService(service), k.Keytab(r.keytab, service),
	} {
		if err != nil {
			return nil, errors.Join(err, k.Stop())
		}
	}
	return r, nil
}

// Run runs the tests, each once, the longest first, and calls done for each
// result; done is not called concurrently. It ends early when ctx ends. The error
// is about the servers, not about the tests.
func (p *Pool) Run(ctx context.Context, tests []Test, done func(Result)) error {
	if p.Program == "" {
		p.Program = "smbtorture"
	}
	order := slices.Clone(tests)
	slices.SortStableFunc(order, func(a, b Test) int { return cmp.Compare(b.Seconds, a.Seconds) })
	queue := make(chan Test, len(order))
	for _, t := range order {
		queue <- t
	}
	close(queue)

	var started *realm
	p.realm = sync.OnceValues(func() (_ *realm, err error) {
		started, err = p.startRealm()
		return started, err
	})
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make(chan Result)
	var workers sync.WaitGroup
	for range max(1, min(p.Jobs, len(order))) {
		w := &worker{pool: p, servers: map[settings]*harness.Server{}, mounts: map[settings]func() error{}}
		workers.Go(func() {
			if err := w.run(ctx, queue, results); err != nil {
				cancel(err)
			}
		})
	}
	go func() {
		workers.Wait()
		close(results)
	}()
	for r := range results {
		done(r)
	}
	if started != nil {
		return errors.Join(context.Cause(ctx), started.Stop())
	}
	return context.Cause(ctx)
}

// worker runs one test at a time. It is used by one goroutine.
type worker struct {
	pool *Pool
	// servers are those that run, by their settings.
	servers map[settings]*harness.Server
	// mounts end the mounts of their shares.
	mounts map[settings]func() error
}

func (w *worker) run(ctx context.Context, queue <-chan Test, results chan<- Result) (err error) {
	defer func() { err = errors.Join(err, w.stop()) }()
	for t := range queue {
		if ctx.Err() != nil {
			return nil
		}
		r, err := w.runTest(ctx, t)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Name, err)
		}
		if ctx.Err() != nil {
			return nil
		}
		results <- r
	}
	return nil
}

func (w *worker) runTest(ctx context.Context, t Test) (Result, error) {
	if to := w.pool.Target; to != nil {
		return RunTest(ctx, w.pool.Program, *to, t), nil
	}
	srv, err := w.server(t.settings())
	if notHere(err) {
		return Result{Test: t, Verdict: NotHere, Reason: oneLine(err.Error())}, nil
	}
	if err != nil {
		return Result{}, err
	}
	if t.File != "" {
		if err := os.WriteFile(srv.Path(t.settings().name, t.File), nil, 0o666); err != nil {
			return Result{}, err
		}
	}
	if t.Snapshot != "" {
		if err := makeSnapshot(srv.Path(t.settings().name), t.Snapshot); err != nil {
			return Result{}, err
		}
	}
	to := Target{
		Host: srv.Host, Port: srv.Port, Share: t.settings().name, Dir: srv.Path(t.settings().name),
		User: srv.User, Password: srv.Password, User2: user2, Password2: password2,
	}
	if t.Kerberos {
		realm, err := w.pool.realm()
		if err != nil {
			return Result{}, err
		}
		to.Host, to.Realm, to.Env = kerberosHost, kdc.Realm, realm.Env("")
	}
	if t.Port445 {
		f, err := newForwarder(srv.Addr)
		if notHere(err) {
			return Result{Test: t, Verdict: NotHere, Reason: oneLine(err.Error())}, nil
		}
		if err != nil {
			return Result{}, err
		}
		defer f.close()
		to.Host, to.Port = wellKnownHost, "445"
	}
	if t.Block != "" {
		dir, err := os.MkdirTemp(w.pool.Dir, "block-")
		if err != nil {
			return Result{}, err
		}
		b, err := newBlocker(dir, srv.PID(), t.Block == "replies")
		if notHere(err) {
			return Result{Test: t, Verdict: NotHere, Reason: oneLine(err.Error())}, nil
		}
		if err != nil {
			return Result{}, err
		}
		defer b.close()
		t.Args = append(slices.Clone(t.Args), "--option=torture:use_iptables=yes", "--option=torture:iptables_command="+b.command())
	}
	from := srv.LogSize()
	r := RunTest(ctx, w.pool.Program, to, t)
	if line := srv.Complaint(from); line != "" {
		r.Verdict, r.Reason = Crash, oneLine(line)
	} else if !srv.Alive() {
		r.Verdict, r.Reason = Crash, "the server ended"
	}
	if r.Verdict == Crash {
		r.Output += "\nThe server's log:\n" + srv.LogFrom(from)
	}
	if r.Verdict == Crash || w.pool.Fresh {
		return r, w.forget(t.settings())
	}
	return r, nil
}

// server returns a running server with an empty share.
func (w *worker) server(set settings) (*harness.Server, error) {
	srv := w.servers[set]
	if srv == nil {
		dir, err := os.MkdirTemp(w.pool.Dir, "server-")
		if err != nil {
			return nil, err
		}
		share := harness.Share{Name: set.name}
		if set.share != "" {
			share.Settings = strings.Split(set.share, "\n")
		}
		config := fmt.Sprintf(serverConfig, set.signing, set.logon, set.admins, set.replay)
		if set.kerberos {
			realm, err := w.pool.realm()
			if err != nil {
				return nil, err
			}
			config += fmt.Sprintf(kerberosConfig, realm.keytab)
			share.Settings = append(share.Settings, "default_access: write")
		}
		shares := []harness.Share{share}
		if set.second != "" {
			shares = append(shares, harness.Share{Name: set.second, Of: set.name, Settings: strings.Split(set.secondShare, "\n")})
		}
		srv, err = harness.New(dir, harness.Options{Config: config, Shares: shares})
		if err != nil {
			return nil, err
		}
		if set.fs != "" {
			unmount, err := mountImage(set.fs, filepath.Join(dir, "image"), srv.Path(set.name))
			if err != nil {
				return nil, err
			}
			w.mounts[set] = unmount
		}
		if err := srv.AddUser(user2, password2); err != nil {
			return nil, err
		}
		if err := srv.Start(); err != nil {
			return nil, err
		}
		w.servers[set] = srv
	}
	left, err := os.ReadDir(srv.Path(set.name))
	if err != nil {
		return nil, err
	}
	for _, e := range left {
		if err := os.RemoveAll(srv.Path(set.name, e.Name())); err != nil {
			return nil, err
		}
	}
	return srv, nil
}

// forget ends a server without asking how it did, and removes what it leaves.
func (w *worker) forget(set settings) error {
	srv := w.servers[set]
	delete(w.servers, set)
	if srv.Alive() {
		if err := srv.Kill(); err != nil {
			return err
		}
	}
	return errors.Join(w.unmount(set), os.RemoveAll(srv.Dir))
}

// unmount ends the mount that a server had its share on, if any.
func (w *worker) unmount(set settings) error {
	end := w.mounts[set]
	if end == nil {
		return nil
	}
	delete(w.mounts, set)
	return end()
}

// stop ends the servers; one that does not end well is an error.
func (w *worker) stop() error {
	var all error
	for set, srv := range w.servers {
		all = errors.Join(all, srv.Stop(), w.unmount(set))
		_ = os.RemoveAll(srv.Dir)
	}
	for set := range w.mounts {
		all = errors.Join(all, w.unmount(set)) // of a server that did not start
	}
	return all
}

// notHere reports whether an error says that this user or machine cannot do it.
func notHere(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, errors.ErrUnsupported)
}
