package smb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Quotas of users (MS-FSCC 2.4.41, MS-SMB2 3.3.5.20.4 and 3.3.5.21.4), as the storage keeps
// them, and room on the volume as they leave it. Everybody may ask for his own quota;
// administrators ask for those of others, and set them.

// quotaFile is what clients open to ask for quotas: a file of NTFS that no listing shows.
// Here it is the root of the share.
const quotaFile = `$extend\$quota:$q:$index_allocation`

// isQuotaFile reports whether a CREATE means it.
func isQuotaFile(name string) bool {
	return len(name) == len(quotaFile) && strings.EqualFold(name, quotaFile)
}

// answerQuotaFile makes the reply to a CREATE that of the file of NTFS, which has no
// times.
func answerQuotaFile(a *wire.CreateResponse) {
	a.CreationTime, a.LastAccessTime, a.LastWriteTime, a.ChangeTime = 0, 0, 0, 0
	a.FileAttributes = wire.FileAttributeHidden | wire.FileAttributeSystem | wire.FileAttributeDirectory | wire.FileAttributeArchive
}

// quotas is what the storage knows of quotas.
func (sh *share) quotas() (vfs.Quotas, bool) {
	q, ok := sh.FS.(vfs.Quotas)
	return q, ok
}

// hasQuotas reports whether the storage keeps quotas of users.
func (sh *share) hasQuotas(ctx context.Context) bool {
	q, ok := sh.quotas()
	if !ok {
		return false
	}
	_, err := q.Quota(ctx, vfs.QuotaUser, serviceUID)
	return err == nil || errors.Is(err, fs.ErrPermission)
}

// callerUID is the user as whom files of the caller are stored.
func (r *request) callerUID() uint32 {
	if c := r.cred(); c != nil {
		return c.UID
	}
	return serviceUID
}

// uidOf is the number of the Unix user behind a SID.
func (r *request) uidOf(sid secdesc.SID) (uint32, bool) {
	if uid, ok := sid.UnixUID(); ok {
		return uid, true
	}
	who := r.sess.user.Load()
	if c := r.cred(); sid == who.token.User && c != nil {
		return c.UID, true
	}
	if sid != r.srv().machine.account(sid.RID()) {
		return 0, false
	}
	if a := r.srv().cfg.Accounts; a != nil {
		u, _ := a.ByRID(sid.RID())
		if u == nil || !u.HasUID {
			return 0, false
		}
		return u.UID, true
	}
	return uidOfRID(sid.RID())
}

// sidOf is the SID of a Unix user: that of the account that has the number, or one made of
// it.
func (r *request) sidOf(uid uint32) secdesc.SID {
	who := r.sess.user.Load()
	if c := r.cred(); c != nil && c.UID == uid {
		return who.token.User
	}
	if a := r.srv().cfg.Accounts; a != nil {
		for _, u := range a.List() {
			if u.HasUID && u.UID == uid && u.RID != 0 {
				return r.srv().machine.account(u.RID)
			}
		}
	}
	return secdesc.UnixUser(uid)
}

// queryQuota carries out QUERY_INFO of quotas (MS-SMB2 3.3.5.20.4).
func (r *request) queryQuota(o *open, q *wire.QueryInfoRequest) error {
	if o.isPipe() {
		return ntstatus.InvalidParameter
	}
	quotas, _ := o.share().quotas()
	if !o.share().hasQuotas(r.ctx()) {
		return ntstatus.NotSupported // MS-SMB2 3.3.5.20.4
	}
	var ask wire.QueryQuotaInfo
	if err := ask.Decode(q.Input); err != nil {
		return ntstatus.InvalidParameter
	}
	l := quotaAnswer{r: r, o: o, quotas: quotas, admin: r.srv().isAdmin(r.sess.user.Load()), single: ask.ReturnSingle}
	l.list = wire.NewEntryList(r.out.b, int(q.OutputBufferLength), wire.QuotaAlign)
	var err error
	if len(ask.Sids) > 0 {
		err = l.ofSids(ask.Sids)
	} else {
		err = l.all(&ask)
	}
	r.out.b = l.list.Bytes
	switch {
	case err != nil:
		return err
	case l.list.Count() == 0 && l.full:
		return bufferTooSmall(0)
	case l.list.Count() == 0:
		return ntstatus.NoMoreEntries
	}
	wire.PatchBufferResponse(r.out.body(), l.list.Len())
	return nil
}

// quotaAnswer is a list of quotas in the making.
type quotaAnswer struct {
	r      *request
	o      *open
	quotas vfs.Quotas
	list   wire.EntryList
	admin  bool
	single bool
	full   bool // an entry did not fit
}

// add appends a quota; false if no more can be.
func (l *quotaAnswer) add(sid secdesc.SID, q vfs.Quota) bool {
	e := wire.FileQuotaInformation{
		QuotaUsed: bytesOf(q.Used), QuotaThreshold: quotaLimit(q.Soft), QuotaLimit: quotaLimit(q.Hard), Sid: sid.Append(nil),
	}
	if !l.list.AppendQuota(&e) {
		l.full = true
		return false
	}
	return !l.single
}

// bytesOf is a number of bytes as the protocol has it.
func bytesOf(n uint64) int64 { return int64(min(n, math.MaxInt64)) }

func quotaLimit(n uint64) int64 {
	if n == 0 {
		return wire.NoQuota
	}
	return bytesOf(n)
}

