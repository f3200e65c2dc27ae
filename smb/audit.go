package smb

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// What a share writes to an audit log. A handler notes what its message is about
// (request.audits); when the message is done, its status makes an event of the note. Ends
// of opens and deletions, which no message may stand behind, are events of their own. A
// share without Audit costs one look at a pointer for each CREATE, SET_INFO and CLOSE, and
// nothing for READ and WRITE.

// AuditOperations is a set of kinds of events.
type AuditOperations uint32

// The kinds of events.
const (
	AuditConnect    AuditOperations = 1 << iota // a session connects to the share
	AuditDisconnect                             // or leaves it
	AuditOpen                                   // something that exists is opened
	AuditCreate                                 // something is made
	AuditOverwrite                              // the content of a file is replaced by an open
	AuditClose                                  // an open ends; with the bytes that were read and written
	AuditDelete                                 // a file, directory or stream goes away
	AuditRename
	AuditLink       // a hard link is made
	AuditAttributes // times or attributes are set
	AuditSize       // the size is set
	AuditEA         // extended attributes are set
	AuditSecurity   // a security descriptor is set
	AuditReparse    // a reparse point is set or removed
	AuditQuota      // a quota is set
	// AuditAccess is a use of rights that the SACL of a file asks to be told of.
	AuditAccess

	auditEnd
	// AuditAll is every kind.
	AuditAll = auditEnd - 1
)

// auditNames are the names of the kinds, from the lowest bit on.
var auditNames = [...]string{"connect", "disconnect", "open", "create", "overwrite", "close", "delete", "rename", "link",
	"attributes", "size", "ea", "security", "reparse", "quota", "access"}

// AuditOperationNames are the names that ParseAuditOperation knows besides "all".
func AuditOperationNames() []string { return append([]string(nil), auditNames[:]...) }

