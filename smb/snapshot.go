package smb

import (
	"cmp"
	"slices"
	"time"

	"lessor/locking"
	"lessor/smb/wire"
)

// Part is a set of the lists of a Status.
type Part uint8

// The lists of a Status.
const (
	PartSessions Part = 1 << iota // connections and sessions
	PartOpens
	PartLeases
	PartLocks
	PartDurable
	PartWaiting

	PartAll = PartSessions | PartOpens | PartLeases | PartLocks | PartDurable | PartWaiting
)

// StatusQuery says what of a Status is wanted. The conditions are joined by "and"; an
// empty one holds for everything.
type StatusQuery struct {
	// Parts are the lists; 0 means all of them.
	Parts Part
	// User is a user's name, without regard to case.
	User string
	// Client is an address of a client, with or without port, or its ClientGuid.
	Client string
	// Path is how the paths below the root of a share begin, joined by '/' and
	// without regard to case. Connections and sessions have none and are told anyway.
	Path string
}

// Status is what the server holds at one moment, for status pages and the command
// line. The lists are consistent each in itself, not with each other. A list that
// was not asked for is nil. Ids are strings in JSON, as they have 64 bits, which not
// every reader of JSON keeps.
type Status struct {
	Started     time.Time          `json:"started"`
	Totals      Totals             `json:"totals"`
	Locks       locking.Stats      `json:"-"`
	Connections []ConnectionStatus `json:"connections,omitzero"` // by age
	Sessions    []SessionStatus    `json:"sessions,omitzero"`    // by age
	Opens       []OpenStatus       `json:"opens,omitzero"`       // by age; without pipes
	Leases      []LeaseStatus      `json:"leases,omitzero"`      // by age
	Ranges      []RangeStatus      `json:"locks,omitzero"`       // by open and offset
	Durable     []DurableStatus    `json:"durable,omitzero"`     // by age
	Waiting     []WaitingStatus    `json:"waiting,omitzero"`     // by age
}

// Totals count what there is, whatever was asked for.
type Totals struct {
	Connections int `json:"connections"`
	Sessions    int `json:"sessions"`
	// Opens are the open files and directories of connected clients.
	Opens   int64 `json:"opens"`
	Files   int64 `json:"files"` // that are open
	Leases  int64 `json:"leases"`
	Oplocks int64 `json:"oplocks"`
	// Breaks await an answer of a client.
	Breaks  int64 `json:"breaks"`
	Locks   int64 `json:"locks"` // byte-range locks that are held
	Durable int64 `json:"durable"`
	Waiting int   `json:"waiting"`
}

// ConnectionStatus is one transport connection.
type ConnectionStatus struct {
	ID       uint64    `json:"id,string"`
	Client   string    `json:"client"`  // its address
	Dialect  string    `json:"dialect"` // empty before it was negotiated
	Since    time.Time `json:"since"`
	Sessions int       `json:"sessions"`
}

// SessionStatus is one authenticated session.
type SessionStatus struct {
	ID         uint64    `json:"id,string"`
	User       string    `json:"user"`
	Client     string    `json:"client"` // address of its oldest connection
	ClientGUID string    `json:"client_guid"`
	Dialect    string    `json:"dialect"`
	Channels   int       `json:"channels"`
	Signed     bool      `json:"signed"`    // every message must be, or sealed
	Encrypted  bool      `json:"encrypted"` // every message must be
	Since      time.Time `json:"since"`
	Shares     []string  `json:"shares"`
	Opens      int       `json:"opens"` // pipes included
}

// OpenStatus is one open file or directory of a connected client.
type OpenStatus struct {
	ID      uint64 `json:"id,string"`
	Session uint64 `json:"session,string"`
	User    string `json:"user"`
	Client  string `json:"client"` // address
	Share   string `json:"share"`
	// Path is below the root of the share, joined by '/', and has ":stream" behind it
	// for a named stream.
	Path      string `json:"path"`
	Directory bool   `json:"directory"`
	Access    uint32 `json:"access"`     // the granted access mask
	ShareMode uint32 `json:"share_mode"` // bits 1 read, 2 write, 4 delete
	Caching   string `json:"caching"`    // the oplock or lease, as "batch" or "lease RWH"
	LeaseKey  string `json:"lease_key,omitzero"`
	Breaking  bool   `json:"breaking"`
	// DeletePending: the file goes at its last close.
	DeletePending bool `json:"delete_pending"`
	Locks         int  `json:"locks"`
	Durable       bool `json:"durable"`
}

