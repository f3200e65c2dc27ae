package wire

import "bytes"

const (
	fullEaSize = 8 // without name, its terminator and value
	getEaSize  = 5 // without name and its terminator
)

// EaNeed in the Flags of an extended attribute says that the file cannot be
// understood without it (MS-FSCC 2.4.16).
const EaNeed uint8 = 0x80

// EaEntry is one extended attribute (MS-FSCC 2.4.16).
type EaEntry struct {
	Flags uint8
	// EaName has 1 to 255 bytes of an 8-bit character set, no NUL, and differs
	// from others not by case alone.
	EaName string
	// EaValue has at most 65,535 bytes; none removes the attribute. It aliases
	// the message.
	EaValue []byte
}

// FullEaSize is the length in bytes of an entry with a name and a value of
// these lengths. Every entry but the last is padded to EaAlign; the sum is what
// FileEaInformation reports.
func FullEaSize(nameLen, valueLen int) int { return fullEaSize + nameLen + 1 + valueLen }

// AppendEa appends e to a list made with EaAlign. It returns false, and leaves
// the list as it was, when the entry does not fit or has a name or value that is
// too long to be expressed.
func (l *EntryList) AppendEa(e *EaEntry) bool {
	if len(e.EaName) > 0xff || len(e.EaValue) > 0xffff || !l.begin(FullEaSize(len(e.EaName), len(e.EaValue))) {
		return false
	}
	l.Bytes = AppendU32(l.Bytes, 0)
	l.Bytes = append(l.Bytes, e.Flags, byte(len(e.EaName)))
	l.Bytes = AppendU16(l.Bytes, uint16(len(e.EaValue)))
	l.Bytes = append(l.Bytes, e.EaName...)
	l.Bytes = append(l.Bytes, 0)
	l.Bytes = append(l.Bytes, e.EaValue...)
	return true
}

// FileFullEaInformation is a list of extended attributes, what FileInfoFullEa
// reads and sets and what the create context ExtA carries (MS-FSCC 2.4.16).
type FileFullEaInformation struct {
	Entries []EaEntry
}

// Decode reads the list and reuses the space of Entries. The empty list is
// valid. A name that is empty, not terminated or with a NUL inside is
// ErrMalformed, for which MS-FSA demands STATUS_EA_LIST_INCONSISTENT.
func (i *FileFullEaInformation) Decode(b []byte) error {
	i.Entries = i.Entries[:0]
	it := entries(b, EaAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		e := EaEntry{Flags: r.U8()}
		nameLen, valueLen := int(r.U8()), int(r.U16())
		e.EaName = r.eaName(nameLen)
		e.EaValue = r.Bytes(valueLen)
		if r.Err() != nil {
			return r.Err()
		}
		i.Entries = append(i.Entries, e)
	}
	return it.err
}

// Append appends the list.
func (i *FileFullEaInformation) Append(dst []byte) []byte {
	l := NewEntryList(dst, unlimited, EaAlign)
	for n := range i.Entries {
		l.AppendEa(&i.Entries[n])
	}
	return l.Bytes
}

// FileGetEaInformation is the list of the names that a QUERY_INFO of
// FileInfoFullEa wants, in its input buffer (MS-FSCC 2.4.16.1).
type FileGetEaInformation struct {
	// Names are as the EaName of EaEntry.
	Names []string
}

// Decode reads the list and reuses the space of Names. The empty list is valid.
func (i *FileGetEaInformation) Decode(b []byte) error {
	i.Names = i.Names[:0]
	it := entries(b, EaAlign)
	for it.next() {
		r := NewReader(it.entry, 4)
		name := r.eaName(int(r.U8()))
		if r.Err() != nil {
			return r.Err()
		}
		i.Names = append(i.Names, name)
	}
	return it.err
}

// Append appends the list. Names of more than 255 bytes are left out.
func (i *FileGetEaInformation) Append(dst []byte) []byte {
	l := NewEntryList(dst, unlimited, EaAlign)
	for _, name := range i.Names {
		if len(name) > 0xff || !l.begin(getEaSize+len(name)+1) {
			continue
		}
		l.Bytes = AppendU32(l.Bytes, 0)
		l.Bytes = append(l.Bytes, byte(len(name)))
		l.Bytes = append(l.Bytes, name...)
		l.Bytes = append(l.Bytes, 0)
	}
	return l.Bytes
}

// eaName reads the name of an extended attribute and the NUL behind it.
func (r *Reader) eaName(n int) string {
	b := r.Bytes(n + 1)
	if b == nil {
		return ""
	}
	if n == 0 || bytes.IndexByte(b, 0) != n {
		r.Fail(ErrMalformed)
		return ""
	}
	return string(b[:n])
}
