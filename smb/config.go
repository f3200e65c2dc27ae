package smb

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"lessor/locking"
	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
	"lessor/smb/transport"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Encryption says whether clients must seal what they send.
type Encryption uint8

// The values of Encryption.
const (
	// EncryptionOff does not offer sealing.
	EncryptionOff Encryption = iota
	// EncryptionEnabled leaves it to the client.
	EncryptionEnabled
	// EncryptionRequired refuses what is not sealed.
	EncryptionRequired
)

// Limits bound what clients can make the server hold. A zero field is replaced
// by its default.
type Limits struct {
	// Connections is the number of transport connections; default 16,384.
	Connections int
	// ConnectionsPerAddress is the number of connections of one IPv4 address, or
	// one IPv6 network of 64 bits; default 4,096.
	ConnectionsPerAddress int
	// Unauthenticated is the number of connections without a valid session; one
	// more, and the oldest of them is cut. Default 1,024.
	Unauthenticated int
	// Sessions is the number of valid sessions; default 65,536.
	Sessions int
	// SessionsPerConnection; default 64.
	SessionsPerConnection int
	// TreesPerSession; default 1,024.
	TreesPerSession int
	// Opens is the number of opens of all sessions, those that wait for their
	// clients included; default 1,048,576.
	Opens int
	// OpensPerSession; default 65,536.
	OpensPerSession int
	// RequestsPerConnection is the number of credits; default 8,192.
	RequestsPerConnection int
	// Waiting is the number of requests of all connections that may wait for an
	// event; default 262,144.
	Waiting int
	// WaitingPerConnection is the number of requests of a connection that may
	// wait for an event; default 1,024.
	WaitingPerConnection int
	// ReadSize, WriteSize and TransactSize are the most bytes that one request
	// may carry or ask for, 64 KiB to 8 MiB; default 8 MiB.
	ReadSize, WriteSize, TransactSize uint32
	// BufferMemory is how many bytes long requests and replies of all connections
	// may take, 64 MiB at least; default 512 MiB. Who would go beyond that waits
	// (see memory.go).
	BufferMemory int64
}

// Throttle slows down those who guess passwords (see throttle.go). A zero field is
// replaced by its default.
type Throttle struct {
	// Failures is how many failed logons of a user from an address cost nothing;
	// default 10. A negative number turns the throttle off.
	Failures int
	// Delay is the first wait, which doubles up to MaxDelay; default 500 ms to 15 s.
	Delay, MaxDelay time.Duration
}

// Timeouts bound how long the server waits for a client. A zero field is
// replaced by its default.
type Timeouts struct {
	// Authentication is the time from the connection to the first valid session;
	// default 30 s.
	Authentication time.Duration
	// Frame is the time from the first byte of a request to its last; default
	// 30 s.
	Frame time.Duration
	// Write is the time in which a client must take a reply; default 60 s.
	Write time.Duration
}

