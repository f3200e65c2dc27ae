package compress

import (
	"encoding/binary"
	"slices"

	"lessor/smb/wire"
)

const (
	// MinData is how many bytes a message must have behind its leading part to be
	// compressed: what Windows does (MS-SMB2 3.1.4.4, behaviour note 101), rounded.
	MinData = 4096
	// minPayload is what a payload must exceed to be compressed by an algorithm
	// rather than chained as it is (MS-SMB2 3.1.4.4).
	minPayload = 1024
	// headerSlack is what a message may have besides the data whose size was
	// negotiated, and the size of the header (MS-SMB2 3.3.5.2.1.2).
	headerSlack = 256 + wire.CompressionHeaderSize
	// maxPayloads bounds a chain: the scan for patterns makes four at most.
	maxPayloads = 1024
)

// Codec compresses and expands the messages of a connection. It is immutable.
type Codec struct {
	ids     []wire.CompressionAlgorithm // Connection.CompressionIds
	chained bool                        // Connection.SupportsChainedCompression
	alg     wire.CompressionAlgorithm   // for what is sent; None: only patterns, or nothing
	pattern bool
	limit   int
}

// NewCodec returns the codec of a connection that has negotiated the algorithms ids.
// What is sent is compressed by the first of prefer that is among ids. maxData is
// the largest of MaxReadSize, MaxWriteSize and MaxTransactSize, in bytes. It returns
// nil if there are no ids.
func NewCodec(ids []wire.CompressionAlgorithm, chained bool, prefer []wire.CompressionAlgorithm, maxData uint32) *Codec {
	if len(ids) == 0 {
		return nil
	}
	c := &Codec{ids: slices.Clone(ids), chained: chained, limit: int(maxData) + headerSlack}
	for _, a := range prefer {
		switch {
		case !slices.Contains(ids, a) || a == wire.CompressionNone:
		case a == wire.CompressionPatternV1:
			// A pattern is but a part of a message, so it needs a chain.
			c.pattern = chained
		case c.alg == wire.CompressionNone:
			c.alg = a
		}
	}
	return c
}

// Algorithms are those that were negotiated. The caller must not change them.
func (c *Codec) Algorithms() []wire.CompressionAlgorithm { return c.ids }

// Chained reports whether payloads may be chained.
func (c *Codec) Chained() bool { return c.chained }

// Sends is the algorithm of what is sent, CompressionPatternV1 if runs are all that
// can be compressed, or CompressionNone.
func (c *Codec) Sends() wire.CompressionAlgorithm {
	if c.alg == wire.CompressionNone && c.pattern {
		return wire.CompressionPatternV1
	}
	return c.alg
}

// Size returns the length in bytes of the message that a compressed frame holds, and
// the algorithm that has done the work, for the books. It reads the headers alone:
// nothing was expanded yet, and nothing has proved that the frame holds so much. The
// error is ErrAlgorithm, ErrTooLarge or ErrCorrupt; each ends the connection
// (MS-SMB2 3.3.5.2.1.2).
func (c *Codec) Size(frame []byte) (n int, alg wire.CompressionAlgorithm, err error) {
	if len(frame) < wire.CompressionHeaderSize {
		return 0, 0, ErrCorrupt
	}
	if wire.IsChainedCompression(frame) {
		return c.chainSize(frame)
	}
	var h wire.CompressionHeader
	if h.Decode(frame) != nil {
		return 0, 0, ErrCorrupt
	}
	if !slices.Contains(c.ids, h.CompressionAlgorithm) || h.CompressionAlgorithm == wire.CompressionPatternV1 {
		return 0, 0, ErrAlgorithm
	}
	// What was not compressed counts, too: the message must not be longer than
	// one that comes uncompressed.
	size := uint64(h.OriginalCompressedSegmentSize) + uint64(h.Offset)
	if size > uint64(c.limit) {
		return 0, 0, ErrTooLarge
	}
	return int(size), h.CompressionAlgorithm, nil
}

