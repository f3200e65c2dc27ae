package smb

import (
	"errors"
	"io/fs"
	"strings"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// fileClasses is the classes of SMB2_0_INFO_FILE (MS-FSCC 2.4, MS-FSA 2.1.5.12).
// Rows without a function are classes that exist and that this server, as Windows,
// does not answer.
var fileClasses = tableOf(map[uint8]infoClass{
	wire.FileInfoBasic:          {wire.AccessReadAttributes, 40, (*request).infoBasic, true, true},
	wire.FileInfoStandard:       {0, 24, (*request).infoStandard, true, true},
	wire.FileInfoInternal:       {0, 8, (*request).infoInternal, true, true},
	wire.FileInfoEa:             {0, 4, (*request).infoEa, true, true},
	wire.FileInfoAccess:         {0, 4, (*request).infoAccess, true, true},
	wire.FileInfoPosition:       {0, 8, (*request).infoPosition, true, true},
	wire.FileInfoMode:           {0, 4, (*request).infoMode, true, true},
	wire.FileInfoAlignment:      {0, 4, (*request).infoAlignment, true, true},
	wire.FileInfoAll:            {wire.AccessReadAttributes, 104, (*request).infoAll, true, true},
	wire.FileInfoAlternateName:  {0, 8, (*request).infoAlternateName, true, false},
	wire.FileInfoStream:         {0, 32, (*request).infoStream, true, false},
	wire.FileInfoCompression:    {0, 16, (*request).infoCompression, true, false},
	wire.FileInfoNetworkOpen:    {wire.AccessReadAttributes, 56, (*request).infoNetworkOpen, true, true},
	wire.FileInfoAttributeTag:   {wire.AccessReadAttributes, 8, (*request).infoAttributeTag, true, true},
	wire.FileInfoFullEa:         {wire.AccessReadEA, 0, (*request).infoFullEa, true, false},
	wire.FileInfoID:             {0, 24, (*request).infoID, true, false},
	wire.FileInfoStandardLink:   {0, 12, (*request).infoStandardLink, true, false},
	wire.FileInfoNormalizedName: {0, 8, (*request).infoNormalizedName, true, false},
	wire.FileInfoPosix:          {wire.AccessReadAttributes, 80, (*request).infoPosix, true, false},

	wire.FileInfoPipe:      {wire.AccessReadAttributes, 8, (*request).infoPipe, false, true},
	wire.FileInfoPipeLocal: {wire.AccessReadAttributes, 40, (*request).infoPipeLocal, false, true},

	wire.FileInfoPipeRemote:    {},
	wire.FileInfoName:          {},
	wire.FileInfoHardLink:      {},
	wire.FileInfoObjectID:      {},
	wire.FileInfoReparsePoint:  {},
	wire.FileInfoQuota:         {},
	wire.FileInfoTracking:      {},
	wire.FileInfoStat:          {},
	wire.FileInfoStatLx:        {},
	wire.FileInfoCaseSensitive: {},
	wire.FileInfoSfioReserve:   {},
	wire.FileInfoSfioVolume:    {},
	wire.FileInfoMailslotQuery: {},
})

// statOf returns the attributes of what is open. A pipe has those that Windows
// reports for one.
func (r *request) statOf(o *open) (vfs.Attr, error) {
	if o.isPipe() {
		return vfs.Attr{Alloc: pipeAllocation, NLink: 1, DOSSet: true}, nil
	}
	return o.attr(r.ctx())
}

func (r *request) infoBasic(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	info := o.basic(&at)
	r.out.b = info.Append(r.out.b)
	return nil
}

// standard is FileStandardInformation. A pipe always says that it is deleted when
// it is closed, as with Windows.
func (o *open) standard(at *vfs.Attr) wire.FileStandardInformation {
	pending := o.isPipe()
	links := uint32(1)
	if !pending {
		pending = o.lock.DeletePending()
		links = linkCount(at, pending)
	}
	return wire.FileStandardInformation{
		AllocationSize: allocationSize(at),
		EndOfFile:      endOfFile(at),
		NumberOfLinks:  links,
		DeletePending:  pending,
		Directory:      at.Type == vfs.TypeDirectory,
	}
}

func (r *request) infoStandard(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	info := o.standard(&at)
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoStandardLink(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	s := o.standard(&at)
	info := wire.FileStandardLinkInformation{
		NumberOfAccessibleLinks: s.NumberOfLinks,
		TotalNumberOfLinks:      linkCount(&at, false),
		DeletePending:           s.DeletePending,
		Directory:               s.Directory,
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// index is the 64-bit identity of what is open.
func (o *open) index() uint64 {
	if o.isPipe() {
		return o.id.Volatile
	}
	return o.grip.identity().ID().Inode
}

func (r *request) infoInternal(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileInternalInformation{IndexNumber: o.index()}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoID(o *open, _ *wire.QueryInfoRequest) error {
	at := vfs.Attr{ID: o.grip.identity().ID()}
	info := wire.FileIDInformation{VolumeSerialNumber: o.share().volume, FileID: fileID128(&at)}
	r.out.b = info.Append(r.out.b)
	return nil
}

// streamName is the name of the open stream as clients see it.
func (o *open) streamName() string { return o.share().clientStream(o.streamStored()) }

func (r *request) infoEa(o *open, _ *wire.QueryInfoRequest) error {
	n, err := r.eaSize(o)
	if err != nil {
		return err
	}
	info := wire.FileEaInformation{EaSize: n}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoAccess(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileAccessInformation{AccessFlags: o.access}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoPosition(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FilePositionInformation{CurrentByteOffset: o.offset()}
	r.out.b = info.Append(r.out.b)
	return nil
}

// offset is CurrentByteOffset.
func (o *open) offset() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.position
}

// mode is what FileModeInformation says of the open: a part of its CreateOptions,
// which a client may change.
func (o *open) mode() uint32 {
	o.mu.Lock()
	defer o.mu.Unlock()
	return (o.options ^ o.modeChange) & wire.FileModeMask
}

func (r *request) infoMode(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileModeInformation{Mode: o.mode()}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoAlignment(_ *open, _ *wire.QueryInfoRequest) error {
	info := wire.FileAlignmentInformation{}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoAll(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	ea, err := r.eaSize(o)
	if err != nil {
		return err
	}
	info := wire.FileAllInformation{
		Basic:    o.basic(&at),
		Standard: o.standard(&at),
		Internal: wire.FileInternalInformation{IndexNumber: o.index()},
		Ea:       wire.FileEaInformation{EaSize: ea},
		Access:   wire.FileAccessInformation{AccessFlags: o.access},
		Position: wire.FilePositionInformation{CurrentByteOffset: o.offset()},
		Mode:     wire.FileModeInformation{Mode: o.mode()},
		Name:     wire.FileNameInformation{FileName: `\` + o.clientPath()},
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// clientPath is the path of what is open below the root of the share, as clients
// write it, with the name of a stream.
func (o *open) clientPath() string {
	if o.isPipe() {
		return ""
	}
	p := strings.ReplaceAll(o.share().clientName(o.path()), "/", `\`)
	if o.grip.stream != "" {
		p += ":" + o.streamName()
	}
	return p
}

// infoNormalizedName answers a class that only 3.1.1 has (MS-SMB2 3.3.5.20.1).
func (r *request) infoNormalizedName(o *open, _ *wire.QueryInfoRequest) error {
	if r.conn.dialect() < wire.Dialect311 {
		return ntstatus.NotSupported
	}
	info := wire.FileNameInformation{FileName: o.clientPath()}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoAlternateName answers with the 8.3 name that a listing shows as well; a name
// that is short enough is its own.
func (r *request) infoAlternateName(o *open, _ *wire.QueryInfoRequest) error {
	_, base := names.Split(o.path())
	base = o.share().clientName(base)
	if base == "" || o.share().NoShortNames {
		return ntstatus.ObjectNameNotFound
	}
	short := names.ShortName(base, 0)
	if short == "" {
		short = base
	}
	info := wire.FileNameInformation{FileName: short}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoStream lists the streams of the file; those that do not fit are left out
// (MS-FSA 2.1.5.12.29).
func (r *request) infoStream(o *open, q *wire.QueryInfoRequest) error {
	base := o.grip.base
	at, err := base.Attr(r.ctx(), o.cred())
	if err != nil {
		return err
	}
	var streams []vfs.StreamInfo
	if o.share().caps.Has(vfs.CapStreams) {
		if !o.isPast() {
			r.takeOver(base, o.path())
		}
		if streams, err = r.streams(base); err != nil {
			return err
		}
	}
	list := wire.NewEntryList(r.out.b, int(q.OutputBufferLength), wire.StreamAlign)
	fits := true
	if at.Type != vfs.TypeDirectory {
		fits = list.AppendStream(&wire.StreamEntry{StreamSize: at.Size, StreamAllocationSize: allocationSize(&at), StreamName: "::$DATA"})
	}
	for i := range streams {
		s := &streams[i]
		fits = fits && list.AppendStream(&wire.StreamEntry{
			StreamSize: s.Size, StreamAllocationSize: s.Alloc,
			StreamName: ":" + o.share().clientStream(s.Name) + ":$DATA",
		})
	}
	r.out.b = list.Bytes
	if !fits {
		return r.withBody(ntstatus.BufferOverflow)
	}
	return nil
}

func (r *request) infoCompression(o *open, _ *wire.QueryInfoRequest) error {
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	info := compression(&at)
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoNetworkOpen(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	b := o.basic(&at)
	info := wire.FileNetworkOpenInformation{
		CreationTime: b.CreationTime, LastAccessTime: b.LastAccessTime,
		LastWriteTime: b.LastWriteTime, ChangeTime: b.ChangeTime,
		AllocationSize: allocationSize(&at), EndOfFile: endOfFile(&at),
		FileAttributes: b.FileAttributes,
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoAttributeTag(o *open, _ *wire.QueryInfoRequest) error {
	at, err := r.statOf(o)
	if err != nil {
		return err
	}
	info := wire.FileAttributeTagInformation{FileAttributes: o.basic(&at).FileAttributes, ReparseTag: reparseTag(&at)}
	r.out.b = info.Append(r.out.b)
	return nil
}

// infoPosix answers the class of the POSIX extensions, for opens that have them.
func (r *request) infoPosix(o *open, _ *wire.QueryInfoRequest) error {
	if !o.posix {
		return ntstatus.InvalidInfoClass
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	b := o.basic(&at)
	info := wire.FilePosixInformation{
		CreationTime: b.CreationTime, LastAccessTime: b.LastAccessTime,
		LastWriteTime: b.LastWriteTime, ChangeTime: b.ChangeTime,
		EndOfFile: endOfFile(&at), AllocationSize: allocationSize(&at), FileAttributes: b.FileAttributes,
		Inode: at.ID.Inode, DeviceID: uint32(at.ID.Volume),
		Posix: posixInfo(&at),
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// pipeQuota is how much a pipe holds in each direction, as Windows reports it.
const pipeQuota = 4096

func (r *request) infoPipe(_ *open, _ *wire.QueryInfoRequest) error {
	info := wire.FilePipeInformation{ReadMode: wire.PipeMessageMode}
	r.out.b = info.Append(r.out.b)
	return nil
}

func (r *request) infoPipeLocal(o *open, _ *wire.QueryInfoRequest) error {
	info := wire.FilePipeLocalInformation{
		NamedPipeType:          wire.PipeTypeMessage,
		NamedPipeConfiguration: wire.PipeFullDuplex,
		MaximumInstances:       ^uint32(0),
		CurrentInstances:       1,
		InboundQuota:           pipeQuota,
		ReadDataAvailable:      uint32(o.pipe.Pending()),
		OutboundQuota:          pipeQuota,
		WriteQuotaAvailable:    pipeQuota,
		NamedPipeState:         wire.PipeConnected,
		NamedPipeEnd:           wire.PipeClientEnd,
	}
	r.out.b = info.Append(r.out.b)
	return nil
}

// eaSize is the length of all extended attributes of what is open.
func (r *request) eaSize(o *open) (uint32, error) {
	if o.isPipe() || !o.share().caps.Has(vfs.CapXattr) {
		return 0, nil
	}
	return r.eaSizeOf(o.grip.base)
}

// eaSizeOf is eaSize of a file that need not be open: the length of a list in the
// form of OS/2, a header of the list and one of each entry, as MS-FSA 2.1.5.12.10
// has it.
func (r *request) eaSizeOf(n vfs.Node) (uint32, error) {
	list, err := r.listEas(n, nil) // who may not read them may know how long they are

	if err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			return 0, nil // a symbolic link, for instance
		}
		return 0, err
	}
	size := 0
	for _, name := range list {
		value, err := n.Xattr(r.ctx(), nil, name)
		if errors.Is(err, fs.ErrNotExist) || len(name) > maxEaName || len(value) > maxEaValue {
			continue
		}
		if err != nil {
			return 0, err
		}
		if size == 0 {
			size = eaListHeader
		}
		size += eaHeader + len(name) + 1 + len(value)
	}
	return uint32(min(size, 1<<32-1)), nil
}

// What the structures of extended attributes can express (MS-FSCC 2.4.16).
const (
	maxEaName  = 0xfe
	maxEaValue = 0xffff

	eaListHeader = 4
	eaHeader     = 4
)

// infoFullEa answers with the extended attributes, or with those that the client
// names (MS-FSA 2.1.5.12.14). A list that does not fit goes on with the next
// query, unless that begins anew.
func (r *request) infoFullEa(o *open, q *wire.QueryInfoRequest) error {
	base := o.grip.base
	if !o.share().caps.Has(vfs.CapXattr) {
		return ntstatus.EasNotSupported
	}
	if len(q.Input) > 0 {
		return r.namedEas(o, q)
	}
	list, err := r.listEas(base, o.cred())
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return ntstatus.NoEasOnFile
	}
	needed, err := r.neededEas(base)
	if err != nil {
		return err
	}
	o.mu.Lock()
	at := o.eaNext
	o.mu.Unlock()
	switch {
	case q.Flags&wire.QueryInfoIndexSpecified != 0:
		if q.AdditionalInformation == 0 || uint64(q.AdditionalInformation) > uint64(len(list)) {
			return ntstatus.NonexistentEaEntry
		}
		at = int(q.AdditionalInformation) - 1
	case q.Flags&wire.QueryInfoRestartScan != 0:
		at = 0
	}
	if at >= len(list) {
		return ntstatus.NoMoreEas
	}
	out := wire.NewEntryList(r.out.b, int(q.OutputBufferLength), wire.EaAlign)
	full := false
	for ; at < len(list) && !full; at++ {
		value, err := base.Xattr(r.ctx(), o.cred(), list[at])
		if errors.Is(err, fs.ErrNotExist) || len(list[at]) > maxEaName || len(value) > maxEaValue {
			continue
		}
		if err != nil {
			return err
		}
		if !out.AppendEa(&wire.EaEntry{EaName: list[at], EaValue: value, Flags: eaFlags(needed, list[at])}) {
			full = true
			break
		}
		if q.Flags&wire.QueryInfoReturnSingleEntry != 0 {
			at++
			break
		}
	}
	r.out.b = out.Bytes
	if full && out.Count() == 0 {
		return ntstatus.BufferTooSmall
	}
	o.mu.Lock()
	o.eaNext = at
	o.mu.Unlock()
	if full {
		return r.withBody(ntstatus.BufferOverflow)
	}
	return nil
}

// namedEas answers with the extended attributes of a list of names; one that does
// not exist has no value.
func (r *request) namedEas(o *open, q *wire.QueryInfoRequest) error {
	var ask wire.FileGetEaInformation
	if err := ask.Decode(q.Input); err != nil {
		return ntstatus.EaListInconsistent
	}
	needed, err := r.neededEas(o.grip.base)
	if err != nil {
		return err
	}
	out := wire.NewEntryList(r.out.b, int(q.OutputBufferLength), wire.EaAlign)
	for _, name := range ask.Names {
		if !validEaName(name) {
			return ntstatus.InvalidEaName
		}
		value, err := o.grip.base.Xattr(r.ctx(), o.cred(), name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, vfs.ErrInvalidName) {
			return err
		}
		if len(value) > maxEaValue || isNeedEa(name) {
			value = nil
		}
		flags := uint8(0)
		if len(value) > 0 {
			flags = eaFlags(needed, name)
		}
		if !out.AppendEa(&wire.EaEntry{EaName: name, EaValue: value, Flags: flags}) {
			r.out.b = out.Bytes
			if out.Count() == 0 {
				return ntstatus.BufferTooSmall
			}
			return r.withBody(ntstatus.BufferOverflow)
		}
		if q.Flags&wire.QueryInfoReturnSingleEntry != 0 {
			break
		}
	}
	r.out.b = out.Bytes
	return nil
}

// validEaName reports whether an extended attribute may have this name (MS-FSCC
// 2.4.16).
func validEaName(name string) bool {
	if name == "" || len(name) > maxEaName {
		return false
	}
	for i := range len(name) {
		if c := name[i]; c < 0x20 || strings.IndexByte(`\/:*?"<>|,+=[];`, c) >= 0 {
			return false
		}
	}
	return true
}
