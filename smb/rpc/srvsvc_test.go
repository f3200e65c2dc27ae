package rpc

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"testing"
	"time"

	"lessor/smb/rpc/ndr"
)

// enumStub are the parameters of NetrShareEnum, and with more strings before
// of the other enumerations.
func enumStub(level, limit uint32, resume *uint32, qualifiers ...string) []byte {
	return stub(func(e *ndr.Encoder) {
		e.StringPointer(`\\server`)
		e.Flush()
		for _, q := range qualifiers {
			if q == "" {
				e.Nil()
				continue
			}
			e.StringPointer(q)
			e.Flush()
		}
		e.U32(level)
		e.U32(level)
		e.Pointer(func() {
			e.U32(0)
			e.Nil()
		})
		e.Flush()
		e.U32(limit)
		e.UniqueU32(resume)
	})
}

// readShares1 reads the names of a share list of level 1.
func readShares1(t testing.TB, reply []byte) []string {
	t.Helper()
	names, _, _ := readShares1Page(t, reply)
	return names
}

func readShares1Page(t testing.TB, reply []byte) (names []string, total uint32, resume *uint32) {
	t.Helper()
	d := ndr.NewDecoder(reply)
	if d.U32() != 1 || d.U32() != 1 || !d.Pointer() {
		t.Fatalf("not a list of level 1: %x", reply)
	}
	n := int(d.U32())
	if d.Pointer() {
		if d.Conformance(12) != n {
			t.Fatal("two counts")
		}
		for range n {
			d.Pointer()
			d.U32()
			d.Pointer()
		}
		for range n {
			names = append(names, d.String())
			_ = d.String()
		}
	}
	total, resume = d.U32(), d.UniqueU32()
	if d.Err() != nil || d.Len() != 0 {
		t.Fatalf("%v, %d bytes left", d.Err(), d.Len())
	}
	return names, total, resume
}

// What Windows sends for "net view", and the reply byte by byte (MS-SRVS
// 2.2.4.23, 2.2.4.38).
func TestShareEnumBytes(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	reply, failed := callMethod(t, p, 0, 15, unhex(t, `
		00000200 0b000000 00000000 0b000000
		5c005c00 31003000 2e003000 2e003000 2e003100 0000 0000   # \\10.0.0.1
		01000000 01000000 04000200 00000000 00000000             # level 1, an empty container
		ffffffff 08000200 00000000                               # no limit, resume at 0
	`))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "the reply", reply, unhex(t, `
		01000000 01000000 00000200
		02000000 04000200
		02000000
		08000200 00000000 0c000200
		10000200 03000080 14000200
		05000000 00000000 05000000 64006100 74006100 0000 0000          # data
		0f000000 00000000 0f000000
		44006100 74006500 6e002000 6600fc00 72002000 61006c00 6c006500 0000 0000  # Daten für alle
		05000000 00000000 05000000 49005000 43002400 0000 0000          # IPC$
		06000000 00000000 06000000 70006900 70006500 73000000           # pipes
		02000000                 # in all
		18000200 00000000        # nothing to resume
		00000000
	`))
}

func TestShareGetInfoBytes(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", admin)
	reply, failed := callMethod(t, p, 0, 16, unhex(t, `
		00000000                                               # no server name
		05000000 00000000 05000000 69007000 63002400 0000 0000 # ipc$
		02000000                                               # level 2
	`))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "the reply", reply, unhex(t, `
		02000000 00000200
		04000200 03000080 08000200 00000000 05000000 00000000 0c000200 00000000
		05000000 00000000 05000000 49005000 43002400 0000 0000
		06000000 00000000 06000000 70006900 70006500 73000000
		01000000 00000000 01000000 0000 0000
		00000000
	`))
}

func TestServerGetInfoBytes(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", "")
	reply, failed := callMethod(t, p, 0, 21, unhex(t, "00000000 65000000"))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "the reply", reply, unhex(t, `
		65000000 00000200
		f4010000 04000200 0a000000 00000000 03900000 08000200
		06000000 00000000 06000000 46004900 4c004500 53000000           # FILES
		09000000 00000000 09000000 61002000 73006500 72007600 65007200 0000 0000  # a server
		00000000
	`))
}

