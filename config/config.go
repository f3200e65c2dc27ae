package config

import (
	_ "embed"
	"maps"
	"slices"
	"time"
)

// DefaultYAML is the complete, commented configuration file; loading it gives
// exactly Default.
//
//go:embed default.yaml
var DefaultYAML string

// Config is everything that can be configured. The keys of the file stand in
// the tags.
type Config struct {
	Server Server `mapstructure:"server"`
	// StateDir is the directory for what the server itself keeps.
	StateDir string `mapstructure:"state_dir"`
	// UsersFile is the user file; empty: "users" in StateDir.
	UsersFile string `mapstructure:"users_file"`
	Auth      Auth   `mapstructure:"auth"`
	// Directory knows the names of a domain's users and groups.
	Directory Directory `mapstructure:"directory"`
	Shares    []Share   `mapstructure:"shares"`
	Locking   Locking   `mapstructure:"locking"`
	Log       Log       `mapstructure:"log"`
	Metrics   Metrics   `mapstructure:"metrics"`
	// User is the account to become once the addresses are taken: "NAME" or
	// "NAME:GROUP"; empty: the one that started the program.
	User    string  `mapstructure:"user"`
	Sandbox Sandbox `mapstructure:"sandbox"`

	// origins tells where the value of a key comes from: "file:12", a variable,
	// a flag.
	origins map[string]string
}

// Server holds the settings of the protocol and the network.
type Server struct {
	// Name is what the server calls itself, at most 15 characters.
	Name string `mapstructure:"name"`
	// Comment describes the server in lists of servers.
	Comment string `mapstructure:"comment"`
	// Listen are addresses of the form HOST:PORT, where HOST is an address, an
	// interface or a name; without HOST: all addresses.
	Listen      []string    `mapstructure:"listen"`
	Dialects    Dialects    `mapstructure:"dialects"`
	Signing     Signing     `mapstructure:"signing"`
	Encryption  Encryption  `mapstructure:"encryption"`
	Compression Compression `mapstructure:"compression"`
	// PosixExtensions offers those of SMB 3.1.1.
	PosixExtensions bool  `mapstructure:"posix_extensions"`
	Hosts           Hosts `mapstructure:"hosts"`
	// Multichannel says which interfaces clients are told of.
	Multichannel Multichannel `mapstructure:"multichannel"`
	// Discovery is how clients find the server.
	Discovery Discovery `mapstructure:"discovery"`
	Logon     Logon     `mapstructure:"logon"`
	// Admins are users and @groups that may see and end sessions and opens of
	// others with the tools of Windows.
	Admins []string `mapstructure:"admins"`
	// Privileges are who has which.
	Privileges Privileges `mapstructure:"privileges"`
	TCP        TCP        `mapstructure:"tcp"`
	QUIC       QUIC       `mapstructure:"quic"`
	Limits     Limits     `mapstructure:"limits"`
	Timeouts   Timeouts   `mapstructure:"timeouts"`
}

// Compression says whether messages may be compressed, and how.
type Compression struct {
	Enabled bool `mapstructure:"enabled"`
	// Algorithms are among CompressionAlgorithms, the preferred one for what is sent
	// first.
	Algorithms []string `mapstructure:"algorithms"`
}

// CompressionAlgorithms are the names of all algorithms, in the default order.
func CompressionAlgorithms() []string {
	return []string{"lz4", "lz77", "lz77+huffman", "lznt1", "pattern_v1"}
}

// Dialects is the range of dialects that are negotiated.
type Dialects struct {
	Min Dialect `mapstructure:"min"`
	Max Dialect `mapstructure:"max"`
}

