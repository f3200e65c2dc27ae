package abuse

import (
	"math"
	"slices"
	"strings"
	"time"

	"lessor/smb/wire"
	"lessor/test/client"
)

// The kinds of requests in a tree. What happens more often stands there more often.
const (
	askCreate = iota
	askCreateAgain
	askCreateMore
	askClose
	askRead
	askWrite
	askLock
	askLockAgain
	askFlush
	askNotify
	askQueryDirectory
	askQueryInfo
	askSetInfo
	askSetInfoAgain
	askIoctl
	askEcho
	askTreeDisconnect
	askLogoff
	askAck
	askOdd
	numAsks
)

// common is how many names at the front are harmless.
const common = 12

var (
	names = []string{
		"a", "a", "a", "b", "b", "d", "d", `d\a`, `d\a`, `d\b`, "c", "a:s", `d\a:s:$DATA`, "A", "", "d:s:$INDEX_ALLOCATION", strings.Repeat("x", 300),
		`..\a`, `d\..\a`, "a*", "CON", `\a`, `d\`, "link", `link\a`, "\x00", ":s", "srvsvc", "lsarpc",
	}
	accesses = []uint32{
		client.ReadWriteDelete, client.ReadWriteDelete, client.ReadWriteDelete, client.ReadWrite, client.ReadAccess, client.MaximumAllowed,
		wire.AccessAll, client.ReadAccess, client.WriteAccess, client.AttributesOnly,
		client.DeleteAccess, client.MaximumAllowed, wire.AccessAppendData, wire.AccessGenericAll, wire.AccessWriteDAC | wire.AccessReadControl,
		wire.AccessSystemSecurity, 0x0ce0fe00, 0x80,
	}
	shares  = []client.ShareMode{0, 0, 0, 0, 0, 0, 0, 0, client.ShareNone, client.ShareRead, client.ShareRead | client.ShareWrite, client.ShareDelete, 0x10}
	choices = []uint32{
		0, 0, 0, 0, 0, 0, 0, 0, 0, wire.OptionDirectoryFile, wire.OptionDirectoryFile, wire.OptionNonDirectoryFile, wire.OptionDeleteOnClose, wire.OptionOpenReparsePoint,
		wire.OptionDeleteOnClose | wire.OptionDirectoryFile, wire.OptionWriteThrough | wire.OptionNoIntermediateBuffering,
		wire.OptionCompleteIfOplocked, wire.OptionOpenRequiringOplock, wire.OptionOpenByFileID, wire.OptionReserveOpfilter,
		wire.OptionSynchronousIOAlert, wire.OptionDisallowExclusive, 0xffffffff,
	}
	oplocks = []wire.OplockLevel{wire.OplockNone, wire.OplockII, wire.OplockExclusive, wire.OplockBatch, wire.OplockLease, 0x42}
	places  = []uint64{
		0, 0, 0, 0, 1, 1, 10, 10, 10, 100, 100, 4096, 65535, 1 << 20, 1<<32 - 1, 1 << 40, math.MaxInt64 - 1, math.MaxInt64, 1 << 63, math.MaxUint64 - 9, math.MaxUint64,
	}
	sizes     = []uint32{0, 1, 8, 24, 100, 1000, 4096, 65536, 100_000, 1 << 20, 8 << 20, math.MaxUint32}
	lockFlags = []uint32{0x10 | 1, 0x10 | 2, 4, 4, 1, 2, 2, 0, 0x13, 0x14, 0xffffffff}
	patterns  = []string{"*", "*", "a", "", "?", "<.*", "*.*", "d\\a", strings.Repeat("*a", 50), "\""}
	controls  = []uint32{
		wire.FsctlDfsGetReferrals, wire.FsctlValidateNegotiateInfo, wire.FsctlQueryNetworkInterfaceInfo, wire.FsctlPipeWait,
		wire.FsctlPipeTransceive, wire.FsctlPipePeek, wire.FsctlSrvEnumerateSnapshots, wire.FsctlSrvRequestResumeKey, wire.FsctlSrvRequestResumeKey,
		wire.FsctlSrvCopychunk, wire.FsctlSrvCopychunkWrite, wire.FsctlDuplicateExtentsToFile, wire.FsctlDuplicateExtentsToFileEx,
		wire.FsctlLmrRequestResiliency, wire.FsctlGetCompression, wire.FsctlSetCompression, wire.FsctlSetSparse, wire.FsctlSetZeroData,
		wire.FsctlQueryAllocatedRanges, wire.FsctlFileLevelTrim, wire.FsctlGetReparsePoint, wire.FsctlSetReparsePoint, wire.FsctlSetReparsePoint,
		wire.FsctlDeleteReparsePoint, wire.FsctlCreateOrGetObjectID, wire.FsctlGetObjectID, wire.FsctlSetIntegrityInformation,
		wire.FsctlGetIntegrityInformation, wire.FsctlQueryFileRegions, wire.FsctlOffloadRead, wire.FsctlIsPathnameValid, 0xdeadbeef,
	}
	// descriptor is an empty one, and one with a DACL that denies all.
	descriptors = [][]byte{{1, 0, 4, 0x80, 19: 0}, {1, 0, 4, 0x80, 16: 20, 20: 2, 22: 8, 27: 0}, {1}}
)

// file draws a FileId, most often of an own file, and its tree.
func (m *machine) file() wire.FileID {
	b := m.n(32)
	switch {
	case b < 28 && len(m.me.files) > 0:
		f := m.me.files[len(m.me.files)-1-b%min(4, len(m.me.files))] // the youngest
		m.tree = f.tree
		return f.id
	case b < 30 && len(m.ids) > 0:
		return of(m.script, m.ids)
	case b == 30:
		return wire.FileID{Persistent: uint64(m.n(4)), Volatile: uint64(m.n(256))}
	}
	return wire.RelatedFileID
}

// closed takes a file out of what both parties hold.
func (m *machine) closed(id wire.FileID) {
	for _, p := range m.who {
		if p != nil {
			p.files = slices.DeleteFunc(p.files, func(f held) bool { return f.id == id })
		}
	}
}

func (m *machine) place() uint64 { return of(m.script, places) }

// request draws a request of a kind, or returns nil if the party has no tree.
func (m *machine) request(kind int) (question, *client.Request) {
	p := m.me
	if len(p.trees) == 0 {
		return question{}, nil
	}
	m.tree = of(m.script, p.trees)
	if needsFile(kind) && len(p.files) == 0 && m.n(8) != 7 {
		kind = askCreate
	}
	switch kind {
	case askCreate, askCreateAgain, askCreateMore:
		return m.create(m.tree)
	case askClose:
		id := m.file()
		q := question{then: func(*client.Response) { m.closed(id) }}
		return q, m.tree.Request(&wire.CloseRequest{FileID: id, Flags: uint16(m.n(3))})
	case askIoctl:
		return m.ioctl()
	}
	body := m.body(kind)
	tree, q := m.tree, question{}
	switch body.(type) {
	case *wire.TreeDisconnectRequest:
		q.then = func(*client.Response) { m.left(tree) }
	case *wire.LogoffRequest:
		q.then = func(*client.Response) { m.loggedOff(tree.Session.ID) }
	}
	return q, tree.Request(body)
}

func needsFile(kind int) bool {
	return kind != askEcho && kind != askTreeDisconnect && kind != askLogoff && kind != askOdd
}

// left forgets a tree, and loggedOff a session.
func (m *machine) left(tree *client.Tree) {
	for _, p := range m.who {
		p.trees = slices.DeleteFunc(p.trees, func(t *client.Tree) bool { return t.ID == tree.ID && t.Session.ID == tree.Session.ID })
		p.files = slices.DeleteFunc(p.files, func(f held) bool { return f.tree.ID == tree.ID && f.tree.Session.ID == tree.Session.ID })
	}
}

func (m *machine) loggedOff(id uint64) {
	for _, p := range m.who {
		p.sessions = slices.DeleteFunc(p.sessions, func(s *client.Session) bool { return s.ID == id })
		p.trees = slices.DeleteFunc(p.trees, func(t *client.Tree) bool { return t.Session.ID == id })
		p.files = slices.DeleteFunc(p.files, func(f held) bool { return f.tree.Session.ID == id })
	}
}

func (m *machine) body(kind int) wire.Appender {
	switch kind {
	case askRead:
		return &wire.ReadRequest{
			FileID: m.file(), Offset: m.place(), Length: of(m.script, sizes), MinimumCount: uint32(m.n(3)),
			Flags: uint8(m.n(16) / 13), Channel: uint32(m.n(32) / 30),
		}
	case askWrite:
		data := make([]byte, of(m.script, []int{0, 1, 10, 100, 5000, 70_000}))
		for i := range min(len(data), 100) {
			data[i] = byte(i)
		}
		return &wire.WriteRequest{FileID: m.file(), Offset: m.place(), Data: data, Flags: uint32(m.n(4))}
	case askLock, askLockAgain:
		l := &wire.LockRequest{FileID: m.file(), LockSequence: uint32(m.n(16)) << 4 * uint32(m.n(2))}
		flags := of(m.script, lockFlags)
		for range 1 + m.n(3) {
			l.Locks = append(l.Locks, wire.LockElement{Offset: m.place(), Length: of(m.script, []uint64{1, 10, 100, 0, 1 << 40, math.MaxUint64}), Flags: flags})
			if m.n(8) == 7 {
				flags = of(m.script, lockFlags)
			}
		}
		return l
	case askFlush:
		return &wire.FlushRequest{FileID: m.file()}
	case askNotify:
		return &wire.ChangeNotifyRequest{
			FileID: m.file(), Flags: uint16(m.n(2)), OutputBufferLength: of(m.script, sizes), CompletionFilter: of(m.script, []uint32{
				wire.NotifyChangeAll, 1, 3, wire.NotifyChangeLastWrite, wire.NotifyChangeSecurity, 0, math.MaxUint32,
			}),
		}
	case askQueryDirectory:
		return &wire.QueryDirectoryRequest{
			FileID: m.file(), FileInformationClass: of(m.script, []uint8{37, 1, 2, 3, 12, 38, 50, 60, 63, 78, 79, 80, 81, 100, 0, 255}),
			Flags: uint8(m.n(32)), FileIndex: uint32(m.n(3)), FileName: of(m.script, patterns), OutputBufferLength: of(m.script, sizes),
		}
	case askQueryInfo:
		l := &wire.QueryInfoRequest{
			FileID: m.file(), InfoType: uint8(1 + m.n(5)), FileInfoClass: uint8(m.n(101)), OutputBufferLength: of(m.script, sizes),
			AdditionalInformation: uint32(m.n(256)), Flags: uint32(m.n(4)),
		}
		if l.InfoType == wire.InfoTypeFileSystem {
			l.FileInfoClass %= 16
		}
		if m.n(8) == 7 {
			l.Input = make([]byte, m.n(64))
		}
		return l
	case askSetInfo, askSetInfoAgain:
		return m.setInfo()
	case askTreeDisconnect:
		if m.n(16) == 15 {
			return &wire.TreeDisconnectRequest{}
		}
	case askLogoff:
		if m.n(32) == 31 {
			return &wire.LogoffRequest{}
		}
	case askAck:
		if m.n(2) == 0 {
			return &wire.OplockBreakAck{FileID: m.file(), OplockLevel: of(m.script, oplocks)}
		}
		return &wire.LeaseBreakAck{LeaseKey: of(m.script, m.guids[:]), LeaseState: wire.LeaseState(m.n(9))}
	case askOdd:
		switch m.n(4) {
		case 0:
			return m.me.conn.NegotiateRequest()
		case 1:
			return &wire.SessionSetupRequest{Flags: uint8(m.n(2)), Buffer: make([]byte, m.n(100))}
		case 2:
			return &wire.TreeConnectRequest{Flags: uint16(m.n(8)), Path: `\\server\` + of(m.script, names)}
		}
		return &wire.CancelRequest{}
	}
	return &wire.EchoRequest{}
}

// create draws a CREATE: most often one that may succeed.
func (m *machine) create(tree *client.Tree) (question, *client.Request) {
	a := client.CreateArgs{Name: of(m.script, names[:common])}
	if strings.HasSuffix(tree.Path, "IPC$") {
		a.Name = of(m.script, names[len(names)-2:])
	}
	shape := m.n(16)
	if shape&1 != 0 {
		a.Lease = m.lease()
	} else {
		a.Oplock = of(m.script, oplocks)
	}
	switch {
	case shape < 8:
	case shape < 11:
		a.Durable = m.durable()
	case shape < 12:
		a.Reconnect = &client.Reconnect{
			Version: uint8(m.n(3)), FileID: m.file(), CreateGuid: of(m.script, m.guids[:]), Persistent: m.n(3) == 2,
		}
	case shape < 14:
		a.Disposition, a.Access = client.Disposition(m.n(6)), of(m.script, accesses)
		a.Share, a.Options = of(m.script, shares), of(m.script, choices)
	default:
		a.Name, a.Access, a.Share, a.Options = of(m.script, names), of(m.script, accesses), of(m.script, shares), of(m.script, choices)
		a.Disposition = client.Disposition(m.n(6))
		have := m.n(16)
		if have&3 == 3 {
			a.Durable = m.durable()
		}
		a.MaximalAccess, a.DiskID = have&4 != 0, have&8 != 0
		m.rareContexts(&a)
	}
	return m.opened(tree, a)
}

func (m *machine) durable() *client.Durable {
	return &client.Durable{
		Version: uint8(m.n(3)), CreateGuid: of(m.script, m.guids[:]), Persistent: m.n(3) == 2,
		Timeout: of(m.script, []time.Duration{0, time.Second, 5 * time.Minute, time.Hour * 1000}),
	}
}

func (m *machine) lease() *client.Lease {
	l := &client.Lease{
		Key: of(m.script, m.guids[:]), State: client.RWH &^ wire.LeaseState(m.n(16)/2), Version: uint8(m.n(3)), Epoch: uint16(m.n(3)),
	}
	if m.n(8) == 7 {
		l.State, l.Parent = wire.LeaseState(m.n(9)), of(m.script, m.guids[:])
	}
	return l
}

// opened is a CREATE whose file the party then has.
func (m *machine) opened(tree *client.Tree, a client.CreateArgs) (question, *client.Request) {
	q := question{then: func(resp *client.Response) {
		f, err := tree.Opened(a, resp)
		if err != nil {
			m.t.Errorf("CREATE of %+v: %v", a, err)
			return
		}
		for _, p := range m.who {
			if p != nil && p.conn == tree.Session.Conn {
				p.files = append(p.files, held{f.ID, tree})
			}
		}
		m.ids = append(m.ids, f.ID)
	}}
	return q, tree.Request(a.Body(tree.Session.Conn.Dialect()))
}

func (m *machine) rareContexts(a *client.CreateArgs) {
	switch m.n(8) {
	case 0:
		a.AllocationSize = m.place()
	case 1:
		a.Timewarp = wire.Filetime(m.place())
	case 2:
		a.AppInstance = of(m.script, m.guids[:])
	case 3:
		a.Security = of(m.script, descriptors)
	case 4:
		a.EAs = []wire.EaEntry{{EaName: "NAME", EaValue: make([]byte, m.n(256))}, {EaName: of(m.script, []string{"", "B", "a*"})}}
	case 5:
		a.Contexts = []client.Context{{Tag: wire.TagAAPL, Data: []byte{1, 7: 0, 8: 7, 23: 0}}}
	case 6:
		a.Contexts = []client.Context{{Tag: wire.TagPosix, Data: []byte{0xff, 1, 0, 0}}}
	case 7:
		a.Contexts = []client.Context{{Tag: of(m.script, []string{"", "XXXX", wire.TagRqLs, wire.TagDH2C}), Data: make([]byte, m.n(70))}}
	}
}

// setInfo draws a SET_INFO, most often of a class that does something.
func (m *machine) setInfo() wire.Appender {
	q := &wire.SetInfoRequest{FileID: m.file(), InfoType: wire.InfoTypeFile}
	put := func(class uint8, v wire.Appender) { q.FileInfoClass, q.Buffer = class, v.Append(nil) }
	switch m.n(14) {
	case 0, 1:
		put(wire.FileInfoRename, &wire.FileRenameInformation{ReplaceIfExists: m.n(2) == 1, FileName: of(m.script, names)})
	case 2:
		put(wire.FileInfoLink, &wire.FileLinkInformation{ReplaceIfExists: m.n(2) == 1, FileName: of(m.script, names)})
	case 3, 4:
		put(wire.FileInfoDisposition, &wire.FileDispositionInformation{DeletePending: m.n(2) == 1})
	case 5:
		put(wire.FileInfoEndOfFile, &wire.FileEndOfFileInformation{EndOfFile: int64(m.place())})
	case 6:
		put(wire.FileInfoAllocation, &wire.FileAllocationInformation{AllocationSize: int64(m.place())})
	case 7:
		put(wire.FileInfoBasic, &wire.FileBasicInformation{
			CreationTime: wire.Filetime(m.place()), LastWriteTime: wire.Filetime(m.place()), FileAttributes: uint32(m.n(256)),
		})
	case 8:
		put(wire.FileInfoRenameEx, &wire.FileRenameInformationEx{Flags: uint32(m.n(4)), FileName: of(m.script, names)})
	case 9:
		put(wire.FileInfoDispositionEx, &wire.FileDispositionInformationEx{Flags: uint32(m.n(32))})
	case 10:
		eas := wire.NewEntryList(nil, 1<<16, wire.EaAlign)
		eas.AppendEa(&wire.EaEntry{EaName: of(m.script, []string{"A", "B", ""}), EaValue: make([]byte, m.n(200))})
		q.FileInfoClass, q.Buffer = wire.FileInfoFullEa, eas.Bytes
	case 11:
		q.InfoType, q.AdditionalInformation, q.Buffer = wire.InfoTypeSecurity, uint32(m.n(16)), of(m.script, descriptors)
	default:
		q.InfoType, q.FileInfoClass, q.Buffer = uint8(1+m.n(5)), uint8(m.n(101)), make([]byte, m.n(100))
	}
	return q
}

// ioctl draws a control code with input that fits it, more or less.
func (m *machine) ioctl() (question, *client.Request) {
	b := &wire.IoctlRequest{
		CtlCode: of(m.script, controls), FileID: m.file(), Flags: wire.IoctlIsFsctl,
		MaxOutputResponse: of(m.script, []uint32{4096, 65536, 0, 11, 12, 32, 100_000, math.MaxUint32}),
	}
	q := question{}
	switch b.CtlCode {
	case wire.FsctlSrvRequestResumeKey:
		q.then = func(resp *client.Response) {
			var a wire.IoctlResponse
			var key wire.ResumeKeyResponse
			if a.Decode(resp.Msg) == nil && key.Decode(a.Output) == nil {
				m.key = key.ResumeKey
			}
		}
	case wire.FsctlSrvCopychunk, wire.FsctlSrvCopychunkWrite:
		c := wire.SrvCopychunkCopy{SourceKey: m.key}
		for range m.n(4) {
			c.Chunks = append(c.Chunks, wire.SrvCopychunk{SourceOffset: m.place(), TargetOffset: m.place(), Length: of(m.script, sizes)})
		}
		b.Input = c.Append(nil)
	case wire.FsctlDuplicateExtentsToFile:
		b.Input = (&wire.DuplicateExtentsData{
			SourceFileID: m.file(), SourceFileOffset: int64(m.place()), TargetFileOffset: int64(m.place()), ByteCount: int64(m.place()),
		}).Append(nil)
	case wire.FsctlSetZeroData, wire.FsctlQueryAllocatedRanges:
		b.Input = (&wire.FileZeroDataInformation{FileOffset: int64(m.place()), BeyondFinalZero: int64(m.place())}).Append(nil)
	case wire.FsctlSetReparsePoint:
		b.Input = (&wire.SymlinkReparse{SubstituteName: of(m.script, names), Flags: uint32(m.n(2))}).Append(nil)
	case wire.FsctlPipeWait:
		b.FileID = wire.RelatedFileID
		b.Input = (&wire.PipeWaitRequest{Name: of(m.script, names)}).Append(nil)
	case wire.FsctlQueryNetworkInterfaceInfo, wire.FsctlDfsGetReferrals, wire.FsctlValidateNegotiateInfo:
		b.FileID = wire.RelatedFileID
		b.Input = make([]byte, m.n(64))
	default:
		b.Input = make([]byte, m.n(100))
		for i := range min(8, len(b.Input)) {
			b.Input[i] = byte(m.n(256))
		}
	}
	return q, m.tree.Request(b)
}