func TestServerLevels(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	for level, size := range map[uint32]int{100: 8 + 8 + 24, 101: 8 + 24 + 24 + 32, 102: 8 + 52 + 24 + 32 + 20, 103: 8 + 56 + 24 + 32 + 20, 1005: 8 + 4 + 30} {
		if reply, status := mustCall(t, p, 21, numbersStub(level)); werr(status) != werrOK || (len(reply)+3)&^3 != (size+3)&^3 {
			t.Errorf("level %d: status %d, %d bytes, want %d", level, status, len(reply), size)
		}
	}
	for level, size := range map[uint32]int{502: 8, 503: 8, 599: 8, 99: 4} {
		if reply, status := mustCall(t, p, 21, numbersStub(level)); werr(status) != werrInvalidLevel || len(reply) != size {
			t.Errorf("level %d: status %d, %x", level, status, reply)
		}
	}
}

func TestLevels(t *testing.T) {
	for _, test := range []struct {
		opnum uint16
		user  string
		level uint32
		want  werr
	}{
		{15, "", 0, werrOK}, {15, "", 1, werrOK}, {15, "", 2, werrAccessDenied}, {15, alice, 501, werrAccessDenied},
		{15, alice, 502, werrAccessDenied}, {15, alice, 503, werrAccessDenied}, {15, admin, 501, werrOK}, {15, admin, 502, werrOK},
		{15, admin, 503, werrOK}, {15, admin, 3, werrInvalidLevel}, {15, alice, 3, werrInvalidLevel},
		{36, "", 1, werrOK}, {36, "", 501, werrInvalidLevel}, {36, alice, 2, werrAccessDenied}, {36, admin, 502, werrOK},
		{26, alice, 0, werrAccessDenied}, {26, admin, 1, werrOK}, {26, admin, 2, werrInvalidLevel}, {26, admin, 9, werrInvalidLevel},
	} {
		p := open(t, newBackend(t), "srvsvc", test.user)
		reply, status := mustCall(t, p, test.opnum, enumStub(test.level, 0xffffffff, nil))
		if werr(status) != test.want {
			t.Errorf("%+v: %d", test, status)
		}
		if werr(status) != werrOK && len(reply) > 20 {
			t.Errorf("%+v: %x", test, reply)
		}
	}
}

func TestHiddenShares(t *testing.T) {
	for _, user := range []string{"", alice, admin} {
		p := open(t, newBackend(t), "srvsvc", user)
		reply, _ := mustCall(t, p, 15, enumStub(1, 0xffffffff, nil))
		if names := readShares1(t, reply); !slices.Equal(names, []string{"data", "IPC$"}) {
			t.Errorf("%q sees %q", user, names)
		}
		request := stub(func(e *ndr.Encoder) {
			e.Nil()
			e.String("SECRET")
			e.U32(1)
		})
		if _, status := mustCall(t, p, 16, request); werr(status) != werrOK {
			t.Errorf("%q asks by name: %d", user, status)
		}
	}
}

func TestEmptyShareList(t *testing.T) {
	p := open(t, &noShares{newBackend(t)}, "srvsvc", alice)
	reply, failed := callMethod(t, p, 0, 15, enumStub(1, 0xffffffff, nil))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "the reply", reply, unhex(t, "01000000 01000000 00000200 00000000 00000000 00000000 00000000 00000000"))
}

type noShares struct{ *fakeBackend }

func (b noShares) Until(time.Time) Backend { return b }

func (noShares) Shares(string) []ShareInfo { return nil }

// Pages of every size add up to the whole list.
func TestEnumerationInPages(t *testing.T) {
	b := newBackend(t)
	for i := range 20 {
		b.extra = append(b.extra, ShareInfo{Name: fmt.Sprintf("s%d", i), Comment: "c"})
	}
	p := open(t, b, "srvsvc", alice)
	whole, _ := mustCall(t, p, 15, enumStub(1, 0xffffffff, nil))
	want := readShares1(t, whole)
	for _, limit := range []uint32{0, 1, 60, 100, 500, 5000} {
		var got []string
		resume := uint32(0)
		for {
			reply, status := mustCall(t, p, 15, enumStub(1, limit, &resume))
			names, total, next := readShares1Page(t, reply)
			if len(names) == 0 || next == nil || int(total) != len(want)-len(got) {
				t.Fatalf("limit %d: %d names, %d in all after %d", limit, len(names), total, len(got))
			}
			got = append(got, names...)
			if werr(status) == werrOK {
				if *next != 0 {
					t.Errorf("limit %d: resume at %d after the end", limit, *next)
				}
				break
			}
			if werr(status) != werrMoreData || int(*next) != len(got) {
				t.Fatalf("limit %d: status %d, resume at %d after %d", limit, status, *next, len(got))
			}
			resume = *next
		}
		if !slices.Equal(got, want) {
			t.Errorf("limit %d: %q", limit, got)
		}
	}
	// Without a resume handle the rest cannot be had, but is told of.
	reply, status := mustCall(t, p, 15, enumStub(1, 100, nil))
	if names, total, resume := readShares1Page(t, reply); werr(status) != werrMoreData || len(names) >= len(want) || int(total) != len(want) || resume != nil {
		t.Errorf("status %d, %d of %d names, %v", status, len(names), total, resume)
	}
	// Beyond the end.
	for _, at := range []uint32{22, 23, math.MaxUint32} {
		reply, status := mustCall(t, p, 15, enumStub(1, 0xffffffff, &at))
		if names, total, _ := readShares1Page(t, reply); werr(status) != werrOK || len(names) != 0 || total != 0 {
			t.Errorf("at %d: status %d, %d names", at, status, len(names))
		}
	}
}

