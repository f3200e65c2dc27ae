package rpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/privileges"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// somebody is the SID of an account that nobody knows.
var somebody = secdesc.NewSID(5, 12349876, 4321, 2854)

func putSID(e *ndr.Encoder, sid secdesc.SID) {
	e.U32(uint32(sid.Count()))
	e.Bytes(sid.Append(nil))
}

// behind puts a handle before the parameters that build writes.
func behind(h []byte, build func(e *ndr.Encoder)) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Bytes(h)
		build(e)
		e.Flush()
	})
}

func accountStub(h []byte, sid secdesc.SID, access uint32) []byte {
	return behind(h, func(e *ndr.Encoder) {
		putSID(e, sid)
		e.U32(access)
	})
}

// rightsStub are the parameters of LsarAddAccountRights, and with all of
// LsarRemoveAccountRights.
func rightsStub(h []byte, sid secdesc.SID, all []byte, names ...string) []byte {
	return behind(h, func(e *ndr.Encoder) {
		putSID(e, sid)
		e.Bytes(all)
		e.U32(uint32(len(names)))
		if len(names) == 0 {
			e.Nil()
			return
		}
		e.Pointer(func() {
			e.U32(uint32(len(names)))
			for _, name := range names {
				e.UnicodeString(name)
			}
		})
	})
}

func putPrivilegeSet(e *ndr.Encoder, luids ...uint32) {
	e.U32(uint32(len(luids)))
	e.U32(uint32(len(luids)))
	e.U32(0)
	for _, l := range luids {
		putLUID(e, l)
		e.U32(2) // enabled
	}
}

func removeStub(h []byte, all uint8, luids ...uint32) []byte {
	return behind(h, func(e *ndr.Encoder) {
		e.U8(all)
		if luids == nil {
			e.Nil()
			return
		}
		e.Pointer(func() { putPrivilegeSet(e, luids...) })
	})
}

func nameOnly(h []byte, name string) []byte {
	return behind(h, func(e *ndr.Encoder) { e.UnicodeString(name) })
}

func userRightStub(h []byte, name string) []byte {
	return behind(h, func(e *ndr.Encoder) {
		if name == "" {
			e.Nil()
			return
		}
		e.Pointer(func() { e.UnicodeString(name) })
	})
}

func words(h []byte, values ...uint32) []byte {
	return behind(h, func(e *ndr.Encoder) {
		for _, v := range values {
			e.U32(v)
		}
	})
}

// lsaSamples are those of accounts and privileges.
func lsaSamples() []sample {
	display := stub(func(e *ndr.Encoder) {
		e.UnicodeString("SeBackupPrivilege")
		e.Flush()
		e.U16(english)
		e.U16(0)
	})
	return []sample{
		{1, true, nil}, {2, true, words(nil, 0, 100)}, {3, true, words(nil, 7)}, {11, true, words(nil, 0, 100)},
		{4, true, []byte{4, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 1, 2, 3, 4}},
		{10, true, accountStub(nil, somebody, maximumAllowed)}, {13, true, words(nil, 0, 100)},
		{17, true, accountStub(nil, secdesc.BuiltinAdministrators, maximumAllowed)},
		{18, true, nil}, {19, true, stub(func(e *ndr.Encoder) { putPrivilegeSet(e, 17, 18) })},
		{20, true, removeStub(nil, 0, 17, 18)}, {20, true, removeStub(nil, 1)}, {23, true, nil}, {24, true, words(nil, 0)},
		{31, true, nameOnly(nil, "SeBackupPrivilege")}, {32, true, words(nil, 17, 0)}, {33, true, display}, {34, true, nil},
		{35, true, userRightStub(nil, "SeBackupPrivilege")}, {35, true, userRightStub(nil, "")},
		{36, true, stub(func(e *ndr.Encoder) { putSID(e, somebody) })},
		{37, true, rightsStub(nil, somebody, nil, "SeBackupPrivilege", "SeRestorePrivilege")},
		{38, true, rightsStub(nil, secdesc.BuiltinAdministrators, []byte{0}, "SeBackupPrivilege", "")},
		{38, true, rightsStub(nil, secdesc.BuiltinAdministrators, []byte{1})}, {50, true, words(nil, 0, 100)},
	}
}

