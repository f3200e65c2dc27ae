package wire

import (
	"encoding/binary"
	"math"
)

// Alignment in bytes of the entries of the lists that an EntryList builds.
const (
	DirEntryAlign = 8 // MS-FSCC 2.4, directory classes
	StreamAlign   = 8 // MS-FSCC 2.4.49
	NotifyAlign   = 4 // MS-FSCC 2.7.1
	EaAlign       = 4 // MS-FSCC 2.4.16
)

// unlimited is the limit of a list that is built for its own sake.
const unlimited = math.MaxInt

// EntryList builds a list of entries that are chained by NextEntryOffset, their
// first field: directory entries, streams, extended attributes, changes. It
// appends in place, so a server gives it the outgoing buffer:
//
//	list := NewEntryList(reply, int(req.OutputBufferLength), DirEntryAlign)
//	for list.AppendDirEntry(class, &entry) { ... }
//	reply = list.Bytes
//
// An EntryList is a plain value and keeps nothing but positions.
type EntryList struct {
	// Bytes is what was given to NewEntryList and the list behind it.
	Bytes []byte

	start int // where the list begins in Bytes
	limit int // the most bytes that the list may take
	last  int // where the newest entry begins; meaningful if Count > 0
	align int
	count int
}

// NewEntryList returns an empty list that is appended to dst and takes at most
// limit bytes. Entries are aligned, counted from the start of the list, to
// align bytes, a power of two.
func NewEntryList(dst []byte, limit, align int) EntryList {
	return EntryList{Bytes: dst, start: len(dst), limit: limit, align: align}
}

// Count is the number of entries.
func (l *EntryList) Count() int { return l.count }

// Len is the length of the list in bytes. The last entry is not padded.
func (l *EntryList) Len() int { return len(l.Bytes) - l.start }

// Fits reports whether an entry of size bytes, padding not counted, would fit.
func (l *EntryList) Fits(size int) bool {
	return l.Len()+(-l.Len()&(l.align-1)) <= l.limit-size
}

// begin makes room for an entry of size bytes and chains it to its predecessor,
// unless it does not fit.
func (l *EntryList) begin(size int) bool {
	if !l.Fits(size) {
		return false
	}
	if l.count > 0 {
		l.Bytes = Pad(l.Bytes, l.start, l.align)
		putU32(l.Bytes[l.last:], uint32(len(l.Bytes)-l.last))
	}
	l.last = len(l.Bytes)
	l.count++
	return true
}

// entryIter walks what EntryList builds.
type entryIter struct {
	rest  []byte
	align uint32
	entry []byte // the current entry, with its NextEntryOffset and padding
	err   error
}

// entries returns an iterator over b. The empty list has no entries.
func entries(b []byte, align uint32) entryIter { return entryIter{rest: b, align: align} }

// next advances. It returns false at the end and at the first entry that
// reaches outside of the list; err tells which.
func (it *entryIter) next() bool {
	b := it.rest
	if it.err != nil || len(b) == 0 {
		return false
	}
	if len(b) < 4 {
		it.err = ErrTruncated
		return false
	}
	switch next := binary.LittleEndian.Uint32(b); {
	case next == 0:
		it.entry, it.rest = b, nil
	case next%it.align != 0:
		it.err = ErrMalformed
		return false
	case uint64(next) >= uint64(len(b)):
		it.err = ErrTruncated
		return false
	default:
		it.entry, it.rest = b[:next:next], b[next:]
	}
	return true
}
