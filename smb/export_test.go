package smb

// Draining reports whether Shutdown has looked at every connection.
func (s *Server) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.mu.Lock()
		draining := c.draining
		c.mu.Unlock()
		if !draining {
			return false
		}
	}
	return s.closed.Load()
}
