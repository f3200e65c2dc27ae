package smb

import (
	"cmp"
	"slices"
	"time"

	"lessor/smb/wire"
)

// waitReason says what a message waits for.
type waitReason uint8

const (
	waitNothing waitReason = iota
	waitBreak              // others give up what they cache
	waitLock               // a byte-range lock
	waitNotify             // changes in a directory
	waitPipe               // a message in a pipe
)

// String is what the status of the server says.
func (w waitReason) String() string {
	return [...]string{"nothing", "break", "lock", "notify", "pipe"}[w]
}

// waitNote says, for those who look on, that a message waits and on what account.
type waitNote struct {
	why     waitReason
	command wire.Command
	session *session
	share   *share
	open    *open  // nil for a CREATE
	path    string // of a CREATE, below the root of the share
	since   time.Time
}

// noteWait makes a note of a wait that begins. What the message knows of itself
// belongs to its goroutine alone, so others look at the note.
func (r *request) noteWait(why waitReason) {
	n := waitNote{why: why, command: r.hdr.Command, session: r.sess, since: r.received}
	if r.tree != nil {
		n.share = r.tree.share
	}
	if r.numOpens > 0 {
		n.open = r.opens[0]
	} else {
		n.path = r.opening
	}
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	r.wait = n
}

// endWait takes the note away.
func (r *request) endWait() {
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	r.wait = waitNote{}
}

// waits returns the notes of all messages of the connection that wait.
func (c *conn) waits() (list []waitNote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for r := c.first; r != nil; r = r.older {
		if r.wait.why != waitNothing {
			list = append(list, r.wait)
		}
	}
	return list
}

// waiting describes the requests that wait, the oldest first.
func (l *look) waiting(conns []*conn) []WaitingStatus {
	list := []WaitingStatus{}
	for _, c := range conns {
		for _, n := range c.waits() {
			w := WaitingStatus{Command: n.command.String(), For: n.why.String(), Since: n.since, Client: c.remote}
			if n.share != nil {
				w.Share, w.Path = n.share.Name, n.path
			}
			if n.open != nil {
				w.Open, w.Path = n.open.id.Volatile, n.open.fullPath()
			}
			who := owner{addresses: []string{c.remote}}
			if n.session != nil {
				w.Session, w.User = n.session.id, n.session.userName()
				who.user, who.guid = w.User, wire.GUID(n.session.client.id).String()
			}
			if l.q.wants(&who) && l.q.wantsPath(w.Path) {
				list = append(list, w)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b WaitingStatus) int { return cmp.Compare(a.Since.UnixNano(), b.Since.UnixNano()) })
	return list
}
