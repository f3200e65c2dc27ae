package wire

import "math"

// FileID names an open on the wire (MS-SMB2 2.2.14.1). Both halves together
// must match; Persistent stays the same when a durable open is reconnected.
type FileID struct {
	Persistent uint64
	Volatile   uint64
}

// RelatedFileID, all bits set, stands in a related request of a compound for
// the open of the request before it (MS-SMB2 3.3.5.2.7.2).
var RelatedFileID = FileID{math.MaxUint64, math.MaxUint64}

// IsRelated reports whether both halves have all bits set.
func (id FileID) IsRelated() bool { return id == RelatedFileID }

// FileID reads a FileID, 16 bytes.
func (r *Reader) FileID() FileID {
	p := r.U64()
	return FileID{Persistent: p, Volatile: r.U64()}
}

// AppendFileID appends the 16 bytes of id.
func AppendFileID(b []byte, id FileID) []byte {
	return AppendU64(AppendU64(b, id.Persistent), id.Volatile)
}
