package wire

const streamEntrySize = 24

// StreamEntry is one stream of a file, FileStreamInformation (MS-FSCC 2.4).
type StreamEntry struct {
	// StreamSize and StreamAllocationSize are in bytes.
	StreamSize           int64
	StreamAllocationSize int64
	// StreamName has the form ":name:$DATA"; that of the unnamed stream is
	// "::$DATA".
	StreamName string
}

// StreamEntrySize is the length in bytes of an entry whose name takes nameBytes
// in UTF-16.
func StreamEntrySize(nameBytes int) int { return streamEntrySize + nameBytes }

// AppendStream appends e to a list made with StreamAlign. It returns false, and
// leaves the list as it was, when the entry does not fit.
func (l *EntryList) AppendStream(e *StreamEntry) bool {
	nameLen := UTF16Len(e.StreamName)
	if !l.begin(streamEntrySize + nameLen) {
		return false
	}
	l.Bytes = AppendU32(l.Bytes, 0)
	l.Bytes = AppendU32(l.Bytes, uint32(nameLen))
	l.Bytes = AppendU64(l.Bytes, uint64(e.StreamSize))
	l.Bytes = AppendU64(l.Bytes, uint64(e.StreamAllocationSize))
	l.Bytes = AppendUTF16(l.Bytes, e.StreamName)
	return true
}

// FileStreamInformation is the list of all streams of a file, for clients and
// tests. A server uses EntryList.AppendStream.
type FileStreamInformation struct {
	Streams []StreamEntry
}

// Decode reads the list, which is empty for a directory without streams.
func (i *FileStreamInformation) Decode(b []byte) error {
	i.Streams = i.Streams[:0]
	it := entries(b, StreamAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		nameLen := r.U32()
		e := StreamEntry{StreamSize: int64(r.U64()), StreamAllocationSize: int64(r.U64())}
		if uint64(nameLen) > uint64(r.Len()) {
			return ErrTruncated
		}
		e.StreamName = r.UTF16(int(nameLen))
		if r.Err() != nil {
			return r.Err()
		}
		i.Streams = append(i.Streams, e)
	}
	return it.err
}

// Append appends the list.
func (i *FileStreamInformation) Append(dst []byte) []byte {
	l := NewEntryList(dst, unlimited, StreamAlign)
	for n := range i.Streams {
		l.AppendStream(&i.Streams[n])
	}
	return l.Bytes
}