// However much there is, a reply is a page at most.
func TestPagesAreBounded(t *testing.T) {
	b := newBackend(t)
	for range 20_000 {
		b.extra = append(b.extra, ShareInfo{Name: "a share with a rather long name", Comment: "and a comment that says nothing"})
	}
	p := open(t, b, "srvsvc", alice)
	resume, count := uint32(0), 0
	for calls := 1; ; calls++ {
		reply, status := mustCall(t, p, 15, enumStub(1, 0xffffffff, &resume))
		if len(reply) > maxPage+1000 {
			t.Fatalf("%d bytes", len(reply))
		}
		names, _, next := readShares1Page(t, reply)
		count += len(names)
		if werr(status) == werrOK {
			if count != 20_002 || calls < 3 {
				t.Errorf("%d names in %d calls", count, calls)
			}
			return
		}
		resume = *next
	}
}

func TestShareCheck(t *testing.T) {
	request := func(path string) []byte {
		return stub(func(e *ndr.Encoder) {
			e.Nil()
			e.String(path)
		})
	}
	p := open(t, newBackend(t), "srvsvc", admin)
	for path, want := range map[string]werr{`c:\DATA`: werrOK, `C:\secret`: werrOK, `C:\none`: werrDeviceNotShared} {
		if _, status := mustCall(t, p, 20, request(path)); werr(status) != want {
			t.Errorf("%s: %d", path, status)
		}
	}
	if _, status := mustCall(t, open(t, newBackend(t), "srvsvc", alice), 20, request(`C:\data`)); werr(status) != werrAccessDenied {
		t.Errorf("%d", status)
	}
}

// Nothing about sessions, connections and files is for ordinary users, and
// nothing can be changed.
func TestOrdinaryUsersAreRefused(t *testing.T) {
	numbers := stub(func(e *ndr.Encoder) {
		e.Nil()
		e.U32(11)
		e.U32(3)
	})
	for _, user := range []string{"", alice} {
		b := newBackend(t)
		p := open(t, b, "srvsvc", user)
		for opnum, request := range map[uint16][]byte{
			8:  enumStub(1, 0xffffffff, nil, "data"),
			9:  enumStub(3, 0xffffffff, nil, "", ""),
			10: numbers,
			11: numbers,
			12: enumStub(10, 0xffffffff, nil, "", ""),
			13: stub(func(e *ndr.Encoder) { e.Nil(); e.Nil(); e.StringPointer("bob") }),
			14: nil, 17: nil, 18: nil, 19: nil, 22: nil,
			23: diskStub(0),
		} {
			if _, status := mustCall(t, p, opnum, request); werr(status) != werrAccessDenied {
				t.Errorf("opnum %d of %q: %d", opnum, user, status)
			}
		}
		if len(b.sessions) != 2 || len(b.files) != 2 {
			t.Error("something was closed")
		}
	}
}

func diskStub(level uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Nil()
		e.U32(level)
		e.U32(0)
		e.Pointer(func() {
			e.U32(0)
			e.U32(0)
			e.U32(0)
		})
		e.Flush()
		e.U32(0xffffffff)
		e.Nil()
	})
}

func TestChangesOfConfigurationAreRefused(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", admin)
	for opnum, size := range map[uint16]int{14: 4, 17: 4, 18: 0, 19: 0, 22: 4} {
		if reply, status := mustCall(t, p, opnum, []byte("anything")); werr(status) != werrNotSupported || len(reply) != size {
			t.Errorf("opnum %d: %d, %x", opnum, status, reply)
		}
	}
}