// Config is the settings of a Server. Auth is required; every other field has
// a default.
type Config struct {
	// Name is what the server calls itself, at most 15 characters; default
	// "LESSOR".
	Name string
	// Comment describes the server in lists of servers.
	Comment string
	// Workgroup is where the server says over RPC that it is: a workgroup, or the short name of
	// its domain, of 15 bytes at most. It is told in capitals; default "WORKGROUP".
	Workgroup string
	// Auth authenticates clients.
	Auth auth.Authenticator
	// MinDialect and MaxDialect bound what is negotiated; default 2.1 to 3.1.1.
	MinDialect, MaxDialect wire.Dialect
	// SigningOptional lets clients do without signing. By default it is
	// required, as Windows 11 24H2 expects.
	SigningOptional bool
	// Encryption is the policy of the whole server; shares can only be stricter.
	// The default of a zero Config is EncryptionOff.
	Encryption Encryption
	// Compression are the algorithms that messages may be compressed by, the
	// preferred one for replies first; none turns it off. See DefaultCompression.
	Compression []wire.CompressionAlgorithm
	Limits      Limits
	Timeouts    Timeouts
	Throttle    Throttle
	// Hosts says which addresses may connect; Server.SetHosts changes it.
	Hosts HostRules
	// Interfaces says which network interfaces clients are told of, for further
	// connections; Server.SetInterfaces changes it.
	Interfaces InterfaceRules
	// Admins are users, and groups behind '@', that may see and end sessions and
	// opens of others over RPC; Server.SetAdmins changes it.
	Admins []string
	// Privileged are users, and groups behind '@', that have privileges whatever
	// Privileges says; Server.SetPrivileged changes it.
	Privileged map[string]secdesc.Privilege
	// Anonymous admits sessions without a user to IPC$, if Auth does.
	Anonymous bool
	// MachineSID is the authority for the SIDs of local accounts: S-1-5-21 and three
	// numbers, the same for the life of the files. Zero: made of the identity of Store.
	MachineSID secdesc.SID
	// Accounts are the local users and groups, by whose names SIDs are shown. Without
	// them the SIDs of local accounts are made of their names, and only those who have
	// logged on are known.
	Accounts AccountStore
	// Foreign gives numbers to users of a realm that tells no SIDs; without it they
	// are made of the names.
	Foreign *auth.Foreign
	// Privileges keeps who has which privilege, which administrators change over RPC; nil:
	// one in memory, with the defaults. It stays the property of the caller.
	Privileges *privileges.Store
	// Directory knows the names of SIDs that are not of this machine; nil: nobody does.
	Directory Directory
	// DirectoryUnix says that the users and groups of Directory have uids and gids of the
	// same kind as this machine, and no SIDs: they are S-1-22-1-uid and S-1-22-2-gid, as
	// those who own files here. uid and gid 0 do not count.
	DirectoryUnix bool
	// Unix finds the Unix users of clients, for shares with Share.Unix.
	Unix UnixUsers
	// TCP says when the other end of a silent TCP connection is given up. By
	// default after about 90 s: 30 s without a word, then 6 questions 10 s apart; a
	// negative field leaves it to the system. It also names the congestion control.
	TCP transport.TCPOptions
	// BreakTimeout is how long a client may take to acknowledge the break of a
	// lease or oplock; default 35 s.
	BreakTimeout time.Duration
	// DurableTimeout is how long a disconnected durable open is kept if its
	// client names no time; default 60 s.
	DurableTimeout time.Duration
	// NoPosix does not offer the POSIX extensions of SMB 3.1.1.
	NoPosix bool
	// WindowsReplay answers the replay of a CREATE that is still at work with
	// STATUS_ACCESS_DENIED, as Windows does, rather than STATUS_FILE_NOT_AVAILABLE,
	// by which clients try again. And a break goes to the newest connection of its
	// client and to no other one after it, as in Windows.
	WindowsReplay bool
	// Store keeps what must survive a restart: durable opens and the identity
	// of the server. Nil keeps nothing. It stays the property of the caller, who
	// closes it after the server.
	Store locking.LockStore
	// Log gets one line for what a person may want to know; the zero value is
	// replaced by a logger that drops everything.
	Log *zerolog.Logger
	// Metrics is where the metrics are registered; nil shows them nowhere.
	Metrics prometheus.Registerer
	// Rand is the source of ids and salts; crypto/rand if nil.
	Rand io.Reader
}

// Access is what a user may do on a share.
type Access uint8

// The values of Access.
const (
	AccessNone  Access = iota
	AccessRead         // nothing that changes the share
	AccessWrite        // includes reading
)

