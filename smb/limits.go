package smb

import (
	"errors"

	"lessor/smb/ntstatus"
)

// limit is one of Limits that a client has run into.
type limit uint8

const (
	limitConnections limit = iota
	limitConnectionsPerAddress
	limitUnauthenticated
	limitSessions
	limitSessionsPerConnection
	limitChannels
	limitTrees
	limitOpens
	limitOpensPerSession
	limitWaiting
	limitWaitingPerConnection
	limitMemory
	numLimits
)

// limitNames are the names of the settings, which label the metric and the log.
var limitNames = [numLimits]string{
	"connections", "connections_per_address", "unauthenticated", "sessions", "sessions_per_connection",
	"channels_per_session", "trees_per_session", "opens", "opens_per_session", "waiting", "waiting_per_connection",
	"buffer_memory",
}

// limitReached is the error of a request that a limit refuses.
type limitReached struct {
	limit  limit
	status ntstatus.Status
}

func (e *limitReached) Error() string { return "limit reached: " + limitNames[e.limit] }
func (e *limitReached) Unwrap() error { return e.status }

// What requests are refused with.
var (
	errSessions              = &limitReached{limitSessions, ntstatus.RequestNotAccepted}
	errSessionsPerConnection = &limitReached{limitSessionsPerConnection, ntstatus.RequestNotAccepted}
	errChannels              = &limitReached{limitChannels, ntstatus.InsufficientResources}
	errTrees                 = &limitReached{limitTrees, ntstatus.InsufficientResources}
	errOpens                 = &limitReached{limitOpens, ntstatus.TooManyOpenedFiles}
	errOpensPerSession       = &limitReached{limitOpensPerSession, ntstatus.TooManyOpenedFiles}
	errWaiting               = &limitReached{limitWaiting, ntstatus.InsufficientResources}
	errWaitingPerConnection  = &limitReached{limitWaitingPerConnection, ntstatus.InsufficientResources}
)

// limited counts and logs that a client has run into a limit.
func (s *Server) limited(c *conn, l limit) {
	s.metrics.limitReached(l)
	dropped, ok := s.strangers.allow("limit " + limitNames[l])
	if !ok {
		return
	}
	e := c.log.Warn().Str("limit", limitNames[l])
	if dropped > 0 {
		e = e.Int("similar", dropped)
	}
	e.Msg("limit reached")
}

// noteLimit is limited for the error of a request, if it is that of a limit.
func (r *request) noteLimit(err error) bool {
	var l *limitReached
	if !errors.As(err, &l) {
		return false
	}
	r.srv().limited(r.conn, l.limit)
	if l.limit == limitOpens {
		r.srv().shedAll()
	}
	return true
}