func TestSelections(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", admin)
	for _, test := range []struct {
		name       string
		opnum      uint16
		level      uint32
		qualifiers []string
		want       werr
		count      uint32
	}{
		{"all sessions", 12, 10, []string{"", ""}, werrOK, 2},
		{"sessions of a client", 12, 502, []string{`\\10.0.0.8`, ""}, werrOK, 1},
		{"sessions of a user", 12, 0, []string{"", "ALICE"}, werrOK, 1},
		{"sessions of a user with domain", 12, 1, []string{"", `files\alice`}, werrOK, 1},
		{"no such client", 12, 2, []string{`\\nobody`, ""}, werrClientNameNotFound, 0},
		{"no such user", 12, 2, []string{"", "carol"}, werrUserNotFound, 0},
		{"user elsewhere", 12, 2, []string{`\\10.0.0.8`, "alice"}, werrUserNotFound, 0},
		{"session level unknown", 12, 3, []string{"", ""}, werrInvalidLevel, 0},
		{"all files", 9, 2, []string{"", ""}, werrOK, 2},
		{"files below", 9, 3, []string{`c:\data`, ""}, werrOK, 1},
		{"files of a user", 9, 3, []string{"", "bob"}, werrOK, 1},
		{"files of a client", 9, 3, []string{"", `\\10.0.0.7`}, werrOK, 1},
		{"files of nobody", 9, 3, []string{"", "carol"}, werrOK, 0},
		{"file level unknown", 9, 1, []string{"", ""}, werrInvalidLevel, 0},
		{"connections to a share", 8, 1, []string{"DATA"}, werrOK, 1},
		{"connections to an idle share", 8, 1, []string{"secret"}, werrOK, 0},
		{"connections of a client", 8, 0, []string{`\\10.0.0.8`}, werrOK, 1},
		{"no such share", 8, 0, []string{"nowhere"}, werrNetNameNotFound, 0},
		{"no such client connected", 8, 0, []string{`\\nobody`}, werrClientNameNotFound, 0},
		{"connections of all", 8, 0, []string{""}, werrInvalidParameter, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, status := mustCall(t, p, test.opnum, enumStub(test.level, 0xffffffff, nil, test.qualifiers...))
			if werr(status) != test.want {
				t.Fatalf("status %d, want %d", status, test.want)
			}
			// The container has the count in front; the total is the last
			// but one long.
			d := ndr.NewDecoder(reply)
			if d.U32(); test.want == werrOK {
				d.U32()
				d.Pointer()
				if n := d.U32(); n != test.count {
					t.Errorf("%d entries, want %d", n, test.count)
				}
			}
			end := ndr.NewDecoder(reply[len(reply)-8:])
			if n := end.U32(); n != test.count {
				t.Errorf("%d in all, want %d", n, test.count)
			}
		})
	}
}

func TestFileGetInfoAndClose(t *testing.T) {
	b := newBackend(t)
	p := open(t, b, "srvsvc", admin)
	file := func(id, level uint32) []byte {
		return stub(func(e *ndr.Encoder) {
			e.Nil()
			e.U32(id)
			e.U32(level)
		})
	}
	reply, status := mustCall(t, p, 10, file(11, 3))
	if werr(status) != werrOK {
		t.Fatal(status)
	}
	wantBytes(t, "the file", reply, unhex(t, `
		03000000 00000200 0b000000 03000000 03000000 04000200 08000200
		0e000000 00000000 0e000000 43003a00 5c006400 61007400 61005c00 61002e00 74007800 74000000
		0c000000 00000000 0c000000 46004900 4c004500 53005c00 61006c00 69006300 65000000
	`))
	for _, test := range []struct {
		opnum     uint16
		id, level uint32
		want      werr
	}{{10, 99, 3, werrFileIDNotFound}, {10, 11, 4, werrInvalidLevel}, {11, 99, 0, werrFileIDNotFound}, {11, 12, 0, werrNotSupported}, {11, 11, 0, werrOK}, {11, 11, 0, werrFileIDNotFound}} {
		if _, status := mustCall(t, p, test.opnum, file(test.id, test.level)); werr(status) != test.want {
			t.Errorf("%+v: %d", test, status)
		}
	}
	if len(b.files) != 1 {
		t.Errorf("%d files are open", len(b.files))
	}
}

