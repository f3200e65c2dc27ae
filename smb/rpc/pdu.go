package rpc

import (
	"encoding/binary"
	"errors"
)

// Sizes in bytes.
const (
	headerSize   = 16 // common header (C706 12.6.3.1)
	requestSize  = 24 // header, alloc_hint, p_cont_id, opnum
	responseSize = 24 // header, alloc_hint, p_cont_id, cancel_count, reserved
	objectSize   = 16 // object UUID of a request
	trailerSize  = 8  // sec_trailer (MS-RPCE 2.2.2.11)
	syntaxSize   = 20 // UUID and version

	// maxFragment is the longest fragment that is taken in; offeredFragment
	// is what BindAck offers, as Windows does on pipes; no peer may ask for
	// less than minFragment (C706 12.6.3.1, MustRecvFragSize).
	maxFragment     = 5840
	offeredFragment = 4280
	minFragment     = 1432
)

// Types of protocol data units (C706 12.6.3.1).
const (
	typeRequest       = 0
	typeResponse      = 2
	typeFault         = 3
	typeBind          = 11
	typeBindAck       = 12
	typeBindNak       = 13
	typeAlterContext  = 14
	typeAlterResponse = 15
	typeAuth3         = 16
	typeShutdown      = 17
	typeCancel        = 18
	typeOrphaned      = 19
)

// pfc_flags (C706 12.6.3.1).
const (
	flagFirst         = 0x01
	flagLast          = 0x02
	flagDidNotExecute = 0x20
	flagMaybe         = 0x40 // the client wants no reply
	flagObject        = 0x80 // an object UUID precedes the stub

	flagWhole = flagFirst | flagLast
)

// Decoding errors of data units. Each means that the stream cannot be trusted
// any more.
var (
	errTruncated = errors.New("rpc: data unit truncated")
	errMalformed = errors.New("rpc: data unit malformed")
	errVersion   = errors.New("rpc: protocol version unknown")
)

// header is the common header of all data units.
type header struct {
	ptype, flags uint8
	// fragLength counts the whole unit, authLength the authentication value
	// at its end without its trailer.
	fragLength, authLength uint16
	callID                 uint32
}

// decodeHeader reads the header and checks what holds for every type. With
// errVersion the header is filled in, so that a refusal can name its call.
func decodeHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, errTruncated
	}
	h := header{
		ptype: b[2], flags: b[3],
		fragLength: binary.LittleEndian.Uint16(b[8:]),
		authLength: binary.LittleEndian.Uint16(b[10:]),
		callID:     binary.LittleEndian.Uint32(b[12:]),
	}
	switch {
	case b[0] != 5 || b[1] > 1:
		return h, errVersion
	case b[4] != 0x10 || b[5] != 0:
		// Data representation: little-endian, ASCII, IEEE. Nothing else
		// is spoken over pipes, and lengths above would be wrong.
		return h, errMalformed
	case h.fragLength < headerSize || h.fragLength > maxFragment:
		return h, errMalformed
	case h.authLength != 0 && headerSize+trailerSize+int(h.authLength) > int(h.fragLength):
		return h, errMalformed
	}
	return h, nil
}

// authLevelNone is an authentication level that authenticates nothing
// (MS-RPCE 2.2.1.1.8).
const authLevelNone = 1

// splitAuth cuts the authentication trailer off a whole data unit. secured
// reports whether the client wants more than authentication level none.
func splitAuth(h header, unit []byte) (rest []byte, secured bool, err error) {
	if h.authLength == 0 {
		return unit, false, nil
	}
	at := len(unit) - int(h.authLength) - trailerSize
	if at < headerSize {
		return nil, false, errTruncated
	}
	kind, level, pad := unit[at], unit[at+1], int(unit[at+2])
	if at-pad < headerSize {
		return nil, false, errMalformed
	}
	return unit[:at-pad], kind != 0 && level != authLevelNone, nil
}

// syntaxID names an interface or a transfer syntax: UUID and version (major
// in the lower, minor in the upper half).
type syntaxID struct {
	uuid    [16]byte
	version uint32
}

func decodeSyntax(b []byte) syntaxID {
	return syntaxID{uuid: [16]byte(b[:16]), version: binary.LittleEndian.Uint32(b[16:])}
}

func (s syntaxID) append(b []byte) []byte {
	b = append(b, s.uuid[:]...)
	return binary.LittleEndian.AppendUint32(b, s.version)
}

// bindPDU is a Bind or an AlterContext (C706 12.6.4.1, 12.6.4.3).
type bindPDU struct {
	maxXmit, maxRecv uint16
	assocGroup       uint32
	contexts         []bindContext
}

// bindContext is one proposal of a presentation context.
type bindContext struct {
	id       uint16
	abstract syntaxID
	transfer []syntaxID
}

