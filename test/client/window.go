package client

import (
	"context"
	"fmt"
)

// Credits returns how many message ids may still be used (MS-SMB2 3.2.4.1.2).
func (c *Conn) Credits() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.credits
}

// NextID returns the message id that the next request will take.
func (c *Conn) NextID() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nextID
}

// WaitCredits waits until n message ids may be used.
func (c *Conn) WaitCredits(ctx context.Context, n int) error {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	_, err := c.take(ctx, n, 0)
	return err
}

// SkipIDs uses up n message ids without sending anything, which leaves a hole in
// the server's window.
func (c *Conn) SkipIDs(ctx context.Context, n int) error {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	_, err := c.take(ctx, n, n)
	return err
}

// take waits until there are need credits, then uses n of them. It returns the
// first of n consecutive message ids.
func (c *Conn) take(ctx context.Context, need, n int) (uint64, error) {
	for {
		c.mu.Lock()
		if err := c.err; err != nil {
			c.mu.Unlock()
			return 0, err
		}
		if c.credits >= need {
			id := c.nextID
			c.nextID += uint64(n)
			c.credits -= n
			c.mu.Unlock()
			return id, nil
		}
		have, grew := c.credits, c.grew
		c.mu.Unlock()
		select {
		case <-grew:
		case <-ctx.Done():
			return 0, fmt.Errorf("client: %d credits wanted, %d there: %w", need, have, ctx.Err())
		}
	}
}

// grant adds the credits of a reply.
func (c *Conn) grant(n uint16) {
	if n == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.credits += int(n)
	close(c.grew)
	c.grew = make(chan struct{})
}

// register makes p the receiver of replies to id. Requests with the same id, which
// only a test sends, are answered in the order of sending.
func (c *Conn) register(id uint64, p *Pending) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return c.err
	}
	p.id = id
	if first := c.pending[id]; first != nil {
		for first.next != nil {
			first = first.next
		}
		first.next = p
		return nil
	}
	c.pending[id] = p
	return nil
}

// lookup returns who waits for a reply to id; with final, for the last time.
func (c *Conn) lookup(id uint64, final bool) *Pending {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.pending[id]
	if p != nil && final {
		c.forgetLocked(id, p)
	}
	return p
}

// forget takes p out of the table, if it is still there.
func (c *Conn) forget(p *Pending) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(p.id, p)
}

func (c *Conn) forgetLocked(id uint64, p *Pending) {
	first := c.pending[id]
	switch {
	case first == nil:
	case first != p:
		for ; first.next != nil; first = first.next {
			if first.next == p {
				first.next = p.next
				break
			}
		}
	case p.next != nil:
		c.pending[id] = p.next
	default:
		delete(c.pending, id)
	}
}