// ofSids answers for users that the client names. One that has no quota has zeros.
func (l *quotaAnswer) ofSids(list [][]byte) error {
	for _, b := range list {
		sid, _, err := secdesc.DecodeSID(b)
		if err != nil {
			return ntstatus.InvalidParameter
		}
		own := sid == l.r.sess.user.Load().token.User
		if !own && !l.admin {
			return ntstatus.AccessDenied
		}
		uid, known := l.r.uidOf(sid)
		if own && !known {
			uid, known = l.r.callerUID(), true
		}
		if !known {
			e := wire.FileQuotaInformation{Sid: b}
			if !l.list.AppendQuota(&e) {
				l.full = true
				return nil
			}
			continue
		}
		q, err := l.quotas.Quota(l.r.ctx(), vfs.QuotaUser, uid)
		if err != nil {
			return err
		}
		if !l.add(sid, q) {
			return nil
		}
	}
	return nil
}

// all goes on with the list of all users, which is for administrators.
func (l *quotaAnswer) all(ask *wire.QueryQuotaInfo) error {
	if !l.admin {
		return ntstatus.AccessDenied
	}
	from := uint64(0)
	if len(ask.StartSid) > 0 {
		sid, _, err := secdesc.DecodeSID(ask.StartSid)
		if err != nil {
			return ntstatus.InvalidParameter
		}
		if uid, ok := l.r.uidOf(sid); ok {
			from = uint64(uid) + 1
		}
	} else if !ask.RestartScan {
		l.o.mu.Lock()
		from = l.o.quotaNext
		l.o.mu.Unlock()
	}
	for more := true; more && from <= math.MaxUint32; {
		q, err := l.quotas.NextQuota(l.r.ctx(), vfs.QuotaUser, uint32(from))
		if errors.Is(err, io.EOF) {
			from = math.MaxUint32 + 1
			break
		}
		if err != nil {
			return err
		}
		if uint64(q.ID) < from {
			return fmt.Errorf("quota of %d after %d", q.ID, from)
		}
		more = l.add(l.r.sidOf(q.ID), q)
		if l.full {
			break
		}
		from = uint64(q.ID) + 1
	}
	l.o.mu.Lock()
	l.o.quotaNext = from
	l.o.mu.Unlock()
	return nil
}

// setQuota carries out SET_INFO of quotas (MS-SMB2 3.3.5.21.4).
func (r *request) setQuota(o *open, q *wire.SetInfoRequest) error {
	if o.isPipe() {
		return ntstatus.InvalidParameter
	}
	quotas, _ := o.share().quotas()
	switch {
	case !o.share().hasQuotas(r.ctx()):
		return ntstatus.NotSupported
	case !r.tree.writable() || !r.srv().isAdmin(r.sess.user.Load()):
		return ntstatus.AccessDenied
	}
	var list wire.QuotaList
	if err := list.Decode(q.Buffer); err != nil {
		return ntstatus.QuotaListInconsistent
	}
	set := make([]vfs.Quota, 0, len(list.Entries))
	for i := range list.Entries {
		e := &list.Entries[i]
		sid, _, err := secdesc.DecodeSID(e.Sid)
		if err != nil {
			return ntstatus.QuotaListInconsistent
		}
		uid, known := r.uidOf(sid)
		if !known {
			return ntstatus.NoSuchUser
		}
		n := vfs.Quota{ID: uid, Soft: limitFrom(e.QuotaThreshold), Hard: limitFrom(e.QuotaLimit)}
		if e.QuotaLimit == wire.QuotaRemoved {
			n.Soft, n.Hard = 0, 0
		}
		set = append(set, n)
	}
	for _, n := range set {
		if err := quotas.SetQuota(r.ctx(), vfs.QuotaUser, n); err != nil {
			return err
		}
	}
	return nil
}

// limitFrom is a limit as the storage has it, where 0 would be none.
func limitFrom(n int64) uint64 {
	if n < 0 {
		return 0
	}
	return uint64(max(n, 1))
}

// room is how much there is on the volume for the caller: what it has, less what the
// limits of the share and his quota leave. Free and Blocks are those of the share.
func (r *request) room(o *open) (vfs.FSInfo, error) {
	sh := o.share()
	info, err := sh.FS.Info(r.ctx())
	if err != nil || info.BlockSize == 0 {
		return info, err
	}
	block := uint64(info.BlockSize)
	cut := func(limit, used uint64, all bool) {
		left := (limit - min(used, limit)) / block
		info.Blocks, info.Avail = min(info.Blocks, limit/block), min(info.Avail, left)
		if all {
			info.Free = min(info.Free, left)
		}
	}
	quotas, ok := sh.quotas()
	if ok {
		if id, err := quotas.Project(r.ctx()); err == nil && id != 0 {
			if q, err := quotas.Quota(r.ctx(), vfs.QuotaProject, id); err == nil {
				if limit := hardest(q); limit > 0 {
					cut(limit, q.Used, true)
				}
			}
		}
	}
	if l := sh.limit; l != nil {
		cut(l.bytes, l.inUse(), true)
	}
	if ok {
		if uid := r.callerUID(); uid != 0 {
			if q, err := quotas.Quota(r.ctx(), vfs.QuotaUser, uid); err == nil {
				if limit := hardest(q); limit > 0 {
					cut(limit, q.Used, false)
				}
			}
		}
	}
	info.Avail = min(info.Avail, info.Free)
	if sh.backups != nil {
		return sh.backups.room(r.ctx(), sh, info)
	}
	return info, nil
}

// hardest is the bound of a quota: the hard limit, or the soft one if there is no other.
func hardest(q vfs.Quota) uint64 {
	if q.Hard > 0 {
		return q.Hard
	}
	return q.Soft
}