// Limits bound what clients can make the server hold.
type Limits struct {
	Connections int `mapstructure:"connections"`
	// ConnectionsPerAddress counts IPv6 addresses by their first 64 bits.
	ConnectionsPerAddress int `mapstructure:"connections_per_address"`
	Unauthenticated       int `mapstructure:"unauthenticated"`
	Sessions              int `mapstructure:"sessions"`
	SessionsPerConnection int `mapstructure:"sessions_per_connection"`
	TreesPerSession       int `mapstructure:"trees_per_session"`
	Opens                 int `mapstructure:"opens"`
	OpensPerSession       int `mapstructure:"opens_per_session"`
	RequestsPerConnection int `mapstructure:"requests_per_connection"`
	Waiting               int `mapstructure:"waiting"`
	WaitingPerConnection  int `mapstructure:"waiting_per_connection"`
	// BufferMemory is what long requests and replies of all connections may take,
	// 64 MiB to 1 TiB.
	BufferMemory Size `mapstructure:"buffer_memory"`
	// The sizes are bytes in one request, 64 KiB to 8 MiB.
	ReadSize     Size `mapstructure:"read_size"`
	WriteSize    Size `mapstructure:"write_size"`
	TransactSize Size `mapstructure:"transact_size"`
}

// Timeouts bound how long the server waits for a client.
type Timeouts struct {
	// Authentication is from the connection to the first session.
	Authentication time.Duration `mapstructure:"authentication"`
	// Frame is from the first byte of a request to its last.
	Frame time.Duration `mapstructure:"frame"`
	// Write is for a client to take a reply.
	Write time.Duration `mapstructure:"write"`
	// Shutdown is for running requests when the server is asked to end.
	Shutdown time.Duration `mapstructure:"shutdown"`
}

// Share is one exported directory.
type Share struct {
	Name string    `mapstructure:"name"`
	Type ShareType `mapstructure:"type"`
	// Path is the directory; relative ones start at the configuration file.
	Path string `mapstructure:"path"`
	// Removable says that the share is there only while something is mounted at Path. The
	// sandbox has the directory above it, too.
	Removable  bool       `mapstructure:"removable"`
	Comment    string     `mapstructure:"comment"`
	ReadOnly   bool       `mapstructure:"read_only"`
	Hidden     bool       `mapstructure:"hidden"`
	Encryption Encryption `mapstructure:"encryption"`
	// Compression tells clients to compress what they read and write.
	Compression bool `mapstructure:"compression"`
	Case        Case `mapstructure:"case"`
	// NormalizeNames says whether names that differ in their form in Unicode are one.
	NormalizeNames NameForms `mapstructure:"normalize_names"`
	// Identity says as whom files are opened and made. ForceUser is who that is for all
	// clients, ForceGroup the group of new files: names, or numbers.
	Identity   Identity `mapstructure:"identity"`
	ForceUser  string   `mapstructure:"force_user"`
	ForceGroup string   `mapstructure:"force_group"`
	// CreateMask and DirectoryMask are the permission bits of what is created.
	CreateMask    Mode `mapstructure:"create_mask"`
	DirectoryMask Mode `mapstructure:"directory_mask"`
	// ForceCreateMode and ForceDirectoryMode are permission bits that new files and
	// directories have in any case.
	ForceCreateMode    Mode `mapstructure:"force_create_mode"`
	ForceDirectoryMode Mode `mapstructure:"force_directory_mode"`
	FollowSymlinks     bool `mapstructure:"follow_symlinks"`
	// Leases lets clients cache by leases and oplocks.
	Leases bool `mapstructure:"leases"`
	// KernelOplocks lets local programs that open a file wait until a client that
	// caches it has written back.
	KernelOplocks bool `mapstructure:"kernel_oplocks"`
	// PosixExtensions lets clients use those of SMB 3.1.1 here, if the server has them.
	PosixExtensions bool `mapstructure:"posix_extensions"`
	// PosixLocks shows byte-range locks to local programs and respects theirs.
	PosixLocks bool `mapstructure:"posix_locks"`
	// Watch is how changes by other programs are noticed, which break leases then.
	Watch Watch `mapstructure:"watch"`
	// ContinuousAvailability grants persistent handles, which survive a restart
	// of the server.
	ContinuousAvailability bool `mapstructure:"continuous_availability"`
	// Users are the access rules; DefaultAccess is for users not among them.
	Users         []ShareUser `mapstructure:"users"`
	DefaultAccess Access      `mapstructure:"default_access"`
	// Read, Write and Deny are users and @groups, besides those of Users. Who is
	// denied by any entry gets nothing; otherwise the highest access counts.
	Read  []string `mapstructure:"read"`
	Write []string `mapstructure:"write"`
	Deny  []string `mapstructure:"deny"`
	// Guest gives guests the DefaultAccess.
	Guest bool  `mapstructure:"guest"`
	Hosts Hosts `mapstructure:"hosts"`
	// AccessBasedEnumeration leaves out of listings what a user may not read.
	AccessBasedEnumeration bool `mapstructure:"access_based_enumeration"`
	// Veto are patterns of names that do not exist for clients; DeleteVetoed lets a
	// directory be deleted that has nothing else.
	Veto         []string `mapstructure:"veto"`
	DeleteVetoed bool     `mapstructure:"delete_vetoed"`
	// Hide are patterns of names with the attribute HIDDEN, HideDotFiles gives it to those
	// with a leading dot.
	Hide         []string `mapstructure:"hide"`
	HideDotFiles bool     `mapstructure:"hide_dot_files"`
	// SizeLimit is the size of the share as clients see it; 0: that of the volume.
	SizeLimit Size    `mapstructure:"size_limit"`
	Recycle   Recycle `mapstructure:"recycle"`
	Audit     Audit   `mapstructure:"audit"`
	// Snapshots are shown to clients as previous versions.
	Snapshots Snapshots `mapstructure:"snapshots"`
	// DefaultACL is what counts for files of which nobody has stored a security
	// descriptor.
	DefaultACL DefaultACL `mapstructure:"default_acl"`
	// KeepInheritedACLs keeps the mark of inherited lists that programs set who copy
	// security descriptors.
	KeepInheritedACLs bool `mapstructure:"keep_inherited_acls"`
	// Execute says who may open a file for execution.
	Execute Execute `mapstructure:"execute"`
	// WriteTime says when clients see that a file was written to.
	WriteTime WriteTime `mapstructure:"write_time"`
	// Streams shows and takes named streams.
	Streams bool `mapstructure:"streams"`
	// ChangeNotify tells clients of changes in directories that they wait for.
	ChangeNotify bool `mapstructure:"change_notify"`
	// ShortNames shows 8.3 names, and finds files by them.
	ShortNames bool `mapstructure:"short_names"`
	// Macos is what the share does for clients of Apple.
	Macos Macos `mapstructure:"macos"`
	// TimeMachine offers the share for backups; TimeMachineMaxSize is how large it seems to
	// them, 0: as large as the volume.
	TimeMachine        bool `mapstructure:"time_machine"`
	TimeMachineMaxSize Size `mapstructure:"time_machine_max_size"`
}

