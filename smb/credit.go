package smb

// window is the message ids that a client may use: the CommandSequenceWindow of
// MS-SMB2 3.3.1.1. It is a plain value, guarded by Conn.mu.
//
// Ids below low have been used. Between low and high the bit of an id says
// whether it was used; high is the first id that has not been granted. A client
// that leaves an id out keeps the window from moving on, and gets no more
// credits once the bits are full.
type window struct {
	low, high uint64
	unused    int      // granted ids that have not been used
	max       int      // most unused ids
	bits      []uint64 // ring of len(bits)*64 ids
}

// newWindow returns the window of a new connection: message id 0 alone may be
// used (MS-SMB2 3.3.5.1).
func newWindow(limit int) window {
	size := 64
	for size < 2*limit {
		size *= 2
	}
	return window{high: 1, unused: 1, max: limit, bits: make([]uint64, size/64)}
}

// size is the number of ids that the ring can tell apart.
func (w *window) size() uint64 { return uint64(len(w.bits)) * 64 }

func (w *window) at(id uint64) (word *uint64, bit uint64) {
	i := id & (w.size() - 1)
	return &w.bits[i/64], 1 << (i % 64)
}

// use takes n consecutive ids from id on (MS-SMB2 3.3.5.2.3). It reports false,
// and takes none, if any of them was used before or was not granted.
func (w *window) use(id uint64, n int) bool {
	if id < w.low || id+uint64(n) > w.high || id+uint64(n) < id {
		return false
	}
	for i := id; i < id+uint64(n); i++ {
		if word, bit := w.at(i); *word&bit != 0 {
			return false
		}
	}
	for i := id; i < id+uint64(n); i++ {
		word, bit := w.at(i)
		*word |= bit
	}
	w.unused -= n
	for w.low < w.high {
		word, bit := w.at(w.low)
		if *word&bit == 0 {
			break
		}
		*word &^= bit
		w.low++
	}
	return true
}

// offers reports whether a message with this id may still come.
func (w *window) offers(id uint64) bool {
	if id < w.low || id >= w.high {
		return false
	}
	word, bit := w.at(id)
	return *word&bit == 0
}

// grant adds ids to the window, as many as were asked for if the limits allow
// it and one at least where possible, and returns their number (MS-SMB2
// 3.3.1.2). A client that asks for none and has none left gets one, or it could
// never speak again.
func (w *window) grant(ask int) int {
	n := min(ask, w.max-w.unused, int(w.size()-(w.high-w.low)))
	if n <= 0 {
		if w.unused > 0 || w.high-w.low >= w.size() {
			return 0
		}
		n = 1
	}
	w.high += uint64(n)
	w.unused += n
	return n
}
