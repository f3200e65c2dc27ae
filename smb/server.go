package smb

import (
	"container/list"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs/afp"
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("smb: server closed")

// maxUnauthenticatedFrame bounds what a connection without a session may send
// in one frame: more than the longest security token.
const maxUnauthenticatedFrame = 80 << 10

// Server is an SMB server. It is made by New.
type Server struct {
	// Immutable after construction.
	cfg     Config
	guid    wire.GUID
	log     zerolog.Logger
	metrics *metrics
	locks   *locking.OplockManager
	ipc     *share
	started time.Time
	machine machineSID
	unix    *unixUsers
	run     uint8 // the last bits of the number of this run

	shares atomic.Pointer[shareTable] // replaced as a whole
	hosts  atomic.Pointer[HostRules]  // replaced as a whole
	// interfaces are replaced as a whole.
	interfaces atomic.Pointer[InterfaceRules]
	admins     admins
	privileged atomic.Pointer[map[string]secdesc.Privilege] // by key of Share.Access; immutable; nil: nobody

	groups   groupNames
	memory   memory
	throttle throttle
	valid    atomic.Int64 // valid sessions
	waiting  atomic.Int64 // requests that wait for an event

	accounts accounts   // who has logged on
	watches  watchTable // who waits for changes in a directory
	local    localTable // who listens for what others do to shared files

	offloads offloads     // tokens of offloaded copies
	imports  afp.Importer // what other servers have stored for macOS

	nextConn  atomic.Uint64
	nextAsync atomic.Uint64
	nextOpen  atomic.Uint64
	closed    atomic.Bool
	strangers logLimit
	apps      appInstances
	pressure  *pressure
	released  sync.Once // of the grips of disconnected opens
	creates   pendingCreates
	bins      binKeeper // guarded by local.starting

	mu        sync.Mutex // level 1; guards what follows
	idle      *sync.Cond // a connection has ended
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	perAddr   map[netip.Addr]int // connections, by netOf
	newcomers list.List          // connections that never had a valid session, oldest first
	clients   map[locking.ClientID]*client
	sessions  map[uint64]*session
	ending    map[uint64]*session // those that are being torn down
}

// New makes a server. It serves nothing before SetShares and Serve. Errors: what
// is wrong with cfg, or what the store answers.
func New(cfg Config) (*Server, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Server{
		cfg:       cfg,
		log:       *cfg.Log,
		metrics:   newMetrics(cfg.Metrics),
		started:   time.Now(),
		pressure:  newPressure(cfg.Limits.OpensPerSession),
		listeners: make(map[net.Listener]struct{}),
		conns:     make(map[*conn]struct{}),
		perAddr:   make(map[netip.Addr]int),
		clients:   make(map[locking.ClientID]*client),
		sessions:  make(map[uint64]*session),
		ending:    make(map[uint64]*session),
	}
	s.idle = sync.NewCond(&s.mu)
	s.SetHosts(cfg.Hosts)
	s.SetInterfaces(cfg.Interfaces)
	s.memory.limit, s.memory.srv = cfg.Limits.BufferMemory, s
	s.throttle.Throttle, s.throttle.seed = cfg.Throttle, maphash.MakeSeed()
	if s.metrics.err != nil {
		return nil, s.metrics.err
	}
	if err := s.identify(); err != nil {
		return nil, err
	}
	s.unix = newUnixUsers(s)
	s.locks = locking.New(locking.Options{
		Store:          cfg.Store,
		KeepDurable:    cfg.Store != nil,
		BreakTimeout:   cfg.BreakTimeout,
		DurableTimeout: cfg.DurableTimeout,
		Observer:       s.metrics.lockObserver(),
		OnPurge:        s.purged,
	})
	s.metrics.watchLocks(s.locks)
	s.metrics.watchMemory(s.memory.used)
	s.ipc = &share{Share: Share{Name: ipcName, Comment: "Remote IPC", DefaultAccess: AccessWrite}, ipc: true, metrics: s.metrics.share(ipcName)}
	s.shares.Store(&shareTable{byName: map[string]*share{ipcName: s.ipc}})
	s.groups.dir, s.groups.trusts, s.groups.notFound = cfg.Directory, s.trusts, s.groupNotFound
	s.SetAdmins(cfg.Admins)
	s.SetPrivileged(cfg.Privileged)
	return s, nil
}

// identify finds the identity of the server and the range of ids of this run.
func (s *Server) identify() error {
	epoch := uint64(time.Now().Unix()) & 0xffffff
	if s.cfg.Store == nil {
		s.random(s.guid[:])
	} else {
		guid, err := s.cfg.Store.ServerGUID()
		if err == nil {
			epoch, err = s.cfg.Store.NextServerEpoch()
		}
		if err != nil {
			return fmt.Errorf("smb: lock store: %w", err)
		}
		s.guid = guid
	}
	// The ids of opens are unique in the life of a store: 24 bits of epoch, 40
	// bits within a run.
	s.nextOpen.Store(epoch << 40)
	s.run = uint8(epoch)
	s.machine = machineSIDOf(s.guid)
	if sid := s.cfg.MachineSID; !sid.IsZero() {
		s.machine = machineSID{sid.Sub(1), sid.Sub(2), sid.Sub(3)}
	}
	return nil
}

// random fills b from the source of randomness.
func (s *Server) random(b []byte) {
	src := s.cfg.Rand
	if src == nil {
		src = rand.Reader
	}
	if _, err := io.ReadFull(src, b); err != nil {
		// crypto/rand never fails; an injected source that does must not yield
		// predictable ids.
		panic("smb: source of randomness failed: " + err.Error())
	}
}

// maxFrame is the longest frame of a client with a session: the largest write
// with its header, sealed.
func (s *Server) maxFrame() int {
	l := &s.cfg.Limits
	return int(max(l.WriteSize, l.TransactSize)) + 64<<10
}

// newOpenID returns an id that no open has ever had.
func (s *Server) newOpenID() locking.OpenID { return locking.OpenID(s.nextOpen.Add(1)) }

// Restore makes the durable opens that Config.Store has kept wait for their
// clients again. It is called once, after SetShares and before Serve, and
// returns their number.
func (s *Server) Restore() (int, error) { return s.locks.Restore() }

// Serve accepts connections from l until the server is closed, and then returns
// ErrServerClosed. It closes l.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	if s.closed.Load() {
		s.mu.Unlock()
		_ = l.Close()
		return ErrServerClosed
	}
	s.listeners[l] = struct{}{}
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.listeners, l)
		s.mu.Unlock()
		_ = l.Close()
	}()
	var delay time.Duration
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			delay = 0
			go s.ServeConn(nc)
			continue
		case s.closed.Load():
			return ErrServerClosed
		case errors.Is(err, net.ErrClosed):
			return err
		}
		// Out of descriptors, or a connection that was reset before it was
		// accepted: go on, but not in a tight loop.
		delay = min(max(2*delay, 5*time.Millisecond), time.Second)
		s.log.Warn().Err(err).Dur("retry", delay).Msg("accept failed")
		time.Sleep(delay)
	}
}

