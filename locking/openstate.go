package locking

// openState is the part of an Open that changes. Guarded by file.mu.
type openState struct {
	client        Client
	owner         Owner
	volume        uint64
	path          string
	deleteOnClose bool
	closed        bool
	createGuid    [16]byte // immutable
	payload       any

	prev, next *Open   // opens of the stream
	holder     *holder // lease or oplock, nil if there is none
	oplock     holder  // the oplock, while holder points to it
	quiet      *holder // whose breaks wait for Announced

	locks     *rangeNode
	nlocks    int
	counter   *clientRanges      // of those of its client; nil before the first one
	sequences [lockBuckets]uint8 // number plus one; 0 is invalid
	// sequencesStale: the store, if it has the open, has other sequences.
	sequencesStale bool

	durable      *durableState // nil while not durable
	disconnected bool
}

func (o *Open) ownerNow() Owner {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.owner
}

func (o *Open) setPayload(v any) {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	o.payload = v
}

func (o *Open) payloadNow() any {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.payload
}

func (o *Open) grantNow() Grant {
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return o.grantLocked()
}
