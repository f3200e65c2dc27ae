package abuse

import (
	"encoding/binary"
	"time"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
)

// step is one step of the party whose turn it is.
func (m *machine) step(kind int) {
	p := m.me
	if p.conn == nil || p.conn.Err() != nil {
		m.connect()
		m.logon()
		m.settle()
		m.treeConnect()
		return
	}
	switch kind % 32 {
	case 0:
		m.connect()
	case 1:
		m.logon()
	case 2:
		m.bind()
	case 3, 4:
		m.treeConnect()
	case 5:
		m.reauthenticate()
	case 6, 7, 8:
		m.acknowledge()
	case 9, 10:
		m.cancel()
	case 11:
		m.pass(of(m.script, []time.Duration{time.Millisecond, time.Second, 20 * time.Second, 40 * time.Second, 10 * time.Minute}))
	case 12:
		m.outside()
	case 13:
		p.conn.Close()
	case 14, 15, 16, 17:
		m.chain()
	default:
		m.ask(m.request(m.n(int(numAsks))))
	}
}

// outside is what is no request: nonsense on the wire, or an administrator at work.
func (m *machine) outside() {
	share := func(name string) string { return of(m.script, []string{name, "share", "read"}) }
	switch m.n(8) {
	case 0:
		b := make([]byte, m.n(200))
		for i := range b {
			b[i] = byte(m.n(256))
		}
		_ = m.me.conn.SendFrame(append([]byte{0xfe, 'S', 'M', 'B'}, b...))
	case 1:
		if len(m.me.sessions) > 0 {
			m.s.CloseSession(of(m.script, m.me.sessions).ID)
		}
	case 2:
		if len(m.me.files) > 0 {
			m.s.CloseOpen(of(m.script, m.me.files).id.Volatile)
		}
	case 3:
		m.s.CloseFile(share("sealed"), of(m.script, []string{"a", "d", "d/a", ""}))
	case 4:
		m.s.Disconnect(of(m.script, []string{"alice", "bob", "nobody"}))
	case 5, 6:
		// Some shares go, or come back as others.
		list := make([]smb.Share, 0, len(m.shares))
		for _, sh := range m.shares {
			if m.n(4) == 3 {
				continue
			}
			sh.NoLeases, sh.ReadOnly, sh.CaseSensitive = m.n(4) == 3, m.n(4) == 3, m.n(4) == 3
			list = append(list, sh)
		}
		check(m.t, m.s.SetShares(list))
	case 7:
		m.s.Status()
	}
}

// connect begins a connection, in place of the one that is there.
func (m *machine) connect() {
	p := m.me
	if p.conn != nil {
		p.conn.Close()
	}
	p.sessions, p.trees, p.asked = nil, nil, nil
	p.files = nil
	check := &replies{complain: m.t.Errorf, final: make(map[uint64]bool)}
	bits := m.n(256)
	o := options(func(o *client.Options) {
		o.NoVerify, o.OnMessage = true, check.message
		o.ClientGuid = m.guids[bits&1]
		o.Credits = []uint16{1, 20, 128, 600}[bits>>1&3]
		if bits&8 != 0 {
			o.Compression, o.CompressAll = smb.DefaultCompression(), bits&16 != 0
		}
		o.SignRequired = bits&32 != 0
		switch bits >> 6 {
		case 0:
			o.Dialects = []wire.Dialect{wire.Dialect202, wire.Dialect210, wire.Dialect302}[m.n(3):][:1]
		case 1:
			o.SigningAlgs = []wire.SigningAlgorithm{wire.SigningHMACSHA256}
		}
		o.OnBreak = func(b *client.Break) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.breaks = append(p.breaks, b)
		}
	})
	p.conn = client.NewRaw(m.s.pipe(), o)
	r := &client.Request{Body: p.conn.NegotiateRequest()}
	if m.n(16) == 15 {
		r.Mutate = m.mutation()
	}
	_ = p.conn.NegotiateWith(m.ctx, r)
}

// login draws who logs on.
func (m *machine) login() client.Login {
	l := client.Login{User: "alice", Password: "secret"}
	switch b := m.n(32); b {
	case 0:
		l.User = "bob"
	case 1:
		l.Password = "wrong"
	case 2:
		l.User, l.Password = "", ""
	case 3:
		l.NoSPNEGO = true
	case 4, 5:
		if other := m.who[m.n(2)]; other != nil && len(other.sessions) > 0 {
			l.PreviousSession = of(m.script, other.sessions).ID
		}
	case 6, 7, 8:
		leg, spoil := m.n(2), m.mutation()
		l.Tweak = func(r *client.Request) {
			if leg--; leg == -1 {
				r.Mutate = spoil
			}
		}
	}
	return l
}

func (m *machine) logon() {
	p := m.me
	if p.conn.Negotiated() == nil || len(p.sessions) > 3 {
		return
	}
	conn, login := p.conn, m.login()
	var s *client.Session
	var err error
	m.during(func() { s, err = conn.SessionSetupAs(m.ctx, login) }, func() {
		if err == nil && p.conn == conn {
			p.sessions = append(p.sessions, s)
		}
	})
}

