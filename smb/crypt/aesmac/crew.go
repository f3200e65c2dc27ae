package aesmac

import (
	"runtime"
	"slices"
	"sync"
)

// Crew takes long messages under one key through the processor together, if they come
// from several goroutines at the same time.
type Crew struct {
	// Immutable.
	key  *Key
	mode Mode

	mu   sync.Mutex // a leaf; guards what follows
	busy bool       // somebody works
	come []*member  // who came since the last piece
	free []*member  // for the next ones

	// team are those whose messages are at work. It belongs to the member that works:
	// what one has written the next one reads after it was told to get up.
	team []*member
}

// member is a message and the goroutine that it belongs to.
type member struct {
	Stream
	// up tells a sleeping member to get up: its message is done, or it is the one to
	// work now, which it sees from what is left of Text. There is room for the one
	// thing that is sent, so that nobody waits to send it.
	up chan struct{}
}

// NewCrew returns a crew for messages with this key and mode.
func NewCrew(key *Key, mode Mode) *Crew {
	return &Crew{key: key, mode: mode, team: make([]*member, 0, Lanes)}
}

// Run is [Key.Run]. It pays for messages that take longer than a goroutine needs to lie
// down and get up: ten thousands of bytes. It may be called from many goroutines at once.
func (c *Crew) Run(mac, counter *[BlockSize]byte, text []byte) {
	check(text)
	if len(text) == 0 {
		return
	}
	m, works := c.join(mac, counter, text)
	if !works {
		<-m.up
	}
	if len(m.Text) > 0 {
		c.work(m)
	}
	*mac = m.MAC
	if c.mode != MAC {
		*counter = m.Counter
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m.Stream = Stream{}
	c.free = append(c.free, m)
}

// join adds a message and reports whether its goroutine is the one to work.
func (c *Crew) join(mac, counter *[BlockSize]byte, text []byte) (m *member, works bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.free); n > 0 {
		m = c.free[n-1]
		c.free = c.free[:n-1]
	} else {
		m = &member{up: make(chan struct{}, 1)}
	}
	m.MAC, m.Text = *mac, text
	if c.mode != MAC {
		m.Counter = *counter
	}
	c.come = append(c.come, m)
	works = !c.busy
	c.busy = true
	return m, works
}

// work works at all messages until that of m, which is one of them, is done. Then it
// wakes the one that works next.
func (c *Crew) work(m *member) {
	// Whoever is ready to run may have a message too. To let it run first costs nothing
	// that would not have to be done anyway, and one pass serves both then: where all
	// processors are busy nobody would come otherwise.
	runtime.Gosched()
	for len(m.Text) > 0 {
		c.gather()
		var streams [Lanes]*Stream
		for i, t := range c.team {
			streams[i] = &t.Stream
		}
		c.key.step(c.mode, streams[:len(c.team)])
		c.team = slices.DeleteFunc(c.team, func(t *member) bool {
			if len(t.Text) > 0 {
				return false
			}
			if t != m {
				t.up <- struct{}{}
			}
			return true
		})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.team) > 0:
		c.team[0].up <- struct{}{}
	case len(c.come) > 0:
		c.come[0].up <- struct{}{}
	default:
		c.busy = false
	}
}

// gather takes those that came into the team, the first ones first.
func (c *Crew) gather() {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.come), Lanes-len(c.team))
	c.team = append(c.team, c.come[:n]...)
	c.come = slices.Delete(c.come, 0, n)
}
