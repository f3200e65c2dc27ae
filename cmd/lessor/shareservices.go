package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"lessor/config"
	"lessor/smb"
)

// auditLogs are the audit logs of all shares that there were since the start: trees that are
// connected go on with what they have. One goroutine uses it.
type auditLogs struct {
	// Immutable after construction.
	log  *zerolog.Logger
	sink *logSink // of shares that name no file

	open map[auditKey]*smb.AuditLog
}

// auditKey is what decides whether two shares have the same log.
type auditKey struct {
	file     string
	overflow config.Overflow
}

// get returns what a share writes, or nil if it writes nothing.
func (a *auditLogs) get(s *config.Audit) (*smb.Audit, error) {
	if len(s.Operations) == 0 {
		return nil, nil
	}
	var ops smb.AuditOperations
	for _, name := range s.Operations {
		op, ok := smb.ParseAuditOperation(name)
		if !ok {
			return nil, fmt.Errorf("there is no operation %q", name)
		}
		ops |= op
	}
	k := auditKey{s.File, s.Overflow}
	l := a.open[k]
	if l == nil {
		var err error
		l, err = smb.NewAuditLog(smb.AuditLogOptions{Path: s.File, Writer: a.sink, Drop: s.Overflow == config.OverflowDrop, Log: a.log})
		if err != nil {
			return nil, err
		}
		if a.open == nil {
			a.open = make(map[auditKey]*smb.AuditLog)
		}
		a.open[k] = l
	}
	return &smb.Audit{Log: l, Operations: ops, Success: s.Success, Failure: s.Failure}, nil
}

// reopen opens the files anew, because they may have been moved away.
func (a *auditLogs) reopen() error {
	var errs []error
	for _, l := range a.open {
		errs = append(errs, l.Reopen())
	}
	return errors.Join(errs...)
}

// close writes what waits. No server uses the logs any more.
func (a *auditLogs) close() error {
	var errs []error
	for _, l := range a.open {
		errs = append(errs, l.Close())
	}
	a.open = nil
	return errors.Join(errs...)
}

// recycle translates the settings of a recycle bin.
func recycle(r *config.Recycle) *smb.Recycle {
	if r.Directory == "" {
		return nil
	}
	return &smb.Recycle{
		Directory: r.Directory, KeepTree: r.KeepTree, Versions: r.Versions, Touch: r.Touch, Replaced: r.Replaced,
		MinSize: int64(r.MinSize), MaxSize: int64(r.MaxSize), Exclude: r.Exclude, ExcludeDirs: r.ExcludeDirs,
		Retention: time.Duration(r.Retention), DeleteOnFailure: r.OnFailure == config.FailureDelete,
	}
}