// LeaseStatus is one lease or oplock.
type LeaseStatus struct {
	Key        string `json:"key"` // 32 hexadecimal digits; empty for an oplock
	Oplock     string `json:"oplock,omitzero"`
	State      string `json:"state"` // of R, W and H, or "-"; for an oplock what it amounts to
	Share      string `json:"share"`
	Path       string `json:"path"`
	Directory  bool   `json:"directory"`
	User       string `json:"user"`
	Client     string `json:"client"` // address
	ClientGUID string `json:"client_guid"`
	Opens      int    `json:"opens"`           // under it
	Open       uint64 `json:"open,string"`     // one of them
	Version    uint8  `json:"version"`         // 1 or 2; 0 for an oplock
	Epoch      uint16 `json:"epoch"`           // of version 2
	ParentKey  string `json:"parent,omitzero"` // lease key of the directory
	// Breaking: the client was told to give up all but BreakTo, at BreakSince.
	Breaking   bool      `json:"breaking"`
	BreakTo    string    `json:"break_to,omitzero"`
	BreakSince time.Time `json:"break_since,omitzero"`
	Since      time.Time `json:"since"`
}

// RangeStatus is one byte-range lock, or one that somebody waits for.
type RangeStatus struct {
	Share     string    `json:"share"`
	Path      string    `json:"path"`
	Offset    uint64    `json:"offset,string"`
	Length    uint64    `json:"length,string"`
	Exclusive bool      `json:"exclusive"`
	Waiting   bool      `json:"waiting"`
	Open      uint64    `json:"open,string"`
	User      string    `json:"user"`
	Client    string    `json:"client"`
	Since     time.Time `json:"since"`
}

// DurableStatus is a durable open whose client is not connected.
type DurableStatus struct {
	ID         uint64    `json:"id,string"`
	Share      string    `json:"share"`
	Path       string    `json:"path"`
	User       string    `json:"user"`   // a SID after a restart, until the user logs on
	Client     string    `json:"client"` // address that it came from; empty after a restart
	ClientGUID string    `json:"client_guid"`
	CreateGUID string    `json:"create_guid,omitzero"` // of version 2
	Caching    string    `json:"caching"`
	Locks      int       `json:"locks"`
	Persistent bool      `json:"persistent"`
	Resilient  bool      `json:"resilient"`
	Since      time.Time `json:"since"`   // the connection was lost, or the server started
	Expires    time.Time `json:"expires"` // it is closed, unless the client comes back
}

// WaitingStatus is a request that waits for somebody else.
type WaitingStatus struct {
	Command string    `json:"command"` // as "CREATE"
	For     string    `json:"for"`     // "break", "lock", "notify" or "pipe"
	Share   string    `json:"share"`
	Path    string    `json:"path"`
	Open    uint64    `json:"open,string,omitzero"` // 0 for a CREATE
	Session uint64    `json:"session,string"`
	User    string    `json:"user"`
	Client  string    `json:"client"` // address
	Since   time.Time `json:"since"`
}

// Status returns a snapshot of everything.
func (s *Server) Status() Status { return s.StatusOf(StatusQuery{}) }

