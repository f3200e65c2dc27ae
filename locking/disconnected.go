package locking

// Disconnected reports whether the open waits for its client.
func (o *Open) Disconnected() bool {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.disconnected
}

// EachDisconnected calls fn with the payload of each open that waits for its
// client. It is for the end of a server, after Close: what the payloads hold is to
// be given back, while the opens themselves live on in the store. fn is called
// under no lock.
func (m *OplockManager) EachDisconnected(fn func(payload any)) {
	for i := range m.openShards {
		sh := &m.openShards[i]
		sh.mu.Lock()
		list := make([]*Open, 0, len(sh.byID))
		for _, o := range sh.byID {
			list = append(list, o)
		}
		sh.mu.Unlock()
		for _, o := range list {
			o.file.mu.Lock()
			waits, payload := o.disconnected && !o.closed, o.payload
			o.file.mu.Unlock()
			if waits {
				fn(payload)
			}
		}
	}
}
