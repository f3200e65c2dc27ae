package rpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

func u32s(values ...uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		for _, v := range values {
			e.U32(v)
		}
	})
}

// samName is a string as a parameter of its own.
func samName(name string) []byte {
	return stub(func(e *ndr.Encoder) {
		e.UnicodeString(name)
		e.Flush()
	})
}

// samSID is an access mask and a SID.
func samSID(sid secdesc.SID) []byte {
	return stub(func(e *ndr.Encoder) {
		e.U32(maximumAllowed)
		e.U32(uint32(sid.Count()))
		e.Bytes(sid.Append(nil))
	})
}

func samSids(sids ...secdesc.SID) []byte {
	return stub(func(e *ndr.Encoder) {
		e.U32(uint32(len(sids)))
		e.Pointer(func() {
			e.U32(uint32(len(sids)))
			for _, sid := range sids {
				putSIDPointer(e, sid)
			}
		})
		e.Flush()
	})
}

func samNames(names ...string) []byte {
	return stub(func(e *ndr.Encoder) {
		for _, v := range []int{len(names), 1000, 0, len(names)} {
			e.U32(uint32(v))
		}
		for _, n := range names {
			e.UnicodeString(n)
		}
		e.Flush()
	})
}

func samDisplayStub(level uint16, values ...uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.U16(level)
		for _, v := range values {
			e.U32(v)
		}
	})
}

func connect5Stub() []byte {
	return stub(func(e *ndr.Encoder) {
		e.StringPointer(`\\server`)
		e.Flush()
		for _, v := range []uint32{maximumAllowed, 1, 1, 3, 0} {
			e.U32(v)
		}
	})
}

func samrSamples() []sample {
	return []sample{
		{0, false, u32s(1, 0x5c, maximumAllowed)}, {57, false, numbersStub(maximumAllowed)},
		{62, false, numbersStub(2, maximumAllowed)}, {64, false, connect5Stub()},
		{1, true, nil}, {5, true, samName("FILES")}, {6, true, u32s(0, 100)}, {7, true, samSID(machineSID)},
		{8, true, []byte{2, 0}}, {46, true, []byte{1, 0}}, {11, true, u32s(0, 100)}, {13, true, u32s(0, 0, 100)}, {15, true, u32s(0, 100)},
		{16, true, samSids(machineSID.WithRID(1000), secdesc.World)}, {17, true, samNames("alice", "", "x")}, {18, true, u32s(2, 1000, 0, 2, 1000, 5)},
		{27, true, u32s(maximumAllowed, 1001)}, {28, true, []byte{1, 0}}, {33, true, nil},
		{34, true, u32s(maximumAllowed, 1000)}, {36, true, []byte{21, 0}}, {47, true, []byte{21, 0}}, {39, true, nil},
		{40, true, samDisplayStub(1, 0, 100, 1000)}, {48, true, samDisplayStub(3, 0, 100, 1000)}, {51, true, samDisplayStub(2, 0, 100, 1000)}, {65, true, u32s(1000)},
	}
}

// sam is a client of samr.
type sam struct {
	t testing.TB
	p *Pipe
}

func (s sam) call(opnum uint16, parts ...[]byte) ([]byte, ntstatus.Status) {
	s.t.Helper()
	reply, status := mustCall(s.t, s.p, opnum, bytes.Join(parts, nil))
	return reply, ntstatus.Status(status)
}

// open demands a handle.
func (s sam) open(opnum uint16, parts ...[]byte) []byte {
	s.t.Helper()
	reply, status := s.call(opnum, parts...)
	if status != ntstatus.Success {
		s.t.Fatalf("opnum %d: %v", opnum, status)
	}
	return reply[len(reply)-20:]
}