// ParseAuditOperation returns the kind of that name, or all of them for "all".
func ParseAuditOperation(name string) (AuditOperations, bool) {
	if name == "all" {
		return AuditAll, true
	}
	for i, n := range auditNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// String lists the names of the kinds.
func (a AuditOperations) String() string {
	var out []string
	for i, n := range auditNames {
		if a&(1<<i) != 0 {
			out = append(out, n)
		}
	}
	return strings.Join(out, ",")
}

// Audit says what a share writes to a log. It is immutable.
type Audit struct {
	// Log is where events go; it stays the property of the caller, who closes it after
	// the server.
	Log        *AuditLog
	Operations AuditOperations
	// Success and Failure say of which outcome.
	Success, Failure bool
}

// wants reports whether an event is to be written.
func (a *Audit) wants(op AuditOperations, st ntstatus.Status) bool {
	if a == nil || a.Operations&op == 0 {
		return false
	}
	if st.IsError() {
		return a.Failure
	}
	return a.Success
}

// auditNote is what a message is about; op is 0 if nobody wants to know.
type auditNote struct {
	op            AuditOperations
	path, newPath string
	access        uint32
}

// auditEvent is one line.
type auditEvent struct {
	Time      string `json:"time"`
	User      string `json:"user"`
	SID       string `json:"sid,omitempty"`
	Address   string `json:"address"`
	Session   string `json:"session"` // a decimal number of 64 bits
	Share     string `json:"share"`
	Operation string `json:"operation"`
	Path      string `json:"path"`
	NewPath   string `json:"new_path,omitempty"`
	Access    string `json:"access,omitempty"` // a hexadecimal access mask
	Read      *int64 `json:"read,omitempty"`   // bytes
	Written   *int64 `json:"written,omitempty"`
	Status    string `json:"status"`
}

// audits notes what the message is about, if the share wants to know.
func (r *request) audits(op AuditOperations, path string) {
	if a := r.tree.share.Audit; a != nil && a.Operations&op != 0 {
		r.audit = auditNote{op: op, path: path}
	}
}

// auditPath is a path from a client as lines have it.
func auditPath(name string) string { return strings.ReplaceAll(name, `\`, "/") }

// auditsInfo is audits for a SET_INFO.
func (r *request) auditsInfo(o *open, q *wire.SetInfoRequest) {
	if r.tree.share.Audit == nil || o.isPipe() {
		return
	}
	switch q.InfoType {
	case wire.InfoTypeFile:
		if op := auditClasses[q.FileInfoClass]; op != 0 {
			r.audits(op, o.fullPath())
		}
	case wire.InfoTypeSecurity:
		r.audits(AuditSecurity, o.fullPath())
	case wire.InfoTypeQuota:
		r.audits(AuditQuota, "")
	}
}

// auditClasses are the kinds that SET_INFO of a file can be. What marks a file for deletion
// is an event when it is refused.
var auditClasses = [256]AuditOperations{
	wire.FileInfoBasic:         AuditAttributes,
	wire.FileInfoRename:        AuditRename,
	wire.FileInfoRenameEx:      AuditRename,
	wire.FileInfoLink:          AuditLink,
	wire.FileInfoLinkEx:        AuditLink,
	wire.FileInfoFullEa:        AuditEA,
	wire.FileInfoEndOfFile:     AuditSize,
	wire.FileInfoAllocation:    AuditSize,
	wire.FileInfoDisposition:   AuditDelete,
	wire.FileInfoDispositionEx: AuditDelete,
}

// auditDisposition is the kind of a CREATE that fails.
func auditDisposition(disposition uint32) AuditOperations {
	switch {
	case disposition == wire.DispositionCreate:
		return AuditCreate
	case overwrites(disposition):
		return AuditOverwrite
	}
	return AuditOpen
}

// auditCreated completes the note of a CREATE that has succeeded.
func (r *request) auditCreated(o *open) {
	a := r.tree.share.Audit
	if a == nil {
		return
	}
	op := AuditOpen
	switch o.action {
	case wire.FileCreated:
		op = AuditCreate
	case wire.FileOverwritten, wire.FileSuperseded:
		op = AuditOverwrite
	}
	r.audit = auditNote{}
	if a.Operations&op != 0 {
		r.audit = auditNote{op: op, path: o.fullPath(), access: o.access}
	}
}

// auditDone makes an event of the note of a message that is done.
func (r *request) auditDone(st ntstatus.Status) {
	n := r.audit
	r.audit = auditNote{}
	if r.tree == nil || n.op == AuditDelete && !st.IsError() {
		return // the deletion itself is still to come
	}
	r.tree.share.tell(r.sess, r.conn.remote, n, nil, st)
}

// tell writes an event, if the share wants it.
func (sh *share) tell(sess *session, from string, n auditNote, io *ioCount, st ntstatus.Status) {
	a := sh.Audit
	if !a.wants(n.op, st) {
		return
	}
	e := auditEvent{
		Time: auditTime(time.Now()), Address: from, Share: sh.Name, Operation: n.op.String(),
		Path: n.path, NewPath: n.newPath, Status: st.String(),
	}
	if sess != nil {
		e.Session = strconv.FormatUint(sess.id, 10)
		if u := sess.user.Load(); u != nil {
			e.User = u.User
			if u.token != nil {
				e.SID = u.token.User.String()
			}
		}
	}
	if n.access != 0 {
		e.Access = "0x" + strconv.FormatUint(uint64(n.access), 16)
	}
	if io != nil {
		read, written := io.read.Load(), io.written.Load()
		e.Read, e.Written = &read, &written
	}
	line, err := json.Marshal(&e)
	if err != nil {
		a.Log.lost.Add(1)
		return
	}
	a.Log.put(append(line, '\n'))
}

// auditSACL writes an event that the SACL of a file asks for, whatever else the share
// wants to be told: a use of the rights in mask that was granted or refused with st. It is
// nothing to do on a share without an audit log.
func (r *request) auditSACL(path string, mask uint32, st ntstatus.Status) {
	a := r.tree.share.Audit
	if a == nil {
		return
	}
	all := *r.tree.share
	all.Audit = &Audit{Log: a.Log, Operations: AuditAccess, Success: true, Failure: true}
	all.tell(r.sess, r.conn.remote, auditNote{op: AuditAccess, path: path, access: mask}, nil, st)
}

// auditConnect writes that a session has connected to the share, or was refused.
func (r *request) auditConnect(sh *share, err error) {
	if sh.Audit != nil {
		sh.tell(r.sess, r.conn.remote, auditNote{op: AuditConnect}, nil, statusOf(err))
	}
}

// left takes note that a tree has ended.
func (t *tree) left() {
	t.share.metrics.treeDisconnected()
	if t.share.Audit != nil {
		t.share.tell(t.sess, t.sess.from, auditNote{op: AuditDisconnect}, nil, ntstatus.Success)
	}
}

// auditClosed writes that an open of a file has ended.
func (o *open) auditClosed() {
	if o.share().Audit == nil {
		return
	}
	count := o.grip.count
	if count == nil { // it was opened before the share wanted to know
		count = &ioCount{}
	}
	o.share().tell(o.sess, o.sess.from, auditNote{op: AuditClose, path: o.fullPath()}, count, ntstatus.Success)
}

// auditDeletion writes that something was deleted, or moved to the recycle bin, or could
// not be. by is the session whose open was the last one; nil if it is not known any more.
func (sh *share) auditDeletion(by *session, c *locking.Closed, bin string, err error) {
	if sh.Audit == nil {
		return
	}
	n := auditNote{op: AuditDelete, path: c.DeletePath, newPath: bin}
	if c.DeleteStream != "" {
		n.path += ":" + c.DeleteStream
	}
	from := ""
	if by != nil {
		from = by.from
	}
	sh.tell(by, from, n, nil, statusOf(err))
}

// ioCount counts the bytes that were read and written through the opens of a grip.
type ioCount struct{ read, written atomic.Int64 }

// newCount returns a counter if the share wants to be told when opens end.
func (sh *share) newCount() *ioCount {
	if a := sh.Audit; a != nil && a.Operations&AuditClose != 0 {
		return &ioCount{}
	}
	return nil
}

// countRead and countWritten take note of bytes that have gone to or come from the client.
func (g *grip) countRead(n int) {
	if g.count != nil {
		g.count.read.Add(int64(n))
	}
}

func (g *grip) countWritten(n int) {
	if g.count != nil {
		g.count.written.Add(int64(n))
	}
}