// ShareUser is the access of one user to a share.
type ShareUser struct {
	Name   string `mapstructure:"name"`
	Access Access `mapstructure:"access"`
}

// Locking holds the settings of leases, oplocks and durable handles.
type Locking struct {
	// BreakTimeout is how long a client may take to acknowledge a break.
	BreakTimeout time.Duration `mapstructure:"break_timeout"`
	// DurableTimeout is how long a disconnected durable handle is kept, at most
	// 5 minutes.
	DurableTimeout time.Duration `mapstructure:"durable_timeout"`
	// ReplayProfile is how a replayed open is answered while the first one still
	// waits.
	ReplayProfile ReplayProfile `mapstructure:"replay_profile"`
}

// Log says what is logged and where to.
type Log struct {
	Level  Level  `mapstructure:"level"`
	Format Format `mapstructure:"format"`
	// File is appended to; empty: standard error.
	File string `mapstructure:"file"`
}

// Metrics holds the address of /metrics, /healthz, /readyz and /debug/pprof.
type Metrics struct {
	// Listen is HOST:PORT; without HOST: loopback; empty: nothing is served.
	Listen string `mapstructure:"listen"`
}

// Default returns the settings of an empty file.
func Default() *Config {
	return &Config{
		Server: Server{
			Name:        "LESSOR",
			Listen:      []string{":445"},
			Dialects:    Dialects{Min: Dialect210, Max: Dialect311},
			Signing:     SigningRequired,
			Encryption:  EncryptionEnabled,
			Compression: Compression{Enabled: true, Algorithms: CompressionAlgorithms()},

			PosixExtensions: true,
			Logon: Logon{MapToGuest: GuestNever, Throttle: Throttle{
				Failures: 10, Delay: 500 * time.Millisecond, MaxDelay: 15 * time.Second}},
			TCP:       defaultTCP(),
			QUIC:      defaultQUIC(),
			Discovery: Discovery{Workgroup: "WORKGROUP"},
			Limits: Limits{
				Connections:           16384,
				ConnectionsPerAddress: 4096,
				Unauthenticated:       1024,
				Sessions:              65536,
				SessionsPerConnection: 64,
				TreesPerSession:       1024,
				Opens:                 1 << 20,
				OpensPerSession:       65536,
				RequestsPerConnection: 8192,
				Waiting:               1 << 18,
				WaitingPerConnection:  1024,
				BufferMemory:          512 << 20,
				ReadSize:              8 << 20,
				WriteSize:             8 << 20,
				TransactSize:          8 << 20,
			},
			Timeouts: Timeouts{
				Authentication: 30 * time.Second,
				Frame:          30 * time.Second,
				Write:          time.Minute,
				Shutdown:       30 * time.Second,
			},
		},
		StateDir:  "/var/lib/lessor",
		Auth:      defaultAuth(),
		Directory: defaultDirectory(),
		Sandbox:   SandboxAuto,
		Locking:   Locking{BreakTimeout: 35 * time.Second, DurableTimeout: time.Minute, ReplayProfile: ReplaySamba},
		Log:       Log{Level: LevelInfo, Format: FormatJSON},
		Metrics:   Metrics{Listen: "127.0.0.1:9445"},
	}
}

