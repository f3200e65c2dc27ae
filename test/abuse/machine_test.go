package abuse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"lessor/locking/memstore"
	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	"lessor/vfs/memfs"
)

// script is the bytes that a dialogue is made of. Behind their end come zeros.
type script struct{ rest []byte }

// n returns a number below limit, which is 256 at most.
func (s *script) n(limit int) int {
	if len(s.rest) == 0 {
		return 0
	}
	b := s.rest[0]
	s.rest = s.rest[1:]
	return int(b) % limit
}

func (s *script) u16() uint16 { return uint16(s.n(256)) | uint16(s.n(256))<<8 }

// of returns one of the values.
func of[T any](s *script, values []T) T { return values[s.n(len(values))] }

// question is a request under way.
type question struct {
	p *client.Pending
	// then gets the reply.
	then func(*client.Response)
	// chained: it was one of several, of which those in the middle may not wait.
	chained bool
	spoiled bool
}

// held is a file that is open, as far as the party knows.
type held struct {
	id   wire.FileID
	tree *client.Tree
}

// background is what a goroutine of its own waits for.
type background struct {
	done chan struct{}
	then func()
}

// during does something that waits for the server, at once or while the dialogue goes
// on, and then something with what came out.
func (m *machine) during(do, then func()) {
	if m.n(2) == 0 {
		do()
		then()
		return
	}
	b := &background{done: make(chan struct{}), then: then}
	m.background = append(m.background, b)
	go func() {
		defer close(b.done)
		do()
	}()
}

// party is one of the two clients.
type party struct {
	conn     *client.Conn
	sessions []*client.Session
	trees    []*client.Tree
	files    []held
	asked    []question

	mu     sync.Mutex // guards breaks; a leaf
	breaks []*client.Break
}

// machine makes a dialogue of two clients with a server out of a script.
type machine struct {
	*script
	t   *testing.T
	s   *server
	ctx context.Context
	// shares are those of the beginning.
	shares []smb.Share
	who    [2]*party
	me     *party // whose turn it is
	// background are logons that go on while other things happen.
	background []*background
	// tree is that of the request at hand.
	tree *client.Tree

	guids [3]wire.GUID // lease keys, create GUIDs, clients
	ids   []wire.FileID
	key   wire.ResumeKey

	statuses map[ntstatus.Status]int
	requests int
}

// converse carries out a script, in a bubble of its own.
func converse(t *testing.T, data []byte, count func(*machine)) {
	done := make(chan struct{})
	defer close(done)
	go watch(done, data)
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		s := newServer(t, func(c *smb.Config) {
			c.MinDialect, c.Compression, c.Store = wire.Dialect202, smb.DefaultCompression(), store
			c.SigningOptional = len(data)%2 == 0
			c.Limits.OpensPerSession, c.Limits.WaitingPerConnection, c.Limits.RequestsPerConnection = 40, 30, 600
		})
		fs := memfs.New(memfs.Options{Size: 32 << 20})
		shares := []smb.Share{
			{Name: "share", DefaultAccess: smb.AccessWrite, FS: fs, ContinuousAvailability: true, Compress: true},
			{Name: "sealed", DefaultAccess: smb.AccessWrite, FS: fs, Encryption: smb.EncryptionRequired},
			{Name: "read", DefaultAccess: smb.AccessRead, FS: fs, CaseSensitive: true, AccessBased: true},
		}
		check(t, s.SetShares(shares))
		m := &machine{script: &script{data}, t: t, s: s, shares: shares, ctx: t.Context(), statuses: make(map[ntstatus.Status]int)}
		for i := range m.guids {
			m.guids[i] = wire.GUID{0: 1, 15: byte(i + 1)}
		}
		m.run()
		for _, p := range m.who {
			if p.conn != nil {
				p.conn.Close()
			}
		}
		for _, b := range m.background {
			<-b.done
		}
		time.Sleep(24 * time.Hour) // longer than anybody keeps a persistent open
		synctest.Wait()
		s.wantRest(t)
		check(t, s.Close())
		s.conns.Wait()
		check(t, store.Close())
		if count != nil {
			count(m)
		}
	})
	if t.Failed() {
		t.Logf("the script is %s", hex.EncodeToString(data))
	}
}