// chainSize is Size for a chain, whose payloads must add up to what the header says
// (MS-SMB2 3.1.5.3).
func (c *Codec) chainSize(frame []byte) (int, wire.CompressionAlgorithm, error) {
	var h wire.CompressionChainedHeader
	if !c.chained {
		return 0, 0, ErrAlgorithm
	}
	if h.Decode(frame) != nil {
		return 0, 0, ErrCorrupt
	}
	if uint64(h.OriginalCompressedSegmentSize) > uint64(c.limit) {
		return 0, 0, ErrTooLarge
	}
	main := wire.CompressionNone
	sum, count := uint64(0), 0
	it := wire.CompressionPayloads(frame)
	for it.Next() {
		p := it.Payload()
		if p.CompressionAlgorithm != wire.CompressionNone && !slices.Contains(c.ids, p.CompressionAlgorithm) {
			return 0, 0, ErrAlgorithm
		}
		size, err := payloadSize(p)
		if err != nil {
			return 0, 0, err
		}
		if main == wire.CompressionNone || main == wire.CompressionPatternV1 {
			if p.CompressionAlgorithm != wire.CompressionNone {
				main = p.CompressionAlgorithm
			}
		}
		sum += uint64(size)
		if count++; count > maxPayloads || sum > uint64(h.OriginalCompressedSegmentSize) {
			return 0, 0, ErrCorrupt
		}
	}
	if it.Err() != nil || sum != uint64(h.OriginalCompressedSegmentSize) {
		return 0, 0, ErrCorrupt
	}
	return int(sum), main, nil
}

// payloadSize is how many bytes a payload says to hold.
func payloadSize(p *wire.CompressionPayload) (uint32, error) {
	if p.CompressionAlgorithm != wire.CompressionPatternV1 {
		return p.OriginalPayloadSize, nil
	}
	var run wire.CompressionPattern
	if run.Decode(p.Data) != nil {
		return 0, ErrCorrupt
	}
	return run.Repetitions, nil
}

// Expand expands a frame, for which Size has returned len(dst) and no error, into
// dst, which must not overlap it. The error is ErrCorrupt.
func (c *Codec) Expand(dst, frame []byte) error {
	if wire.IsChainedCompression(frame) {
		return expandChain(dst, frame)
	}
	var h wire.CompressionHeader
	if h.Decode(frame) != nil || uint64(h.Offset) > uint64(len(dst)) {
		return ErrCorrupt
	}
	body := frame[wire.CompressionHeaderSize:]
	n := copy(dst, body[:h.Offset])
	return Expand(h.CompressionAlgorithm, dst[n:], body[n:])
}

func expandChain(dst, frame []byte) error {
	it := wire.CompressionPayloads(frame)
	for it.Next() {
		p := it.Payload()
		size, err := payloadSize(p)
		if err != nil || uint64(size) > uint64(len(dst)) {
			return ErrCorrupt
		}
		room := dst[:size]
		dst = dst[size:]
		switch p.CompressionAlgorithm {
		case wire.CompressionNone:
			copy(room, p.Data)
		case wire.CompressionPatternV1:
			fill(room, p.Data[0])
		default:
			if err := Expand(p.CompressionAlgorithm, room, p.Data); err != nil {
				return err
			}
		}
	}
	if it.Err() != nil || len(dst) != 0 {
		return ErrCorrupt
	}
	return nil
}

// Compress compresses a message into dst, which must not overlap it and be as long
// (MS-SMB2 3.1.4.4). Its first lead bytes, headers that a receiver looks at, stay
// as they are. It returns the length of the frame, which is shorter than the message
// by a sixteenth at least, and what has done the work; or 0 if the message should go
// as it is.
func (c *Codec) Compress(dst, msg []byte, lead int) (n int, alg wire.CompressionAlgorithm) {
	data := msg[lead:]
	// A receiver refuses what is longer than one message may be (MS-SMB2 3.3.5.2.1.2),
	// which the replies of a compound can be together.
	if len(data) < MinData || len(msg) > c.limit || c.Sends() == wire.CompressionNone {
		return 0, 0
	}
	most := len(msg) - len(msg)/16
	budget := dst[:most:most]
	if lead+wire.CompressionHeaderSize > most {
		return 0, 0
	}
	if c.chained {
		return c.chain(budget, msg, lead)
	}
	if !pays(c.alg, data) {
		return 0, 0
	}
	h := wire.CompressionHeader{
		OriginalCompressedSegmentSize: uint32(len(data)), CompressionAlgorithm: c.alg, Offset: uint32(lead),
	}
	head := len(append(h.Append(budget[:0]), msg[:lead]...))
	size, ok := Compress(c.alg, budget[head:], data)
	if !ok {
		return 0, 0
	}
	return head + size, c.alg
}

