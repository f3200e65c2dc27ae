package smb

import (
	"encoding/binary"
	"sync"

	"lessor/smb/crypt"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

const (
	// prefixSize is the length of the direct TCP prefix (MS-SMB2 2.1).
	prefixSize = 4
	// headRoom stands before the first message of a reply: the prefix and, in
	// case the reply is sealed, the transform header.
	headRoom = prefixSize + crypt.TransformHeaderSize
	// maxReply is the longest frame that the prefix can express.
	maxReply = 1<<24 - 1
	// smallReply is the size of the first buffer of a reply.
	smallReply = 4 << 10
)

// reply is an outgoing frame: one message or a chain of them, built in place in
// one buffer. It belongs to one goroutine.
type reply struct {
	buf   *transport.Buffer
	b     []byte // buf.B, or what append has made of it
	start int    // header of the message under construction
	links []replyLink
	// shrink says that it is to be compressed.
	shrink bool
	space  [4]replyLink

	// What follows the bytes by sendfile.
	file transport.FileSender
	off  int64
	n    int
	done func()
	// cold says that the kernel has to read it from a disk first, and has begun to.
	cold bool
}

// replyLink is a finished message of a reply.
type replyLink struct {
	start  int
	signer crypt.Signer       // nil if it is not signed
	hash   *crypt.PreauthHash // takes the message in
}

var replies = sync.Pool{New: func() any { return new(reply) }}

// newReply returns an empty reply.
func newReply() *reply {
	r, _ := replies.Get().(*reply)
	r.buf = transport.Get(smallReply)
	r.b = r.buf.B[:headRoom]
	r.links = r.space[:0]
	return r
}

// free gives the reply back without sending it.
func (r *reply) free() {
	if r.buf != nil {
		r.buf.Release()
	}
	if r.done != nil {
		r.done()
	}
	*r = reply{}
	replies.Put(r)
}

// empty reports whether no message is finished.
func (r *reply) empty() bool { return len(r.links) == 0 }

// size is the length of the finished messages and the one under construction.
func (r *reply) size() int { return len(r.b) - headRoom }

// reserve makes room for n bytes behind what is there, so that append does not
// leave the pooled buffer.
func (r *reply) reserve(n int) {
	need := len(r.b) + n + crypt.TailRoom
	if need <= cap(r.b) {
		return
	}
	buf := transport.Get(need)
	b := append(buf.B[:0], r.b...)
	r.buf.Release()
	r.buf, r.b = buf, b
}

// begin starts a message behind those that are finished (MS-SMB2 3.3.4.1.3).
func (r *reply) begin() {
	if n := len(r.links); n > 0 {
		r.b = wire.Pad(r.b, headRoom, 8)
		last := r.links[n-1].start
		binary.LittleEndian.PutUint32(r.b[last+wire.HeaderNextCommandOffset:], uint32(len(r.b)-last))
	}
	r.start = len(r.b)
	r.b = wire.AppendZeros(r.b, wire.HeaderSize)
}

// body is the body of the message under construction.
func (r *reply) body() []byte { return r.b[r.start+wire.HeaderSize:] }

// clear throws the body under construction away.
func (r *reply) clear() {
	r.b = r.b[:r.start+wire.HeaderSize]
	if r.done != nil {
		r.done()
	}
	r.file, r.off, r.n, r.done = nil, 0, 0, nil
}

// end finishes the message under construction. signer and hash may be nil.
func (r *reply) end(hdr *wire.Header, signer crypt.Signer, hash *crypt.PreauthHash) {
	hdr.Put(r.b[r.start:])
	r.links = append(r.links, replyLink{start: r.start, signer: signer, hash: hash})
}

// queue signs or seals the reply, compresses it in between, hands it to the connection and frees r. Who
// wants it to leave calls Flush or Kick afterwards.
func (r *reply) queue(c *conn, seal *channel) {
	for i := range r.links {
		l := &r.links[i]
		end := len(r.b)
		if i+1 < len(r.links) {
			end = r.links[i+1].start
		}
		if l.signer != nil && seal == nil {
			l.signer.Sign(r.b[l.start:end])
		}
		if l.hash != nil {
			l.hash.Update(r.b[l.start:end])
		}
	}
	if r.shrink {
		r.compress(c)
	}
	p := transport.Packet{Buf: r.buf, Head: r.b[crypt.TransformHeaderSize:], File: r.file, Off: r.off, N: r.n, Cold: r.cold, Done: r.done}
	if seal != nil {
		// The nonce counter of the sealer cannot fail before 2^64 messages.
		if err := seal.sess.seal.SealInPlace(r.b[prefixSize:], seal.sess.id); err != nil {
			c.fail("seal")
		}
		p.Head = r.b
	}
	c.tr.Queue(p)
	*r = reply{}
	replies.Put(r)
}