// lsaHelper calls methods of lsarpc.
type lsaHelper struct {
	t *testing.T
	b *fakeBackend
	p *Pipe
	h []byte // a policy
}

func newLSA(t *testing.T, user string) *lsaHelper {
	b := newBackend(t)
	p, h := lsaPipe(t, b, user)
	return &lsaHelper{t, b, p, h}
}

// call calls a method and returns its reply without the status, which must be want.
func (l *lsaHelper) call(what string, opnum uint16, request []byte, want ntstatus.Status) []byte {
	l.t.Helper()
	reply, status := mustCall(l.t, l.p, opnum, request)
	wantStatus(l.t, what, status, want)
	return reply
}

// has demands what an account has.
func (l *lsaHelper) has(sid secdesc.SID, want secdesc.Privilege, exists bool) {
	l.t.Helper()
	if got, ok := l.b.privs.Lookup(sid); got != want || ok != exists {
		l.t.Errorf("%v has %q (%v), want %q (%v)", sid, privileges.Names(got), ok, privileges.Names(want), exists)
	}
}

// The life of an account by its handle.
func TestLsaAccount(t *testing.T) {
	l := newLSA(t, admin)
	a := l.call("create", 10, accountStub(l.h, somebody, maximumAllowed), ntstatus.Success)
	l.has(somebody, 0, true)
	l.call("create again", 10, accountStub(l.h, somebody, maximumAllowed), ntstatus.ObjectNameCollision)
	wantBytes(t, "no privileges", l.call("list", 18, a, ntstatus.Success), unhex(t, "00000200 00000000 00000000 00000000"))
	l.call("add", 19, behind(a, func(e *ndr.Encoder) { putPrivilegeSet(e, 17, 8) }), ntstatus.Success)
	l.has(somebody, secdesc.PrivBackup|secdesc.PrivSecurity, true)
	wantBytes(t, "privileges", l.call("list", 18, a, ntstatus.Success), unhex(t, `
		00000200 02000000 02000000 00000000
		08000000 00000000 00000000 11000000 00000000 00000000`))
	l.call("add what is none", 19, behind(a, func(e *ndr.Encoder) { putPrivilegeSet(e, 18, 99) }), ntstatus.InvalidParameter)
	l.call("remove", 20, removeStub(a, 0, 8, 9), ntstatus.Success)
	l.has(somebody, secdesc.PrivBackup, true)
	l.call("remove nothing", 20, removeStub(a, 0), ntstatus.InvalidParameter)
	l.call("remove all and some", 20, removeStub(a, 1, 17), ntstatus.InvalidParameter)
	l.call("remove what is none", 20, removeStub(a, 0, 17, 99), ntstatus.InvalidParameter)
	l.has(somebody, secdesc.PrivBackup, true)
	l.call("remove all", 20, removeStub(a, 1), ntstatus.Success)
	l.has(somebody, 0, true)
	wantBytes(t, "system access", l.call("system access", 23, a, ntstatus.Success), make([]byte, 4))
	l.call("no system access", 24, words(a, 0), ntstatus.Success)
	l.call("some system access", 24, words(a, 2), ntstatus.NotSupported)
	l.call("delete in the old way", 1, a, ntstatus.NotSupported)

	other := l.call("open", 17, accountStub(l.h, somebody, maximumAllowed), ntstatus.Success)
	wantBytes(t, "handle", l.call("delete", 34, a, ntstatus.Success), make([]byte, 20))
	l.has(somebody, 0, false)
	if _, failed := callMethod(t, l.p, 0, 18, a); failed != faultContextMismatch {
		t.Errorf("the handle of what was deleted: %v", failed)
	}
	// A handle that another client has still open brings nothing back.
	l.call("add to what is gone", 19, behind(other, func(e *ndr.Encoder) { putPrivilegeSet(e, 17) }), ntstatus.ObjectNameNotFound)
	l.call("remove from what is gone", 20, removeStub(other, 1), ntstatus.ObjectNameNotFound)
	l.call("list what is gone", 18, other, ntstatus.ObjectNameNotFound)
	wantBytes(t, "handle", l.call("delete what is gone", 34, other, ntstatus.ObjectNameNotFound), other)
	l.has(somebody, 0, false)
	l.call("close", 0, other, ntstatus.Success)
	wantBytes(t, "handle", l.call("open what is gone", 17, accountStub(l.h, somebody, maximumAllowed), ntstatus.ObjectNameNotFound), make([]byte, 20))
	l.call("delete a policy", 34, l.h, ntstatus.InvalidParameter)
}

