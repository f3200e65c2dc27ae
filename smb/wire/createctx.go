package wire

import "encoding/binary"

// Tags of create contexts (MS-SMB2 2.2.13.2). They are byte strings, not text.
const (
	TagExtA = "ExtA" // extended attributes to set on a new file; a list of FILE_FULL_EA_INFORMATION
	TagSecD = "SecD" // security descriptor of a new file, self-relative
	TagDHnQ = "DHnQ" // durable handle request
	TagDHnC = "DHnC" // durable handle reconnect
	TagDH2Q = "DH2Q" // durable handle request, version 2
	TagDH2C = "DH2C" // durable handle reconnect, version 2
	TagAlSi = "AlSi" // allocation size
	TagMxAc = "MxAc" // maximal access
	TagTWrp = "TWrp" // snapshot by its time
	TagQFid = "QFid" // identity on disk
	TagRqLs = "RqLs" // lease, version 1 or 2
	TagAAPL = "AAPL" // Apple's extensions

	// TagAppInstanceID is SMB2_CREATE_APP_INSTANCE_ID.
	TagAppInstanceID = "\x45\xbc\xa6\x6a\xef\xa7\xf7\x4a\x90\x08\xfa\x46\x2e\x14\x4d\x74"
	// TagAppInstanceVersion is SMB2_CREATE_APP_INSTANCE_VERSION.
	TagAppInstanceVersion = "\xb9\x82\xd0\xb7\x3b\x56\x07\x4f\xa0\x7b\x52\x4a\x81\x16\xa0\x10"
	// TagSVHDX is SVHDX_OPEN_DEVICE_CONTEXT, which has no struct here.
	TagSVHDX = "\x9c\xcb\xcf\x9e\x04\xc1\xe6\x43\x98\x0e\x15\x8d\xa1\xf6\xec\x83"
	// TagPosix is the create context of the POSIX extensions of SMB 3.1.1.
	TagPosix = "\x93\xad\x25\x50\x9c\xb4\x11\xe7\xb4\x23\x83\xde\x96\x8b\xcd\x7c"
)

const createContextHeader = 16

// CreateContextIter walks a list of create contexts without allocating:
//
//	for it := CreateContexts(req.Contexts); it.Next(); {
//		switch string(it.Tag()) { case TagRqLs: lease.Decode(it.Data()) ... }
//	}
//
// When Next has returned false, Err tells a broken list from the end.
type CreateContextIter struct {
	rest      []byte
	tag, data []byte
	err       error
	ended     bool
}

// CreateContexts returns an iterator that stands before the first context of
// list; the empty list is valid and has none.
func CreateContexts(list []byte) CreateContextIter {
	return CreateContextIter{rest: list, ended: len(list) == 0}
}

// Next advances to the next context. It returns false at the end and at the
// first entry that reaches outside of its space.
func (it *CreateContextIter) Next() bool {
	it.tag, it.data = nil, nil
	if it.ended {
		return false
	}
	b := it.rest
	if len(b) < createContextHeader {
		return it.fail(ErrTruncated)
	}
	le := binary.LittleEndian
	next := le.Uint32(b)
	switch {
	case next == 0:
		it.ended = true
	case next%8 != 0 || next < createContextHeader:
		return it.fail(ErrMalformed)
	case uint64(next) > uint64(len(b)):
		return it.fail(ErrTruncated)
	default:
		b, it.rest = b[:next], b[next:]
	}
	nameOffset, nameLength := uint64(le.Uint16(b[4:])), uint64(le.Uint16(b[6:]))
	dataOffset, dataLength := uint64(le.Uint16(b[10:])), uint64(le.Uint32(b[12:]))
	size := uint64(len(b))
	if nameLength == 0 || nameOffset < createContextHeader {
		return it.fail(ErrMalformed)
	}
	if nameOffset+nameLength > size {
		return it.fail(ErrTruncated)
	}
	if dataLength != 0 {
		// The data stands behind the name (MS-SMB2 2.2.13.2).
		if dataOffset < nameOffset+nameLength {
			return it.fail(ErrMalformed)
		}
		if dataOffset+dataLength > size {
			return it.fail(ErrTruncated)
		}
		it.data = b[dataOffset : dataOffset+dataLength : dataOffset+dataLength]
	}
	it.tag = b[nameOffset : nameOffset+nameLength : nameOffset+nameLength]
	return true
}

func (it *CreateContextIter) fail(err error) bool {
	it.err, it.ended = err, true
	return false
}

// Tag is the name of the current context, aliasing the list.
func (it *CreateContextIter) Tag() []byte { return it.tag }

// Data is the data of the current context, aliasing the list.
func (it *CreateContextIter) Data() []byte { return it.data }

// Err is nil unless the list is malformed.
func (it *CreateContextIter) Err() error { return it.err }

// FindCreateContext returns the data of the first context with the tag. ok is
// false when there is none or the list breaks off before it.
func FindCreateContext(list []byte, tag string) (data []byte, ok bool) {
	for it := CreateContexts(list); it.Next(); {
		if string(it.Tag()) == tag {
			return it.Data(), true
		}
	}
	return nil, false
}

// CreateContextList builds a list of create contexts. The zero value is an
// empty list; Bytes may be set to an empty slice with spare capacity before
// the first context.
type CreateContextList struct {
	// Bytes is the list so far, what the Contexts of a message want.
	Bytes []byte
	last  int // where the header of the newest context stands
	data  int // where its data begins
}

// Begin opens a context. The caller appends its data to Bytes and calls End.
func (l *CreateContextList) Begin(tag string) {
	if len(l.Bytes) > 0 {
		l.Bytes = Pad(l.Bytes, 0, 8)
		putU32(l.Bytes[l.last:], uint32(len(l.Bytes)-l.last))
	}
	l.last = len(l.Bytes)
	l.Bytes = AppendU32(l.Bytes, 0)
	l.Bytes = AppendU16(l.Bytes, createContextHeader)
	l.Bytes = AppendU16(l.Bytes, uint16(len(tag)))
	l.Bytes = AppendZeros(l.Bytes, 8)
	l.Bytes = append(l.Bytes, tag...)
	l.Bytes = Pad(l.Bytes, 0, 8)
	l.data = len(l.Bytes)
}

// End closes the context that Begin opened.
func (l *CreateContextList) End() {
	if n := len(l.Bytes) - l.data; n > 0 {
		putU16(l.Bytes[l.last+10:], uint16(l.data-l.last))
		putU32(l.Bytes[l.last+12:], uint32(n))
	}
}

// Add appends a context whose data is at hand, or which has none.
func (l *CreateContextList) Add(tag string, data []byte) {
	l.Begin(tag)
	l.Bytes = append(l.Bytes, data...)
	l.End()
}

// Put appends a context with the encoding of v.
func (l *CreateContextList) Put(tag string, v Appender) {
	l.Begin(tag)
	l.Bytes = v.Append(l.Bytes)
	l.End()
}
