package boltstore

import (
	"errors"
	"fmt"
)

// What Open and the methods of Store fail with; errors.Is tells them apart.
var (
	// ErrInUse: another process has the file open.
	ErrInUse = errors.New("another process has it open")
	// ErrNewer: the file was written by a newer version of the program.
	ErrNewer = errors.New("it was written by a newer version of the program")
	// ErrCorrupt: the file is damaged, or is no lock store.
	ErrCorrupt = errors.New("it is damaged or no lock store")
)

// fileError is one of the errors above with what a person needs to know.
type fileError struct {
	path   string
	kind   error  // ErrInUse, ErrNewer or ErrCorrupt
	detail string // what was found, may be empty
	remedy string
}

func (e *fileError) Error() string {
	s := "lock store " + e.path + ": " + e.kind.Error()
	if e.detail != "" {
		s += " (" + e.detail + ")"
	}
	return s + "; " + e.remedy
}

func (e *fileError) Unwrap() error { return e.kind }

func inUse(path string) error {
	return &fileError{path, ErrInUse, "", "is a second server running on the same directory? Stop it, or give this one a directory of its own"}
}

func newer(path string, version uint64) error {
	return &fileError{
		path, ErrNewer, fmt.Sprintf("its format is %d, this version knows %d", version, formatVersion),
		"install that version again, or move the file away: files are not affected, but clients lose the handles it keeps for them",
	}
}

func corrupt(path, format string, args ...any) error {
	return &fileError{
		path, ErrCorrupt, fmt.Sprintf(format, args...),
		"move it away, or restore it from a backup, and start again: files are not affected, but clients lose the handles it keeps for them",
	}
}