// bind makes the connection a channel of a session of either party.
func (m *machine) bind() {
	p, from := m.me, m.who[m.n(2)]
	if p.conn.Negotiated() == nil || from == nil || len(from.sessions) == 0 || len(p.sessions) > 3 {
		return
	}
	conn, s, login := p.conn, of(m.script, from.sessions), m.login()
	var own *client.Session
	var err error
	m.during(func() { own, err = conn.BindAs(m.ctx, s, login) }, func() {
		if err != nil || p.conn != conn {
			return
		}
		p.sessions = append(p.sessions, own)
		for _, t := range from.trees {
			if t.Session.ID != own.ID || len(p.trees) > 5 {
				continue
			}
			p.trees = append(p.trees, t.On(own))
			for _, f := range from.files {
				if f.tree.ID == t.ID {
					p.files = append(p.files, held{f.id, t.On(own)})
				}
			}
		}
	})
}

func (m *machine) reauthenticate() {
	if p := m.me; len(p.sessions) > 0 {
		s, login := of(m.script, p.sessions), m.login()
		m.during(func() { _ = s.Reauthenticate(m.ctx, login) }, func() {})
	}
}

func (m *machine) treeConnect() {
	p := m.me
	if len(p.sessions) == 0 || len(p.trees) > 5 {
		return
	}
	s := of(m.script, p.sessions)
	share := of(m.script, []string{"share", "share", "share", "share", "share", "IPC$", "read", "sealed", "none", `\\x\y\z`})
	if t, err := s.TreeConnect(m.ctx, share); err == nil {
		p.trees = append(p.trees, t)
	}
}

// acknowledge answers a break, rightly or not.
func (m *machine) acknowledge() {
	p := m.me
	p.mu.Lock()
	var b *client.Break
	if len(p.breaks) > 0 {
		b, p.breaks = p.breaks[0], p.breaks[1:]
	}
	p.mu.Unlock()
	if b == nil || len(p.trees) == 0 {
		return
	}
	var body wire.Appender
	if b.Lease != nil {
		ack := &wire.LeaseBreakAck{LeaseKey: b.Lease.LeaseKey, LeaseState: b.Lease.NewLeaseState}
		if m.n(4) == 3 {
			ack.LeaseState = wire.LeaseState(m.n(16))
		}
		body = ack
	} else {
		ack := &wire.OplockBreakAck{FileID: b.Oplock.FileID, OplockLevel: b.Oplock.OplockLevel}
		if m.n(4) == 3 {
			ack.OplockLevel = of(m.script, oplocks)
		}
		body = ack
	}
	m.ask(question{}, of(m.script, p.trees).Request(body))
}

func (m *machine) cancel() {
	if p := m.me; len(p.asked) > 0 {
		_ = of(m.script, p.asked).p.Cancel()
	}
}

// ask sends a request.
func (m *machine) ask(q question, r *client.Request) {
	p := m.me
	if r == nil {
		return
	}
	m.protect(&q, r)
	m.requests++
	q.p = p.conn.Start(r)
	p.asked = append(p.asked, q)
}

// chain sends several at once.
func (m *machine) chain() {
	p := m.me
	related := m.n(4) != 0
	var qs []question
	var rs []*client.Request
	for range 2 + m.n(5) {
		q, r := m.request(m.n(int(numAsks)))
		if r == nil {
			continue
		}
		m.protect(&q, r)
		q.chained = true
		qs, rs = append(qs, q), append(rs, r)
	}
	if len(rs) == 0 {
		return
	}
	m.requests += len(rs)
	for i, pending := range p.conn.StartCompound(related, rs...) {
		qs[i].p = pending
		p.asked = append(p.asked, qs[i])
	}
}

// protect draws how a request is signed and sealed, and what is wrong with it.
func (m *machine) protect(q *question, r *client.Request) {
	b := m.n(256)
	r.NoWait = b&1 != 0
	switch b >> 1 & 31 {
	case 0, 1, 2, 16:
		r.Mutate, q.spoiled = m.mutation(), true
	case 3:
		r.Seal = client.On
	case 4:
		r.Sign = of(m.script, []client.Protection{client.On, client.Off, client.Broken})
	case 5:
		seq, replay := uint32(m.n(3)), m.n(2) == 1
		r.Header = func(h *wire.Header) {
			h.Status = seq
			if replay {
				h.Flags |= wire.FlagReplay
			}
		}
	case 6:
		if m.n(8) == 0 {
			spoil := m.mutation()
			r.Tamper, q.spoiled = spoil, true
		}
	case 7:
		r.Compress = client.On
	case 8:
		r.Charge = of(m.script, []uint16{1, 2, 16, 100, 0xffff})
	}
}

// mutation draws a function that spoils a message.
func (m *machine) mutation() func([]byte) []byte {
	kind, at, v, header := m.n(8), int(m.u16()), m.u16(), m.n(16) == 15
	return func(msg []byte) []byte {
		from := wire.HeaderSize
		if header || len(msg) <= from {
			from = 4
		}
		if len(msg) < from+8 {
			return msg
		}
		i := from + at%(len(msg)-from-4)
		switch kind {
		case 0:
			msg[i] ^= 1 << (v % 8)
		case 1:
			msg[i] = byte(v)
		case 2:
			return msg[:i]
		case 3:
			return append(msg, make([]byte, v%300)...)
		case 4, 5:
			binary.LittleEndian.PutUint16(msg[i&^1:], words[int(v)%len(words)])
		default:
			binary.LittleEndian.PutUint32(msg[i&^3:], doubles[int(v)%len(doubles)])
		}
		return msg
	}
}

// words and doubles are values at which fields of 16 and 32 bits go wrong.
var (
	words   = []uint16{0, 1, 2, 7, 8, 0x3f, 0x40, 0x7f, 0xff, 0x100, 0x7fff, 0x8000, 0xfff8, 0xffff}
	doubles = []uint32{0, 1, 7, 8, 0x40, 0x7f, 0xffff, 0x10000, 0x100000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff}
)
