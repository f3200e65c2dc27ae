package rpc

import (
	"lessor/smb/rpc/ndr"
)

// maxPage is how many bytes of entries one reply of an enumeration carries,
// whatever the client asks for. The rest follows with the resume handle.
const maxPage = 512 << 10

// levels are the information levels of an enumeration or query: how an entry
// is written. A nil function is a level that the interface definition knows,
// and the server does not offer.
type levels[T any] map[uint32]func(e *ndr.Encoder, v *T)

// enumRequest is what all requests for an enumeration end with: the InfoStruct,
// the preferred maximum length in bytes and the resume handle.
type enumRequest struct {
	level uint32
	// known: the interface definition has an arm for level. Nothing behind
	// the level could be decoded otherwise.
	known  bool
	limit  uint32
	resume *uint32
}

// decodeEnum reads the common end of an enumeration request. arms has the
// levels of the interface definition.
func decodeEnum[T any](d *ndr.Decoder, arms levels[T]) enumRequest {
	q := enumRequest{level: d.U32()}
	if d.U32() != q.level {
		d.Fail()
	}
	if _, q.known = arms[q.level]; !q.known {
		return q
	}
	if d.Pointer() {
		// The container is there to be filled in: a client has no entries
		// to offer.
		if d.U32(); d.Pointer() && d.Conformance(1) != 0 {
			d.Fail()
		}
	}
	q.limit = d.U32()
	q.resume = d.UniqueU32()
	return q
}

// enumerate answers an enumeration with the items that fit, from the resume
// handle on.
func enumerate[T any](k *call, q enumRequest, arms levels[T], items []T) werr {
	put := arms[q.level]
	if put == nil {
		return enumFailed(k, q, werrInvalidLevel)
	}
	if q.resume != nil {
		items = items[min(uint64(*q.resume), uint64(len(items))):]
	}
	n := fitting(items, put, min(q.limit, maxPage))
	e := &k.out
	e.U32(q.level)
	e.U32(q.level)
	e.Pointer(func() {
		e.U32(uint32(n))
		if n == 0 {
			e.Nil()
			return
		}
		e.Pointer(func() {
			e.U32(uint32(n))
			for i := range items[:n] {
				put(e, &items[i])
			}
		})
	})
	e.Flush()
	e.U32(uint32(len(items)))
	status := werrOK
	if n < len(items) {
		status = werrMoreData
	}
	if q.resume != nil {
		next := uint32(0)
		if status == werrMoreData {
			next = *q.resume + uint32(n)
		}
		e.UniqueU32(&next)
	} else {
		e.Nil()
	}
	return status
}

// fitting is how many of the items take limit bytes at most, but one at least,
// so that a client with a small buffer comes to an end.
func fitting[T any](items []T, put func(*ndr.Encoder, *T), limit uint32) int {
	size := 0
	for i := range items {
		var e ndr.Encoder
		put(&e, &items[i])
		if size += len(e.Stub()); size > int(limit) && i > 0 {
			return i
		}
	}
	return len(items)
}

// enumFailed answers an enumeration with an error and without entries.
func enumFailed(k *call, q enumRequest, status werr) werr {
	e := &k.out
	e.U32(q.level)
	e.U32(q.level)
	if q.known {
		e.Nil()
	}
	e.U32(0)
	e.UniqueU32(q.resume)
	return status
}

// infoReply answers a query for one item on a level.
func infoReply[T any](k *call, level uint32, arms levels[T], item *T) werr {
	put := arms[level]
	if put == nil {
		return infoFailed(k, level, arms, werrInvalidLevel)
	}
	e := &k.out
	e.U32(level)
	e.Pointer(func() { put(e, item) })
	e.Flush()
	return werrOK
}

// infoFailed answers such a query with an error. The union has a nil pointer
// for a level of the interface definition, and nothing for any other.
func infoFailed[T any](k *call, level uint32, arms levels[T], status werr) werr {
	k.out.U32(level)
	if _, known := arms[level]; known {
		k.out.Nil()
	}
	return status
}
