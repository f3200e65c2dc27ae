package rpc

import (
	"bytes"
	"fmt"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// openPolicyStub are the parameters of LsarOpenPolicy2 as Windows sends them.
func openPolicyStub(access uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.StringPointer(`\\server`)
		e.Flush()
		e.U32(24)
		e.Nil()
		e.Nil()
		e.U32(0)
		e.Nil()
		e.Pointer(func() {
			e.U32(12)
			e.U16(2)
			e.U8(1)
			e.U8(0)
		})
		e.Flush()
		e.U32(access)
	})
}

const maximumAllowed = 0x02000000

// lsaPipe opens the pipe and a policy.
func lsaPipe(t testing.TB, b Backend, user string) (*Pipe, []byte) {
	t.Helper()
	p := open(t, b, "lsarpc", user)
	h, status := mustCall(t, p, 44, openPolicyStub(maximumAllowed))
	if ntstatus.Status(status) != ntstatus.Success || len(h) != 20 || bytes.Equal(h, make([]byte, 20)) {
		t.Fatalf("%x, %v", h, ntstatus.Status(status))
	}
	return p, h
}

func wantStatus(t *testing.T, what string, got uint32, want ntstatus.Status) {
	t.Helper()
	if ntstatus.Status(got) != want {
		t.Errorf("%s: %v, want %v", what, ntstatus.Status(got), want)
	}
}

func TestOpenPolicy(t *testing.T) {
	for _, test := range []struct {
		user   string
		access uint32
		want   ntstatus.Status
	}{
		{alice, 0x801, ntstatus.Success}, {alice, maximumAllowed, ntstatus.Success}, {alice, 0x10, ntstatus.AccessDenied},
		{admin, 0x10, ntstatus.Success}, {"", 0x800, ntstatus.AccessDenied},
	} {
		h, status := mustCall(t, open(t, newBackend(t), "lsarpc", test.user), 44, openPolicyStub(test.access))
		wantStatus(t, fmt.Sprintf("%q with %x", test.user, test.access), status, test.want)
		if zero := bytes.Equal(h, make([]byte, 20)); zero != (test.want != ntstatus.Success) {
			t.Errorf("the handle is %x", h)
		}
	}
	p := open(t, newBackend(t), "lsarpc", alice)
	rooted := unhex(t, "00000000 18000000 01000000 00000000 00000000 00000000 00000000 41 000000 00080000")
	_, status := mustCall(t, p, 44, rooted)
	wantStatus(t, "with a root directory", status, ntstatus.InvalidParameter)
	named := unhex(t, `
		01000000 5c00 0000                                              # the system name is one character
		18000000 00000000 01000000 00000000 00000000 00000000
		0100 0100 01000000 01000000 00000000 01000000 41 000000         # object name
		00080000
	`)
	_, status = mustCall(t, p, 6, named)
	wantStatus(t, "LsarOpenPolicy", status, ntstatus.Success)
	described := unhex(t, "00000000 18000000 00000000 00000000 00000000 01000000 00000000 00080000")
	if _, failed := callMethod(t, p, 0, 44, described); failed != faultBadStub {
		t.Errorf("with a security descriptor: %v", failed)
	}
}

func TestPoliciesAreLimited(t *testing.T) {
	p := open(t, newBackend(t), "lsarpc", alice)
	for range maxHandles {
		_, status := mustCall(t, p, 44, openPolicyStub(0x800))
		wantStatus(t, "open", status, ntstatus.Success)
	}
	h, status := mustCall(t, p, 44, openPolicyStub(0x800))
	wantStatus(t, "one more", status, ntstatus.InsufficientResources)
	if !bytes.Equal(h, make([]byte, 20)) {
		t.Errorf("%x", h)
	}
}

