package smb

import (
	"slices"
	"time"

	"lessor/smb/wire"
)

// What comes sealed for a session that is not known on the connection can neither be read
// nor answered, and ends the connection (MS-SMB2 3.3.5.2.1.1), with all other sessions on
// it. Where the keys are at hand, the answer of Windows and Samba is better: that the
// session is deleted (3.3.5.2.9). They are at hand in two cases. A session has ended, and
// its client cannot know yet: an administrator has ended it, it was replaced over another
// connection, or more requests were on their way; for these a connection keeps the keys
// for a while. Or the session is on another connection of the same client, and not bound
// to this one. Nothing else can be had with such keys.

const (
	// maxDeparted is how many sessions a connection keeps the keys of, the last ones.
	maxDeparted = 16
	// keepDeparted is for how long: more than a client waits for an answer.
	keepDeparted = 2 * time.Minute
)

// departed is a session that has ended while its connection goes on.
type departed struct {
	ch     *channel
	forget *time.Timer
}

// departedLocked keeps the keys of a channel, if it has some.
func (c *conn) departedLocked(ch *channel) {
	if !ch.ready.Load() || ch.sess.unseal == nil || ch.sess.disproved.Load() || c.closing.Load() {
		return
	}
	if len(c.departed) == maxDeparted {
		c.departed[0].forget.Stop()
		c.departed = slices.Delete(c.departed, 0, 1)
	}
	c.departed = append(c.departed, departed{ch, time.AfterFunc(keepDeparted, func() { c.forgetChannel(ch) })})
}

// sealedFor finds the session that a message is sealed for. It may have ended, or live on
// another connection alone; nil if nothing is known of it.
func (c *conn) sealedFor(id uint64) *channel {
	ch := c.channel(id)
	if ch == nil {
		ch = c.departedChannel(id)
	}
	if ch != nil {
		return ch
	}
	if s := c.srv.session(id); s != nil && s.client == c.client.Load() && c.dialect() >= wire.Dialect300 &&
		(s.valid() || s.expired()) {
		ch = &channel{conn: c, sess: s}
		ch.ready.Store(true)
	}
	return ch
}

// departedChannel finds the keys of a session that has ended, or returns nil.
func (c *conn) departedChannel(id uint64) *channel {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range slices.Backward(c.departed) {
		if d.ch.sess.id == id {
			return d.ch
		}
	}
	return nil
}

// forgetChannel is the end of the time that keys are kept.
func (c *conn) forgetChannel(ch *channel) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.departed = slices.DeleteFunc(c.departed, func(d departed) bool { return d.ch == ch })
}

// forgetDeparted is the end of the connection.
func (c *conn) forgetDeparted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.departed {
		d.forget.Stop()
	}
	c.departed = nil
}