// Rights of an account by its SID.
func TestLsaAccountRights(t *testing.T) {
	l := newLSA(t, admin)
	l.call("rights of nobody", 36, behind(l.h, func(e *ndr.Encoder) { putSID(e, somebody) }), ntstatus.ObjectNameNotFound)
	l.call("add", 37, rightsStub(l.h, somebody, nil, "sebackupprivilege", "SeRestorePrivilege"), ntstatus.Success)
	l.has(somebody, secdesc.PrivBackup|secdesc.PrivRestore, true)
	wantBytes(t, "rights", l.call("rights", 36, behind(l.h, func(e *ndr.Encoder) { putSID(e, somebody) }), ntstatus.Success),
		stub(func(e *ndr.Encoder) {
			e.U32(2)
			e.Pointer(func() {
				e.U32(2)
				e.UnicodeString("SeBackupPrivilege")
				e.UnicodeString("SeRestorePrivilege")
			})
		}))
	l.call("add what is none", 37, rightsStub(l.h, somebody, nil, "SeSecurityPrivilege", "SeFlyPrivilege"), ntstatus.NoSuchPrivilege)
	l.call("remove what is none", 38, rightsStub(l.h, somebody, []byte{0}, "SeFlyPrivilege"), ntstatus.NoSuchPrivilege)
	l.has(somebody, secdesc.PrivBackup|secdesc.PrivRestore, true)
	l.call("remove", 38, rightsStub(l.h, somebody, []byte{0}, "SeBackupPrivilege"), ntstatus.Success)
	l.has(somebody, secdesc.PrivRestore, true)
	l.call("remove the last", 38, rightsStub(l.h, somebody, []byte{0}, "SeRestorePrivilege"), ntstatus.Success)
	l.has(somebody, 0, false)
	l.call("remove from nobody", 38, rightsStub(l.h, somebody, []byte{1}), ntstatus.ObjectNameNotFound)
	l.call("remove all", 38, rightsStub(l.h, secdesc.BuiltinAdministrators, []byte{1}, "ignored"), ntstatus.Success)
	l.has(secdesc.BuiltinAdministrators, 0, false)
	l.call("give back", 37, rightsStub(l.h, secdesc.BuiltinAdministrators, nil, "SeBackupPrivilege"), ntstatus.Success)
	l.has(secdesc.BuiltinAdministrators, secdesc.PrivBackup, true)

	// What the server says stays.
	l.call("add", 37, rightsStub(l.h, kept, nil, "SeBackupPrivilege"), ntstatus.Success)
	l.call("remove", 38, rightsStub(l.h, kept, []byte{1}), ntstatus.AccessDenied)
}

// sidsOf reads an LSAPR_ACCOUNT_ENUM_BUFFER.
func sidsOf(t *testing.T, reply []byte) []string {
	t.Helper()
	d := ndr.NewDecoder(reply)
	var out []string
	if n := d.U32(); d.Pointer() {
		for _, sid := range decodeSIDs(d, n) {
			out = append(out, sid.String())
		}
	}
	if err := d.Err(); err != nil || d.Len() != 0 {
		t.Errorf("%x: %v", reply, err)
	}
	return out
}