func TestPolicyHandles(t *testing.T) {
	b := newBackend(t)
	p, h := lsaPipe(t, b, alice)
	other, _ := lsaPipe(t, b, alice)
	request := append(bytes.Clone(h), 5, 0)
	if _, failed := callMethod(t, other, 0, 7, request); failed != faultContextMismatch {
		t.Errorf("a handle of another pipe: %v", failed)
	}
	if reply, failed := callMethod(t, p, 0, 0, h); failed != 0 || !bytes.Equal(reply, make([]byte, 24)) {
		t.Errorf("close: %x, %v", reply, failed)
	}
	for opnum, request := range map[uint16][]byte{0: h, 7: request, 57: request} {
		if _, failed := callMethod(t, p, 0, opnum, request); failed != faultContextMismatch {
			t.Errorf("opnum %d after close: %v", opnum, failed)
		}
	}
	for _, opnum := range []uint16{76, 77} {
		if _, failed := callMethod(t, p, 0, opnum, nil); failed != faultAccessDenied {
			t.Errorf("opnum %d: %v", opnum, failed)
		}
	}
}

func TestQueryPolicyBytes(t *testing.T) {
	p, h := lsaPipe(t, newBackend(t), alice)
	for class, want := range map[byte]string{
		2: `00000200 0200 0000 00 000000 00000000 00000000 00000000`,
		3: `00000200 0300 0000 1200 1200 04000200 00000000
			09000000 00000000 09000000 57004f00 52004b00 47005200 4f005500 5000 0000 00000000`,
		5: `00000200 0500 0000 0a00 0a00 04000200 08000200
			05000000 00000000 05000000 46004900 4c004500 5300 0000
			04000000 01 04 000000000005 15000000 01000000 02000000 03000000 00000000`,
		6: `00000200 0600 0000 0300 0000 00000000`,
		12: `00000200 0c00 0000 1200 1200 04000200 0000 0000 08000200 0000 0000 0c000200
			00000000 00000000 00000000 00000000 00000000
			09000000 00000000 09000000 57004f00 52004b00 47005200 4f005500 5000 0000
			00000000 00000000 00000000 00000000 00000000 00000000 00000000`,
		99: `00000000 0d0000c0`,
	} {
		for _, opnum := range []uint16{7, 46} {
			reply, failed := callMethod(t, p, 0, opnum, append(bytes.Clone(h), class, 0))
			if failed != 0 {
				t.Fatal(failed)
			}
			wantBytes(t, fmt.Sprintf("class %d", class), reply, unhex(t, want))
		}
	}
}

// lookupSidsStub are the parameters of LsarLookupSids behind the handle; the
// zero SID is sent as nil. tail is what successors have more.
func lookupSidsStub(h []byte, level uint16, tail []uint32, sids ...secdesc.SID) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Bytes(h)
		e.U32(uint32(len(sids)))
		e.Pointer(func() {
			e.U32(uint32(len(sids)))
			for _, s := range sids {
				putSIDPointer(e, s)
			}
		})
		e.Flush()
		e.U32(0)
		e.Nil()
		e.U16(level)
		e.U32(0)
		for _, v := range tail {
			e.U32(v)
		}
	})
}

// MS-LSAT 2.2.12, 2.2.19, 2.2.21, byte by byte.
func TestLookupSidsBytes(t *testing.T) {
	p, h := lsaPipe(t, newBackend(t), alice)
	const request = `
		01000000 01000000 01000000 01000000                # one SID
		02000000 01 02 000000000005 20000000 20020000      # S-1-5-32-544
		00000000 00000000 0100 0000 00000000               # an empty list, level 1, count 0
	`
	const domains = `
		00000200 01000000 04000200 20000000
		01000000 0e00 0e00 08000200 0c000200
		07000000 00000000 07000000 42005500 49004c00 54004900 4e00 0000  # BUILTIN
		01000000 01 01 000000000005 20000000                              # S-1-5-32
	`
	const name = `0e000000 00000000 0e000000 41006400 6d006900 6e006900 73007400 72006100 74006f00 72007300`
	reply, failed := callMethod(t, p, 0, 15, append(bytes.Clone(h), unhex(t, request)...))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "LsarLookupSids", reply, unhex(t, domains+`
		01000000 10000200
		01000000 0400 0000 1c00 1c00 14000200 00000000
	`+name+`
		01000000 00000000
	`))
	reply, failed = callMethod(t, p, 0, 57, append(bytes.Clone(h), unhex(t, request+"00000000 02000000")...))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "LsarLookupSids2", reply, unhex(t, domains+`
		01000000 10000200
		01000000 0400 0000 1c00 1c00 14000200 00000000 00000000
	`+name+`
		01000000 00000000
	`))
}

