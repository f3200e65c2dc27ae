package client

import (
	"context"
	"fmt"
	"time"

	"lessor/smb/wire"
)

// Disposition says what to do if the file exists, and if it does not (MS-SMB2
// 2.2.13).
type Disposition uint8

// The dispositions. The zero value opens what is there and creates what is not.
const (
	OpenIf Disposition = iota
	Open
	Create
	Overwrite
	OverwriteIf
	Supersede
)

var dispositions = [...]uint32{
	OpenIf:      wire.DispositionOpenIf,
	Open:        wire.DispositionOpen,
	Create:      wire.DispositionCreate,
	Overwrite:   wire.DispositionOverwrite,
	OverwriteIf: wire.DispositionOverwriteIf,
	Supersede:   wire.DispositionSupersede,
}

// ShareMode says what other opens may do. Its values combine, except for ShareNone.
type ShareMode uint32

// The share modes. The zero value of a CreateArgs means ShareAll.
const (
	ShareRead   = ShareMode(wire.ShareAccessRead)
	ShareWrite  = ShareMode(wire.ShareAccessWrite)
	ShareDelete = ShareMode(wire.ShareAccessDelete)
	ShareAll    = ShareRead | ShareWrite | ShareDelete
	// ShareNone excludes everybody else.
	ShareNone ShareMode = 1 << 31
)

// Access masks that tests need often.
const (
	ReadAccess       = wire.AccessGenericRead
	WriteAccess      = wire.AccessGenericWrite
	ReadWrite        = wire.AccessGenericRead | wire.AccessGenericWrite
	ReadWriteDelete  = ReadWrite | wire.AccessDelete
	AttributesOnly   = wire.AccessReadAttributes | wire.AccessSynchronize
	DeleteAccess     = wire.AccessDelete | wire.AccessReadAttributes
	MaximumAllowed   = wire.AccessMaximumAllowed
	ExecuteAndRead   = wire.AccessExecute | wire.AccessReadData | wire.AccessReadAttributes
	ListDirectory    = wire.AccessListDirectory | wire.AccessReadAttributes | wire.AccessSynchronize
	defaultDirAccess = wire.AccessGenericRead | wire.AccessDelete
)

// Lease states by their letters.
const (
	R   = wire.LeaseRead
	RH  = wire.LeaseRead | wire.LeaseHandle
	RW  = wire.LeaseRead | wire.LeaseWrite
	RWH = wire.LeaseRead | wire.LeaseWrite | wire.LeaseHandle
)

// LeaseString writes a state with the letters R, W and H, or as 0.
func LeaseString(s wire.LeaseState) string {
	out := ""
	for _, bit := range []struct {
		state  wire.LeaseState
		letter string
	}{{R, "R"}, {wire.LeaseWrite, "W"}, {wire.LeaseHandle, "H"}} {
		if s&bit.state != 0 {
			out += bit.letter
		}
	}
	if rest := s &^ RWH; rest != 0 {
		return fmt.Sprintf("%s+%#x", out, uint32(rest))
	}
	if out == "" {
		return "0"
	}
	return out
}

// Lease is a request for a lease.
type Lease struct {
	Key   wire.GUID
	State wire.LeaseState
	// Parent is the lease key of the directory, if not zero. Version 2 only.
	Parent wire.GUID
	Epoch  uint16
	// Version is 1 or 2, or 0 for what goes with the dialect: 2 from 3.0 on.
	Version uint8
	// Flags are sent besides the one that says that Parent is set.
	Flags uint32
}

// Durable is a request for a durable, or persistent, open.
type Durable struct {
	// Version is 1 or 2, or 0 for what goes with the dialect: 2 from 3.0 on.
	Version uint8
	// The rest is for version 2. CreateGuid is random if zero; Timeout 0 leaves it to
	// the server.
	CreateGuid wire.GUID
	Timeout    time.Duration
	Persistent bool
}

// Reconnect claims a durable open of a connection that was lost.
type Reconnect struct {
	// Version is 1 or 2, or 0 for what goes with the dialect.
	Version uint8
	FileID  wire.FileID
	// CreateGuid and Persistent are for version 2.
	CreateGuid wire.GUID
	Persistent bool
}

// Context is a create context as bytes.
type Context struct {
	Tag  string
	Data []byte
}