func TestLsaEnumerations(t *testing.T) {
	l := newLSA(t, admin)
	if err := l.b.privs.Grant(somebody, secdesc.PrivBackup); err != nil {
		t.Fatal(err)
	}
	all := []string{somebody.String(), "S-1-5-32-544"}
	reply := l.call("accounts", 11, words(l.h, 0, 1), ntstatus.Success)
	if diff := cmp.Diff(all, sidsOf(t, reply[4:])); diff != "" {
		t.Error(diff)
	}
	if next := binary.LittleEndian.Uint32(reply); next != 2 {
		t.Errorf("goes on at %d", next)
	}
	if diff := cmp.Diff(all[1:], sidsOf(t, l.call("from the second", 11, words(l.h, 1, 1), ntstatus.Success)[4:])); diff != "" {
		t.Error(diff)
	}
	for _, at := range []uint32{2, 0xffffffff} {
		if got := sidsOf(t, l.call("no more", 11, words(l.h, at, 1), ntstatus.NoMoreEntries)[4:]); got != nil {
			t.Error(got)
		}
	}
	for name, c := range map[string]struct {
		want   []string
		status ntstatus.Status
	}{
		"": {all, ntstatus.Success}, "SEBackupPrivilege": {all, ntstatus.Success},
		"SeSecurityPrivilege":  {all[1:], ntstatus.Success},
		"SeNetworkLogonRight":  {nil, ntstatus.NoSuchPrivilege},
		"SeSecurityPrivilege ": {nil, ntstatus.NoSuchPrivilege},
	} {
		if diff := cmp.Diff(c.want, sidsOf(t, l.call(name, 35, userRightStub(l.h, name), c.status))); diff != "" {
			t.Errorf("%q: %s", name, diff)
		}
	}
	if err := l.b.privs.Revoke(secdesc.BuiltinAdministrators, secdesc.PrivSecurity, false); err != nil {
		t.Fatal(err)
	}
	l.call("nobody", 35, userRightStub(l.h, "SeSecurityPrivilege"), ntstatus.NoMoreEntries)

	reply = l.call("privileges", 2, words(l.h, 2, 1), ntstatus.Success)
	wantBytes(t, "privileges", reply, stub(func(e *ndr.Encoder) {
		e.U32(4)
		e.U32(2)
		e.Pointer(func() {
			e.U32(2)
			e.UnicodeString("SeBackupPrivilege")
			putLUID(e, 17)
			e.UnicodeString("SeRestorePrivilege")
			putLUID(e, 18)
		})
	}))
	wantBytes(t, "no more", l.call("no more", 2, words(l.h, 4, 1), ntstatus.NoMoreEntries), unhex(t, "04000000 00000000 00000000"))
	for _, opnum := range []uint16{13, 50} {
		wantBytes(t, "trusted domains", l.call("trusted domains", opnum, words(l.h, 0, 100), ntstatus.NoMoreEntries), make([]byte, 12))
	}
}

// Names of privileges are for everybody who may look names up.
func TestLsaPrivilegeNames(t *testing.T) {
	l := newLSA(t, alice)
	wantBytes(t, "number", l.call("number", 31, nameOnly(l.h, "SETAKEOWNERSHIPPRIVILEGE"), ntstatus.Success), unhex(t, "09000000 00000000"))
	l.call("no number", 31, nameOnly(l.h, "SeChangeNotifyPrivilege"), ntstatus.NoSuchPrivilege)
	wantBytes(t, "name", l.call("name", 32, words(l.h, 9, 0), ntstatus.Success),
		stub(func(e *ndr.Encoder) { e.Pointer(func() { e.UnicodeString("SeTakeOwnershipPrivilege") }) }))
	l.call("no name", 32, words(l.h, 9, 1), ntstatus.NoSuchPrivilege)
	display := func(name string) []byte {
		return append(nameOnly(l.h, name), make([]byte, 8)...)
	}
	wantBytes(t, "display", l.call("display", 33, display("SeTakeOwnershipPrivilege"), ntstatus.Success)[:8], unhex(t, "00000200 50005000"))
	wantBytes(t, "no display", l.call("no display", 33, display("SeFlyPrivilege"), ntstatus.NoSuchPrivilege)[:4], make([]byte, 4))
	if reply := l.call("privileges", 2, words(l.h, 0, 1000), ntstatus.Success); binary.LittleEndian.Uint32(reply[4:]) != 4 {
		t.Errorf("%x", reply)
	}
	// A policy that was opened for something else.
	h := l.call("open", 44, openPolicyStub(secdesc.ReadControl), ntstatus.Success)
	for opnum, request := range map[uint16][]byte{
		2: words(h, 0, 1000), 13: words(h, 0, 1000), 31: nameOnly(h, "SeBackupPrivilege"), 32: words(h, 17, 0),
		33: append(nameOnly(h, "SeBackupPrivilege"), make([]byte, 8)...),
	} {
		l.call("without access", opnum, request, ntstatus.AccessDenied)
	}
}

