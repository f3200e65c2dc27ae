package smb

import (
	"cmp"
	"io/fs"
	"net"
	"slices"
	"strings"
	"time"

	"lessor/smb/rpc"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
)

// rpcBackend is what the interfaces behind named pipes learn about the server.
// It is called while the input side of a pipe is locked, which stands above all
// locks of this package. What somebody may see is decided by who has opened the
// pipe, and not by the names that the interfaces give.
type rpcBackend struct {
	s   *Server
	who *principal
	// sess and from are the session and the address that the pipe was opened by.
	sess *session
	from string
	// until is when the directory must have answered; zero: there is no limit.
	until time.Time
}

// Until implements rpc.Backend.
func (b rpcBackend) Until(t time.Time) rpc.Backend {
	b.until = t
	return b
}

var _ rpc.Backend = rpcBackend{}

// ServerName implements rpc.Backend.
func (b rpcBackend) ServerName() string { return b.s.cfg.Name }

// Domain implements rpc.Backend.
func (b rpcBackend) Domain() string { return b.s.cfg.Workgroup }

// Comment implements rpc.Backend.
func (b rpcBackend) Comment() string { return b.s.cfg.Comment }

// Version implements rpc.Backend: that of Windows 10 and later, because clients
// draw conclusions from it.
func (b rpcBackend) Version() (major, minor uint32) { return 10, 0 }

// MachineSID implements rpc.Backend.
func (b rpcBackend) MachineSID() secdesc.SID { return b.s.machine.SID() }

// Now implements rpc.Backend.
func (b rpcBackend) Now() time.Time { return time.Now() }

// IsAdmin implements rpc.Backend.
func (b rpcBackend) IsAdmin(string) bool { return b.s.isAdmin(b.who) }

// Panicked implements rpc.Backend.
func (b rpcBackend) Panicked(where string, value any, stack []byte) {
	b.s.metrics.panicked()
	b.s.log.Error().Str("call", where).Any("panic", value).Bytes("stack", stack).Msg("remote call panicked")
	crashIfInvariants(value)
}

// Shares implements rpc.Backend: those that the user can connect to, and for an
// administrator all.
func (b rpcBackend) Shares(string) []rpc.ShareInfo {
	list := make([]rpc.ShareInfo, 0, 8)
	for _, sh := range b.s.shares.Load().list {
		if b.knows(sh) {
			list = append(list, sh.rpcInfo())
		}
	}
	return append(list, b.s.ipc.rpcInfo())
}

// knows reports whether the user may know of a share.
func (b rpcBackend) knows(sh *share) bool {
	return b.who != nil && sh.accessOf(b.who) != AccessNone || b.IsAdmin("")
}

// Share implements rpc.Backend.
func (b rpcBackend) Share(name string) (rpc.ShareInfo, bool) {
	sh := b.s.shares.Load().lookup(name)
	if sh == nil || !b.knows(sh) {
		return rpc.ShareInfo{}, false
	}
	return sh.rpcInfo(), true
}

// rpcInfo is what clients may know of a share.
func (sh *share) rpcInfo() rpc.ShareInfo {
	if sh.ipc {
		return rpc.ShareInfo{Name: sh.Name, Comment: sh.Comment, Type: rpc.ShareIPC | rpc.ShareSpecial, MaxUses: rpc.Unlimited}
	}
	info := rpc.ShareInfo{
		Name: sh.Name, Comment: sh.Comment, Path: sh.Path, Type: rpc.ShareDisk, Hidden: sh.hidden(),
		MaxUses: rpc.Unlimited,
	}
	if sh.encrypt() {
		info.Flags |= wire.ShareFlagEncryptData
	}
	if sh.Compress {
		info.Flags |= wire.ShareFlagCompressData
	}
	if sh.AccessBased {
		info.Flags |= wire.ShareFlagAccessBasedDirectoryEnum
	}
	return info
}

// Sessions implements rpc.Backend.
func (b rpcBackend) Sessions() []rpc.SessionInfo {
	st := b.s.StatusOf(StatusQuery{Parts: PartSessions})
	out := make([]rpc.SessionInfo, 0, len(st.Sessions))
	for i := range st.Sessions {
		ss := &st.Sessions[i]
		out = append(out, rpc.SessionInfo{
			ID: ss.ID, Client: hostOf(ss.Client), User: ss.User, Opens: uint32(ss.Opens),
			Age: time.Since(ss.Since), ClientType: "SMB", Transport: "TCP",
		})
	}
	return out
}

// Connections implements rpc.Backend. A share that a session is connected to
// twice is told twice.
func (b rpcBackend) Connections() []rpc.ConnectionInfo {
	st := b.s.StatusOf(StatusQuery{Parts: PartSessions | PartOpens})
	opens := make(map[uint64]map[string]uint32) // by session and share
	for i := range st.Opens {
		o := &st.Opens[i]
		if opens[o.Session] == nil {
			opens[o.Session] = make(map[string]uint32)
		}
		opens[o.Session][o.Share]++
	}
	var out []rpc.ConnectionInfo
	for i := range st.Sessions {
		ss := &st.Sessions[i]
		for _, name := range ss.Shares {
			kind := rpc.ShareDisk
			if name == ipcName {
				kind = rpc.ShareIPC
			}
			out = append(out, rpc.ConnectionInfo{
				ID: uint32(len(out) + 1), Share: name, Type: kind, Client: hostOf(ss.Client), User: ss.User,
				Opens: opens[ss.ID][name], Users: 1, Age: time.Since(ss.Since),
			})
		}
	}
	return out
}

// hostOf takes the port off an address.
func hostOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

// Files implements rpc.Backend. The id of a file is the lower half of that of
// its open, as the protocol has room for no more.
func (b rpcBackend) Files() []rpc.FileInfo {
	st := b.s.StatusOf(StatusQuery{Parts: PartOpens})
	out := make([]rpc.FileInfo, 0, len(st.Opens))
	for i := range st.Opens {
		o := &st.Opens[i]
		info := rpc.FileInfo{
			ID: uint32(o.ID), User: o.User, Client: hostOf(o.Client), Locks: uint32(o.Locks),
		}
		if sh := b.s.shares.Load().lookup(o.Share); sh != nil {
			info.Path = strings.TrimRight(sh.Path, `\/`)
		}
		info.Path += `\` + strings.ReplaceAll(o.Path, "/", `\`)
		if o.Access&(wire.AccessReadData|wire.AccessExecute) != 0 {
			info.Permissions |= rpc.FileRead
		}
		if o.Access&dataWriting != 0 {
			info.Permissions |= rpc.FileWrite
		}
		out = append(out, info)
	}
	return out
}

// CloseSession implements rpc.Backend.
func (b rpcBackend) CloseSession(id uint64) error {
	if !b.s.CloseSession(id) {
		return fs.ErrNotExist
	}
	return nil
}

// CloseFile implements rpc.Backend. Should two opens have the same id, the older
// one is closed.
func (b rpcBackend) CloseFile(id uint32) error {
	opens := b.s.StatusOf(StatusQuery{Parts: PartOpens}).Opens
	slices.SortFunc(opens, func(x, y OpenStatus) int { return cmp.Compare(x.ID, y.ID) })
	for i := range opens {
		if uint32(opens[i].ID) == id && b.s.CloseOpen(opens[i].ID) {
			return nil
		}
	}
	return fs.ErrNotExist
}