// watch ends the process if a dialogue hangs in real time, as a mutex that is never
// released would make it: the fake clock knows nothing of that.
func watch(done chan struct{}, data []byte) {
	timer := time.NewTimer(time.Minute)
	select {
	case <-done:
		timer.Stop()
	case <-timer.C:
		stacks := make([]byte, 1<<20)
		fmt.Fprintf(os.Stderr, "a dialogue hangs: %x\n%s\n", data, stacks[:runtime.Stack(stacks, true)])
		os.Exit(3)
	}
}

// turns is how many steps a script may have.
const turns = 150

func (m *machine) run() {
	for i := range m.who {
		m.me = &party{}
		m.who[i] = m.me
		m.connect()
		m.logon()
		m.settle()
		m.treeConnect()
		if len(m.me.trees) > 0 {
			m.ask(m.opened(m.me.trees[0], client.CreateArgs{Name: []string{"a", "d"}[i], Directory: i == 1, Lease: m.lease()}))
		}
		m.settle()
	}
	for range turns {
		if len(m.rest) == 0 {
			break
		}
		b := m.n(256)
		m.me = m.who[b&1]
		m.step(b >> 1)
		if b&0x80 == 0 { // else the next one overtakes it
			m.settle()
		}
	}
	m.settle()
}

// pass lets the bubble's clock go on.
func (*machine) pass(d time.Duration) { time.Sleep(d) }

// settle waits until nobody has anything to do, and takes in the replies.
func (m *machine) settle() {
	synctest.Wait()
	m.background = slices.DeleteFunc(m.background, func(b *background) bool {
		select {
		case <-b.done:
			b.then()
			return true
		default:
			return false
		}
	})
	for _, p := range m.who {
		if p == nil {
			continue
		}
		var open []question
		for _, q := range p.asked {
			select {
			case <-q.p.Done():
				m.answered(&q)
			default:
				open = append(open, q)
			}
		}
		p.asked = open
		if p.conn == nil {
			continue
		}
		select {
		case <-p.conn.Done():
			if err := p.conn.Err(); errors.Is(err, client.ErrProtocol) {
				m.t.Errorf("the client cannot make sense of what it got: %v", err)
			}
		default:
		}
	}
}

func (m *machine) answered(q *question) {
	resp, err := q.p.Wait(m.ctx)
	if err != nil {
		return // the connection has ended
	}
	m.statuses[resp.Status]++
	if !q.chained && (resp.Status == ntstatus.InternalError || resp.Status == ntstatus.UnexpectedIoError) {
		m.t.Errorf("%v %d was answered with %v", resp.Header.Command, resp.Header.MessageID, resp.Status)
	}
	if q.then != nil && !q.spoiled && resp.Status == ntstatus.Success {
		q.then(resp)
	}
}

// random is a script by chance.
func random(seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 7))
	b := make([]byte, 100+r.IntN(1200))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// Scripts that are the same each time; LESSOR_TEST_SCRIPTS says how many more.
func TestConversations(t *testing.T) {
	n := uint64(2000)
	if v := os.Getenv("LESSOR_TEST_SCRIPTS"); v != "" {
		n = must(strconv.ParseUint(v, 10, 32))(t)
	}
	var mu sync.Mutex
	statuses, requests, scripts := make(map[ntstatus.Status]int), 0, 0
	t.Run("", func(t *testing.T) {
		for part := range uint64(2) {
			t.Run(fmt.Sprint(part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < n && !t.Failed(); seed += 2 {
					converse(t, random(seed), func(m *machine) {
						mu.Lock()
						defer mu.Unlock()
						scripts++
						requests += m.requests
						for s, n := range m.statuses {
							statuses[s] += n
						}
					})
				}
			})
		}
	})
	t.Logf("%d scripts, %d requests: %v", scripts, requests, statuses)
	if !t.Failed() && statuses[ntstatus.Success] < requests/10 {
		t.Errorf("%d of %d requests have succeeded", statuses[ntstatus.Success], requests)
	}
}

func FuzzConversation(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(random(1000 + seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		converse(t, data[:min(len(data), 4096)], nil)
	})
}