// DefaultShare returns the settings of a share of which only the name is given.
func DefaultShare() Share {
	return Share{
		Type:           ShareLocal,
		Encryption:     EncryptionEnabled,
		Case:           CaseInsensitive,
		NormalizeNames: NamesMatch,
		Identity:       IdentityService,
		CreateMask:     0o644,
		DirectoryMask:  0o755,
		FollowSymlinks: true,
		Leases:         true,

		PosixExtensions: true,

		Watch:         WatchAuto,
		DefaultAccess: AccessNone,

		HideDotFiles: true,
		Recycle:      defaultRecycle(),
		Audit:        defaultAudit(),
		Snapshots:    defaultSnapshots(),
		DefaultACL:   DefaultACLEveryone,
		Execute:      ExecuteACL,
		WriteTime:    WriteTimeImmediate,
		Streams:      true,
		ChangeNotify: true,
		ShortNames:   true,
		Macos:        defaultMacos(),
	}
}

// clone returns a copy that shares nothing with c.
func (c *Config) clone() *Config {
	n := *c
	n.Server.Listen = slices.Clone(c.Server.Listen)
	n.Server.Compression.Algorithms = slices.Clone(c.Server.Compression.Algorithms)
	n.Server.QUIC.Listen = slices.Clone(c.Server.QUIC.Listen)
	n.Server.QUIC.ClientAllow = slices.Clone(c.Server.QUIC.ClientAllow)
	n.Server.Admins = slices.Clone(c.Server.Admins)
	n.Server.Privileges = c.Server.Privileges.clone()
	n.Server.Hosts = c.Server.Hosts.clone()
	n.Server.Multichannel = c.Server.Multichannel.clone()
	n.Auth = c.Auth.clone()
	n.Directory = c.Directory.clone()
	n.Shares = slices.Clone(c.Shares)
	for i := range n.Shares {
		s := &n.Shares[i]
		s.Users, s.Hosts = slices.Clone(s.Users), s.Hosts.clone()
		s.Veto, s.Hide = slices.Clone(s.Veto), slices.Clone(s.Hide)
		s.Recycle, s.Audit = s.Recycle.clone(), s.Audit.clone()
		s.Read, s.Write, s.Deny = slices.Clone(s.Read), slices.Clone(s.Write), slices.Clone(s.Deny)
	}
	n.origins = maps.Clone(c.origins)
	if n.origins == nil {
		n.origins = make(map[string]string)
	}
	return &n
}
