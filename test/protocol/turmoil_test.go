package protocol

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// mover is one of several clients that do to few files whatever comes into their
// minds. It knows what it may be told, not what it is told.
type mover struct {
	s    *server
	r    *rand.Rand
	guid wire.GUID
	ctx  context.Context

	tree  *client.Tree
	files []*client.File
	lost  []*client.File // durable, of connections that were dropped
	// waiting are requests that were sent and not awaited yet, and endless those among
	// them that may wait for ever.
	waiting, endless []*client.Pending
	answers          map[ntstatus.Status]int
}

// connect is a new connection, whose breaks are acknowledged in one way or another.
func (m *mover) connect() error {
	o := m.s.options(isClient(m.guid), func(o *client.Options) { o.Encrypt = m.r.IntN(3) == 0 })
	var session *client.Session
	seed := m.r.Uint64()
	var mu sync.Mutex
	o.OnBreak = func(b *client.Break) {
		mu.Lock()
		defer mu.Unlock()
		seed = seed*6364136223846793005 + 1
		if session == nil {
			return
		}
		switch {
		case seed>>32%40 == 0: // not at all
		case b.Lease != nil && b.AckRequired():
			state := b.Lease.NewLeaseState
			if seed>>40%4 == 0 {
				state = 0
			}
			session.StartAckLease(b.Lease.LeaseKey, state)
		case b.Oplock != nil:
			session.Conn.Start(session.Request(&wire.OplockBreakAck{FileID: b.Oplock.FileID, OplockLevel: b.Oplock.OplockLevel}))
		}
	}
	c, err := client.Dial(m.ctx, m.s.Addr, o)
	if err != nil {
		return err
	}
	s, err := c.SessionSetup(m.ctx)
	if err != nil {
		return err
	}
	mu.Lock()
	session = s
	mu.Unlock()
	m.tree, err = s.TreeConnect(m.ctx, "share")
	m.files, m.waiting, m.endless = nil, nil, nil
	return err
}

// settle waits for all that was asked for. Every request is answered in a while, as
// breaks run out after a second and what may wait for ever is cancelled.
func (m *mover) settle() error {
	for _, p := range m.waiting {
		if m.r.IntN(4) == 0 {
			_ = p.Cancel()
		}
	}
	for _, p := range m.endless {
		_ = p.Cancel()
	}
	for _, f := range m.files {
		m.waiting = append(m.waiting, m.tree.Session.Conn.Start(f.Request(&wire.CloseRequest{FileID: f.ID})))
	}
	m.files = nil
	for _, p := range m.waiting {
		resp, err := p.Wait(m.ctx)
		if err != nil {
			return err
		}
		m.answers[resp.Status]++
	}
	m.waiting, m.endless = nil, nil
	return nil
}

func (m *mover) name() string { return fmt.Sprintf(`dir\file %d`, m.r.IntN(4)) }

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// open opens one of the files in one of many ways, and waits for it.
func (m *mover) open() error {
	a := client.CreateArgs{
		Name: m.name(), Access: pick(m.r, client.ReadWriteDelete, client.ReadAccess, client.AttributesOnly, client.ReadWrite),
		Disposition: pick(m.r, client.OpenIf, client.OpenIf, client.Overwrite, client.Supersede, client.Open),
		Share:       pick(m.r, client.ShareAll, client.ShareAll, client.ShareRead, client.ShareNone),
	}
	switch m.r.IntN(4) {
	case 0:
		a.Oplock = pick(m.r, wire.OplockII, wire.OplockExclusive, wire.OplockBatch)
	case 1, 2:
		a.Lease = lease(pick(m.r, client.R, client.RH, client.RW, client.RWH))
		a.Lease.Key = wire.GUID{byte(len(a.Name)), a.Name[len(a.Name)-1]} // one for each file
	}
	if m.r.IntN(3) == 0 {
		a.Durable = &client.Durable{}
	}
	if m.r.IntN(10) == 0 {
		a.Options = wire.OptionDeleteOnClose
	}
	if len(m.lost) > 0 && m.r.IntN(2) == 0 {
		a = m.lost[0].ReconnectArgs()
		m.lost = m.lost[1:]
	}
	f, err := m.tree.Create(m.ctx, a)
	st, ok := client.StatusOf(err)
	if !ok {
		return err
	}
	m.answers[st]++
	if err == nil {
		m.files = append(m.files, f)
	}
	return nil
}

