package wire

// QuotaAlign is the alignment of entries of FileQuotaInformation (MS-FSCC 2.4.41).
const QuotaAlign = 8

// NoQuota as a threshold or limit is that there is none, and QuotaRemoved, as a limit
// that is set, that the entry goes (MS-FSCC 2.4.41).
const (
	NoQuota      int64 = -1
	QuotaRemoved int64 = -2
)

// FileQuotaInformation is the quota of one user (MS-FSCC 2.4.41). All numbers are bytes.
type FileQuotaInformation struct {
	ChangeTime     Filetime
	QuotaUsed      int64
	QuotaThreshold int64
	QuotaLimit     int64
	// Sid is the user, as MS-DTYP 2.4.2.2 packs it. It aliases the message.
	Sid []byte
}

// quotaSize is the length of an entry without its SID.
const quotaSize = 40

// FileQuotaInformationSize is the length in bytes of an entry with a SID of this length.
func FileQuotaInformationSize(sid int) int { return quotaSize + sid }

// AppendQuota appends an entry to a list made with QuotaAlign; false if it does not fit.
func (l *EntryList) AppendQuota(q *FileQuotaInformation) bool {
	if !l.begin(FileQuotaInformationSize(len(q.Sid))) {
		return false
	}
	l.Bytes = AppendU32(l.Bytes, 0)
	l.Bytes = AppendU32(l.Bytes, uint32(len(q.Sid)))
	l.Bytes = AppendFiletime(l.Bytes, q.ChangeTime)
	l.Bytes = AppendU64(l.Bytes, uint64(q.QuotaUsed))
	l.Bytes = AppendU64(l.Bytes, uint64(q.QuotaThreshold))
	l.Bytes = AppendU64(l.Bytes, uint64(q.QuotaLimit))
	l.Bytes = append(l.Bytes, q.Sid...)
	return true
}

// QuotaList is a list of quotas, as a server returns and a client sets it.
type QuotaList struct{ Entries []FileQuotaInformation }

// Decode reads the list. The empty list is valid.
func (i *QuotaList) Decode(b []byte) error {
	i.Entries = i.Entries[:0]
	it := entries(b, 4)
	for it.next() {
		r := NewReader(it.entry, 4)
		n := r.U32()
		q := FileQuotaInformation{ChangeTime: r.Filetime(), QuotaUsed: int64(r.U64()), QuotaThreshold: int64(r.U64()), QuotaLimit: int64(r.U64())}
		if uint64(n) > uint64(r.Len()) {
			return ErrTruncated
		}
		q.Sid = r.Bytes(int(n))
		if err := r.Err(); err != nil {
			return err
		}
		i.Entries = append(i.Entries, q)
	}
	return it.err
}

// Append appends the list.
func (i *QuotaList) Append(dst []byte) []byte {
	l := NewEntryList(dst, unlimited, QuotaAlign)
	for n := range i.Entries {
		l.AppendQuota(&i.Entries[n])
	}
	return l.Bytes
}

// QueryQuotaInfo says what quotas a QUERY_INFO wants (MS-SMB2 2.2.37.1).
type QueryQuotaInfo struct {
	ReturnSingle bool
	RestartScan  bool
	// Sids are users, in the form of FILE_GET_QUOTA_INFORMATION (MS-FSCC 2.4.41.1). They
	// alias the message.
	Sids [][]byte
	// StartSid is where to begin behind, if there are no Sids.
	StartSid []byte
}

// Decode reads the structure.
func (q *QueryQuotaInfo) Decode(b []byte) error {
	r := NewReader(b, 0)
	q.ReturnSingle, q.RestartScan = r.boolean(), r.boolean()
	r.Skip(2)
	list, start, at := r.U32(), r.U32(), r.U32()
	if err := r.Err(); err != nil {
		return err
	}
	q.Sids, q.StartSid = q.Sids[:0], nil
	rest := b[r.Offset():]
	switch {
	case list > 0:
		if uint64(list) > uint64(len(rest)) {
			return ErrTruncated
		}
		return q.decodeSids(rest[:list])
	case start > 0:
		if uint64(at)+uint64(start) > uint64(len(rest)) {
			return ErrTruncated
		}
		q.StartSid = rest[at : at+start]
	}
	return nil
}

func (q *QueryQuotaInfo) decodeSids(b []byte) error {
	it := entries(b, 4)
	for it.next() {
		r := NewReader(it.entry, 4)
		n := r.U32()
		if uint64(n) > uint64(r.Len()) {
			return ErrTruncated
		}
		q.Sids = append(q.Sids, r.Bytes(int(n)))
	}
	return it.err
}

// Append appends the structure.
func (q *QueryQuotaInfo) Append(dst []byte) []byte {
	dst = appendBoolean(appendBoolean(dst, q.ReturnSingle), q.RestartScan)
	dst = AppendU16(dst, 0)
	list := NewEntryList(nil, unlimited, 4)
	for _, sid := range q.Sids {
		list.begin(8 + len(sid))
		list.Bytes = AppendU32(AppendU32(list.Bytes, 0), uint32(len(sid)))
		list.Bytes = append(list.Bytes, sid...)
	}
	dst = AppendU32(dst, uint32(len(list.Bytes)))
	dst = AppendU32(dst, uint32(len(q.StartSid)))
	dst = AppendU32(dst, 0)
	return append(append(dst, list.Bytes...), q.StartSid...)
}