func TestLookupSidsStatus(t *testing.T) {
	p, h := lsaPipe(t, newBackend(t), alice)
	known, unknown := secdesc.System, secdesc.NewSID(5, 21, 9, 9, 9, 9)
	for _, test := range []struct {
		name  string
		level uint16
		sids  []secdesc.SID
		want  ntstatus.Status
	}{
		{"all", 1, []secdesc.SID{known, secdesc.World}, ntstatus.Success},
		{"some", 1, []secdesc.SID{known, unknown}, ntstatus.SomeNotMapped},
		{"none", 1, []secdesc.SID{unknown, unknown}, ntstatus.NoneMapped},
		{"nothing", 1, nil, ntstatus.NoneMapped},
		{"nil", 1, []secdesc.SID{known, {}}, ntstatus.InvalidParameter},
		{"level 0", 0, []secdesc.SID{known}, ntstatus.InvalidParameter},
		{"level 8", 8, []secdesc.SID{known}, ntstatus.InvalidParameter},
	} {
		_, status := mustCall(t, p, 15, lookupSidsStub(h, test.level, nil, test.sids...))
		wantStatus(t, test.name, status, test.want)
	}
}

// A great request is answered whole, one beyond the limit refused.
func TestLookupOfManySids(t *testing.T) {
	p, h := lsaPipe(t, newBackend(t), alice)
	send := func(n int) (reply []byte, failed fault) {
		sids := make([]secdesc.SID, n)
		for i := range sids {
			sids[i] = machineSID.WithRID(uint32(i))
		}
		units := fragments(77, 57, lookupSidsStub(h, 1, []uint32{0, 2}, sids...), 4200)
		for _, u := range units[:len(units)-1] {
			if _, err := p.Write(u); err != nil {
				t.Fatal(err)
			}
		}
		last := units[len(units)-1]
		data, _, err := p.Transact(last, 65536)
		for ; err == nil; data, _, err = p.Read(65536) {
			if data[2] == typeFault {
				return nil, fault(ndr.NewDecoder(data[24:]).U32())
			}
			reply = append(reply, data[responseSize:]...)
		}
		return reply, 0
	}
	reply, failed := send(maxLookupSIDs)
	if failed != 0 {
		t.Fatal(failed)
	}
	end := ndr.NewDecoder(reply[len(reply)-8:])
	if mapped, status := end.U32(), ntstatus.Status(end.U32()); mapped != 2 || status != ntstatus.SomeNotMapped {
		t.Errorf("%d mapped, %v", mapped, status)
	}
	if _, failed := send(maxLookupSIDs + 1); failed != faultBadStub {
		t.Errorf("one more: %v", failed)
	}
}

func lookupNamesStub(h []byte, level uint16, tail []uint32, names ...string) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Bytes(h)
		e.U32(uint32(len(names)))
		e.U32(uint32(len(names)))
		for _, n := range names {
			e.UnicodeString(n)
		}
		e.Flush()
		e.U32(0)
		e.Nil()
		e.U16(level)
		e.U32(0)
		for _, v := range tail {
			e.U32(v)
		}
	})
}

// MS-LSAT 2.2.14, 2.2.23, 2.2.25, byte by byte.
func TestLookupNamesBytes(t *testing.T) {
	p, h := lsaPipe(t, newBackend(t), alice)
	const request = `
		01000000 01000000 0a00 0c00 01000000
		06000000 00000000 05000000 61006c00 69006300 6500 0000   # alice, in an array for a terminator
		00000000 00000000 0100 0000 00000000
	`
	const domains = `
		00000200 01000000 04000200 20000000
		01000000 0a00 0a00 08000200 0c000200
		05000000 00000000 05000000 46004900 4c004500 5300 0000
		04000000 01 04 000000000005 15000000 01000000 02000000 03000000
	`
	for opnum, want := range map[uint16]string{
		14: `01000000 10000200 01000000 0100 0000 e8030000 00000000`,
		58: `01000000 10000200 01000000 0100 0000 e8030000 00000000 00000000`,
		68: `01000000 10000200 01000000 0100 0000 14000200 00000000 00000000
			05000000 01 05 000000000005 15000000 01000000 02000000 03000000 e8030000`,
	} {
		full := request
		if opnum != 14 {
			full += "00000000 02000000"
		}
		reply, failed := callMethod(t, p, 0, opnum, append(bytes.Clone(h), unhex(t, full)...))
		if failed != 0 {
			t.Fatal(failed)
		}
		wantBytes(t, fmt.Sprintf("opnum %d", opnum), reply, unhex(t, domains+want+`01000000 00000000`))
	}
}

