package rpc

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
)

// Limits of what one pipe may make the server keep, in bytes but for the last
// two.
const (
	maxRequest  = 1 << 20 // stub of a request, reassembled
	maxReply    = 2 << 20 // stub of a reply
	maxContexts = 128
	maxHandles  = 128
)

// ndrSyntax is NDR, 8a885d04-1ceb-11c9-9fe8-08002b104860 version 2.0: the only
// transfer syntax spoken here (C706 appendix I). A client that offers NDR64
// offers NDR as well.
var ndrSyntax = syntaxID{
	uuid:    [16]byte{0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60},
	version: 2,
}

// featurePrefix is how a transfer syntax begins that is none, but asks for
// features: 6cb71c2c-9812-4540 version 1.0, then a mask of eight octets
// (MS-RPCE 3.3.1.5.3).
var featurePrefix = []byte{0x2c, 0x1c, 0xb7, 0x6c, 0x12, 0x98, 0x40, 0x45}

// featureKeepOnOrphan: the connection stays open when a call is orphaned
// (MS-RPCE 2.2.2.14). Multiplexing of security contexts is not offered, as
// there are none.
const featureKeepOnOrphan = 0x02

// assocGroups makes association group ids. Nothing is shared in a group, so
// they only have to differ from 0.
var assocGroups atomic.Uint32

// conn is the protocol state of one pipe instance: bytes in, data units out.
// It is guarded by Pipe.in.
//
//	unbound --Bind--> bound --Request, AlterContext--> bound
//	any --protocol error--> dead
type conn struct {
	// Immutable.
	end     *endpoint
	backend Backend
	user    string

	bound, dead bool
	// partial holds the beginning of a data unit that is not whole yet, less
	// than maxFragment bytes.
	partial []byte
	// frag is the longest data unit that the client takes, in bytes.
	frag       uint16
	assocGroup uint32
	contexts   map[uint16]*iface
	// request is being put together from fragments, or nil.
	request *incoming
	handles handleTable
}

// incoming is a request of which the last fragment is missing.
type incoming struct {
	callID           uint32
	contextID, opnum uint16
	stub             []byte
	// refused: the fault is sent, the rest of the fragments is dropped.
	refused bool
}

func newConn(e *endpoint, b Backend, user string) *conn {
	return &conn{end: e, backend: b, user: user, frag: minFragment, contexts: map[uint16]*iface{}}
}

// feed takes bytes of the client and returns the data units that answer them.
func (c *conn) feed(data []byte) [][]byte {
	var out [][]byte
	produced := 0 // bytes of the first counted units in out
	counted := 0
	for len(data) > 0 && !c.dead {
		h, unit, rest, err := c.next(data)
		for ; counted < len(out); counted++ {
			produced += len(out[counted])
		}
		switch {
		case produced > maxQueued:
			// Short requests make long replies: who sends more of them
			// than it has read answers to is not served.
			out = c.violated(out, h)
		case err == errVersion && h.ptype == typeBind:
			out = append(out, appendBindNak(h.callID, nakVersion))
			c.dead = true
		case err != nil:
			out = c.violated(out, h)
		case unit != nil:
			out = c.handle(out, h, unit)
		}
		data = rest
	}
	return out
}

// next takes the next whole data unit off data. unit is nil if there is none
// yet: then all of data has gone to c.partial.
func (c *conn) next(data []byte) (h header, unit, rest []byte, err error) {
	if len(c.partial) == 0 && len(data) >= headerSize {
		if h, err = decodeHeader(data); err != nil {
			return h, nil, nil, err
		}
		if n := int(h.fragLength); len(data) >= n {
			return h, data[:n:n], data[n:], nil
		}
	}
	if data = c.collect(data, headerSize); len(c.partial) < headerSize {
		return h, nil, nil, nil
	}
	if h, err = decodeHeader(c.partial); err != nil {
		return h, nil, nil, err
	}
	if data = c.collect(data, int(h.fragLength)); len(c.partial) < int(h.fragLength) {
		return h, nil, nil, nil
	}
	unit, c.partial = c.partial, nil
	return h, unit, data, nil
}

