package smb

import (
	"slices"

	"lessor/smb/compress"
	"lessor/smb/crypt"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
)

// Compression of a conversation: what is expanded, and which replies are compressed.
// The algorithms are in package compress.

// DefaultCompression is a sensible value of Config.Compression: the quickest first.
func DefaultCompression() []wire.CompressionAlgorithm {
	return []wire.CompressionAlgorithm{
		wire.CompressionLZ4, wire.CompressionLZ77, wire.CompressionLZ77Huffman,
		wire.CompressionLZNT1, wire.CompressionPatternV1,
	}
}

// negotiateCompression answers the compression context (MS-SMB2 3.3.5.4): with all
// algorithms that both sides know, in the order of the client, or NONE. Which of
// them replies are compressed by is for the server to choose.
func (r *request) negotiateCompression(data []byte, a *wire.NegotiateResponse, n *negotiated) error {
	cfg := &r.srv().cfg
	if len(cfg.Compression) == 0 {
		return nil
	}
	var caps wire.CompressionCapabilities
	if err := caps.Decode(data); err != nil || len(caps.CompressionAlgorithms) == 0 {
		return ntstatus.InvalidParameter
	}
	var answer wire.CompressionCapabilities
	for _, alg := range caps.CompressionAlgorithms {
		if slices.Contains(cfg.Compression, alg) && !slices.Contains(answer.CompressionAlgorithms, alg) {
			answer.CompressionAlgorithms = append(answer.CompressionAlgorithms, alg)
		}
	}
	answer.Flags = caps.Flags & wire.CompressionCapabilityChained
	l := &cfg.Limits
	n.codec = compress.NewCodec(answer.CompressionAlgorithms, answer.Flags != 0, cfg.Compression,
		max(l.ReadSize, l.WriteSize, l.TransactSize))
	if n.codec == nil {
		answer.CompressionAlgorithms = []wire.CompressionAlgorithm{wire.CompressionNone}
	}
	a.Contexts = append(a.Contexts, wire.NewNegotiateContext(wire.ContextCompression, &answer))
	return nil
}

// codec is what the connection has negotiated, or nil.
func (c *conn) codec() *compress.Codec {
	if n := c.neg.Load(); n != nil {
		return n.codec
	}
	return nil
}

// expandFrame expands a compressed frame, sealed before or not (MS-SMB2
// 3.3.5.2.1.2). The memory for it is taken when its headers have been checked, and
// a long one waits until the connection may have so much.
func (r *request) expandFrame(frame []byte) ([]byte, error) {
	c := r.conn
	codec := c.codec()
	if codec == nil {
		return nil, &protocolError{"compressed without negotiation"}
	}
	size, alg, err := codec.Size(frame)
	switch {
	case err == compress.ErrAlgorithm:
		return nil, &protocolError{"compression not negotiated"}
	case err == compress.ErrTooLarge, size > maxUnauthenticatedFrame && !c.authed.Load():
		return nil, &protocolError{"compressed message too large"}
	case err != nil:
		return nil, &protocolError{"bad compression"}
	}
	if size >= bulkMin {
		if err := r.takeBulk(size); err != nil {
			return nil, err
		}
	}
	if size >= slowBytes {
		r.giveTurn()
	}
	buf := transport.Get(size)
	if err := codec.Expand(buf.B, frame); err != nil || wire.ProtocolOf(buf.B) != wire.ProtocolSMB2 {
		buf.Release()
		return nil, &protocolError{"bad compression"}
	}
	c.srv.metrics.compression.count(compressedIn, alg, size, len(frame))
	// From here on it counts as a frame that was read.
	r.unchargeFrame()
	r.frame.Release()
	r.frame = transport.NewFrame(buf, buf.B[:size:size])
	r.chargeFrame()
	if r.bulk != 0 {
		c.giveMemory(r.bulk)
		r.bulk = 0
	}
	r.expanded = true
	return r.frame.Data, nil
}

// checkExpanded refuses a message of an expanded frame that is longer than what it
// pays for with credits: a few bytes can stand for a long message, so they must not
// be cheaper than one (MS-SMB2 3.3.5.2.5).
func (r *request) checkExpanded() error {
	if r.expanded && len(r.msg) > r.charge*65536+4096 {
		return &protocolError{"compressed message longer than its credits"}
	}
	return nil
}

// shrinks reports whether the reply to the message is one to be compressed
// (Request.CompressReply of MS-SMB2 3.3.1.13), if that makes it shorter: what a READ
// asks for, what answers a compressed request, and, on a share with compression,
// what is long but for READs, whose flag says what the client wants.
func (r *request) shrinks() bool {
	switch {
	case r.conn.codec() == nil || r.hash != nil:
		return false
	case r.shrink || r.expanded:
		return true
	}
	return r.tree != nil && r.tree.share.Compress && r.hdr.Command != wire.CmdRead
}

// compress replaces the finished messages by a compressed frame if that is shorter.
// They are signed before (MS-SMB2 3.1.4.1), and sealed afterwards (3.1.4.3).
func (r *reply) compress(c *conn) {
	codec := c.codec()
	msg := r.b[headRoom:]
	if codec == nil || r.n > 0 || len(msg) < compress.MinData {
		return
	}
	lead := 0
	if len(r.links) == 1 {
		// Headers are not worth it, and may be looked at on the way.
		lead = wire.HeaderSize + wire.ReadResponseHeaderSize
	}
	buf := transport.Get(headRoom + len(msg) + crypt.TailRoom)
	n, alg := codec.Compress(buf.B[headRoom:][:len(msg)], msg, lead)
	if n == 0 {
		buf.Release()
		c.srv.metrics.compression.skipped()
		return
	}
	c.srv.metrics.compression.count(compressedOut, alg, len(msg), n)
	r.buf.Release()
	r.buf, r.b = buf, buf.B[:headRoom+n]
}