// Others than administrators neither see nor change who has what, nor do administrators
// with a handle that was opened for less.
func TestLsaAccountsAreForAdministrators(t *testing.T) {
	for _, user := range []string{alice, admin} {
		l := newLSA(t, user)
		l.h = l.call("open", 44, openPolicyStub(secdesc.ReadControl), ntstatus.Success)
		if user == alice {
			l.h = l.call("open", 44, openPolicyStub(maximumAllowed), ntstatus.Success)
			l.call("open an account", 17, accountStub(l.h, secdesc.BuiltinAdministrators, 0), ntstatus.AccessDenied)
			l.call("open what is not there", 17, accountStub(l.h, somebody, maximumAllowed), ntstatus.AccessDenied)
			l.call("rights", 36, behind(l.h, func(e *ndr.Encoder) { putSID(e, somebody) }), ntstatus.AccessDenied)
			l.call("set security", 4, behind(l.h, func(e *ndr.Encoder) { e.Bytes(make([]byte, 12)) }), ntstatus.AccessDenied)
		}
		l.call("create", 10, accountStub(l.h, somebody, maximumAllowed), ntstatus.AccessDenied)
		l.call("accounts", 11, words(l.h, 0, 100), ntstatus.AccessDenied)
		l.call("accounts with a right", 35, userRightStub(l.h, "SeBackupPrivilege"), ntstatus.AccessDenied)
		l.call("add", 37, rightsStub(l.h, secdesc.World, nil, "SeBackupPrivilege"), ntstatus.AccessDenied)
		l.call("remove", 38, rightsStub(l.h, secdesc.BuiltinAdministrators, []byte{1}), ntstatus.AccessDenied)
		l.has(somebody, 0, false)
		l.has(secdesc.World, 0, false)
		l.has(secdesc.BuiltinAdministrators, privileges.All, true)
	}
	l := newLSA(t, admin)
	h := l.call("open", 44, openPolicyStub(policyLookupNames), ntstatus.Success)
	l.call("add to a new one", 37, rightsStub(h, somebody, nil, "SeBackupPrivilege"), ntstatus.AccessDenied)
	a := l.call("open", 17, accountStub(l.h, secdesc.BuiltinAdministrators, secdesc.ReadControl), ntstatus.Success)
	for opnum, request := range map[uint16][]byte{
		18: a, 23: a, 34: a, 24: words(a, 0), 20: removeStub(a, 1),
		19: behind(a, func(e *ndr.Encoder) { putPrivilegeSet(e, 17) }),
	} {
		l.call("without access", opnum, request, ntstatus.AccessDenied)
	}
	l.has(secdesc.BuiltinAdministrators, privileges.All, true)
	l.call("too much", 17, accountStub(l.h, secdesc.BuiltinAdministrators, 0x100), ntstatus.AccessDenied)
}

func TestLsaHandlesOfOtherKinds(t *testing.T) {
	l := newLSA(t, admin)
	a := l.call("open", 17, accountStub(l.h, secdesc.BuiltinAdministrators, maximumAllowed), ntstatus.Success)
	for _, s := range lsaSamples() {
		var h []byte
		switch {
		case s.opnum == 1 || s.opnum == 3 || s.opnum == 4 || s.opnum == 34:
			h = bytes.Repeat([]byte{7}, 20)
		case accountMethods[s.opnum]:
			h = l.h
		default:
			h = a
		}
		if _, failed := callMethod(t, l.p, 0, s.opnum, append(bytes.Clone(h), s.stub...)); failed != faultContextMismatch {
			t.Errorf("opnum %d: %v", s.opnum, failed)
		}
	}
	if _, failed := callMethod(t, l.p, 0, 14, lookupNamesStub(a, 1, nil, "alice")); failed != faultContextMismatch {
		t.Errorf("look-up by the handle of an account: %v", failed)
	}
	for n := range maxHandles - 2 {
		if _, status := mustCall(t, l.p, 17, accountStub(l.h, secdesc.BuiltinAdministrators, maximumAllowed)); status != 0 {
			t.Fatalf("handle %d: %x", n, status)
		}
	}
	l.call("one more", 17, accountStub(l.h, secdesc.BuiltinAdministrators, maximumAllowed), ntstatus.InsufficientResources)
	l.call("one more", 10, accountStub(l.h, somebody, maximumAllowed), ntstatus.InsufficientResources)
	l.has(somebody, 0, false)
}