// Share is one exported file system. It is immutable once it was given to
// Server.SetShares.
type Share struct {
	// Name as clients know it: 1 to 80 characters, unique without regard to
	// case, not IPC$.
	Name    string
	Comment string
	// FS stores the files. It stays the property of the caller and must live
	// until the server is closed.
	FS vfs.FS
	// Offline says why the share cannot be used at the moment; then it needs no FS, and
	// whoever wants to connect is told that there is no such share. Empty: it can be used.
	Offline string
	// Path is what lists of shares show as the place of the files; it need not
	// exist.
	Path string
	// ReadOnly refuses every change, whatever a user's access is.
	ReadOnly bool
	// Hidden leaves the share out of lists, as does a name that ends with '$'.
	Hidden bool
	// Hosts says which addresses may connect to the share, besides Config.Hosts.
	Hosts HostRules
	// Guest lets guests in, with DefaultAccess.
	Guest bool
	// AccessBased leaves out of listings what a user may not read.
	AccessBased bool
	// Encryption is the policy of this share; the stricter of this and the
	// server's counts.
	Encryption Encryption
	// Compress tells clients to compress what they read and write, and compresses
	// long replies, if the server does. Without it those clients do that ask for it.
	Compress bool
	// CaseSensitive names differ by case.
	CaseSensitive bool
	// NameForms says what becomes of names that can be written in two ways.
	NameForms NameForms
	// FileMode and DirMode are the permission bits of what is created; 0 leaves
	// them to the file system.
	FileMode, DirMode uint32
	// Access is what a user may do: the key is the account name in lower case, or
	// that of a group behind '@'. Who is denied by any entry, by AccessNone, has no
	// access; otherwise the highest counts. Users not listed have DefaultAccess.
	Access        map[string]Access
	DefaultAccess Access
	// PosixLocks shows byte-range locks of clients to other programs on the machine,
	// and an NFS export of the same files, as locks of the storage, and refuses to
	// clients what those have locked. It needs an FS with vfs.CapRangeLocks, and
	// holds for opens of trees that are connected from then on.
	PosixLocks bool
	// KernelOplocks makes other programs on the machine that open a file wait until a
	// client that caches it has written back, by leases of the storage. Those exist for
	// a file that is open once alone, so clients get oplocks that are exclusive or
	// batch, or none, and no leases of files. It needs an FS with vfs.CapLeases, and
	// holds for opens of trees that are connected from then on.
	KernelOplocks bool
	// NoLeases grants neither leases nor oplocks.
	NoLeases bool
	// NoLocalChanges does without listening for what other programs do to the files,
	// where the FS can do that (vfs.Watcher). By default they break leases, and those
	// who wait for changes hear of them. See docs/local-changes.md.
	NoLocalChanges bool
	// NoPosix makes no opens with the POSIX extensions of SMB 3.1.1, whatever a client
	// has negotiated.
	NoPosix bool
	// Veto are patterns, with the wildcards * and ?, of names that do not exist for
	// clients: they are neither listed nor opened nor made. Case does not count.
	Veto []string
	// DeleteVetoed lets a directory be deleted that has nothing but such names, with
	// what is in it. By default it is not empty.
	DeleteVetoed bool
	// Hide are patterns of names that are shown with the attribute HIDDEN.
	Hide []string
	// ShowDotFiles does not show names with a leading dot as hidden.
	ShowDotFiles bool
	// SizeLimit is the size of the share in bytes as clients see it, and a bound on what they
	// can store; 0: that of the volume. See sizelimit.go.
	SizeLimit int64
	// Recycle is the recycle bin; nil: what is deleted is gone.
	Recycle *Recycle
	// Audit says what is written to an audit log; nil: nothing.
	Audit *Audit
	// DefaultACL says what counts for files of which nobody has stored a security
	// descriptor.
	DefaultACL DefaultACL
	// KeepInherited keeps the mark that a list of entries was inherited where a client
	// sets it without asking for it to be kept, as programs do that copy descriptors
	// (see asSent).
	KeepInherited bool
	// ExecuteWithRead lets who may read a file open it for execution, unless an entry of
	// its descriptor denies him that.
	ExecuteWithRead bool
	// DelayWriteTime shows the time of the last write of a file that is being written to
	// as Windows up to 2016 does: two seconds after the first write through an open, and
	// then not before it is closed. See latetimes.go.
	DelayWriteTime bool
	// NoStreams does without named streams: there are none to see, and names with a
	// colon are invalid.
	NoStreams bool
	// NoNotify does not tell clients of changes: CHANGE_NOTIFY is
	// STATUS_NOT_IMPLEMENTED, and they look again from time to time instead.
	NoNotify bool
	// NoShortNames does without 8.3 names: none is shown, and none finds a file.
	NoShortNames bool
	// Mac is what the share does for clients of Apple.
	Mac Mac
	// Unix has everything done as the Unix user that Config.Unix finds for a client, so that
	// the kernel decides besides the security descriptors; who has none is refused.
	Unix bool
	// ForceUser is whom it is done as instead, whoever the client is.
	ForceUser *vfs.Cred
	// ForceGroup is the group of new files and directories if HasForceGroup, unless their
	// directory passes its own on; with Unix it is the first group of everybody.
	ForceGroup    uint32
	HasForceGroup bool
	// ForceFileMode and ForceDirMode are permission bits that new files and directories have
	// in any case.
	ForceFileMode, ForceDirMode uint32
	// Snapshots has the previous versions of the share; nil: there are none. A component of a
	// path such as @GMT-2025.01.31-23.59.59 is no name then.
	Snapshots Snapshots
	// SnapshotDir is a directory of the share, as a path joined by '/', that does not exist for
	// clients, as it has the snapshots; empty: there is none.
	SnapshotDir string
	// ContinuousAvailability grants persistent handles to SMB 3 clients. It
	// needs a Store.
	ContinuousAvailability bool
}

