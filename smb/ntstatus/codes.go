package ntstatus

// The codes in groups, each with its reason (MS-ERREF 2.3.1). The names are
// those of the specification without STATUS_.
const (
	// Success and information.

	Success               Status = 0x00000000 // the request was carried out
	Pending               Status = 0x00000103 // interim reply: the final one follows asynchronously
	NotifyCleanup         Status = 0x0000010B // the directory handle of a change notification was closed
	NotifyEnumDir         Status = 0x0000010C // changes were lost or do not fit: the client lists again
	MoreEntries           Status = 0x00000105 // the enumeration goes on
	SomeNotMapped         Status = 0x00000107 // some of the names or SIDs have no translation
	OplockBreakInProgress Status = 0x00000108 // granted while a break is still under way

	// Warnings: the reply carries data all the same.

	BufferOverflow     Status = 0x80000005 // the data was cut at the size of the client's buffer
	NoMoreFiles        Status = 0x80000006 // the directory scan has reached its end
	NoMoreEntries      Status = 0x8000001A // the enumeration has reached its end
	NoMoreEas          Status = 0x80000012 // the enumeration of EAs has reached its end
	EaListInconsistent Status = 0x80000014 // an EA list does not parse
	InvalidEaName      Status = 0x80000013 // an EA name holds a character that it may not
	InvalidEaFlag      Status = 0x80000015 // an EA carries a flag that is not defined
	StoppedOnSymlink   Status = 0x8000002D // the path crosses a symbolic link; the error data says where

	// The request itself.

	Unsuccessful           Status = 0xC0000001 // no better reason exists
	NotImplemented         Status = 0xC0000002 // the function does not exist
	InvalidInfoClass       Status = 0xC0000003 // the information class does not exist or not in this direction
	InfoLengthMismatch     Status = 0xC0000004 // the buffer cannot hold the fixed part of the class
	InvalidHandle          Status = 0xC0000008 // the handle is not one of the server's
	InvalidParameter       Status = 0xC000000D // a field holds a value that it may not
	NoSuchDevice           Status = 0xC000000E // the volume does not exist
	NoSuchFile             Status = 0xC000000F // the first listing of a directory matched nothing
	InvalidDeviceRequest   Status = 0xC0000010 // the control code or command does not apply to the object
	EndOfFile              Status = 0xC0000011 // a read begins at or after the end
	WrongVolume            Status = 0xC0000012 // the volume is not the expected one
	MoreProcessingRequired Status = 0xC0000016 // authentication needs another leg
	NoMemory               Status = 0xC0000017 // memory is exhausted
	AccessDenied           Status = 0xC0000022 // the caller lacks the right
	BufferTooSmall         Status = 0xC0000023 // the buffer cannot hold the reply; the error data says what could
	ObjectTypeMismatch     Status = 0xC0000024 // the object is of another type
	RevisionMismatch       Status = 0xC0000059 // the revision of the structure is unknown
	NotSupported           Status = 0xC00000BB // the server does not offer this
	InternalError          Status = 0xC00000E5 // the server failed in a way that it did not foresee
	AllottedSpaceExceeded  Status = 0xC0000099 // an object of fixed size cannot grow
	InsufficientResources  Status = 0xC000009A // a limit of the server is reached
	RequestNotAccepted     Status = 0xC00000D0 // a limit of sessions or connections is reached
	RequestOutOfSequence   Status = 0xC000042A // the message does not fit the state of the exchange
	Cancelled              Status = 0xC0000120 // the client cancelled the request
	IoTimeout              Status = 0xC00000B5 // the operation took too long
	Retry                  Status = 0xC000022D // the client may repeat the request
	DataError              Status = 0xC000003E // the stored data is damaged
	CrcError               Status = 0xC000003F // a checksum of stored data is wrong
	IoDeviceError          Status = 0xC0000185 // the storage reported an error
	UnexpectedIoError      Status = 0xC00000E9 // the storage failed in an unexpected way
	DeviceNotReady         Status = 0xC00000A3 // the storage is not ready
	InvalidBufferSize      Status = 0xC0000206 // the size of a buffer is not the demanded one
	InvalidLockSequence    Status = 0xC000001E // the lock sequence number is not valid
	InvalidViewSize        Status = 0xC000001F // the range of a mapped view is not valid
	BadCompressionBuffer   Status = 0xC0000242 // a compressed payload does not decode
	InvalidSignature       Status = 0xC000A000 // the signature of a message is wrong
	HashNotSupported       Status = 0xC000A100 // the hash algorithm is not offered
	HashNotPresent         Status = 0xC000A101 // no hash is stored for the file

	// Names and files.

	ObjectNameInvalid        Status = 0xC0000033 // the name holds characters that it may not
	ObjectNameNotFound       Status = 0xC0000034 // the last component does not exist
	ObjectNameCollision      Status = 0xC0000035 // the name is taken
	ObjectPathInvalid        Status = 0xC0000039 // a component of the path is no directory
	ObjectPathNotFound       Status = 0xC000003A // a component before the last does not exist
	ObjectPathSyntaxBad      Status = 0xC000003B // the path is not well formed
	NameTooLong              Status = 0xC0000106 // a name exceeds what the volume can store
	FileIsADirectory         Status = 0xC00000BA // a file was demanded and this is a directory
	DirectoryIsAReparsePoint Status = 0xC0000281 // the directory is a reparse point
	VirusInfected            Status = 0xC0000906 // a scanner refused the file
	NotADirectory            Status = 0xC0000103 // a directory was demanded and this is none
	DirectoryNotEmpty        Status = 0xC0000101 // the directory still has entries
	CannotDelete             Status = 0xC0000121 // the file is read-only, or mapped, or a root
	FileInvalid              Status = 0xC0000098 // the open file is no longer usable
	FileRenamed              Status = 0xC00000D5 // the file was renamed meanwhile
	FileDeleted              Status = 0xC0000123 // the file was deleted meanwhile
	FileClosed               Status = 0xC0000128 // no open has this FileId
	FileForcedClosed         Status = 0xC00000B6 // the open was closed by the server
	FileNotAvailable         Status = 0xC0000467 // a persistent open waits for its owner
	FileSystemLimitation     Status = 0xC0000427 // the volume cannot carry out the operation
	NotSameDevice            Status = 0xC00000D4 // source and target lie on different volumes
	QuotaListInconsistent    Status = 0xC0000266 // a list of quotas does not parse
	TooManyLinks             Status = 0xC0000265 // the file has as many hard links as it can have
	TooManyOpenedFiles       Status = 0xC000011F // a limit of open files is reached
	DuplicateObjectid        Status = 0xC000022A // the object ID or CreateGuid is in use
	ObjectidNotFound         Status = 0xC00002F0 // the object ID names nothing
	DiskFull                 Status = 0xC000007F // the volume is full
	QuotaExceeded            Status = 0xC0000044 // the quota of the user is used up
	MediaWriteProtected      Status = 0xC00000A2 // the share or volume is read-only
	VolumeDismounted         Status = 0xC000026E // the volume is gone
	CompressionDisabled      Status = 0xC0000426 // the volume does not compress files
	NotFound                 Status = 0xC0000225 // the object was not found
	FsDriverRequired         Status = 0xC000019C // a driver that the server lacks would be needed
	DfsUnavailable           Status = 0xC000026D // the server answers no DFS referrals
	PathNotCovered           Status = 0xC0000257 // the path lies on another server (DFS)

	// Sharing, locks, caching.

	SharingViolation      Status = 0xC0000043 // another open excludes this one
	DeletePending         Status = 0xC0000056 // the file is marked for deletion
	FileLockConflict      Status = 0xC0000054 // a byte-range lock covers the bytes of a read or write
	LockNotGranted        Status = 0xC0000055 // the byte-range lock conflicts with another
	RangeNotLocked        Status = 0xC000007E // there is no such lock to release
	InvalidLockRange      Status = 0xC00001A1 // the range reaches beyond 2^64
	OplockNotGranted      Status = 0xC00000E2 // the requested caching is not possible
	InvalidOplockProtocol Status = 0xC00000E3 // the acknowledgement fits no break under way
	CannotBreakOplock     Status = 0xC0000909 // the break cannot be carried out
	UserMappedFile        Status = 0xC0000243 // a mapped section forbids the operation
	HandleNoLongerValid   Status = 0xC0190028 // the handle was revoked

	// Extended attributes, reparse points, streams.

	EasNotSupported              Status = 0xC000004F // the volume stores no EAs
	EaTooLarge                   Status = 0xC0000050 // the EAs exceed what the volume can store
	NonexistentEaEntry           Status = 0xC0000051 // the EA does not exist
	NoEasOnFile                  Status = 0xC0000052 // the file has no EAs
	EaCorruptError               Status = 0xC0000053 // the stored EAs do not parse
	NotAReparsePoint             Status = 0xC0000275 // the file has no reparse point
	IoReparseTagInvalid          Status = 0xC0000276 // the reparse tag is reserved
	IoReparseTagMismatch         Status = 0xC0000277 // the reparse tag differs from that of the file
	IoReparseDataInvalid         Status = 0xC0000278 // the reparse data does not parse
	IoReparseTagNotHandled       Status = 0xC0000279 // nobody interprets this reparse tag
	OffloadReadFltNotSupported   Status = 0xC000A2A1 // offloaded reads are not offered
	OffloadReadFileNotSupported  Status = 0xC000A2A3 // offloaded reads are not offered for this file
	OffloadWriteFileNotSupported Status = 0xC000A2A4 // offloaded writes are not offered for this file
	InvalidToken                 Status = 0xC0000465 // the offload token is not valid

	// Pipes.

	PipeNotAvailable     Status = 0xC00000AC // every instance of the pipe is busy
	PipeBusy             Status = 0xC00000AE // the pipe is busy
	PipeDisconnected     Status = 0xC00000B0 // the other end was disconnected
	PipeClosing          Status = 0xC00000B1 // the other end is closing
	PipeConnected        Status = 0xC00000B2 // the pipe is connected already
	PipeListening        Status = 0xC00000B3 // the pipe waits for its other end
	PipeBroken           Status = 0xC000014B // the other end is gone
	PipeEmpty            Status = 0xC00000D9 // no data waits in the pipe
	InvalidPipeState     Status = 0xC00000AD // the pipe is in the wrong state
	InvalidReadMode      Status = 0xC00000B4 // the pipe has the wrong read mode
	InstanceNotAvailable Status = 0xC00000AB // no instance of the pipe can be made

	// Sessions, trees, the network.

	UserSessionDeleted               Status = 0xC0000203 // there is no such session
	NetworkSessionExpired            Status = 0xC000035C // the ticket of the session has expired
	ShareUnavailable                 Status = 0xC0000480 // the share is not ready yet
	NetworkNameDeleted               Status = 0xC00000C9 // there is no such tree connect
	BadNetworkName                   Status = 0xC00000CC // there is no such share
	BadDeviceType                    Status = 0xC00000CB // the share is of another type
	NetworkAccessDenied              Status = 0xC00000CA // the session may not use the network resource
	UnexpectedNetworkError           Status = 0xC00000C4 // the network failed
	ConnectionDisconnected           Status = 0xC000020C // the connection is gone
	ConnectionReset                  Status = 0xC000020D // the connection was reset
	ConnectionRefused                Status = 0xC0000236 // the connection was refused
	ConnectionAborted                Status = 0xC0000241 // the connection was aborted
	BadNetworkPath                   Status = 0xC00000BE // the server was not found
	InvalidNetworkResponse           Status = 0xC00000C3 // the peer broke the protocol
	RemoteNotListening               Status = 0xC00000BC // the server does not listen
	ServerUnavailable                Status = 0xC0000466 // the share moves or the server stops
	ServerShutdownInProgress         Status = 0xC00002FF // the server stops
	TooManySessions                  Status = 0xC00000CE // a limit of sessions is reached
	SmbNoPreauthIntegrityHashOverlap Status = 0xC05D0000 // no preauthentication hash is shared
	SmbBadClusterDialect             Status = 0xC05D0001 // the dialect cannot be used in this cluster

	// Authentication and security descriptors.

	LogonFailure                 Status = 0xC000006D // name or proof is wrong
	WrongPassword                Status = 0xC000006A // the password is wrong
	AccountRestriction           Status = 0xC000006E // a policy forbids this logon
	InvalidLogonHours            Status = 0xC000006F // not at this hour
	InvalidWorkstation           Status = 0xC0000070 // not from this machine
	PasswordExpired              Status = 0xC0000071 // the password has expired
	PasswordMustChange           Status = 0xC0000224 // the password must be changed first
	AccountDisabled              Status = 0xC0000072 // the account is disabled
	AccountExpired               Status = 0xC0000193 // the account has expired
	AccountLockedOut             Status = 0xC0000234 // too many failures
	LogonTypeNotGranted          Status = 0xC000015B // the account may not log on over the network
	NoSuchUser                   Status = 0xC0000064 // there is no such account
	NoSuchGroup                  Status = 0xC0000066 // there is no such group
	NoSuchAlias                  Status = 0xC0000151 // there is no such local group
	NoSuchDomain                 Status = 0xC00000DF // there is no such domain
	NoLogonServers               Status = 0xC000005E // no domain controller answers
	NoSuchLogonSession           Status = 0xC000005F // the security context is gone
	TrustedRelationshipFailure   Status = 0xC000018D // the trust to the account's domain is broken
	TrustedDomainFailure         Status = 0xC000018C // the trust to the domain is broken
	TimeDifferenceAtDc           Status = 0xC0000133 // the clocks differ too much
	DowngradeDetected            Status = 0xC0000388 // somebody on the way weakened the negotiation
	AuthenticationFirewallFailed Status = 0xC0000413 // the account may not authenticate to this server
	BadImpersonationLevel        Status = 0xC00000A5 // the impersonation level of a CREATE is out of range
	NoUserSessionKey             Status = 0xC0000202 // the session has no key to sign or seal with
	PrivilegeNotHeld             Status = 0xC0000061 // the caller lacks a privilege
	NoSuchPrivilege              Status = 0xC0000060 // there is no privilege of that name
	InvalidOwner                 Status = 0xC000005A // this SID may not be made the owner
	InvalidPrimaryGroup          Status = 0xC000005B // this SID may not be made the group
	InvalidAcl                   Status = 0xC0000077 // the ACL does not parse
	InvalidSid                   Status = 0xC0000078 // the SID does not parse
	InvalidSecurityDescr         Status = 0xC0000079 // the security descriptor does not parse
	NoSecurityOnObject           Status = 0xC00000D7 // the object has no security descriptor
	NoneMapped                   Status = 0xC0000073 // none of the names or SIDs has a translation

)
