package crash

import (
	"flag"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"lessor/test/client"
	"lessor/test/harness"
)

var rounds = flag.Int("rounds", 3, "how often the server is killed")

func TestMain(m *testing.M) {
	flag.Parse()
	harness.Main(m)
}

const workers = 6

// tally counts what the rounds have seen.
type tally struct {
	mu sync.Mutex // guards what follows
	// persistent and durable opens that came back, durable ones that did not, and
	// locks that were looked at.
	persistent, durable, lost, locks int
	// LOCKs that were sent again, and CREATEs that got their open by a replay.
	relocked, reopened int
}

// replayed counts what was sent again.
func (c *tally) replayed(relocked, reopened int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.relocked += relocked
	c.reopened += reopened
}

func (c *tally) add(persistent, durable, lost, locks int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.persistent += persistent
	c.durable += durable
	c.lost += lost
	c.locks += locks
}

func TestKilledUnderLoad(t *testing.T) {
	s, err := harness.New(t.TempDir(), harness.Options{Shares: []harness.Share{
		{Name: "ca", Settings: []string{"continuous_availability: true"}},
		{Name: "plain", Settings: []string{"continuous_availability: false"}},
	}})
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
			log := s.Log()
			t.Logf("end of the server's log:\n%s", log[max(0, len(log)-8000):])
		}
	})
	book := newLedger()
	var all []*worker
	for n := range workers {
		w := &worker{t: t, n: n, guid: client.NewGUID(), book: book, rand: rand.New(rand.NewPCG(rand.Uint64(), uint64(n)))}
		all = append(all, w)
		w.connect(s)
		w.openShared()
	}
	var sum tally
	for range *rounds {
		load(s, book, all)
		if err := s.Start(); err != nil {
			t.Fatal(err)
		}
		// First everybody comes back, then everybody is asked: until then the file
		// that all share is kept from those who ask.
		each(all, func(w *worker) {
			w.connect(s)
			w.reclaim(&sum)
		})
		// Locks whose answer was lost come next, as those who ask take locks for a moment.
		each(all, func(w *worker) {
			for _, h := range append(slices.Clone(w.handles), w.shared) {
				w.replayLock(h, &sum)
			}
		})
		each(all, func(w *worker) { w.verify(&sum) })
		book.resolve(t, all)
		if t.Failed() {
			break
		}
	}
	t.Logf("%d kills: %d persistent opens came back with %d locks; of durable ones %d came back and %d were lost; "+
		"%d LOCKs were sent again, %d CREATEs got their open by a replay",
		*rounds, sum.persistent, sum.locks, sum.durable, sum.lost, sum.relocked, sum.reopened)
	each(all, func(w *worker) { _ = w.conn.Close() })
}

// load lets the workers work and kills the server at a random moment.
func load(s *harness.Server, book *ledger, all []*worker) {
	enough := book.after(50 + rand.IntN(400))
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(w.work)
	}
	select {
	case <-enough:
	case <-time.After(time.Minute): // the workers say what is wrong
	}
	_ = s.Kill()
	wg.Wait()
	each(all, func(w *worker) { _ = w.conn.Close() })
}

func each(all []*worker, fn func(*worker)) {
	var wg sync.WaitGroup
	for _, w := range all {
		wg.Go(func() { fn(w) })
	}
	wg.Wait()
}