// withDefaults returns cfg with every zero field set, or what is wrong with it.
func (c Config) withDefaults() (Config, error) {
	if c.Auth == nil {
		return c, errors.New("smb: Config.Auth is missing")
	}
	setDefault(&c.Name, "LESSOR")
	setDefault(&c.Workgroup, "WORKGROUP")
	c.Workgroup = strings.ToUpper(c.Workgroup)
	setDefault(&c.MinDialect, wire.Dialect210)
	setDefault(&c.MaxDialect, wire.Dialect311)
	setDefault(&c.BreakTimeout, locking.DefaultBreakTimeout)
	setDefault(&c.DurableTimeout, locking.DefaultDurableTimeout)
	if c.Privileges == nil {
		c.Privileges = privileges.New()
	}
	l := &c.Limits
	setDefault(&l.Connections, 16384)
	setDefault(&l.ConnectionsPerAddress, 4096)
	setDefault(&l.Unauthenticated, 1024)
	setDefault(&l.Sessions, 65536)
	setDefault(&l.SessionsPerConnection, 64)
	setDefault(&l.TreesPerSession, 1024)
	setDefault(&l.Opens, 1<<20)
	setDefault(&l.OpensPerSession, 65536)
	setDefault(&l.RequestsPerConnection, 8192)
	setDefault(&l.Waiting, 1<<18)
	setDefault(&l.WaitingPerConnection, 1024)
	setDefault(&l.BufferMemory, 512<<20)
	if l.BufferMemory < minBufferMemory {
		return c, fmt.Errorf("smb: buffer memory of %d bytes is below 64 MiB", l.BufferMemory)
	}
	setDefault(&c.Throttle.Failures, 10)
	setDefault(&c.Throttle.Delay, 500*time.Millisecond)
	setDefault(&c.Throttle.MaxDelay, 15*time.Second)
	t := &c.Timeouts
	setDefault(&t.Authentication, 30*time.Second)
	setDefault(&t.Frame, 30*time.Second)
	setDefault(&t.Write, time.Minute)
	setDefault(&c.TCP.Idle, 30*time.Second)
	setDefault(&c.TCP.Interval, 10*time.Second)
	setDefault(&c.TCP.Probes, 6)
	setDefault(&c.TCP.UserTimeout, 90*time.Second)
	for _, size := range []*uint32{&l.ReadSize, &l.WriteSize, &l.TransactSize} {
		setDefault(size, 8<<20)
		if *size < 64<<10 || *size > 8<<20 {
			return c, fmt.Errorf("smb: transfer size %d is outside of 64 KiB to 8 MiB", *size)
		}
	}
	if c.MinDialect > c.MaxDialect {
		return c, fmt.Errorf("smb: least dialect %v is above %v", c.MinDialect, c.MaxDialect)
	}
	if c.Encryption == EncryptionRequired && c.MaxDialect < wire.Dialect300 {
		return c, fmt.Errorf("smb: dialect %v cannot encrypt", c.MaxDialect)
	}
	for _, alg := range c.Compression {
		if alg == wire.CompressionNone || alg > wire.CompressionLZ4 {
			return c, fmt.Errorf("smb: unknown compression algorithm %d", alg)
		}
	}
	if sid := c.MachineSID; !sid.IsZero() && !validMachineSID(sid) {
		return c, fmt.Errorf("smb: %v is no SID of a machine", sid)
	}
	if c.Log == nil {
		nop := zerolog.Nop()
		c.Log = &nop
	}
	return c, nil
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}