func TestLsaSecurity(t *testing.T) {
	query := func(l *lsaHelper, h []byte, info uint32) *secdesc.Descriptor {
		t.Helper()
		d := ndr.NewDecoder(l.call("security", 3, words(h, info), ntstatus.Success))
		if !d.Pointer() {
			t.Fatal("nothing")
		}
		n := d.U32()
		if !d.Pointer() || d.U32() != n {
			t.Fatal("two lengths")
		}
		sd, err := secdesc.Decode(d.Bytes(int(n)))
		if err != nil || d.Len() != 0 {
			t.Fatal(err)
		}
		return sd
	}
	l := newLSA(t, admin)
	a := l.call("open", 17, accountStub(l.h, secdesc.BuiltinAdministrators, maximumAllowed), ntstatus.Success)
	sd := query(l, a, 7)
	if sd.Owner != secdesc.BuiltinAdministrators || len(sd.DACL.ACEs) != 1 || sd.DACL.ACEs[0].SID != secdesc.BuiltinAdministrators {
		t.Errorf("account: %+v", sd)
	}
	if sd := query(l, a, secdesc.OwnerInformation); sd.DACL != nil || sd.Owner.IsZero() {
		t.Errorf("owner alone: %+v", sd)
	}
	l.call("SACL", 3, words(a, secdesc.SACLInformation), ntstatus.AccessDenied)
	l.call("set", 4, behind(a, func(e *ndr.Encoder) { e.Bytes(make([]byte, 12)) }), ntstatus.NotSupported)
	l = newLSA(t, alice)
	if sd := query(l, l.h, 7); len(sd.DACL.ACEs) != 2 || sd.DACL.ACEs[1].SID != secdesc.AuthenticatedUsers || sd.DACL.ACEs[1].Mask != 0x21801 {
		t.Errorf("policy: %+v", sd)
	}
}

func TestGrantedRights(t *testing.T) {
	for _, c := range []struct {
		g       *genericRights
		desired uint32
		admin   bool
		granted uint32
		ok      bool
	}{
		{&policyRights, maximumAllowed, false, 0x21801, true}, {&policyRights, maximumAllowed, true, 0xf1fff, true},
		{&policyRights, secdesc.GenericRead, false, 0x20000, true}, {&policyRights, secdesc.GenericExecute, false, 0x20801, true},
		{&policyRights, secdesc.GenericWrite, true, 0x207f8, true}, {&policyRights, secdesc.GenericAll, true, 0xf1fff, true},
		{&policyRights, 0, false, 0, true}, {&accountRights, secdesc.GenericRead, true, 0x20001, true},
		{&accountRights, secdesc.GenericWrite | 1, true, 0x2000f, true},
	} {
		granted, ok := c.g.grant(c.desired, c.admin)
		if granted != c.granted || ok != c.ok {
			t.Errorf("%x for %v: %x, %v", c.desired, c.admin, granted, ok)
		}
	}
	for _, desired := range []uint32{0, maximumAllowed, secdesc.GenericRead, accountView} {
		if _, ok := accountRights.grant(desired, false); ok {
			t.Errorf("%x of an account for a user", desired)
		}
	}
	for _, desired := range []uint32{secdesc.GenericWrite, secdesc.GenericAll, 0x10, maximumAllowed | 0x10} {
		if _, ok := policyRights.grant(desired, false); ok {
			t.Errorf("%x of a policy for a user", desired)
		}
	}
}
