package smb

// closeWhenIdle ends the connection as soon as none of its requests is at work
// but those that wait for an event, which will not be answered any more.
func (c *conn) closeWhenIdle() {
	c.mu.Lock()
	c.draining = true
	c.unlockDrained()
}

// unlockDrained unlocks mu, and closes the connection if it is drained now.
func (c *conn) unlockDrained() {
	drained := c.drainedLocked()
	c.mu.Unlock()
	if drained {
		c.closeAfterFlush()
	}
}

// workingLocked reports whether the request is to be answered before the connection is closed. A
// WRITE between two of its parts is like one that has not come yet. The caller holds conn.mu.
func (r *request) workingLocked() bool {
	return !r.asleep && (!r.parts.begun || r.parts.atWork > 0)
}

// drainedLocked reports whether the connection is to be closed now that a
// request is done. The caller holds mu.
func (c *conn) drainedLocked() bool {
	if !c.draining {
		return false
	}
	for r := c.first; r != nil; r = r.older {
		if r.workingLocked() {
			return false
		}
	}
	return true
}