// StatusOf returns a snapshot of what is asked for. It holds no lock for longer than
// it takes to look at some items, so that it does not hold up anybody, however much
// there is to tell.
func (s *Server) StatusOf(q StatusQuery) Status {
	if q.Parts == 0 {
		q.Parts = PartAll
	}
	st := Status{Started: s.started, Locks: s.locks.Stats()}
	conns, l := s.look(q)
	st.Totals = l.totals(&st.Locks, conns)
	if q.Parts&PartSessions != 0 {
		st.Connections, st.Sessions = l.connections(conns), l.sessionList()
	}
	if q.Parts&(PartOpens|PartLeases|PartDurable) != 0 {
		l.opens(&st)
	}
	if q.Parts&PartLocks != 0 {
		st.Ranges = l.ranges()
	}
	if q.Parts&PartWaiting != 0 {
		st.Waiting = l.waiting(conns)
	}
	return st
}

// totals counts everything.
func (l *look) totals(locks *locking.Stats, conns []*conn) Totals {
	t := Totals{
		Connections: len(conns),
		Sessions:    len(l.sessions),
		Opens:       locks.Opens - locks.DurableHeld,
		Files:       locks.Files,
		Oplocks:     locks.OplocksII + locks.OplocksExclusive + locks.OplocksBatch,
		Breaks:      locks.Breaking,
		Locks:       locks.Ranges,
		Durable:     locks.DurableHeld,
	}
	for _, n := range locks.Leases {
		t.Leases += n
	}
	for _, c := range conns {
		t.Waiting += len(c.waits())
	}
	return t
}

// connections describes the connections.
func (l *look) connections(conns []*conn) []ConnectionStatus {
	list := []ConnectionStatus{}
	for _, c := range conns {
		who := owner{addresses: []string{c.remote}}
		if cl := c.client.Load(); cl != nil {
			who.guid = wire.GUID(cl.id).String()
		}
		channels := *c.channels.Load()
		if l.q.User != "" && !slices.ContainsFunc(l.byAge, func(s *session) bool {
			return channels[s.id] != nil && l.q.wantsUser(s.userName())
		}) || !l.q.wantsClient(&who) {
			continue
		}
		cs := ConnectionStatus{ID: c.id, Client: c.remote, Since: c.since, Sessions: len(channels)}
		if d := c.dialect(); d != 0 {
			cs.Dialect = d.String()
		}
		list = append(list, cs)
	}
	return list
}

// sessionList describes the sessions.
func (l *look) sessionList() []SessionStatus {
	list := []SessionStatus{}
	for _, s := range l.byAge {
		if who := l.sessions[s.id].owner; l.q.wants(who) {
			list = append(list, s.status(who))
		}
	}
	return list
}

// status describes the session.
func (s *session) status(who *owner) SessionStatus {
	ss := SessionStatus{
		ID: s.id, User: who.user, Client: who.address(), ClientGUID: who.guid, Dialect: s.dialect.String(),
		Channels: len(who.addresses), Signed: s.signing, Encrypted: s.encrypt, Since: s.created, Shares: []string{},
	}
	s.mu.Lock()
	ss.Opens = len(s.opens)
	for _, t := range s.trees {
		ss.Shares = append(ss.Shares, t.share.Name)
	}
	s.mu.Unlock()
	slices.Sort(ss.Shares)
	return ss
}

// opens describes the opens, the leases and oplocks, and the opens that wait for
// their clients, as far as they are asked for.
func (l *look) opens(st *Status) {
	leases := make(map[uint64]struct{})
	if l.q.Parts&PartOpens != 0 {
		st.Opens = []OpenStatus{}
	}
	if l.q.Parts&PartLeases != 0 {
		st.Leases = []LeaseStatus{}
	}
	if l.q.Parts&PartDurable != 0 {
		st.Durable = []DurableStatus{}
	}
	for info := range l.srv.locks.Opens() {
		f, ok := l.find(&info.OpenRef)
		if !ok || !l.q.wantsPath(f.path) || !l.q.wants(f.owner) {
			continue
		}
		if st.Opens != nil && !info.Disconnected {
			st.Opens = append(st.Opens, openStatus(info, &f))
		}
		if st.Durable != nil && info.Disconnected && info.Durable != nil {
			st.Durable = append(st.Durable, durableStatus(info, &f))
		}
		if st.Leases == nil || info.Held == nil {
			continue
		}
		if _, told := leases[info.Held.ID]; !told {
			leases[info.Held.ID] = struct{}{}
			st.Leases = append(st.Leases, leaseStatus(info, &f))
		}
	}
	slices.SortFunc(st.Opens, func(a, b OpenStatus) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(st.Durable, func(a, b DurableStatus) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(st.Leases, func(a, b LeaseStatus) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Open, b.Open))
	})
}