// names reads an enumeration to its end, limit bytes at a time.
func (s sam) names(opnum uint16, h []byte, limit uint32) (list []string, calls int) {
	s.t.Helper()
	q := []uint32{0, limit}
	if opnum == 13 {
		q = []uint32{0, 0, limit}
	}
	for {
		calls++
		reply, status := s.call(opnum, h, u32s(q...))
		if status != ntstatus.Success && status != ntstatus.MoreEntries {
			s.t.Fatalf("opnum %d: %v", opnum, status)
		}
		d := ndr.NewDecoder(reply)
		q[0] = d.U32()
		d.Pointer()
		n := d.U32()
		d.Pointer()
		d.U32()
		var heads []ndr.UnicodeString
		for range n {
			d.U32()
			heads = append(heads, d.UnicodeString())
		}
		for _, h := range heads {
			list = append(list, d.UnicodeChars(h))
		}
		if d.U32() != n || d.Err() != nil || d.Len() != 0 {
			s.t.Fatalf("opnum %d: %x", opnum, reply)
		}
		if status == ntstatus.Success {
			return list, calls
		}
	}
}

// TestSamr: what an administrator, a user and nobody may know.
func TestSamr(t *testing.T) {
	root := sam{t, open(t, newBackend(t), "samr", admin)}
	server := root.open(64, connect5Stub())
	domain := root.open(7, server, samSID(machineSID))
	builtin := root.open(7, server, samSID(builtinSID))
	for _, c := range []struct {
		opnum uint16
		h     []byte
		want  []string
	}{
		{6, server, []string{"FILES", "BUILTIN"}}, {13, domain, []string{"alice", admin, "Émile"}}, {13, builtin, nil},
		{15, domain, []string{"Büro"}}, {11, domain, []string{"None"}},
	} {
		for _, limit := range []uint32{1, 1 << 20} {
			got, calls := root.names(c.opnum, c.h, limit)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("opnum %d (-want +got):\n%s", c.opnum, d)
			}
			if limit == 1 && calls < len(c.want) || limit > 1 && calls != 1 {
				t.Errorf("opnum %d: %d calls", c.opnum, calls)
			}
		}
	}
	if groups, _ := root.names(15, builtin, 1<<20); len(groups) != 10 || groups[0] != "Administrators" {
		t.Errorf("built-in groups %q", groups)
	}

	// What Computer Management lists, two at a time.
	for start, want := range map[uint32]ntstatus.Status{0: ntstatus.MoreEntries, 2: ntstatus.Success, 99: ntstatus.Success} {
		reply, status := root.call(51, domain, samDisplayStub(1, start, 2, 1<<20))
		n := min(2, 3-min(start, 3))
		if status != want || binary.LittleEndian.Uint32(reply) != 3 || binary.LittleEndian.Uint32(reply[4:]) != n {
			t.Errorf("users from %d: %x, %v", start, reply, status)
		}
	}
	if _, status := root.call(40, domain, samDisplayStub(4, 0, 2, 1<<20)); status != ntstatus.InvalidInfoClass {
		t.Errorf("level 4: %v", status)
	}

	// Names and numbers, in both directions.
	reply, status := root.call(17, domain, samNames("ALICE", "nobody", "büro", `FILES\alice`, "Users"))
	ids := func(values ...uint32) []byte {
		return stub(func(e *ndr.Encoder) { putRids(e, values) })
	}
	second := func(values ...uint32) []byte { // referents go on counting
		b := ids(values...)
		binary.LittleEndian.PutUint32(b[4:], binary.LittleEndian.Uint32(b[4:])+4)
		return b
	}
	wantBytes(t, "numbers", reply, append(ids(1000, 0, 1001, 0, 0), second(1, 8, 4, 8, 8)...))
	if status != ntstatus.SomeNotMapped {
		t.Errorf("status %v", status)
	}
	if _, status := root.call(17, builtin, samNames("Users")); status != ntstatus.Success {
		t.Errorf("BUILTIN\\Users: %v", status)
	}
	if _, status := root.call(18, domain, u32s(1, 1000, 0, 1, 77)); status != ntstatus.NoneMapped {
		t.Errorf("number 77: %v", status)
	}

	// Membership.
	for _, c := range []struct {
		h    []byte
		sid  uint32
		want []uint32
	}{{domain, 1000, []uint32{1001}}, {builtin, 1000, []uint32{545}}, {builtin, 1002, []uint32{545, 544}}, {domain, 9999, nil}} {
		reply, status := root.call(16, c.h, samSids(machineSID.WithRID(c.sid), secdesc.World))
		if status != ntstatus.Success {
			t.Errorf("groups of %d: %v", c.sid, status)
		}
		wantBytes(t, "groups", reply, ids(c.want...))
	}
	for opnum, want := range map[uint16]ntstatus.Status{34: ntstatus.NoSuchUser, 27: ntstatus.NoSuchAlias} {
		if _, status := root.call(opnum, domain, u32s(maximumAllowed, 77)); status != want {
			t.Errorf("opnum %d: %v", opnum, status)
		}
	}
	if _, status := root.call(7, server, samSID(secdesc.MachineSID(9, 9, 9))); status != ntstatus.NoSuchDomain {
		t.Errorf("another domain: %v", status)
	}
	alias := root.open(27, domain, u32s(maximumAllowed, 1001))
	if reply, status := root.call(33, alias); status != ntstatus.Success || binary.LittleEndian.Uint32(reply) != 1 {
		t.Errorf("members: %x, %v", reply, status)
	}
	if _, status := root.call(36, alias, []byte{21, 0}); status != ntstatus.InvalidHandle {
		t.Errorf("a group as a user: %v", status)
	}

	// A user sees himself.
	user := sam{t, open(t, newBackend(t), "samr", alice)}
	domain = user.open(7, user.open(57, numbersStub(maximumAllowed)), samSID(machineSID))
	for _, opnum := range []uint16{11, 15} {
		if _, status := user.call(opnum, domain, u32s(0, 1000)); status != ntstatus.AccessDenied {
			t.Errorf("opnum %d: %v", opnum, status)
		}
	}
	if _, status := user.call(40, domain, samDisplayStub(1, 0, 9, 1<<20)); status != ntstatus.AccessDenied {
		t.Errorf("list of users: %v", status)
	}
	if _, status := user.call(13, domain, u32s(0, 0, 1000)); status != ntstatus.AccessDenied {
		t.Errorf("users: %v", status)
	}
	me := user.open(34, domain, u32s(maximumAllowed, 1000))
	for _, level := range []byte{1, 6, 7, 8, 9, 16, 21} {
		if _, status := user.call(36, me, []byte{level, 0}); status != ntstatus.Success {
			t.Errorf("level %d: %v", level, status)
		}
	}
	if _, status := user.call(36, me, []byte{99, 0}); status != ntstatus.InvalidInfoClass {
		t.Errorf("level 99: %v", status)
	}
	if _, status := user.call(34, domain, u32s(maximumAllowed, 1002)); status != ntstatus.AccessDenied {
		t.Errorf("another user: %v", status)
	}
	if _, status := user.call(16, domain, samSids(machineSID.WithRID(1002))); status != ntstatus.AccessDenied {
		t.Errorf("groups of another user: %v", status)
	}
	alias = user.open(27, domain, u32s(maximumAllowed, 1001))
	if _, status := user.call(33, alias); status != ntstatus.AccessDenied {
		t.Errorf("members: %v", status)
	}

	nobody := sam{t, open(t, newBackend(t), "samr", "")}
	if _, status := nobody.call(64, connect5Stub()); status != ntstatus.AccessDenied {
		t.Errorf("anonymous: %v", status)
	}
	if _, failed := callMethod(t, root.p, 0, 6, bytes.Join([][]byte{make([]byte, 20), u32s(0, 100)}, nil)); failed != faultContextMismatch {
		t.Errorf("no handle: %v", failed)
	}
}