// stopListening closes all listeners and refuses new connections.
func (s *Server) stopListening() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed.Store(true)
	for l := range s.listeners {
		_ = l.Close()
	}
}

// Shutdown refuses new connections, lets requests that are at work finish, cuts
// connections when they are idle, and stores the state of the locks. It does not wait
// for what clients have not sent yet, such as the rest of a long WRITE. When ctx
// ends first, it cuts what is left and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.stopListening()
	s.closeConns((*conn).closeWhenIdle)
	stop := context.AfterFunc(ctx, func() { s.closeConns((*conn).close) })
	defer stop()
	s.waitConns()
	s.local.close()
	s.groups.close()
	s.endBins()
	err := s.closeLocks()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Close cuts all connections, waits for their requests to end, and stores the
// state of the locks.
func (s *Server) Close() error {
	s.stopListening()
	s.closeConns((*conn).close)
	s.waitConns()
	s.local.close()
	s.groups.close()
	s.endBins()
	return s.closeLocks()
}

// closeLocks stores the state of the locks and, the first time, gives back what is
// held for opens that wait for their clients: those live on in the store alone.
func (s *Server) closeLocks() error {
	err := s.locks.Close()
	s.offloads.close()
	s.released.Do(func() {
		s.locks.EachDisconnected(func(payload any) {
			if o, ok := payload.(*open); ok {
				o.unpin()
			}
		})
	})
	return err
}

// closeConns calls fn for every connection.
func (s *Server) closeConns(fn func(*conn)) {
	s.mu.Lock()
	list := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	s.mu.Unlock()
	for _, c := range list {
		fn(c)
	}
}

// waitConns waits until all connections have ended.
func (s *Server) waitConns() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.conns) > 0 {
		s.idle.Wait()
	}
}

// session finds a session by its id.
func (s *Server) session(id uint64) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sessions[id]
}