// decodeBind reads a Bind or AlterContext without its authentication trailer.
func decodeBind(unit []byte) (*bindPDU, error) {
	if len(unit) < headerSize+12 {
		return nil, errTruncated
	}
	b := unit[headerSize:]
	m := &bindPDU{
		maxXmit:    binary.LittleEndian.Uint16(b),
		maxRecv:    binary.LittleEndian.Uint16(b[2:]),
		assocGroup: binary.LittleEndian.Uint32(b[4:]),
	}
	n := int(b[8])
	b = b[12:]
	// Both counts are bytes, and each element is looked for before it is
	// appended: the fragment bounds the memory.
	for range n {
		if len(b) < 4+syntaxSize {
			return nil, errTruncated
		}
		c := bindContext{
			id:       binary.LittleEndian.Uint16(b),
			abstract: decodeSyntax(b[4:]),
		}
		transfers := int(b[2])
		b = b[4+syntaxSize:]
		for range transfers {
			if len(b) < syntaxSize {
				return nil, errTruncated
			}
			c.transfer = append(c.transfer, decodeSyntax(b))
			b = b[syntaxSize:]
		}
		m.contexts = append(m.contexts, c)
	}
	if n == 0 {
		return nil, errMalformed
	}
	return m, nil
}

// requestPDU is one fragment of a request (C706 12.6.4.9).
type requestPDU struct {
	contextID, opnum uint16
	stub             []byte // aliases the unit
}

// decodeRequest reads a Request without its authentication trailer.
func decodeRequest(h header, unit []byte) (requestPDU, error) {
	if len(unit) < requestSize {
		return requestPDU{}, errTruncated
	}
	m := requestPDU{
		contextID: binary.LittleEndian.Uint16(unit[20:]),
		opnum:     binary.LittleEndian.Uint16(unit[22:]),
		stub:      unit[requestSize:],
	}
	if h.flags&flagObject != 0 {
		if len(m.stub) < objectSize {
			return requestPDU{}, errTruncated
		}
		m.stub = m.stub[objectSize:]
	}
	return m, nil
}

// newPDU starts a data unit; finishPDU sets its length.
func newPDU(size int, ptype, flags uint8, callID uint32) []byte {
	b := make([]byte, 0, size)
	b = append(b, 5, 0, ptype, flags, 0x10, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, callID)
}

func finishPDU(b []byte) []byte {
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)))
	return b
}

// Results of a presentation context (C706 12.6.3.1 p_cont_def_result_t,
// MS-RPCE 2.2.2.4 for the acknowledgement of a negotiation).
const (
	resultAccept    = 0
	resultReject    = 2
	resultNegotiate = 3
)

// Reasons of resultReject.
const (
	reasonUnspecified    = 0
	reasonAbstractSyntax = 1
	reasonTransferSyntax = 2
	reasonLocalLimit     = 3
)

// contextResult answers one bindContext. reason is a bit mask of features when
// result is resultNegotiate.
type contextResult struct {
	result, reason uint16
	transfer       syntaxID
}

// appendBindAck builds the answer to Bind or AlterContext (C706 12.6.4.2,
// 12.6.4.4). address is the secondary address, "" for none.
func appendBindAck(ptype uint8, callID uint32, frag uint16, assocGroup uint32, address string, results []contextResult) []byte {
	b := newPDU(64+24*len(results), ptype, flagWhole, callID)
	b = binary.LittleEndian.AppendUint16(b, frag)
	b = binary.LittleEndian.AppendUint16(b, frag)
	b = binary.LittleEndian.AppendUint32(b, assocGroup)
	if address == "" {
		b = append(b, 0, 0)
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(address)+1))
		b = append(append(b, address...), 0)
	}
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	b = append(b, uint8(len(results)), 0, 0, 0)
	for _, r := range results {
		b = binary.LittleEndian.AppendUint16(b, r.result)
		b = binary.LittleEndian.AppendUint16(b, r.reason)
		b = r.transfer.append(b)
	}
	return finishPDU(b)
}

// Reasons of a BindNak (C706 12.6.3.1, MS-RPCE 2.2.2.5).
const (
	nakUnspecified = 0
	nakVersion     = 4
	nakAuthType    = 8
)

// appendBindNak builds the refusal of a Bind. The version that is spoken here
// follows, 5.0 (MS-RPCE 2.2.2.9).
func appendBindNak(callID uint32, reason uint16) []byte {
	b := newPDU(24, typeBindNak, flagWhole, callID)
	b = binary.LittleEndian.AppendUint16(b, reason)
	return finishPDU(append(b, 1, 5, 0))
}

// appendFault builds a Fault (C706 12.6.4.7).
func appendFault(callID uint32, contextID uint16, flags uint8, status fault) []byte {
	b := newPDU(32, typeFault, flagWhole|flags, callID)
	b = binary.LittleEndian.AppendUint32(b, 32) // alloc_hint
	b = binary.LittleEndian.AppendUint16(b, contextID)
	b = append(b, 0, 0) // cancel_count, reserved
	b = binary.LittleEndian.AppendUint32(b, uint32(status))
	return finishPDU(append(b, 0, 0, 0, 0))
}

// appendResponse splits a stub into Response fragments of at most frag bytes
// (C706 12.6.4.10). All but the last carry a multiple of 8 bytes of the stub,
// so that alignment survives.
func appendResponse(units [][]byte, callID uint32, contextID, frag uint16, stub []byte) [][]byte {
	room := (int(frag) - responseSize) &^ 7
	flags := uint8(flagFirst)
	for {
		n := min(len(stub), room)
		if n == len(stub) {
			flags |= flagLast
		}
		b := newPDU(responseSize+n, typeResponse, flags, callID)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(stub)))
		b = binary.LittleEndian.AppendUint16(b, contextID)
		b = append(b, 0, 0) // cancel_count, reserved
		units = append(units, finishPDU(append(b, stub[:n]...)))
		stub = stub[n:]
		if flags&flagLast != 0 {
			return units
		}
		flags = 0
	}
}