// collect moves bytes to c.partial until it holds size of them.
func (c *conn) collect(data []byte, size int) []byte {
	n := min(max(size-len(c.partial), 0), len(data))
	c.partial = append(c.partial, data[:n]...)
	return data[n:]
}

// violated answers a breach of the protocol, after which nothing that the
// client sends can be understood.
func (c *conn) violated(out [][]byte, h header) [][]byte {
	c.dead, c.partial, c.request = true, nil, nil
	return append(out, appendFault(h.callID, 0, flagDidNotExecute, faultProtocol))
}

func (c *conn) handle(out [][]byte, h header, unit []byte) [][]byte {
	rest, secured, err := splitAuth(h, unit)
	if err != nil {
		return c.violated(out, h)
	}
	switch h.ptype {
	case typeBind:
		return c.bind(out, h, rest, secured)
	case typeAlterContext:
		return c.alter(out, h, rest, secured)
	case typeRequest:
		return c.fragment(out, h, rest, secured)
	case typeCancel:
		// A call is over before a cancel can be read.
		return out
	case typeOrphaned:
		// MS-RPCE 3.3.1.5.10: the client has lost interest in the call.
		if c.request != nil && c.request.callID == h.callID {
			c.request = nil
		}
		return out
	}
	// Auth3 would end an authentication that bind refused; everything else
	// is for clients only.
	return c.violated(out, h)
}

// bind answers a Bind. A refusal leaves the pipe unbound: another Bind may
// follow.
func (c *conn) bind(out [][]byte, h header, unit []byte, secured bool) [][]byte {
	if c.bound {
		return c.violated(out, h)
	}
	if secured {
		// The SMB session has authenticated the client, and seals if it
		// must. No security provider is offered on top.
		return append(out, appendBindNak(h.callID, nakAuthType))
	}
	m, err := decodeBind(unit)
	if err != nil {
		return append(out, appendBindNak(h.callID, nakUnspecified))
	}
	c.bound = true
	// One size for both directions. A multiple of 8 keeps the stub aligned
	// over fragments.
	c.frag = min(offeredFragment, max(minFragment, min(m.maxXmit, m.maxRecv))) &^ 7
	if c.assocGroup = m.assocGroup; c.assocGroup == 0 {
		c.assocGroup = newAssocGroup()
	}
	return append(out, appendBindAck(typeBindAck, h.callID, c.frag, c.assocGroup, c.end.address, c.negotiate(m.contexts)))
}

func newAssocGroup() uint32 {
	for {
		if id := assocGroups.Add(1); id != 0 {
			return id
		}
	}
}

// alter answers an AlterContext, which proposes more contexts.
func (c *conn) alter(out [][]byte, h header, unit []byte, secured bool) [][]byte {
	m, err := decodeBind(unit)
	if !c.bound || err != nil {
		return c.violated(out, h)
	}
	if secured {
		return append(out, appendFault(h.callID, 0, flagDidNotExecute, faultAccessDenied))
	}
	return append(out, appendBindAck(typeAlterResponse, h.callID, c.frag, c.assocGroup, "", c.negotiate(m.contexts)))
}

func (c *conn) negotiate(proposed []bindContext) []contextResult {
	results := make([]contextResult, len(proposed))
	for i, p := range proposed {
		results[i] = c.propose(p)
	}
	return results
}

// propose decides on one presentation context.
func (c *conn) propose(p bindContext) contextResult {
	if len(p.transfer) == 1 && p.transfer[0].version == 1 && bytes.HasPrefix(p.transfer[0].uuid[:], featurePrefix) {
		wanted := uint16(p.transfer[0].uuid[len(featurePrefix)])
		return contextResult{result: resultNegotiate, reason: wanted & featureKeepOnOrphan}
	}
	i := c.end.find(p.abstract)
	if i == nil {
		return contextResult{result: resultReject, reason: reasonAbstractSyntax}
	}
	for _, t := range p.transfer {
		if t != ndrSyntax {
			continue
		}
		if old, ok := c.contexts[p.id]; ok && old != i {
			return contextResult{result: resultReject, reason: reasonUnspecified}
		} else if !ok && len(c.contexts) >= maxContexts {
			return contextResult{result: resultReject, reason: reasonLocalLimit}
		}
		c.contexts[p.id] = i
		return contextResult{result: resultAccept, transfer: ndrSyntax}
	}
	return contextResult{result: resultReject, reason: reasonTransferSyntax}
}

