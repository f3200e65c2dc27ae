package smb

import (
	"errors"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// setClass is a row of the table of classes of SET_INFO.
type setClass struct {
	// access is what the open must have been granted, all of it (MS-SMB2
	// 3.3.5.21.1).
	access uint32
	// least is the length of the fixed part of the structure; a shorter buffer is
	// STATUS_INFO_LENGTH_MISMATCH.
	least int
	// apply carries the change out. A row without it is a class that exists and
	// that nobody may set.
	apply func(r *request, o *open, b []byte) error
	// pipe says that the class applies to pipes, and to nothing else.
	pipe bool
	// refusal is the answer of a row without apply.
	refusal ntstatus.Status
}

// fileSetClasses is the classes of SMB2_0_INFO_FILE (MS-FSA 2.1.5.15).
var fileSetClasses = setTable(map[uint8]setClass{
	wire.FileInfoBasic:         {access: wire.AccessWriteAttributes, least: 36, apply: (*request).setBasic},
	wire.FileInfoRename:        {access: wire.AccessDelete, least: 20, apply: (*request).setRename},
	wire.FileInfoRenameEx:      {access: wire.AccessDelete, least: 20, apply: (*request).setRenameEx},
	wire.FileInfoLink:          {least: 20, apply: (*request).setLink},
	wire.FileInfoLinkEx:        {least: 20, apply: (*request).setLinkEx},
	wire.FileInfoDisposition:   {access: wire.AccessDelete, least: 1, apply: (*request).setDisposition},
	wire.FileInfoDispositionEx: {access: wire.AccessDelete, least: 4, apply: (*request).setDispositionEx},
	wire.FileInfoPosition:      {least: 8, apply: (*request).setPosition},
	wire.FileInfoMode:          {least: 4, apply: (*request).setMode},
	wire.FileInfoFullEa:        {access: wire.AccessWriteEA, least: 0, apply: (*request).setFullEa},
	wire.FileInfoEndOfFile:     {access: wire.AccessWriteData, least: 8, apply: (*request).setEndOfFile},
	wire.FileInfoAllocation:    {access: wire.AccessWriteData, least: 8, apply: (*request).setAllocation},
	wire.FileInfoPipe:          {access: wire.AccessWriteAttributes, least: 8, apply: (*request).setPipe, pipe: true},

	// What takes a privilege: one that nobody has over the network, and for short names,
	// which are not stored, one that would not help.
	wire.FileInfoValidDataLength: {access: wire.AccessWriteData, least: 8, refusal: ntstatus.PrivilegeNotHeld},
	wire.FileInfoShortName:       {access: wire.AccessWriteAttributes, least: 4, refusal: ntstatus.PrivilegeNotHeld},

	wire.FileInfoObjectID:       {refusal: ntstatus.NotSupported},
	wire.FileInfoReparsePoint:   {refusal: ntstatus.NotSupported},
	wire.FileInfoQuota:          {refusal: ntstatus.NotSupported},
	wire.FileInfoTracking:       {refusal: ntstatus.NotSupported},
	wire.FileInfoMoveCluster:    {refusal: ntstatus.NotSupported},
	wire.FileInfoMailslotSet:    {refusal: ntstatus.NotSupported},
	wire.FileInfoPipeRemote:     {refusal: ntstatus.NotSupported},
	wire.FileInfoSfioReserve:    {refusal: ntstatus.NotSupported},
	wire.FileInfoCaseSensitive:  {refusal: ntstatus.NotSupported},
	wire.FileInfoRenameExBypass: {refusal: ntstatus.NotSupported},
})

// fsSetClasses is the classes of SMB2_0_INFO_FILESYSTEM. They change a volume,
// which is for administrators (MS-FSA 2.1.5.16).
var fsSetClasses = setTable(map[uint8]setClass{
	wire.FsInfoControl:  {least: 44, refusal: ntstatus.AccessDenied},
	wire.FsInfoObjectID: {least: 64, refusal: ntstatus.AccessDenied},
	wire.FsInfoLabel:    {refusal: ntstatus.AccessDenied},

	wire.FsInfoVolumeFlags: {refusal: ntstatus.NotSupported},
})

// setTable makes a table that can be looked up by class.
func setTable(rows map[uint8]setClass) *[256]*setClass {
	var t [256]*setClass
	for class, row := range rows {
		t[class] = &row
	}
	return &t
}

// setInfo carries out SET_INFO (MS-SMB2 3.3.5.21).
func (r *request) setInfo(q *wire.SetInfoRequest, _ *wire.SetInfoResponse) error {
	if uint64(len(q.Buffer)) > uint64(r.conn.neg.Load().maxTrans) {
		return ntstatus.InvalidParameter
	}
	if err := r.checkCharge(len(q.Buffer)); err != nil {
		return err
	}
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	r.auditsInfo(o, q)
	if err := o.checkPastInfo(q); err != nil {
		return err
	}
	switch q.InfoType {
	case wire.InfoTypeFile:
		return r.applyInfo(fileSetClasses, o, q)
	case wire.InfoTypeFileSystem:
		return r.applyInfo(fsSetClasses, o, q)
	case wire.InfoTypeSecurity:
		return r.setSecurity(o, q)
	case wire.InfoTypeQuota:
		return r.setQuota(o, q)
	default:
		return ntstatus.InvalidParameter
	}
}

// applyInfo does what all classes of a table have in common.
func (r *request) applyInfo(table *[256]*setClass, o *open, q *wire.SetInfoRequest) error {
	row := table[q.FileInfoClass]
	switch {
	case row == nil:
		return ntstatus.InvalidInfoClass
	case o.isPipe() != row.pipe:
		return ntstatus.InvalidParameter
	}
	if err := o.can(row.access); err != nil {
		return err
	}
	switch {
	case len(q.Buffer) < row.least:
		return ntstatus.InfoLengthMismatch
	case row.apply == nil:
		return row.refusal
	}
	return row.apply(r, o, q.Buffer)
}

// attributesSettable are the attribute bits that a client may change; the others
// belong to the storage (MS-FSA 2.1.5.15.2).
const attributesSettable = attributesCreate

// setBasic sets times and attributes (MS-FSA 2.1.5.15.2).
func (r *request) setBasic(o *open, b []byte) error {
	var q wire.FileBasicInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	for _, t := range [...]wire.Filetime{q.CreationTime, q.LastAccessTime, q.LastWriteTime, q.ChangeTime} {
		if t < wire.TimeThaw {
			return ntstatus.InvalidParameter
		}
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	var set vfs.SetAttr
	if err := o.changeAttributes(&set, &at, q.FileAttributes); err != nil {
		return err
	}
	if q.CreationTime > 0 {
		set.Mask |= vfs.SetBirth
		set.Birth = q.CreationTime.Time()
		if set.Mask&vfs.SetDOS == 0 && !at.DOSSet {
			// Attributes are stored at the same place, where Samba takes all of them for
			// clear unless they are there.
			_, base := names.Split(o.path())
			set.Mask |= vfs.SetDOS
			set.DOS = dosAttributes(&at, base, !o.share().ShowDotFiles) & vfs.DOSMask
		}
	}
	times := [...]struct {
		to   wire.Filetime
		bit  vfs.AttrMask
		dest *time.Time
	}{
		{q.LastAccessTime, vfs.SetAccess, &set.Access},
		{q.LastWriteTime, vfs.SetModify, &set.Modify},
		{q.ChangeTime, vfs.SetChange, &set.Change},
	}
	o.mu.Lock()
	frozen := o.frozen
	o.mu.Unlock()
	for _, t := range times {
		switch {
		case t.to == wire.TimeThaw:
			frozen &^= t.bit
		case t.to == wire.TimeFreeze:
			frozen |= t.bit
		case t.to > 0:
			// A time that was set does not move any more by what is done through
			// this open.
			frozen |= t.bit
			set.Mask |= t.bit
			*t.dest = t.to.Time()
		}
	}
	if frozen&^set.Mask&vfs.SetChange != 0 && set.Mask != 0 {
		set.Mask |= vfs.SetChange
		set.Change = at.Change
	}
	told := filterOf(set.Mask)
	if set.Mask != 0 {
		defer o.hidesChanges()
		if err := o.grip.node.SetAttr(r.ctx(), o.cred(), &set); err != nil {
			return err
		}
	}
	if set.Mask&vfs.SetModify != 0 {
		o.share().late.set(at.ID, set.Modify)
	} else if o.lateUsed() {
		told |= vfs.FilterLastWrite
	}
	if set.Mask != 0 || told != 0 {
		o.touched(told)
	}
	o.mu.Lock()
	o.frozen = frozen
	o.mu.Unlock()
	return nil
}

// changeAttributes puts the attributes that a client sets into set; 0 changes
// nothing.
func (o *open) changeAttributes(set *vfs.SetAttr, at *vfs.Attr, attributes uint32) error {
	if attributes == 0 {
		return nil
	}
	dir := at.Type == vfs.TypeDirectory
	if attributes&wire.FileAttributeDirectory != 0 && !dir || attributes&wire.FileAttributeTemporary != 0 && dir {
		return ntstatus.InvalidParameter
	}
	if _, base := names.Split(o.path()); o.share().hides(base) {
		// The client was shown the bit, and sends it back with the others.
		attributes = attributes&^vfs.DOSHidden | dosOf(at)&vfs.DOSHidden
	}
	dos := attributes&attributesSettable | dosOf(at)&^attributesSettable
	if at.DOSSet && dos == at.DOS || !at.DOSSet && dir && dos == 0 {
		return nil
	}
	set.Mask |= vfs.SetDOS
	set.DOS = dos
	return nil
}

// filterOf is what watchers are told of a change of attributes.
func filterOf(mask vfs.AttrMask) vfs.Filter {
	var f vfs.Filter
	for _, c := range [...]struct {
		mask   vfs.AttrMask
		filter vfs.Filter
	}{
		{vfs.SetDOS, vfs.FilterAttributes},
		{vfs.SetBirth, vfs.FilterCreation},
		{vfs.SetAccess, vfs.FilterLastAccess},
		{vfs.SetModify, vfs.FilterLastWrite},
	} {
		if mask&c.mask != 0 {
			f |= c.filter
		}
	}
	return f
}

// setPosition sets the file pointer, which only a query of it sees.
func (r *request) setPosition(o *open, b []byte) error {
	var q wire.FilePositionInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	if q.CurrentByteOffset < 0 {
		return ntstatus.InvalidParameter
	}
	o.mu.Lock()
	o.position = q.CurrentByteOffset
	o.mu.Unlock()
	return nil
}

// setMode changes what may be changed of the mode: whether the open is for
// synchronous I/O may not (MS-FSA 2.1.5.15.10).
func (r *request) setMode(o *open, b []byte) error {
	const synchronous = wire.OptionSynchronousIOAlert | wire.OptionSynchronousIONonalert
	var q wire.FileModeInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	if q.Mode&^wire.FileModeMask != 0 || (q.Mode^o.options)&synchronous != 0 {
		return ntstatus.InvalidParameter
	}
	o.mu.Lock()
	o.modeChange = (q.Mode ^ o.options) & wire.FileModeMask
	o.mu.Unlock()
	return nil
}

// setPipe accepts the modes that every pipe here has in practice: clients set
// what they are told anyway.
func (r *request) setPipe(_ *open, b []byte) error {
	var q wire.FilePipeInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	if q.ReadMode > wire.PipeMessageMode || q.CompletionMode > wire.PipeCompleteOperation {
		return ntstatus.InvalidParameter
	}
	return nil
}

// setEndOfFile sets the size (MS-FSA 2.1.5.15.4).
func (r *request) setEndOfFile(o *open, b []byte) error {
	var q wire.FileEndOfFileInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	if o.grip.dir || q.EndOfFile < 0 || q.EndOfFile > maxFileSize {
		return ntstatus.InvalidParameter
	}
	if err := r.breakOthers(o, locking.CauseTruncate); err != nil {
		return err
	}
	if err := r.mayGrow(o, q.EndOfFile); err != nil {
		return err
	}
	return r.resize(o, false, func(h vfs.Handle) error { return h.Truncate(q.EndOfFile) })
}

// setAllocation sets the storage in use. Less than the size cuts the file
// (MS-FSA 2.1.5.15.1).
func (r *request) setAllocation(o *open, b []byte) error {
	var q wire.FileAllocationInformation
	if err := q.Decode(b); err != nil {
		return err
	}
	want := q.AllocationSize
	if o.grip.dir || want < 0 || want > maxFileSize {
		return ntstatus.InvalidParameter
	}
	if err := r.breakOthers(o, locking.CauseAllocation); err != nil {
		return err
	}
	if err := r.mayGrow(o, want); err != nil {
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if want < at.Size {
		return r.resize(o, false, func(h vfs.Handle) error { return h.Truncate(want) })
	}
	// The data stays as it is, and so does the time of its last change.
	return r.resize(o, true, func(h vfs.Handle) error {
		switch {
		case want == at.Alloc:
			return nil
		case want < at.Alloc:
			// Cutting the file to its size frees what lies behind. If another open made it
			// longer in between, that would be lost; storage is worth less.
			if o.lock.OthersWith(dataWriting) {
				return nil
			}
			return h.Truncate(at.Size)
		}
		err := h.Alloc(r.ctx(), 0, want, vfs.AllocReserve)
		if errors.Is(err, errors.ErrUnsupported) {
			return nil // then there is storage when it is written to, or there is not
		}
		return err
	})
}

// resize changes the size or the storage of what is open, keeps the times that
// the client has taken over and, with keepModify, that of the last write, and tells
// who watches.
func (r *request) resize(o *open, keepModify bool, change func(vfs.Handle) error) error {
	h, err := o.file(r.ctx())
	if err != nil {
		return err
	}
	times, err := o.keepTimes(r.ctx())
	if err != nil {
		return err
	}
	moves := times.Mask&vfs.SetModify == 0
	if keepModify && moves {
		at, err := o.attr(r.ctx())
		if err != nil {
			return err
		}
		times.Mask |= vfs.SetModify
		times.Modify = at.Modify
	}
	if err := change(h); err != nil {
		return err
	}
	if times.Mask != 0 {
		if err := o.restoreTimes(r.ctx(), times); err != nil {
			return err
		}
	}
	switch {
	case !moves: // by this open
	case keepModify:
		o.lateUsed()
	default:
		o.lateMoved()
	}
	if o.grip.stream != "" {
		o.touched(vfs.FilterStreamSize | vfs.FilterStreamWrite)
	} else {
		o.touched(vfs.FilterSize | vfs.FilterLastWrite)
	}
	return nil
}

// setFullEa sets or, with an empty value, removes extended attributes (MS-FSA
// 2.1.5.15.5).
func (r *request) setFullEa(o *open, b []byte) error {
	if !o.share().caps.Has(vfs.CapXattr) {
		return ntstatus.EasNotSupported
	}
	var q wire.FileFullEaInformation
	if err := q.Decode(b); err != nil {
		return ntstatus.EaListInconsistent
	}
	if err := r.changeEas(o.grip.base, q.Entries); err != nil {
		return err
	}
	if len(q.Entries) > 0 {
		o.touched(vfs.FilterEA)
	}
	return nil
}

// setSecurity sets parts of the security descriptor (MS-SMB2 3.3.5.21.3, MS-FSA
// 2.1.5.17).
func (r *request) setSecurity(o *open, q *wire.SetInfoRequest) error {
	if o.isPipe() {
		return ntstatus.InvalidParameter
	}
	info := q.AdditionalInformation
	if err := o.can(secdesc.SetAccess(info)); err != nil {
		return err
	}
	change, err := secdesc.Decode(q.Buffer)
	if err != nil || secdesc.SetAccess(info) == 0 { // nothing to set, and nothing was needed for it
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if o.posix {
		set, rest := unixParts(change, info, o.grip.dir)
		if err := r.setUnix(o, &at, &set); err != nil || rest == 0 {
			return err
		}
		info = rest
	}
	if r.isMac() {
		var set vfs.SetAttr
		change, info, set = withoutNFS(change, info, &at)
		if err := r.setUnix(o, &at, &set); err != nil || info == 0 {
			return err
		}
	}
	if !o.share().caps.Has(vfs.CapSecurity) {
		return ntstatus.NotSupported
	}
	who := r.sess.user.Load()
	old, _, err := r.srv().descriptor(r.ctx(), o.share(), o.grip.base, &at, who)
	if err != nil {
		return err
	}
	if info&secdesc.OwnerInformation != 0 && !change.Owner.IsZero() && change.Owner != old.Owner && !who.token.MayOwn(change.Owner) {
		return ntstatus.InvalidOwner
	}
	if o.share().Unix {
		if err := r.setOwners(o, &at, change, info); err != nil {
			return err
		}
	}
	b, err := secdesc.Merge(old, o.share().asSent(change), info).Append(nil)
	if err != nil {
		return err
	}
	if err := o.grip.base.SetSecurity(r.ctx(), o.cred(), b); err != nil {
		return err
	}
	o.touched(vfs.FilterSecurity)
	return nil
}
