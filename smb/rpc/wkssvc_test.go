package rpc

import (
	"testing"

	"lessor/smb/rpc/ndr"
)

func wkstaStub(level uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Nil()
		e.U32(level)
	})
}

func TestWkstaGetInfoBytes(t *testing.T) {
	p := open(t, newBackend(t), "wkssvc", admin)
	reply, failed := callMethod(t, p, 0, 0, unhex(t, `
		00000200 06000000 00000000 06000000 66006900 6c006500 73000000
		66000000
	`))
	if failed != 0 {
		t.Fatal(failed)
	}
	wantBytes(t, "level 102", reply, unhex(t, `
		66000000 00000200
		f4010000 04000200 08000200 0a000000 00000000 0c000200 00000000
		06000000 00000000 06000000 46004900 4c004500 53000000
		0a000000 00000000 0a000000 57004f00 52004b00 47005200 4f005500 50000000
		01000000 00000000 01000000 0000 0000
		00000000
	`))
}

func TestWkstaAccess(t *testing.T) {
	for _, test := range []struct {
		user  string
		level uint32
		want  werr
	}{
		{"", 100, werrOK}, {"", 101, werrAccessDenied}, {alice, 101, werrOK}, {alice, 102, werrAccessDenied},
		{admin, 102, werrOK}, {admin, 502, werrOK}, {alice, 502, werrAccessDenied}, {admin, 1013, werrInvalidLevel}, {admin, 7, werrInvalidLevel},
	} {
		reply, status := mustCall(t, open(t, newBackend(t), "wkssvc", test.user), 0, wkstaStub(test.level))
		if werr(status) != test.want {
			t.Errorf("%+v: %d", test, status)
		}
		// The union of a failure has a nil pointer, or nothing at all for a
		// level that the interface definition does not know.
		want := 8
		if test.level == 7 {
			want = 4
		}
		if test.want != werrOK && len(reply) != want {
			t.Errorf("%+v: %x", test, reply)
		}
	}
	// WKSTA_INFO_502 has 35 numbers.
	reply, _ := mustCall(t, open(t, newBackend(t), "wkssvc", admin), 0, wkstaStub(502))
	if len(reply) != 8+35*4 {
		t.Errorf("level 502: %d bytes", len(reply))
	}
	for _, test := range []struct {
		user  string
		opnum uint16
		level uint32
		want  werr
	}{
		{alice, 2, 0, werrAccessDenied}, {admin, 2, 1, werrOK}, {admin, 2, 2, werrInvalidLevel},
		{"", 5, 0, werrAccessDenied}, {alice, 5, 0, werrOK}, {alice, 5, 1, werrInvalidLevel},
	} {
		if _, status := mustCall(t, open(t, newBackend(t), "wkssvc", test.user), test.opnum, enumStub(test.level, 0xffffffff, nil)); werr(status) != test.want {
			t.Errorf("%+v: %d", test, status)
		}
	}
	if reply, status := mustCall(t, open(t, newBackend(t), "wkssvc", alice), 1, nil); werr(status) != werrAccessDenied || len(reply) != 4 {
		t.Errorf("NetrWkstaSetInfo: %x, %d", reply, status)
	}
}

func TestGetJoinInformationBytes(t *testing.T) {
	for user, want := range map[string]string{
		alice: `00000200 0a000000 00000000 0a000000 57004f00 52004b00 47005200 4f005500 50000000 0200 0000 00000000`,
		"":    `00000000 0000 0000 05000000`,
	} {
		reply, failed := callMethod(t, open(t, newBackend(t), "wkssvc", user), 0, 20, unhex(t, "00000000 01000000 01000000 00000000 01000000 0000"))
		if failed != 0 {
			t.Fatal(failed)
		}
		wantBytes(t, user, reply, unhex(t, want))
	}
}

func TestDomainInformationBytes(t *testing.T) {
	p := open(t, newBackend(t), "lsarpc", alice)
	if _, _, err := p.Transact(bindLike(typeAlterContext, 3, 4280, lsarpc, dssetup), 1024); err != nil {
		t.Fatal(err)
	}
	for level, want := range map[byte]string{
		1: `00000200 0100 0000 0200 0000 00000000 04000200 00000000 00000000
			00000000 00000000 00000000 00000000
			0a000000 00000000 0a000000 57004f00 52004b00 47005200 4f005500 50000000 00000000`,
		2: `00000200 0200 0000 00000000 0000 0000 00000000`,
		3: `00000200 0300 0000 0000 0000 00000000`,
		4: `00000000 57000000`,
	} {
		reply, failed := callMethod(t, p, 1, 0, []byte{level, 0})
		if failed != 0 {
			t.Fatal(failed)
		}
		wantBytes(t, string('0'+rune(level)), reply, unhex(t, want))
	}
}