// chain makes a chain of what is not compressed, a run, what the algorithm has made
// of the rest, and another run; any of these may be missing.
func (c *Codec) chain(budget, msg []byte, lead int) (int, wire.CompressionAlgorithm) {
	data := msg[lead:]
	before, behind := 0, 0
	if c.pattern {
		if before = leadingRun(data); before < len(data) {
			behind = trailingRun(data)
		}
	}
	rest := data[before : len(data)-behind]
	shrink := c.alg != wire.CompressionNone && len(rest) > minPayload && pays(c.alg, rest)
	if !shrink && before+behind == 0 {
		return 0, 0
	}
	h := wire.CompressionChainedHeader{OriginalCompressedSegmentSize: uint32(len(msg))}
	w := chainWriter{b: h.Append(budget[:0]), first: true}
	used := wire.CompressionNone
	plain := msg[:lead]
	if before > 0 {
		w.plain(plain)
		w.run(data[0], before)
		plain, used = nil, wire.CompressionPatternV1
	}
	if shrink {
		mark := w
		w.plain(plain)
		if w.compress(c.alg, rest) {
			plain, rest, used = nil, nil, c.alg
		} else {
			w = mark
		}
	}
	// Without a run in front, headers and data that stay as they are lie together.
	if len(plain) > 0 {
		rest = msg[:lead+len(rest)]
	}
	w.plain(rest)
	if behind > 0 {
		w.run(data[len(data)-1], behind)
		if used == wire.CompressionNone {
			used = wire.CompressionPatternV1
		}
	}
	if w.full || used == wire.CompressionNone {
		return 0, 0
	}
	return len(w.b), used
}

// chainWriter appends payloads within the capacity of b.
type chainWriter struct {
	b     []byte
	first bool
	full  bool // something did not fit
}

// payload appends a payload. Its size is that of its header, which has 12 bytes at
// most, and its data.
func (w *chainWriter) payload(p wire.CompressionPayload) {
	if w.full = w.full || cap(w.b)-len(w.b) < 12+len(p.Data); !w.full {
		w.b = p.AppendChained(w.b, w.first)
		w.first = false
	}
}

func (w *chainWriter) plain(b []byte) {
	if len(b) > 0 {
		w.payload(wire.CompressionPayload{CompressionAlgorithm: wire.CompressionNone, Data: b})
	}
}

func (w *chainWriter) run(v byte, n int) {
	var space [8]byte
	p := wire.CompressionPattern{Pattern: v, Repetitions: uint32(n)}
	w.payload(wire.CompressionPayload{CompressionAlgorithm: wire.CompressionPatternV1, Data: p.Append(space[:0])})
}

// compress appends data as an algorithm compresses it. It reports false if the result
// does not fit or is no shorter.
func (w *chainWriter) compress(alg wire.CompressionAlgorithm, data []byte) bool {
	at := len(w.b)
	w.payload(wire.CompressionPayload{CompressionAlgorithm: alg, OriginalPayloadSize: uint32(len(data))})
	if w.full {
		return false
	}
	room := w.b[len(w.b):cap(w.b)]
	n, ok := Compress(alg, room[:min(len(room), len(data)-1)], data)
	if !ok {
		return false
	}
	// Length, 4 bytes into the header of a payload, counts the size of the data
	// that stands before it (MS-SMB2 2.2.42.2.1).
	binary.LittleEndian.PutUint32(w.b[at+4:], uint32(4+n))
	w.b = w.b[:len(w.b)+n]
	return true
}