func TestSessionDel(t *testing.T) {
	b := newBackend(t)
	p := open(t, b, "srvsvc", admin)
	del := func(client, user string) werr {
		t.Helper()
		reply, status := mustCall(t, p, 13, stub(func(e *ndr.Encoder) {
			e.Nil()
			for _, s := range []string{client, user} {
				e.StringPointer(s)
				e.Flush()
			}
		}))
		if len(reply) != 0 {
			t.Errorf("%x", reply)
		}
		return werr(status)
	}
	if got := del("", ""); got != werrInvalidParameter || len(b.sessions) != 2 {
		t.Errorf("all: %d, %d are left", got, len(b.sessions))
	}
	if got := del(`\\10.0.0.7`, "bob"); got != werrUserNotFound || len(b.sessions) != 2 {
		t.Errorf("bob elsewhere: %d, %d are left", got, len(b.sessions))
	}
	if got := del(`\\10.0.0.8`, "BOB"); got != werrOK || len(b.sessions) != 1 || b.sessions[0].ID != 7 {
		t.Errorf("bob: %d, %v", got, b.sessions)
	}
	if got := del(`\\10.0.0.8`, ""); got != werrClientNameNotFound {
		t.Errorf("again: %d", got)
	}
	b.keepSessions = true
	if got := del(`\\10.0.0.7`, ""); got != werrAccessDenied || len(b.sessions) != 1 {
		t.Errorf("one that cannot be closed: %d", got)
	}
}

func TestErrorsOfTheBackend(t *testing.T) {
	for _, test := range []struct {
		err  error
		want werr
	}{
		{nil, werrOK},
		{fmt.Errorf("file: %w", fs.ErrNotExist), werrFileIDNotFound},
		{fs.ErrPermission, werrAccessDenied},
		{errors.ErrUnsupported, werrNotSupported},
		{errors.New("other"), werrInternal},
	} {
		if got := werrOf(test.err, werrFileIDNotFound); got != test.want {
			t.Errorf("%v: %d", test.err, got)
		}
	}
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]uint32{-time.Hour: 0, 1999 * time.Millisecond: 1, math.MaxInt64: math.MaxUint32} {
		if got := seconds(d); got != want {
			t.Errorf("%v: %d", d, got)
		}
	}
}

func TestRemoteTODBytes(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", "")
	reply, failed := callMethod(t, p, 0, todOpnum, todRequest)
	if failed != 0 {
		t.Fatal(failed)
	}
	// 2026-11-25 17:30:15.42 UTC, one hour east.
	wantBytes(t, "the time", reply, unhex(t, `
		00000200
		271b076b fc11c213 11000000 1e000000 0f000000 2a000000
		c4ffffff 36010000 19000000 0b000000 ea070000 03000000
		00000000
	`))
}

func TestNameValidate(t *testing.T) {
	for _, test := range []struct {
		kind uint32
		name string
		want bool
	}{
		{9, "data", true}, {9, "", false}, {9, "a/b", false}, {9, "a\x1fb", false}, {9, "a*b", true}, {9, "...", false}, {9, " . ", false},
		{9, "größer", true}, {4, "host", true}, {4, "ho*st", false}, {4, " host", false}, {4, "host ", false},
		{6, "DOMAIN", true}, {6, "DO MAIN", false}, {6, "1234567890123456", false}, {2, "", true}, {2, `"/\`, true}, {2, "...", true},
		{11, "to*", true}, {11, "t*o", false}, {12, "12345678", true}, {12, "123456789", false}, {13, "W", true},
		{5, "1234567890123456", true}, {5, "𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞", false},
	} {
		if got := nameRules[test.kind].accepts(test.name); got != test.want {
			t.Errorf("%q as %d: %v", test.name, test.kind, got)
		}
	}
	long := make([]byte, 260)
	for i := range long {
		long[i] = 'x'
	}
	if nameRules[11].accepts(string(long)) || !nameRules[11].accepts(string(long[:259])+"*") || !nameRules[11].accepts(string(long[:259])) {
		t.Error("a message destination of the greatest length must end with an asterisk")
	}
	p := open(t, newBackend(t), "srvsvc", "")
	for _, test := range []struct {
		kind, flags uint32
		want        werr
	}{{9, 0, werrOK}, {0, 0, werrInvalidParameter}, {14, 0, werrInvalidParameter}, {9, 0x80000000, werrInvalidParameter}} {
		_, status := mustCall(t, p, 33, stub(func(e *ndr.Encoder) {
			e.Nil()
			e.String("data")
			e.U32(test.kind)
			e.U32(test.flags)
		}))
		if werr(status) != test.want {
			t.Errorf("%+v: %d", test, status)
		}
	}
}