// find looks an interface up. The major version must agree, and a client may
// know an older minor version.
func (e *endpoint) find(want syntaxID) *iface {
	for _, i := range e.ifaces {
		if i.syntax.uuid == want.uuid && uint16(i.syntax.version) == uint16(want.version) &&
			want.version>>16 <= i.syntax.version>>16 {
			return i
		}
	}
	return nil
}

// fragment takes a fragment of a request, and carries out the request when it
// was the last.
func (c *conn) fragment(out [][]byte, h header, unit []byte, secured bool) [][]byte {
	m, err := decodeRequest(h, unit)
	first := h.flags&flagFirst != 0
	switch {
	case !c.bound || err != nil, first != (c.request == nil):
		return c.violated(out, h)
	case !first && c.request.callID != h.callID:
		// Fragments of several calls may be mixed only if BindAck had
		// agreed to it (PFC_CONC_MPX, C706 12.6.3.1).
		return c.violated(out, h)
	}
	if first && h.flags&flagLast != 0 && !secured {
		return c.execute(out, h, m)
	}
	if first {
		c.request = &incoming{callID: h.callID, contextID: m.contextID, opnum: m.opnum}
	}
	r := c.request
	switch {
	case r.refused:
	case secured:
		out = c.refuse(out, faultAccessDenied)
	case len(r.stub)+len(m.stub) > maxRequest:
		out = c.refuse(out, faultNoMemory)
	default:
		r.stub = append(r.stub, m.stub...)
	}
	if h.flags&flagLast == 0 {
		return out
	}
	c.request = nil
	if r.refused {
		return out
	}
	return c.execute(out, h, requestPDU{contextID: r.contextID, opnum: r.opnum, stub: r.stub})
}

// refuse answers the request under reassembly before it is whole.
func (c *conn) refuse(out [][]byte, status fault) [][]byte {
	r := c.request
	r.refused, r.stub = true, nil
	return append(out, appendFault(r.callID, r.contextID, flagDidNotExecute, status))
}

// execute carries out a whole request.
func (c *conn) execute(out [][]byte, h header, m requestPDU) [][]byte {
	i, ok := c.contexts[m.contextID]
	if !ok {
		return append(out, appendFault(h.callID, m.contextID, flagDidNotExecute, faultUnknownIf))
	}
	row, ok := i.methods[m.opnum]
	if !ok {
		return append(out, appendFault(h.callID, m.contextID, flagDidNotExecute, faultOpRange))
	}
	stub, failed := c.invoke(i, row, m.stub)
	switch {
	case h.flags&flagMaybe != 0:
		return out
	case failed != 0:
		return append(out, appendFault(h.callID, m.contextID, 0, failed))
	}
	return appendResponse(out, h.callID, m.contextID, c.frag, stub)
}

// handle is a context handle: four bytes of attributes, then
// a UUID. The zero handle is none.
type handle [20]byte

// handleTable holds the context handles of one pipe. They are valid there
// only, so they need not be secret.
type handleTable struct {
	last uint32
	open map[handle]any
}

// full reports whether there is no room for one more.
func (t *handleTable) full() bool { return len(t.open) >= maxHandles }

// add makes a handle for object. It fails when there are too many.
func (t *handleTable) add(object any, assocGroup uint32) (handle, bool) {
	if t.full() {
		return handle{}, false
	}
	if t.open == nil {
		t.open = map[handle]any{}
	}
	var h handle
	for {
		t.last++
		binary.LittleEndian.PutUint32(h[4:], t.last)
		binary.LittleEndian.PutUint32(h[8:], assocGroup)
		h[19] = 1 // never the zero handle, also when last wraps around
		if _, taken := t.open[h]; !taken {
			t.open[h] = object
			return h, true
		}
	}
}
