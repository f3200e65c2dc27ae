package smb

import (
	"sync"
	"time"
)

// logLimit lets one line for each reason through in a while, so that a stranger
// cannot fill the log. The zero value is ready.
type logLimit struct {
	mu   sync.Mutex // leaf; guards last
	last map[string]limited
}

// limited is what is known of one reason.
type limited struct {
	at      time.Time
	dropped int
}

// logEvery is how often the same reason is logged.
const logEvery = 5 * time.Second

// log writes why a connection was cut. Reasons are fixed strings.
func (l *logLimit) log(c *conn, reason string) {
	if dropped, ok := l.allow(reason); ok {
		e := c.log.Warn().Str("reason", reason)
		if dropped > 0 {
			e = e.Int("similar", dropped)
		}
		e.Msg("connection cut")
	}
}

// allow reports whether a line may be written now, and how many were not since
// the last one.
func (l *logLimit) allow(reason string) (dropped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if l.last == nil {
		l.last = make(map[string]limited)
	}
	was := l.last[reason]
	if now.Sub(was.at) < logEvery {
		was.dropped++
		l.last[reason] = was
		return 0, false
	}
	l.last[reason] = limited{at: now}
	return was.dropped, true
}