// CreateArgs are the arguments of a CREATE. The zero value of every field but Name
// is useful.
type CreateArgs struct {
	// Name is relative to the share, with backslashes; empty for its root.
	Name string
	// Access is the desired access; by default ReadWriteDelete, or for a directory
	// read access and delete.
	Access      uint32
	Share       ShareMode
	Disposition Disposition
	// Options are bits of wire.Option; Directory sets OptionDirectoryFile.
	Options   uint32
	Directory bool
	// Attributes are those of a new file; by default FileAttributeNormal.
	Attributes uint32
	// Oplock is ignored if there is a Lease.
	Oplock wire.OplockLevel
	// ImpersonationLevel is wire.ImpersonationImpersonation if 0.
	ImpersonationLevel uint32

	// Lease, Durable and Reconnect, if set, add their contexts.
	Lease     *Lease
	Durable   *Durable
	Reconnect *Reconnect
	// MaximalAccess and DiskID ask for these contexts in the reply.
	MaximalAccess, DiskID bool
	// AllocationSize in bytes, Timewarp, AppInstance and Security (a descriptor) add
	// their contexts unless zero.
	AllocationSize uint64
	Timewarp       wire.Filetime
	AppInstance    wire.GUID
	Security       []byte
	// EAs are the extended attributes of a new file.
	EAs []wire.EaEntry
	// Contexts are added as they are.
	Contexts []Context
}

// Body returns the message for a dialect, for those who want to change it before it
// is sent: see Tree.Request and Tree.Opened. If a.Durable lacks a CreateGuid it gets
// one.
func (a *CreateArgs) Body(dialect wire.Dialect) *wire.CreateRequest {
	m := &wire.CreateRequest{
		RequestedOplockLevel: a.Oplock,
		ImpersonationLevel:   a.ImpersonationLevel,
		DesiredAccess:        a.Access,
		FileAttributes:       a.Attributes,
		ShareAccess:          uint32(a.Share &^ ShareNone),
		CreateDisposition:    dispositions[a.Disposition],
		CreateOptions:        a.Options,
		Name:                 a.Name,
		Contexts:             a.contexts(dialect),
	}
	if a.Lease != nil {
		m.RequestedOplockLevel = wire.OplockLease
	}
	if m.ImpersonationLevel == 0 {
		m.ImpersonationLevel = wire.ImpersonationImpersonation
	}
	if a.Share == 0 {
		m.ShareAccess = uint32(ShareAll)
	}
	if m.FileAttributes == 0 {
		m.FileAttributes = wire.FileAttributeNormal
	}
	if a.Directory {
		m.CreateOptions |= wire.OptionDirectoryFile
	}
	if m.DesiredAccess == 0 {
		m.DesiredAccess = ReadWriteDelete
		if a.Directory {
			m.DesiredAccess = defaultDirAccess
		}
	}
	return m
}

// version resolves 0 to what goes with the dialect.
func version(v uint8, dialect wire.Dialect) uint8 {
	switch {
	case v != 0:
		return v
	case dialect >= wire.Dialect300:
		return 2
	}
	return 1
}

func (a *CreateArgs) contexts(dialect wire.Dialect) []byte {
	var l wire.CreateContextList
	if a.Security != nil {
		l.Add(wire.TagSecD, a.Security)
	}
	if len(a.EAs) > 0 {
		eas := wire.NewEntryList(nil, 1<<20, wire.EaAlign)
		for i := range a.EAs {
			eas.AppendEa(&a.EAs[i])
		}
		l.Add(wire.TagExtA, eas.Bytes)
	}
	a.durableContexts(&l, dialect)
	if a.AllocationSize != 0 {
		l.Put(wire.TagAlSi, &wire.AllocationSizeContext{AllocationSize: a.AllocationSize})
	}
	if a.MaximalAccess {
		l.Add(wire.TagMxAc, nil)
	}
	if a.Timewarp != 0 {
		l.Put(wire.TagTWrp, &wire.TimewarpToken{Timestamp: a.Timewarp})
	}
	if a.DiskID {
		l.Add(wire.TagQFid, nil)
	}
	if a.Lease != nil {
		l.Put(wire.TagRqLs, a.Lease.context(dialect))
	}
	if !a.AppInstance.IsZero() {
		l.Put(wire.TagAppInstanceID, &wire.AppInstanceID{AppInstanceID: a.AppInstance})
	}
	for _, c := range a.Contexts {
		l.Add(c.Tag, c.Data)
	}
	return l.Bytes
}

func (l *Lease) context(dialect wire.Dialect) *wire.LeaseContext {
	c := &wire.LeaseContext{
		Version:        version(l.Version, dialect),
		LeaseKey:       l.Key,
		LeaseState:     l.State,
		LeaseFlags:     l.Flags,
		ParentLeaseKey: l.Parent,
		Epoch:          l.Epoch,
	}
	if !l.Parent.IsZero() {
		c.LeaseFlags |= wire.LeaseFlagParentLeaseKeySet
	}
	return c
}

