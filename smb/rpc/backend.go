package rpc

import (
	"time"

	"lessor/smb/privileges"
	"lessor/smb/secdesc"
)

// Backend is what the interfaces tell clients about; the server implements it.
// Its methods may be called from many goroutines at once. They are called with
// no lock of this package held but the input side of one pipe, so they may take
// any lock of the server's, but must not call into the same Pipe.
//
// user is always the name that was given to Open; "" is an anonymous user.
type Backend interface {
	// ServerName is the NetBIOS-like name of this machine, and the domain of
	// its local accounts.
	ServerName() string
	// Domain is the workgroup, or the short name of the domain it is in.
	Domain() string
	// Comment describes the server in lists.
	Comment() string
	// Version is what the server reports as the version of its system.
	Version() (major, minor uint32)
	// MachineSID is the SID of the machine: local accounts are below it.
	MachineSID() secdesc.SID
	// Now is the time of the server, in the zone that it keeps.
	Now() time.Time

	// IsAdmin reports whether user may see sessions, paths and security of
	// shares, and may close files and sessions: a member of Administrators.
	IsAdmin(user string) bool

	// Shares lists the shares that user may know of. Those with Hidden set
	// are left out of what clients see.
	Shares(user string) []ShareInfo
	// Share finds a share by name, regardless of case and of Hidden.
	Share(name string) (ShareInfo, bool)
	// Sessions, Connections and Files are snapshots, in any order that stays
	// the same as long as nothing changes.
	Sessions() []SessionInfo
	Connections() []ConnectionInfo
	Files() []FileInfo
	// CloseSession ends the session with that SessionInfo.ID. The error may
	// be one of package io/fs, or errors.ErrUnsupported.
	CloseSession(id uint64) error
	// CloseFile closes the open with that FileInfo.ID; errors as above.
	CloseFile(id uint32) error

	// LookupSID finds the account or group of a SID. The well-known ones are
	// found before it is asked.
	LookupSID(sid secdesc.SID) (Account, bool)
	// LookupName finds an account or group by name, regardless of case.
	// domain is "" if the client gave none.
	LookupName(domain, name string) (Account, bool)

	// LocalUsers and LocalGroups are the accounts of this machine that people have
	// made, in the order in which they are listed.
	LocalUsers() []LocalUser
	LocalGroups() []LocalGroup

	// Privileges lists the accounts that may have privileges, in an order that stays the
	// same; PrivilegesOf is what one has, and whether it is one.
	Privileges() []privileges.Account
	PrivilegesOf(sid secdesc.SID) (secdesc.Privilege, bool)
	// AddPrivilegeAccount makes an account without privileges, DeletePrivilegeAccount
	// takes it away with all that it has. GrantPrivileges makes one if need be; with prune,
	// RevokePrivileges takes away what has none left. They are called for administrators
	// only. Errors: fs.ErrExist, fs.ErrNotExist, fs.ErrPermission for what cannot be
	// revoked, privileges.ErrFull, and others that say that it was not stored.
	AddPrivilegeAccount(sid secdesc.SID) error
	DeletePrivilegeAccount(sid secdesc.SID) error
	GrantPrivileges(sid secdesc.SID, set secdesc.Privilege) error
	RevokePrivileges(sid secdesc.SID, set secdesc.Privilege, prune bool) error

	// Until returns a Backend for one call, which asks nobody else for names (a
	// directory, say) after t.
	Until(t time.Time) Backend

	// Panicked is told of a panic in an interface, which the client sees as a
	// fault: where is the interface and the method.
	Panicked(where string, value any, stack []byte)
}

// Share types (MS-SRVS 2.2.2.4).
const (
	ShareDisk    uint32 = 0x00000000
	SharePrint   uint32 = 0x00000001
	ShareDevice  uint32 = 0x00000002
	ShareIPC     uint32 = 0x00000003
	ShareSpecial uint32 = 0x80000000 // added to the above: IPC$, ADMIN$, C$
)

// Unlimited is the ShareInfo.MaxUses of a share without a limit.
const Unlimited uint32 = 0xFFFFFFFF

// ShareInfo is what a client may learn of a share (MS-SRVS 2.2.4.22 to 2.2.4.31).
type ShareInfo struct {
	Name, Comment string
	// Path is shown to administrators only, as a Windows path.
	Path string
	Type uint32
	// Hidden keeps the share out of lists; by its name it can be found.
	Hidden bool
	// MaxUses is 0 for Unlimited.
	MaxUses, CurrentUses uint32
	// Flags are those of SHARE_INFO_1005 (MS-SRVS 2.2.4.29): caching 0x30,
	// access based enumeration 0x0800, continuous availability 0x4000,
	// encryption 0x8000, compression 0x100000; but for availability as in TREE_CONNECT.
	Flags uint32
	// Security is a self-relative security descriptor, or empty.
	Security []byte
}

// Session flags (MS-SRVS 2.2.4.12).
const (
	SessionGuest        uint32 = 0x00000001
	SessionNoEncryption uint32 = 0x00000002 // no encrypted password was used
)

// SessionInfo is one session (MS-SRVS 2.2.4.11 to 2.2.4.15).
type SessionInfo struct {
	ID uint64
	// Client is the address or name of the client, without backslashes.
	Client, User string
	Opens        uint32
	// Age and Idle are told in whole seconds.
	Age, Idle time.Duration
	Flags     uint32
	// ClientType and Transport are free text, such as the dialect.
	ClientType, Transport string
}

// ConnectionInfo is one tree connect (MS-SRVS 2.2.4.2).
type ConnectionInfo struct {
	ID           uint32
	Share        string
	Type         uint32
	Client, User string
	Opens, Users uint32
	Age          time.Duration
}

// Permissions of FileInfo (MS-SRVS 2.2.4.7).
const (
	FileRead   uint32 = 0x01
	FileWrite  uint32 = 0x02
	FileCreate uint32 = 0x04
)

// FileInfo is one open (MS-SRVS 2.2.4.7).
type FileInfo struct {
	ID           uint32
	Permissions  uint32
	Locks        uint32
	Path         string
	User, Client string
}

// AccountType is a SID_NAME_USE (MS-LSAT 2.2.13).
type AccountType uint16

// The account types.
const (
	AccountUser      AccountType = 1
	AccountGroup     AccountType = 2
	AccountDomain    AccountType = 3
	AccountAlias     AccountType = 4 // a local group
	AccountWellKnown AccountType = 5
	AccountUnknown   AccountType = 8
	AccountComputer  AccountType = 9
)

// Account is a principal with its name. Name is empty for AccountDomain, where
// Domain says it all.
type Account struct {
	SID          secdesc.SID
	Domain, Name string
	Type         AccountType
}

// LocalUser is a user of this machine.
type LocalUser struct {
	RID      uint32
	Name     string
	Disabled bool
	// Admin: a member of BUILTIN\Administrators.
	Admin bool
	// Groups are the RIDs of the LocalGroups that the user belongs to.
	Groups []uint32
}

// LocalGroup is a group of this machine.
type LocalGroup struct {
	RID  uint32
	Name string
}
