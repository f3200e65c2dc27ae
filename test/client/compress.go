package client

import (
	"slices"

	"lessor/smb/compress"
	"lessor/smb/wire"
)

// compressionContext is what NEGOTIATE offers.
func (o *Options) compressionContext() *wire.CompressionCapabilities {
	m := &wire.CompressionCapabilities{CompressionAlgorithms: o.Compression}
	if !o.Unchained {
		m.Flags = wire.CompressionCapabilityChained
	}
	return m
}

// acceptCompression checks the server's choice (MS-SMB2 3.2.5.2).
func (n *Negotiated) acceptCompression(prefer []wire.CompressionAlgorithm) error {
	var chosen, offered wire.CompressionCapabilities
	found, err := n.context(wire.ContextCompression, &chosen)
	if err != nil || !found {
		return err
	}
	_, _ = contextIn(n.Request.Contexts, wire.ContextCompression, &offered)
	ids := chosen.CompressionAlgorithms
	switch {
	case len(ids) == 0:
		return violation("server chose no compression algorithm, not even none")
	case len(ids) == 1 && ids[0] == wire.CompressionNone:
		ids = nil
	}
	for i, id := range ids {
		if !slices.Contains(offered.CompressionAlgorithms, id) || slices.Contains(ids[:i], id) {
			return violation("server chose compression algorithms %v of %v", ids, offered.CompressionAlgorithms)
		}
	}
	chained := chosen.Flags&wire.CompressionCapabilityChained != 0
	if chained && offered.Flags&wire.CompressionCapabilityChained == 0 {
		return violation("server chains payloads, which was not offered")
	}
	m := &n.Response
	n.codec = compress.NewCodec(ids, chained, prefer, max(m.MaxReadSize, m.MaxWriteSize, m.MaxTransactSize))
	return nil
}

// Compression is what was negotiated: nil if nothing is compressed.
func (n *Negotiated) Compression() *compress.Codec { return n.codec }

// Compressing says whether the share asks for compressed READs and WRITEs.
func (t *Tree) Compressing() bool { return t.Response.ShareFlags&wire.ShareFlagCompressData != 0 }

// compressing says whether the request is to be compressed and, for a READ, its
// reply (MS-SMB2 3.2.4.1.9, 3.2.4.6, 3.2.4.7).
func (p *Pending) compressing() bool {
	r, n := &p.request, p.conn.negotiated.Load()
	if n == nil || n.codec == nil || r.Compress == Off || p.command == wire.CmdNegotiate {
		return false
	}
	if r.Compress != Auto || p.conn.opts.CompressAll {
		return true
	}
	return r.Tree != nil && r.Tree.Compressing() && (p.command == wire.CmdRead || p.command == wire.CmdWrite)
}

// askCompressed makes a READ ask for a compressed reply.
func (p *Pending) askCompressed() {
	if m, ok := p.request.Body.(*wire.ReadRequest); ok && p.compressing() {
		own := *m
		own.Flags |= wire.ReadFlagRequestCompressed
		p.request.Body = &own
	}
}

// compress compresses the messages in a frame from start on, if one of them wants it
// and it pays.
func (c *Conn) compress(frame []byte, start int, ps []*Pending) []byte {
	if !slices.ContainsFunc(ps, (*Pending).compressing) {
		return frame
	}
	lead := 0
	if len(ps) == 1 {
		lead = min(wire.HeaderSize+48, len(frame)-start) // what stands before the data of a WRITE
	}
	dst := make([]byte, len(frame)-start)
	n, _ := c.negotiated.Load().codec.Compress(dst, frame[start:], lead)
	if n == 0 {
		return frame
	}
	for _, p := range ps {
		p.compressed = true
	}
	return append(frame[:start], dst[:n]...)
}

// expand expands a compressed frame (MS-SMB2 3.2.5.1.1.2).
func (c *Conn) expand(frame []byte) ([]byte, error) {
	n := c.negotiated.Load()
	if n == nil || n.codec == nil {
		return nil, violation("compressed frame, but nothing was negotiated")
	}
	size, _, err := n.codec.Size(frame)
	if err != nil {
		return nil, violation("compressed frame of %d bytes: %v", len(frame), err)
	}
	msg := make([]byte, size)
	if err := n.codec.Expand(msg, frame); err != nil {
		return nil, violation("compressed frame of %d bytes: %v", len(frame), err)
	}
	return msg, nil
}