func (a *CreateArgs) durableContexts(l *wire.CreateContextList, dialect wire.Dialect) {
	if d := a.Durable; d != nil {
		if version(d.Version, dialect) == 1 {
			l.Put(wire.TagDHnQ, &wire.DurableRequest{})
		} else {
			if d.CreateGuid.IsZero() {
				d.CreateGuid = NewGUID()
			}
			c := &wire.DurableRequestV2{Timeout: uint32(d.Timeout.Milliseconds()), CreateGuid: d.CreateGuid}
			if d.Persistent {
				c.Flags = wire.DurableV2Persistent
			}
			l.Put(wire.TagDH2Q, c)
		}
	}
	if r := a.Reconnect; r != nil {
		if version(r.Version, dialect) == 1 {
			l.Put(wire.TagDHnC, &wire.DurableReconnect{FileID: r.FileID})
		} else {
			c := &wire.DurableReconnectV2{FileID: r.FileID, CreateGuid: r.CreateGuid}
			if r.Persistent {
				c.Flags = wire.DurableV2Persistent
			}
			l.Put(wire.TagDH2C, c)
		}
	}
}

// Create opens or creates a file or directory.
func (t *Tree) Create(ctx context.Context, a CreateArgs) (*File, error) {
	return t.StartCreate(a).Wait(ctx)
}

// StartCreate is Create without waiting.
func (t *Tree) StartCreate(a CreateArgs) *Call[*File] {
	a = a.own()
	r := t.Request(a.Body(t.Session.Conn.Dialect()))
	return call(t.Session, r, func(resp *Response) (*File, error) { return t.Opened(a, resp) })
}

// own copies what Body changes.
func (a CreateArgs) own() CreateArgs {
	if a.Durable != nil {
		d := *a.Durable
		a.Durable = &d
	}
	return a
}

// Opened returns the file of a CREATE response, or the status. The arguments are
// those of the request.
func (t *Tree) Opened(a CreateArgs, resp *Response) (*File, error) {
	f := &File{Tree: t, Name: a.Name, Args: a, tweak: t.tweak}
	if err := resp.Decode(&f.Response); err != nil {
		return nil, err
	}
	f.ID = f.Response.FileID
	if err := f.decodeContexts(); err != nil {
		return nil, fmt.Errorf("%w: CREATE response: %w", ErrProtocol, err)
	}
	return f, nil
}

// decodeContexts reads the contexts of the response.
func (f *File) decodeContexts() error {
	it := wire.CreateContexts(f.Response.Contexts)
	for it.Next() {
		var m Decoder
		switch string(it.Tag()) {
		case wire.TagRqLs:
			f.Lease = new(wire.LeaseContext)
			m = f.Lease
		case wire.TagDHnQ:
			f.DurableV1 = true
			m = &wire.DurableResponse{}
		case wire.TagDH2Q:
			f.DurableV2 = new(wire.DurableResponseV2)
			m = f.DurableV2
		case wire.TagMxAc:
			f.MaximalAccess = new(wire.MaximalAccessResponse)
			m = f.MaximalAccess
		case wire.TagQFid:
			f.DiskID = new(wire.OnDiskIDResponse)
			m = f.DiskID
		case wire.TagAAPL:
			f.AAPL = new(wire.AAPLResponse)
			m = f.AAPL
		case wire.TagPosix:
			f.Posix = new(wire.PosixCreateResponse)
			m = f.Posix
		default:
			continue
		}
		if err := m.Decode(it.Data()); err != nil {
			return fmt.Errorf("context %q: %w", it.Tag(), err)
		}
	}
	return it.Err()
}

// Durable says whether the open survives the loss of its connection.
func (f *File) Durable() bool { return f.DurableV1 || f.DurableV2 != nil }

// Persistent says whether the open survives the loss of the server.
func (f *File) Persistent() bool {
	return f.DurableV2 != nil && f.DurableV2.Flags&wire.DurableV2Persistent != 0
}

// LeaseState is the state that was granted, or LeaseNone without a lease.
func (f *File) LeaseState() wire.LeaseState {
	if f.Lease == nil {
		return wire.LeaseNone
	}
	return f.Lease.LeaseState
}

// ReconnectArgs are the arguments of the CREATE that claims the durable open after
// its connection was lost: on a new tree of the same client.
func (f *File) ReconnectArgs() CreateArgs {
	a := f.Args
	a.Reconnect = &Reconnect{FileID: f.ID, Version: 1}
	if f.DurableV2 != nil {
		a.Reconnect.Version = 2
		a.Reconnect.Persistent = f.Persistent()
		if d := f.Args.Durable; d != nil {
			a.Reconnect.CreateGuid = d.CreateGuid
		} else if r := f.Args.Reconnect; r != nil {
			a.Reconnect.CreateGuid = r.CreateGuid
		}
	}
	a.Durable = nil
	a.Disposition = Open
	return a
}