// ranges describes the byte-range locks.
func (l *look) ranges() []RangeStatus {
	list := []RangeStatus{}
	for info := range l.srv.locks.Ranges() {
		f, ok := l.find(&info.OpenRef)
		if !ok || !l.q.wantsPath(f.path) || !l.q.wants(f.owner) {
			continue
		}
		list = append(list, RangeStatus{
			Share: f.share, Path: f.path, Offset: info.Offset, Length: info.Length, Exclusive: info.Exclusive,
			Waiting: info.Waiting, Open: uint64(info.Owner.OpenID), User: f.owner.user, Client: f.owner.address(),
			Since: info.Since,
		})
	}
	slices.SortFunc(list, func(a, b RangeStatus) int {
		return cmp.Or(cmp.Compare(a.Share, b.Share), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Offset, b.Offset), a.Since.Compare(b.Since))
	})
	return list
}

// openStatus describes an open.
func openStatus(info *locking.OpenInfo, f *place) OpenStatus {
	o := OpenStatus{
		ID: uint64(info.Owner.OpenID), Session: info.Owner.SessionID, User: f.owner.user, Client: f.owner.address(),
		Share: f.share, Path: f.path, Directory: info.IsDirectory, Access: info.Access, ShareMode: info.ShareMode,
		Caching: caching(info), DeletePending: info.DeletePending, Locks: info.Ranges, Durable: info.Durable != nil,
	}
	if h := info.Held; h != nil {
		o.Breaking = h.Lease.Breaking
		if h.Lease.Version != 0 {
			o.LeaseKey = keyText(h.Lease.LeaseKey)
		}
	}
	return o
}

// leaseStatus describes the lease or oplock of an open.
func leaseStatus(info *locking.OpenInfo, f *place) LeaseStatus {
	li := info.Held.Lease
	ls := LeaseStatus{
		State: li.LeaseState.String(), Share: f.share, Path: f.path, Directory: info.IsDirectory,
		User: f.owner.user, Client: f.owner.address(), ClientGUID: f.owner.guid,
		Opens: info.Sharers, Open: uint64(info.Owner.OpenID), Version: li.Version, Since: info.Held.AcquiredAt,
	}
	if li.Version == 0 {
		ls.Oplock = caching(info)
	} else {
		ls.Key = keyText(li.LeaseKey)
	}
	if li.Version == 2 {
		ls.Epoch = li.Epoch
		if li.ParentLeaseKey != (locking.LeaseKey{}) {
			ls.ParentKey = keyText(li.ParentLeaseKey)
		}
	}
	if li.Breaking {
		ls.Breaking, ls.BreakTo, ls.BreakSince = true, li.BreakToState.String(), li.BreakStarted
	}
	return ls
}

// durableStatus describes an open that waits for its client.
func durableStatus(info *locking.OpenInfo, f *place) DurableStatus {
	d := info.Durable
	ds := DurableStatus{
		ID: uint64(info.Owner.OpenID), Share: f.share, Path: f.path, User: f.owner.user, Client: f.owner.address(),
		ClientGUID: f.owner.guid, Caching: caching(info), Locks: info.Ranges, Persistent: d.Persistent,
		Resilient: d.Resilient, Since: d.Expires.Add(-d.Timeout), Expires: d.Expires,
	}
	if d.V2 {
		ds.CreateGUID = wire.GUID(d.CreateGuid).String()
	}
	return ds
}

// caching names a lease or oplock for people.
func caching(info *locking.OpenInfo) string {
	if info.Oplock == locking.OplockLease {
		return "lease " + info.Held.Lease.LeaseState.String()
	}
	return info.Oplock.String()
}
