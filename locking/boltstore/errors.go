package boltstore

import (
	"errors"
	"fmt"
)

// What is wrong with a file; errors.Is tells them apart.
var (
	// ErrInUse: another process has it open.
	ErrInUse = errors.New("another process has it open")
	// ErrNewer: it was written by a newer version of the program.
	ErrNewer = errors.New("it was written by a newer version of the program")
	// ErrCorrupt: it is damaged, or is no lock store.
	ErrCorrupt = errors.New("it is damaged or no lock store")
)

// Error says what is wrong with a file and what a person can do about it.
type Error struct {
	Path   string
	Kind   error  // ErrInUse, ErrNewer or ErrCorrupt
	Detail string // what was found; may be empty
	Remedy string
}

// Error implements error.
func (e *Error) Error() string { return "lock store " + e.What() + "; " + e.Remedy }

// What is the error without its remedy.
func (e *Error) What() string {
	s := e.Path + ": " + e.Kind.Error()
	if e.Detail != "" {
		s += " (" + e.Detail + ")"
	}
	return s
}

// Unwrap returns Kind.
func (e *Error) Unwrap() error { return e.Kind }

func inUse(path string) error {
	return &Error{path, ErrInUse, "", "is a second server running on the same directory? Stop it, or give this one a directory of its own"}
}

func newer(path string, version uint64) error {
	return &Error{
		path, ErrNewer, fmt.Sprintf("its format is %d, this version knows %d", version, formatVersion),
		"install that version again, or move the file away: shared files are not affected, but clients lose the handles it keeps for them",
	}
}

func corrupt(path, format string, args ...any) error {
	return &Error{
		path, ErrCorrupt, fmt.Sprintf(format, args...),
		"move it away, or restore it from a backup, and start again: shared files are not affected, but clients lose the handles it keeps for them",
	}
}
