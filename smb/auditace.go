package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
)

// auditAccess tells of a use of rights that the SACL of a file asks to be told of
// (SYSTEM_AUDIT_ACE, MS-DTYP 2.4.4.10): of those that were asked for, if err says that
// they were refused, and otherwise of those that were granted. Where nobody has set a
// SACL, or the share has no audit log, it costs a look at two pointers.
//
// What the server asks for by itself, to answer "what may he do at most?", is a question
// and not a use of rights: see maximalAccess.
func (r *request) auditAccess(d *secdesc.Descriptor, path string, asked, granted uint32, err error) {
	if d == nil || d.SACL == nil || r.tree.share.Audit == nil {
		return
	}
	mask, st := granted, ntstatus.Success
	if err != nil {
		mask, st = asked, statusOf(err)
	}
	if told := secdesc.Audited(d, r.sess.user.Load().token, mask, err == nil); told != 0 {
		r.auditSACL(path, told, st)
	}
}
