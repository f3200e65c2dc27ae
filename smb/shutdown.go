package smb

// closeWhenIdle ends the connection as soon as none of its requests is at work
// but those that wait for an event, which will not be answered any more.
func (c *conn) closeWhenIdle() {
	c.mu.Lock()
	working := 0
	for r := c.first; r != nil; r = r.older {
		if r.wake == nil {
			working++
		}
	}
	c.draining = true
	c.mu.Unlock()
	if working == 0 {
		c.closeAfterFlush()
	}
}

// drainedLocked reports whether the connection is to be closed now that a
// request is done. The caller holds mu.
func (c *conn) drainedLocked() bool {
	if !c.draining {
		return false
	}
	for r := c.first; r != nil; r = r.older {
		if r.wake == nil {
			return false
		}
	}
	return true
}
