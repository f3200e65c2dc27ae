package rpc

import (
	"errors"
	"io/fs"

	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// The objects behind handles of lsarpc, with the rights that the handle has.
type (
	policy     struct{ access uint32 }
	lsaAccount struct {
		sid    secdesc.SID
		access uint32
	}
)

// Rights to a policy (MS-LSAD 2.2.1.1.2) and to an account (2.2.1.1.3).
const (
	policyViewLocal     = 0x00000001
	policyCreateAccount = 0x00000010
	policyLookupNames   = 0x00000800
	policyNotification  = 0x00001000

	accountView             = 0x00000001
	accountAdjustPrivileges = 0x00000002
	accountAdjustQuotas     = 0x00000004
	accountAdjustAccess     = 0x00000008
)

// genericRights maps generic rights to those of a kind of object (MS-LSAD 2.2.1.1.1).
type genericRights struct {
	read, write, execute uint32
	all                  uint32 // what administrators have
	user                 uint32 // what others have
}

var (
	policyRights = genericRights{
		read: secdesc.ReadControl | 0x006, write: secdesc.ReadControl | 0x7F8,
		execute: secdesc.ReadControl | policyViewLocal | policyLookupNames,
		all:     0x000F0FFF | policyNotification,
		user:    secdesc.ReadControl | policyViewLocal | policyLookupNames | policyNotification,
	}
	// What privileges somebody has is for administrators to see.
	accountRights = genericRights{
		read: secdesc.ReadControl | accountView, execute: secdesc.ReadControl,
		write: secdesc.ReadControl | accountAdjustPrivileges | accountAdjustQuotas | accountAdjustAccess,
		all:   0x000F000F,
	}
)

// grant is what somebody gets who asks for desired, and whether that is all of it. A
// user who asks for generic reading or executing gets what users have: clients ask for
// that when they want to look names up.
func (g *genericRights) grant(desired uint32, admin bool) (granted uint32, ok bool) {
	may := g.user
	if admin {
		may = g.all
	}
	for _, m := range []struct{ generic, means uint32 }{
		{secdesc.GenericRead, g.read}, {secdesc.GenericExecute, g.execute},
		{secdesc.MaximumAccess, may},
	} {
		if desired&m.generic != 0 {
			granted |= m.means & may
			desired &^= m.generic
		}
	}
	for _, m := range []struct{ generic, means uint32 }{{secdesc.GenericWrite, g.write}, {secdesc.GenericAll, g.all}} {
		if desired&m.generic != 0 {
			desired = desired&^m.generic | m.means
		}
	}
	return granted | desired, desired&^may == 0 && may != 0
}

// descriptor says the same as grant.
func (g *genericRights) descriptor() *secdesc.Descriptor {
	list := secdesc.NewACL(secdesc.Allow(secdesc.BuiltinAdministrators, g.all, 0))
	if g.user != 0 {
		list.ACEs = append(list.ACEs, secdesc.Allow(secdesc.AuthenticatedUsers, g.user, 0))
	}
	return &secdesc.Descriptor{
		Control: secdesc.SelfRelative | secdesc.DACLPresent,
		Owner:   secdesc.BuiltinAdministrators, Group: secdesc.System, DACL: list,
	}
}

// holds reports whether a policy handle has the rights need. What only administrators
// have counts as long as the caller is one.
func (k *call) holds(p policy, need uint32) bool {
	return p.access&need == need && (need&^policyRights.user == 0 || k.admin())
}

// mayUse is holds for an account.
func (k *call) mayUse(a lsaAccount, need uint32) bool { return a.access&need == need && k.admin() }

// withObject is on for a method whose first parameter is a handle of an object of the
// kind that run takes; any takes all.
func withObject[O, T any](name string, decode func(*ndr.Decoder) T, run func(*call, O, T) ntstatus.Status) method {
	return method{name, func(k *call, in *ndr.Decoder) error {
		h := decodeHandle(in)
		object, ok := k.conn.handles.open[h].(O)
		if in.Err() == nil && !ok {
			return faultContextMismatch
		}
		return on(name, decode, func(k *call, q T) ntstatus.Status { return run(k, object, q) }).run(k, in)
	}}
}

// isLSA reports whether a handle is one of this interface.
func (k *call) isLSA(h handle) bool {
	switch k.conn.handles.open[h].(type) {
	case policy, lsaAccount:
		return true
	}
	return false
}

// lsaStatus translates an error of the Backend.
func lsaStatus(err error) ntstatus.Status {
	switch {
	case err == nil:
		return ntstatus.Success
	case errors.Is(err, fs.ErrExist):
		return ntstatus.ObjectNameCollision
	case errors.Is(err, fs.ErrNotExist):
		return ntstatus.ObjectNameNotFound
	case errors.Is(err, fs.ErrPermission):
		return ntstatus.AccessDenied
	case errors.Is(err, privileges.ErrFull):
		return ntstatus.InsufficientResources
	}
	return ntstatus.InternalError
}

// lsaDelete is opnum 1, which Windows offers no more (MS-LSAD 3.1.4).
func (k *call) lsaDelete(any, nothing) ntstatus.Status { return ntstatus.NotSupported }

// lsaDeleteObject is LsarDeleteObject (MS-LSAD 3.1.4.9.3).
func (k *call) lsaDeleteObject(in *ndr.Decoder) error {
	h := decodeHandle(in)
	if err := in.Err(); err != nil {
		return err
	}
	if !k.isLSA(h) {
		return faultContextMismatch
	}
	status := ntstatus.InvalidParameter // a policy cannot be deleted
	if a, ok := k.conn.handles.open[h].(lsaAccount); ok {
		status = ntstatus.AccessDenied
		if k.mayUse(a, secdesc.Delete) {
			status = lsaStatus(k.b.DeletePrivilegeAccount(a.sid))
		}
	}
	left := h
	if status == ntstatus.Success {
		delete(k.conn.handles.open, h)
		left = handle{}
	}
	putHandle(&k.out, left)
	k.out.U32(uint32(status))
	return nil
}

func decodeSecurityInfo(d *ndr.Decoder) uint32 { return d.U32() }

// querySecurity is LsarQuerySecurityObject (MS-LSAD 3.1.4.9.1).
func (k *call) querySecurity(object any, info uint32) ntstatus.Status {
	e := &k.out
	need := secdesc.QueryAccess(info)
	rights, ok := &accountRights, false
	switch o := object.(type) {
	case policy:
		rights, ok = &policyRights, k.holds(o, need)
	case lsaAccount:
		ok = k.mayUse(o, need)
	}
	if !ok {
		e.Nil()
		return ntstatus.AccessDenied
	}
	sd, err := secdesc.Select(rights.descriptor(), info).Append(nil)
	if err != nil {
		e.Nil()
		return ntstatus.InternalError
	}
	// LSAPR_SR_SECURITY_DESCRIPTOR (MS-LSAD 2.2.1.3)
	e.Pointer(func() {
		e.U32(uint32(len(sd)))
		e.Pointer(func() {
			e.U32(uint32(len(sd)))
			e.Bytes(sd)
		})
	})
	return ntstatus.Success
}

func decodeSetSecurity(d *ndr.Decoder) nothing {
	d.U32() // SecurityInformation
	n := d.U32()
	if d.Pointer() {
		if d.Conformance(1) != int(n) {
			d.Fail()
		}
		d.Bytes(int(min(n, maxRequest)))
	}
	return nothing{}
}

// setSecurity is LsarSetSecurityObject (MS-LSAD 3.1.4.9.2). Who may do what here cannot
// be changed.
func (k *call) setSecurity(any, nothing) ntstatus.Status {
	if !k.admin() {
		return ntstatus.AccessDenied
	}
	return ntstatus.NotSupported
}