func TestLookupNamesLimits(t *testing.T) {
	refused := func(n int) bool {
		names := make([]string, n)
		d := ndr.NewDecoder(lookupNamesStub(nil, 1, nil, names...))
		decodeLookupNames(d)
		return d.Err() != nil
	}
	if refused(maxLookupNames) || !refused(maxLookupNames+1) {
		t.Error("the limit is not 1000 names")
	}
	p, h := lsaPipe(t, newBackend(t), alice)
	_, status := mustCall(t, p, 14, lookupNamesStub(h, 9, nil, "alice"))
	wantStatus(t, "level 9", status, ntstatus.InvalidParameter)
}

func TestLookupName(t *testing.T) {
	b := newBackend(t)
	for name, want := range map[string]string{
		"everyone": "S-1-1-0", "SYSTEM": "S-1-5-18", `nt authority\system`: "S-1-5-18", `BUILTIN\users`: "S-1-5-32-545", `files\users`: "",
		"BUILTIN": "S-1-5-32", "nt authority": "S-1-5", "FILES": machineSID.String(), `files\`: machineSID.String(),
		"alice": "S-1-5-21-1-2-3-1000", `FILES\ALICE`: "S-1-5-21-1-2-3-1000", `other\alice`: "", "alice@files": "S-1-5-21-1-2-3-1000",
		"alice@other": "", `files\alice@files`: "", "BÜRO": "S-1-5-21-1-2-3-1001", "": "", `\`: "", "@files": "", "nobody": "",
	} {
		a, ok := lookupName(b, name)
		if a.SID.String() != want || ok != (want != "") {
			t.Errorf("%q is %v, %v", name, a, ok)
		}
	}
}

// Every well-known principal is found by its SID and by its full name, and is
// one.
func TestWellKnown(t *testing.T) {
	if len(wellKnownBySID) != len(wellKnown) {
		t.Error("a SID stands twice")
	}
	for _, a := range wellKnown {
		name := a.Domain + `\` + a.Name
		if a.Domain == "" {
			name = a.Name
		}
		if got, ok := lookupName(newBackend(t), name); !ok || got != a {
			t.Errorf("%q is %v", name, got)
		}
		if got, ok := lookupSID(newBackend(t), a.SID); !ok || got != a {
			t.Errorf("%v is %v", a.SID, got)
		}
	}
}

func TestGetUserName(t *testing.T) {
	for user, want := range map[string]string{
		alice: `00000200 0a00 0a00 04000200 05000000 00000000 05000000 61006c00 69006300 6500 0000
			08000200 0c000200 0a00 0a00 10000200 05000000 00000000 05000000 46004900 4c004500 5300 0000 00000000`,
		`DOM\u`: `00000200 0200 0200 04000200 01000000 00000000 01000000 7500 0000
			08000200 0c000200 0600 0600 10000200 03000000 00000000 03000000 44004f00 4d00 0000 00000000`,
		"": `00000200 1e00 1e00 04000200 0f000000 00000000 0f000000
			41004e00 4f004e00 59004d00 4f005500 53002000 4c004f00 47004f00 4e00 0000
			08000200 0c000200 1800 1800 10000200 0c000000 00000000 0c000000
			4e005400 20004100 55005400 48004f00 52004900 54005900 00000000`,
	} {
		p := open(t, newBackend(t), "lsarpc", user)
		reply, failed := callMethod(t, p, 0, 45, unhex(t, "00000000 00000000 01000000 00000000"))
		if failed != 0 {
			t.Fatal(failed)
		}
		wantBytes(t, user, reply, unhex(t, want))
	}
	p := open(t, newBackend(t), "lsarpc", alice)
	reply, failed := callMethod(t, p, 0, 45, unhex(t, `
		00000000
		01000000 0200 0200 01000000 01000000 00000000 01000000 7800 0000
		00000000
	`))
	if failed != 0 || !bytes.HasSuffix(reply, make([]byte, 8)) {
		t.Errorf("without a domain: %x, %v", reply, failed)
	}
}
