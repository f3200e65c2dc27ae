package transport

import "time"

const (
	// divideFrom is how long a message must be to be handed out in parts.
	divideFrom = 256 << 10
	// partLeast is the least that a part has, but for the last one and where
	// a slab ends.
	partLeast = 64 << 10
	// aloneBefore is how many messages of a client have to be alone after one that was not.
	aloneBefore = 32
	// PartAlign is the distance of the places at which a message may be cut: that of
	// pages, so that each page of a file is written once.
	PartAlign = 4 << 10
)

// parts says how far a message is that is handed out while it comes in. A WRITE of
// 1 MiB would otherwise take a buffer of that size, which is not in the cache of the
// processor any more when it is complete, and its client would wait for two copies
// one after the other instead of at the same time.
type parts struct {
	divide    func(head []byte, n int) (at int, ok bool) // Options.Divide
	asked     bool                                       // it was asked about the message that comes in
	fresh     int                                        // where in the slab the last read began that found it empty
	deep      int                                        // how many long messages must be alone before one is divided
	rest      int                                        // bytes of the message that were not handed out; 0: there is none
	cut       int                                        // bytes to the next place where it may be cut
	continues bool                                       // big is the rest of such a message
	handed    time.Time                                  // when a part was handed out that the time for the message runs behind; or zero
}

// look is called when a message of n bytes is complete. If the next one has begun to
// come in already, the client does not wait for replies, and is better served by few large
// copies than by early small ones.
func (rd *reader) look(n int) {
	switch {
	case n < divideFrom:
	case rd.w > rd.r:
		rd.deep = aloneBefore
	case rd.deep > 0:
		rd.deep--
	}
}

// takeFirst hands out the beginning of a message of n bytes, if it is to be divided.
func (rd *reader) takeFirst(start, n int) (Frame, bool) {
	at, ok := rd.divide(rd.slab.B[start:rd.w:rd.w], n)
	if !ok {
		return Frame{}, false
	}
	rd.rest, rd.cut = n, at
	rd.r = start
	f, ok := rd.takePart()
	f.Continues = false
	if !ok {
		rd.rest = 0
		rd.r = start - prefixSize
	}
	return f, ok
}

// takePart hands out what has come, as far as it may be cut.
func (rd *reader) takePart() (Frame, bool) {
	n := rd.nextCut()
	if n == 0 {
		return Frame{}, false
	}
	end := rd.r + n
	rd.slab.Retain()
	f := NewFrame(rd.slab, rd.slab.B[rd.r:end:end])
	rd.r = end
	rd.rest -= n
	rd.cut = 0
	if rd.rest == 0 {
		rd.begun, rd.asked = time.Time{}, false
		rd.look(divideFrom)
	} else if !rd.begun.IsZero() {
		rd.handed = time.Now()
	}
	f.Rest, f.Continues = rd.rest, true
	return f, true
}

// goOn takes out of the time for a message what went by while nobody read it: a client has
// to answer for its own delays alone.
func (rd *reader) goOn() {
	if !rd.handed.IsZero() {
		rd.begun = rd.begun.Add(time.Since(rd.handed))
		rd.handed = time.Time{}
	}
}

// nextCut is the length of the next part, 0 if it is not there yet.
func (rd *reader) nextCut() int {
	have := rd.w - rd.r
	switch {
	case have == 0:
		return 0 // and perhaps no slab
	case have >= rd.rest:
		return rd.rest
	case have < partLeast && rd.w < len(rd.slab.B) || have <= rd.cut:
		return 0
	}
	return rd.cut + (have-rd.cut)/PartAlign*PartAlign
}

// Whole makes what is still to come of a message that is handed out in parts one
// frame. It is called by the goroutine that is about to call ReadFrame.
func (c *Conn) Whole() {
	rd := &c.rd
	rd.mu.Lock()
	defer rd.mu.Unlock()
	if rd.rest == 0 || rd.nextCut() == rd.rest || rd.fail != nil {
		return
	}
	rd.big = Get(rd.rest)
	rd.have = 0
	if rd.slab != nil {
		rd.have = copy(rd.big.B, rd.slab.B[rd.r:rd.w])
		rd.r = rd.w
	}
	rd.rest, rd.asked, rd.continues = 0, false, true
}