// step does one thing.
func (m *mover) step() error {
	if len(m.files) == 0 || m.r.IntN(4) == 0 {
		return m.open()
	}
	conn := m.tree.Session.Conn
	i := m.r.IntN(len(m.files))
	f := m.files[i]
	later := func(body wire.Appender) { m.waiting = append(m.waiting, conn.Start(f.Request(body))) }
	switch m.r.IntN(14) {
	case 0, 1:
		later(&wire.WriteRequest{FileID: f.ID, Offset: uint64(m.r.IntN(1000)), Data: make([]byte, m.r.IntN(5000))})
	case 2, 3:
		later(&wire.ReadRequest{FileID: f.ID, Length: 4096})
	case 4:
		off := uint64(m.r.IntN(50))
		later(&wire.LockRequest{FileID: f.ID, Locks: []wire.LockElement{pick(m.r,
			client.Exclusive(off, 10), client.Shared(off, 10), client.Waiting(client.Exclusive(off, 10)), client.Unlock(off, 10))}})
		m.endless = append(m.endless, m.waiting[len(m.waiting)-1])
	case 5:
		later(&wire.SetInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoRename,
			Buffer: (&wire.FileRenameInformation{FileName: m.name(), ReplaceIfExists: m.r.IntN(2) == 0}).Append(nil)})
	case 6:
		later(&wire.SetInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoDisposition,
			Buffer: (&wire.FileDispositionInformation{DeletePending: m.r.IntN(2) == 0}).Append(nil)})
	case 7:
		later(&wire.SetInfoRequest{FileID: f.ID, InfoType: wire.InfoTypeFile, FileInfoClass: wire.FileInfoEndOfFile,
			Buffer: (&wire.FileEndOfFileInformation{EndOfFile: int64(m.r.IntN(3000))}).Append(nil)})
	case 8:
		later(&wire.CloseRequest{FileID: f.ID})
		m.files = append(m.files[:i], m.files[i+1:]...)
	case 9:
		dir := client.CreateArgs{Name: "dir", Directory: true, Access: client.ListDirectory, Lease: pick(m.r, nil, lease(client.RH))}
		m.waiting = append(m.waiting, conn.StartCompound(true, create(m.tree, dir), m.tree.Request(&wire.ChangeNotifyRequest{
			FileID: wire.RelatedFileID, OutputBufferLength: 4096, CompletionFilter: wire.NotifyChangeFileName}))...)
		m.endless = append(m.endless, m.waiting[len(m.waiting)-1])
	case 10:
		if len(m.waiting) > 0 {
			return m.waiting[m.r.IntN(len(m.waiting))].Cancel()
		}
	case 11:
		a := client.CreateArgs{Name: m.name(), Disposition: client.Open}
		m.waiting = append(m.waiting, conn.StartCompound(true, create(m.tree, a), m.tree.Request(relatedQuery), m.tree.Request(relatedClose))...)
	case 12:
		return m.end()
	default:
		later(&wire.FlushRequest{FileID: f.ID})
	}
	return nil
}

// end ends the connection in one of several ways, and makes another.
func (m *mover) end() error {
	conn := m.tree.Session.Conn
	switch m.r.IntN(6) {
	case 0:
		for _, f := range m.files {
			if f.Durable() {
				m.lost = append(m.lost, f)
			}
		}
	case 1:
		m.waiting = append(m.waiting, conn.Start(m.tree.Request(&wire.TreeDisconnectRequest{})))
	case 2:
		if m.tree.Session.Sealing() {
			return nil
		}
		m.waiting = append(m.waiting, conn.Start(m.tree.Session.Request(&wire.LogoffRequest{})))
	default:
		if err := m.settle(); err != nil {
			return err
		}
	}
	_ = conn.Close()
	return m.connect()
}

// Several clients open, lock, rename, delete and break each other's leases, in chains
// and at random, and come and go meanwhile. All of them are answered, and behind them
// nothing is left.
func TestTurmoil(t *testing.T) {
	s := start(t, "locking:\n  break_timeout: 1s\n  durable_timeout: 1s\n")
	s.run(t, "turmoil", func(t *testing.T) {
		r := seed(t)
		until := time.Now().Add(3 * time.Second)
		setup := s.connect(t)
		check(t, setup.Mkdir(t.Context(), "dir"))
		var wg sync.WaitGroup
		var mu sync.Mutex
		total := make(map[ntstatus.Status]int)
		for i := range 6 {
			m := &mover{
				s: s, r: rand.New(rand.NewPCG(r.Uint64(), uint64(i))), guid: client.NewGUID(), ctx: t.Context(),
				answers: make(map[ntstatus.Status]int),
			}
			wg.Go(func() {
				err := m.connect()
				steps := 0
				for ; err == nil && time.Now().Before(until); steps++ {
					if err = m.step(); err == nil && len(m.waiting) > 20 {
						err = m.settle()
					}
				}
				if err == nil {
					err = m.settle()
				}
				if m.tree != nil {
					_ = m.tree.Session.Conn.Close()
				}
				if err != nil && !errors.Is(err, client.ErrClosed) {
					t.Errorf("client %d, step %d: %v", i, steps, err)
				}
				mu.Lock()
				defer mu.Unlock()
				for st, n := range m.answers {
					total[st] += n
				}
			})
		}
		wg.Wait()
		t.Log(total)
	})
}
