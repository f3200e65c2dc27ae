package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The types of values. Each reads itself from text, so that the file, the
// environment and the command line share one set of rules; the errors say what
// would have been right.

// parseWord sets *dst to text if it is among the words.
func parseWord[T ~string](dst *T, text []byte, words ...T) error {
	if w := T(text); slices.Contains(words, w) {
		*dst = w
		return nil
	}
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	return fmt.Errorf("want one of %s", strings.Join(list, ", "))
}

// Signing says whether clients must sign.
type Signing string

// The values of Signing.
const (
	SigningEnabled  Signing = "enabled"  // the client decides
	SigningRequired Signing = "required" // what is not signed is refused
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Signing) UnmarshalText(text []byte) error {
	return parseWord(s, text, SigningEnabled, SigningRequired)
}

// Encryption says whether clients must encrypt.
type Encryption string

// The values of Encryption.
const (
	EncryptionOff      Encryption = "off"      // not offered
	EncryptionEnabled  Encryption = "enabled"  // the client decides
	EncryptionRequired Encryption = "required" // what is not encrypted is refused
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Encryption) UnmarshalText(text []byte) error {
	return parseWord(e, text, EncryptionOff, EncryptionEnabled, EncryptionRequired)
}

// Access is what a user may do on a share.
type Access string

// The values of Access.
const (
	AccessNone  Access = "none"
	AccessRead  Access = "read"
	AccessWrite Access = "write" // includes reading
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (a *Access) UnmarshalText(text []byte) error {
	return parseWord(a, text, AccessNone, AccessRead, AccessWrite)
}

// ShareType says what stores the files of a share.
type ShareType string

// The values of ShareType.
const (
	ShareLocal  ShareType = "local"  // a directory of this machine
	ShareMemory ShareType = "memory" // nothing: all is lost at the end of the process
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *ShareType) UnmarshalText(text []byte) error {
	return parseWord(t, text, ShareLocal, ShareMemory)
}

// Case says how names are matched.
type Case string

// The values of Case.
const (
	CaseInsensitive Case = "insensitive"
	CaseSensitive   Case = "sensitive"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Case) UnmarshalText(text []byte) error {
	return parseWord(c, text, CaseInsensitive, CaseSensitive)
}

// Watch says how changes of the files by other programs are noticed.
type Watch string

// The values of Watch.
const (
	WatchAuto     Watch = "auto" // fanotify, where that does not work inotify
	WatchFanotify Watch = "fanotify"
	WatchInotify  Watch = "inotify"
	WatchOff      Watch = "off" // not at all
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Watch) UnmarshalText(text []byte) error {
	return parseWord(w, text, WatchAuto, WatchFanotify, WatchInotify, WatchOff)
}

// DefaultACL says what counts for a file of which nobody has stored a security
// descriptor.
type DefaultACL string

// The values of DefaultACL.
const (
	DefaultACLEveryone DefaultACL = "everyone" // the access level of the share alone
	DefaultACLPosix    DefaultACL = "posix"    // owner, permission bits and POSIX ACL
	DefaultACLWindows  DefaultACL = "windows"  // its owner, and nobody else
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *DefaultACL) UnmarshalText(text []byte) error {
	return parseWord(d, text, DefaultACLEveryone, DefaultACLPosix, DefaultACLWindows)
}

// Execute says who may open a file for execution.
type Execute string

// The values of Execute.
const (
	ExecuteACL      Execute = "acl"       // to whom the descriptor of the file gives it
	ExecuteWithRead Execute = "with_read" // who may read it as well, unless he is denied it
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (e *Execute) UnmarshalText(text []byte) error {
	return parseWord(e, text, ExecuteACL, ExecuteWithRead)
}

// WriteTime says when clients see that a file was written to.
type WriteTime string

// The values of WriteTime.
const (
	WriteTimeImmediate WriteTime = "immediate" // at once
	WriteTimeDelayed   WriteTime = "delayed"   // as with Windows up to 2016
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *WriteTime) UnmarshalText(text []byte) error {
	return parseWord(w, text, WriteTimeImmediate, WriteTimeDelayed)
}

// Level is the least severity that is logged.
type Level string

// The values of Level.
const (
	LevelTrace Level = "trace"
	LevelDebug Level = "debug"
	LevelInfo  Level = "info"
	LevelWarn  Level = "warn"
	LevelError Level = "error"
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Level) UnmarshalText(text []byte) error {
	return parseWord(l, text, LevelTrace, LevelDebug, LevelInfo, LevelWarn, LevelError)
}

// Format is how log lines look.
type Format string

// The values of Format.
const (
	FormatConsole Format = "console" // for people
	FormatJSON    Format = "json"    // for machines
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Format) UnmarshalText(text []byte) error {
	return parseWord(f, text, FormatConsole, FormatJSON)
}

// ReplayProfile says whose answer a client gets that repeats a request to open a
// file which is still being carried out.
type ReplayProfile string

// The values of ReplayProfile.
const (
	ReplaySamba   ReplayProfile = "samba"   // the file is not available yet: try again
	ReplayWindows ReplayProfile = "windows" // access denied
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *ReplayProfile) UnmarshalText(text []byte) error {
	return parseWord(p, text, ReplaySamba, ReplayWindows)
}

// Dialect is a DialectRevision of MS-SMB2 2.2.3.
type Dialect uint16

// The dialects.
const (
	Dialect202 Dialect = 0x0202
	Dialect210 Dialect = 0x0210
	Dialect300 Dialect = 0x0300
	Dialect302 Dialect = 0x0302
	Dialect311 Dialect = 0x0311
)

var dialects = []struct {
	name  string
	value Dialect
}{{"2.0.2", Dialect202}, {"2.1", Dialect210}, {"3.0", Dialect300}, {"3.0.2", Dialect302}, {"3.1.1", Dialect311}}

// String is the usual name, as in "3.1.1".
func (d Dialect) String() string {
	for _, k := range dialects {
		if k.value == d {
			return k.name
		}
	}
	return fmt.Sprintf("Dialect(%#04x)", uint16(d))
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Dialect) UnmarshalText(text []byte) error {
	for _, k := range dialects {
		if k.name == string(text) {
			*d = k.value
			return nil
		}
	}
	return errors.New("want one of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1")
}

// Size is a number of bytes.
type Size uint64

// String writes the size with the largest unit that divides it.
func (s Size) String() string {
	switch {
	case s != 0 && s%(1<<40) == 0:
		return fmt.Sprintf("%dTiB", s>>40)
	case s != 0 && s%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", s>>30)
	case s != 0 && s%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", s>>20)
	case s != 0 && s%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", s>>10)
	}
	return strconv.FormatUint(uint64(s), 10)
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Size) UnmarshalText(text []byte) error {
	t := string(text)
	shift := 0
	for unit, n := range map[string]int{"KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40} {
		if rest, ok := strings.CutSuffix(t, unit); ok {
			t, shift = strings.TrimSpace(rest), n
		}
	}
	n, err := strconv.ParseUint(t, 10, 64)
	if err != nil || n > (1<<63-1)>>shift {
		return errors.New("want a size such as 1048576, 1024KiB or 1MiB")
	}
	*s = Size(n << shift)
	return nil
}

// Mode is a set of Unix permission bits.
type Mode uint32

// String writes the mode as four octal digits.
func (m Mode) String() string { return fmt.Sprintf("%04o", uint32(m)) }

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Mode) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(string(text), "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return errors.New("want permission bits in octal such as 0644")
	}
	*m = Mode(n)
	return nil
}
