package names

import (
	"errors"
	"strings"
)

// MaxUnits is the longest component of a path, and the longest name of a stream,
// in UTF-16 units (MS-FSCC 2.1.5).
const MaxUnits = 255

// What is wrong with a name or path.
var (
	// ErrInvalidName says that a component is empty, too long, "." or has a
	// character that Windows forbids: STATUS_OBJECT_NAME_INVALID.
	ErrInvalidName = errors.New("invalid name")
	// ErrLeadingBackslash says that a path begins with a separator:
	// STATUS_INVALID_PARAMETER (MS-SMB2 3.3.5.9).
	ErrLeadingBackslash = errors.New("path begins with a backslash")
	// ErrPathSyntax says that a path has a component "..":
	// STATUS_OBJECT_PATH_SYNTAX_BAD.
	ErrPathSyntax = errors.New("path has a parent reference")
)

// StreamType is the type that a path gives after the second colon.
type StreamType uint8

// The types of stream (MS-FSCC 2.1.4).
const (
	StreamNone  StreamType = iota // no type given: data, or whatever the file is
	StreamData                    // $DATA
	StreamIndex                   // $INDEX_ALLOCATION: the path means a directory
)

// Path is a path relative to the root of a share, taken apart.
type Path struct {
	// Name is the components joined by '/'; the root is empty.
	Name string
	// Stream is the name of a stream, empty for the default one.
	Stream string
	// Type is the type that was written out. A Type of StreamData with an empty
	// Stream is the default stream of a file, never a directory.
	Type StreamType
	// Dir says that the path ended in a separator, so it must be a directory.
	Dir bool
}

// Parse takes the path of an SMB2 request apart: components separated by
// backslashes, the last one with an optional ":stream" and ":$TYPE". One
// separator at the end is allowed.
// Errors: ErrInvalidName, ErrLeadingBackslash, ErrPathSyntax.
func Parse(path string) (Path, error) {
	if path == "" {
		return Path{}, nil
	}
	if path[0] == '\\' {
		return Path{}, ErrLeadingBackslash
	}
	var p Path
	if path[len(path)-1] == '\\' {
		p.Dir = true
		path = path[:len(path)-1]
	}
	last := strings.LastIndexByte(path, '\\') + 1
	if colon := strings.IndexByte(path[last:], ':'); colon >= 0 {
		if p.Dir {
			return Path{}, ErrInvalidName
		}
		colon += last
		if err := p.parseStream(path[colon+1:]); err != nil {
			return Path{}, err
		}
		path = path[:colon]
	}
	if path != "" {
		if err := checkComponents(path, `\`, CheckComponent); err != nil {
			return Path{}, err
		}
	}
	p.Name = strings.ReplaceAll(path, `\`, "/")
	return p, nil
}

// ParsePOSIX takes the path of a request on an open with POSIX semantics apart:
// components separated by slashes. One at the beginning and one at the end are
// allowed. There are no streams, and a backslash or any character but '/' and NUL
// may be part of a name. Errors: ErrInvalidName, ErrPathSyntax.
func ParsePOSIX(path string) (Path, error) {
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return Path{}, nil
	}
	p := Path{}
	p.Name, p.Dir = strings.CutSuffix(path, "/")
	if err := checkComponents(p.Name, "/", checkPOSIX); err != nil {
		return Path{}, err
	}
	return p, nil
}

// checkComponents applies check to each component of a path.
func checkComponents(path, separator string, check func(string) error) error {
	for more := true; more; {
		var name string
		name, path, more = strings.Cut(path, separator)
		if err := check(name); err != nil {
			return err
		}
	}
	return nil
}

// parseStream reads what follows the first colon of a path.
func (p *Path) parseStream(s string) error {
	name, typ, typed := strings.Cut(s, ":")
	switch {
	case !typed:
		if name == "" {
			return ErrInvalidName
		}
	case EqualFold(typ, "$DATA"):
		p.Type = StreamData
	case EqualFold(typ, "$INDEX_ALLOCATION") && (name == "" || EqualFold(name, "$I30")):
		p.Type = StreamIndex
		return nil
	default:
		return ErrInvalidName
	}
	if name == "" {
		return nil
	}
	if err := CheckStream(name); err != nil {
		return err
	}
	p.Stream = name
	return nil
}

// ParseStream reads the name of a stream as a rename of a stream gives it,
// ":name" or ":name:$DATA", and returns the name, empty for the default stream.
// Errors: ErrInvalidName.
func ParseStream(s string) (string, error) {
	if s == "" || s[0] != ':' {
		return "", ErrInvalidName
	}
	var p Path
	if err := p.parseStream(s[1:]); err != nil {
		return "", err
	}
	if p.Type == StreamIndex {
		return "", ErrInvalidName
	}
	return p.Stream, nil
}

// CheckComponent tells whether name may be a component of a path: 1 to MaxUnits
// units, none of " * / : < > ? \ | and no control character (MS-FSCC 2.1.5.2).
// Errors: ErrPathSyntax for "..", ErrInvalidName for all else, "." included.
func CheckComponent(name string) error {
	if name == ".." {
		return ErrPathSyntax
	}
	if name == "" || name == "." {
		return ErrInvalidName
	}
	for i := range len(name) {
		if forbidden(name[i]) {
			return ErrInvalidName
		}
	}
	return checkLength(name)
}

// forbidden tells whether Windows allows no component with this byte.
func forbidden(c byte) bool {
	if c < 0x20 {
		return true
	}
	switch c {
	case '"', '*', '/', ':', '<', '>', '?', '\\', '|':
		return true
	default:
		return false
	}
}

// CheckPattern tells whether s may be the search expression of a listing: what
// CheckComponent allows, and wildcards. Errors: ErrInvalidName.
func CheckPattern(s string) error {
	if s == "" {
		return ErrInvalidName
	}
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '*', '<', '>', '?':
		default:
			if forbidden(c) {
				return ErrInvalidName
			}
		}
	}
	return nil
}

// checkPOSIX is CheckComponent for POSIX semantics.
func checkPOSIX(name string) error {
	if name == ".." {
		return ErrPathSyntax
	}
	if name == "" || name == "." || strings.ContainsAny(name, "/\x00") {
		return ErrInvalidName
	}
	return checkLength(name)
}

// CheckStream tells whether name may be the name of a stream: 1 to MaxUnits units
// without NUL, '/', '\' and ':'; control characters and wildcards are allowed
// (MS-FSCC 2.1.5.3). Errors: ErrInvalidName.
func CheckStream(name string) error {
	if name == "" || strings.ContainsAny(name, "/\\:\x00") {
		return ErrInvalidName
	}
	return checkLength(name)
}

// checkLength enforces MaxUnits.
func checkLength(name string) error {
	if len(name) > MaxUnits && UTF16Len(name) > MaxUnits {
		return ErrInvalidName
	}
	return nil
}

// Split cuts a path with '/' at the last separator. The directory has no
// separator at its end and is empty if the path is a single component.
func Split(path string) (dir, base string) {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i], path[i+1:]
	}
	return "", path
}

// Join appends a component to a path with '/'.
func Join(dir, base string) string {
	if dir == "" {
		return base
	}
	if base == "" {
		return dir
	}
	return dir + "/" + base
}
