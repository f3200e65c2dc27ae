package protocol

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// relay stands between a client and the server. It loses the connection as bad networks
// do: the client is told, and the server gets what was on its way later.
type relay struct {
	client, server net.Conn
	hold           atomic.Bool   // what the client sends is kept from now on
	keep           int           // how many bytes, before the connection is cut
	cut            chan struct{} // closed when it was
	release        chan struct{} // closed: the server gets what was kept
}

// relayed is a tweak: the connection goes through a relay, which it is given.
func (r *relay) relayed(wg *sync.WaitGroup) func(*client.Options) {
	r.cut, r.release = make(chan struct{}), make(chan struct{})
	return func(o *client.Options) {
		o.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			server, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
			if err != nil {
				return nil, err
			}
			var mine net.Conn
			r.server = server
			r.client, mine = net.Pipe()
			wg.Go(r.replies)
			wg.Go(r.requests)
			return mine, nil
		}
	}
}

func (r *relay) replies() {
	_, _ = io.Copy(r.client, r.server)
	_ = r.client.Close()
}

// requests passes on what the client sends, until the cut.
func (r *relay) requests() {
	defer r.server.Close()
	var kept []byte
	chunk := make([]byte, 64<<10)
	for {
		n, err := r.client.Read(chunk)
		if n > 0 && r.hold.Load() {
			kept = append(kept, chunk[:n]...)
		} else if n > 0 {
			_, _ = r.server.Write(chunk[:n])
		}
		if len(kept) >= r.keep && r.hold.Load() && len(kept) > 0 {
			// The server has some of it already, up to anywhere in a message.
			_, _ = r.server.Write(kept[:len(kept)/3])
			_ = r.client.Close()
			close(r.cut)
			<-r.release
			_, _ = r.server.Write(kept[len(kept)/3:])
			return
		}
		if err != nil {
			return
		}
	}
}

// lane is one of the two channels.
type lane struct {
	relay   *relay
	session *client.Session
}

// stream is a client that writes without end through two channels, and loses one of
// them again and again.
type stream struct {
	s        *server
	file     *client.File
	keep     int // a lane is cut behind so many bytes at most
	relays   sync.WaitGroup
	sequence atomic.Uint32 // ChannelSequence: channels that were lost
	done     atomic.Int64  // what was acknowledged
	replays  atomic.Int64
	late     atomic.Int64 // requests refused as out of date

	mu    sync.Mutex // guards lanes
	lanes [2]lane
}

const (
	slotSize = 4096
	slots    = 16
	cuts     = 40
)

// slot is the content of a slot in a round.
func slot(round uint32) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint32(nil, round), slotSize/4)
}

// insist does something through one of the lanes, and again until it knows that it was
// done. try is given the lane, and what every request of it passes through.
func (st *stream) insist(ctx context.Context, r *rand.Rand, try func(*client.Session, func(*client.Request)) error) error {
	var replay bool
	for {
		st.mu.Lock()
		l := st.lanes[r.IntN(2)]
		st.mu.Unlock()
		sequence := client.ChannelSequence(uint16(st.sequence.Load()))
		again := replay
		err := try(l.session, func(r *client.Request) {
			sequence(r)
			if again {
				client.Replay(r)
			}
		})
		if again {
			st.replays.Add(1)
		}
		status, answered := client.StatusOf(err)
		switch {
		case err == nil:
			st.done.Add(1)
			return nil
		case status == ntstatus.FileNotAvailable && answered:
			// Some channel was lost, and requests from before are still at work.
			st.late.Add(1)
		case !answered && ctx.Err() == nil:
			replay = true // it may have been carried out, or may yet be
		default:
			return err
		}
	}
}

// write writes into a slot.
func (st *stream) write(ctx context.Context, r *rand.Rand, at int, round uint32) error {
	err := st.insist(ctx, r, func(lane *client.Session, tweak func(*client.Request)) error {
		n, err := st.file.On(lane).With(tweak).Write(ctx, uint64(at*slotSize), slot(round))
		if err == nil && n != slotSize {
			err = fmt.Errorf("%d bytes: %w", n, ntstatus.Unsuccessful)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("slot %d, round %d: %w", at, round, err)
	}
	return nil
}

// connect connects a lane.
func (st *stream) connect(t *testing.T, r *rand.Rand, i int, tree *client.Tree) {
	t.Helper()
	l := lane{relay: &relay{keep: 1 + r.IntN(st.keep)}}
	o := tree.Session.Conn.Options()
	c := st.s.dial(t, func(mine *client.Options) { *mine = o; mine.Trace = nil }, l.relay.relayed(&st.relays))
	l.session = must(c.Bind(t.Context(), tree.Session))(t)
	st.mu.Lock()
	defer st.mu.Unlock()
	st.lanes[i] = l
}

// cut loses the lanes in turn, n times. What was on its way arrives late: when the client
// has gone on by so many requests.
func (st *stream) cut(t *testing.T, r *rand.Rand, tree *client.Tree, n int, progress int64) {
	t.Helper()
	for i := range n {
		l := st.lanes[i%2]
		l.relay.hold.Store(true)
		select {
		case <-l.relay.cut:
		case <-time.After(patience):
			t.Fatal("nobody writes")
		}
		st.sequence.Add(1)
		done := st.done.Load()
		st.connect(t, r, i%2, tree)
		eventually(t, "the work goes on", func() bool { return st.done.Load() >= done+progress || t.Failed() })
		close(l.relay.release)
		if t.Failed() {
			return
		}
	}
}

// end closes the lanes, when nobody uses them any more.
func (st *stream) end() {
	for _, l := range st.lanes {
		l.session.Conn.Close()
		close(l.relay.release)
	}
	st.relays.Wait()
}

// A client writes through two channels, one of which is cut over and over. Every write
// that it does not know the fate of it sends again over what is left (MS-SMB2
// 3.2.5.1.1, 3.3.5.2.10); and what was on its way on the dead channel must not be
// carried out any more when its replay was.
func TestWritesWhileChannelsAreCut(t *testing.T) {
	s := start(t, "")
	for _, m := range modes {
		s.run(t, m.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r := rand.New(rand.NewPCG(seed, 0))
			tree := s.connect(t, m.tweak)
			st := &stream{s: s, keep: 3 * slotSize, file: open(t, tree, client.CreateArgs{Name: m.name, Access: wire.AccessReadData | wire.AccessWriteData})}
			st.connect(t, r, 0, tree)
			st.connect(t, r, 1, tree)
			var rounds [slots]uint32
			var writers sync.WaitGroup
			var stop atomic.Bool
			for i := range slots {
				writers.Go(func() {
					r := rand.New(rand.NewPCG(seed, uint64(i+1)))
					for !stop.Load() {
						rounds[i]++
						if err := st.write(ctx, r, i, rounds[i]); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			st.cut(t, r, tree, cuts, 2*slots)
			stop.Store(true)
			writers.Wait()
			got, err := os.ReadFile(filepath.Join(s.Path("share"), m.name))
			check(t, err)
			for i, round := range rounds {
				if want := slot(round); !bytes.Equal(got[i*slotSize:(i+1)*slotSize], want) {
					t.Errorf("slot %d holds % x and not round %d", i, got[i*slotSize:i*slotSize+4], round)
				}
			}
			t.Logf("%d writes, %d replays, %d refused as out of date", st.done.Load(), st.replays.Load(), st.late.Load())
			if st.replays.Load() < cuts {
				t.Errorf("%d replays after %d cuts", st.replays.Load(), cuts)
			}
			st.end()
		})
	}
}
