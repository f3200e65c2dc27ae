package rpc

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// windowsBind is what Windows 10 sends to list shares: NDR, NDR64 and bind time
// feature negotiation.
const windowsBind = `
	05 00 0b 03 10000000 a000 0000 02000000
	b810 b810 00000000
	03 000000
	0000 01 00 c84f324b 7016d301 12785a47 bf6ee188 03000000  045d888a eb1cc911 9fe80800 2b104860 02000000
	0100 01 00 c84f324b 7016d301 12785a47 bf6ee188 03000000  33057171 babe3749 8319b5db ef9ccc36 01000000
	0200 01 00 c84f324b 7016d301 12785a47 bf6ee188 03000000  2c1cb76c 12984045 03000000 00000000 01000000
`

func TestDecodeBind(t *testing.T) {
	m, err := decodeBind(unhex(t, windowsBind))
	if err != nil {
		t.Fatal(err)
	}
	ndr64 := syntaxID{[16]byte(unhex(t, "33057171 babe3749 8319b5db ef9ccc36")), 1}
	features := syntaxID{[16]byte(unhex(t, "2c1cb76c 12984045 03000000 00000000")), 1}
	want := &bindPDU{maxXmit: 4280, maxRecv: 4280, contexts: []bindContext{
		{0, srvsvc.syntax, []syntaxID{ndrSyntax}},
		{1, srvsvc.syntax, []syntaxID{ndr64}},
		{2, srvsvc.syntax, []syntaxID{features}},
	}}
	if diff := cmp.Diff(want, m, cmp.AllowUnexported(bindPDU{}, bindContext{}, syntaxID{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDecodeBindPrefixes(t *testing.T) {
	unit := unhex(t, windowsBind)
	for n := range unit {
		if _, err := decodeBind(unit[:n:n]); err == nil {
			t.Errorf("%d of %d bytes are taken", n, len(unit))
		}
	}
	if _, err := decodeBind(finishPDU(append(newPDU(28, typeBind, flagWhole, 1), make([]byte, 12)...))); err == nil {
		t.Error("a Bind of nothing is taken")
	}
}

func TestDecodeRequest(t *testing.T) {
	unit := unhex(t, `
		05 00 00 83 10000000 2c00 0000 05000000
		04000000 0100 0f00
		00112233 44556677 8899aabb ccddeeff  # object
		deadbeef
	`)
	h, err := decodeHeader(unit)
	if err != nil || h.callID != 5 || h.ptype != typeRequest {
		t.Fatalf("%+v, %v", h, err)
	}
	m, err := decodeRequest(h, unit)
	if err != nil || m.contextID != 1 || m.opnum != 15 || !bytes.Equal(m.stub, unit[40:]) {
		t.Errorf("%+v, %v", m, err)
	}
	for n := range 40 {
		if _, err := decodeRequest(h, unit[:n:n]); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestDecodeHeader(t *testing.T) {
	valid := requestUnit(flagWhole, 1, 0, 0, make([]byte, 40))
	if _, err := decodeHeader(valid); err != nil {
		t.Fatal(err)
	}
	for n := range headerSize {
		if _, err := decodeHeader(valid[:n:n]); err != errTruncated {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for name, test := range map[string]struct {
		at   int
		to   uint16
		want error
	}{
		"version 4":         {0, 0x0004, errVersion},
		"version 5.2":       {0, 0x0205, errVersion},
		"big-endian":        {4, 0x0000, errMalformed},
		"EBCDIC":            {4, 0x0011, errMalformed},
		"VAX float":         {4, 0x0110, errMalformed},
		"short":             {8, 15, errMalformed},
		"long":              {8, maxFragment + 1, errMalformed},
		"longer auth":       {10, 41, errMalformed},
		"auth is the whole": {10, 0xffff, errMalformed},
	} {
		b := bytes.Clone(valid)
		binary.LittleEndian.PutUint16(b[test.at:], test.to)
		if _, err := decodeHeader(b); err != test.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSplitAuth(t *testing.T) {
	plain := requestUnit(flagWhole, 1, 0, 0, []byte{1, 2, 3})
	for _, test := range []struct {
		kind, level uint8
		secured     bool
	}{{10, 5, true}, {10, 1, false}, {0, 6, false}, {9, 2, true}} {
		unit := withAuth(plain, test.kind, test.level)
		h, err := decodeHeader(unit)
		if err != nil {
			t.Fatal(err)
		}
		rest, secured, err := splitAuth(h, unit)
		if err != nil || secured != test.secured || !bytes.Equal(rest[headerSize:], plain[headerSize:]) {
			t.Errorf("type %d, level %d: %x, %v, %v", test.kind, test.level, rest, secured, err)
		}
	}
	// Padding that reaches into the header.
	unit := withAuth(plain, 10, 5)
	unit[len(unit)-14] = 0xff
	h, _ := decodeHeader(unit)
	if _, _, err := splitAuth(h, unit); err != errMalformed {
		t.Errorf("%v", err)
	}
}

func TestAppendReplies(t *testing.T) {
	wantBytes(t, "BindNak", appendBindNak(3, nakAuthType), unhex(t, "05 00 0d 03 10000000 1500 0000 03000000 0800 01 0500"))
	wantBytes(t, "Fault", appendFault(9, 2, flagDidNotExecute, faultOpRange),
		unhex(t, "05 00 03 23 10000000 2000 0000 09000000 20000000 0200 00 00 0200011c 00000000"))
	wantBytes(t, "AlterContextResp", appendBindAck(typeAlterResponse, 4, 4280, 0x11223344, "", []contextResult{{resultReject, reasonAbstractSyntax, syntaxID{}}}),
		unhex(t, `05 00 0f 03 10000000 3800 0000 04000000 b810 b810 44332211 0000 0000 01000000
			0200 0100 00000000 00000000 00000000 00000000 00000000`))
}

func TestResponseFragments(t *testing.T) {
	stub := make([]byte, 5000)
	for i := range stub {
		stub[i] = byte(i * 7)
	}
	for _, size := range []int{0, 1, 1400, 1401, 1408, 1409, 2816, 5000} {
		units := appendResponse(nil, 6, 1, 1432, stub[:size])
		var got []byte
		for i, u := range units {
			h, err := decodeHeader(u)
			if err != nil || int(h.fragLength) != len(u) || len(u) > 1432 {
				t.Fatalf("%d bytes: %+v, %v", len(u), h, err)
			}
			flags := uint8(0)
			if i == 0 {
				flags |= flagFirst
			}
			if i == len(units)-1 {
				flags |= flagLast
			} else if (len(u)-responseSize)%8 != 0 {
				t.Errorf("fragment %d of %d breaks the alignment", i, size)
			}
			if h.flags != flags {
				t.Errorf("fragment %d of %d: flags %x", i, size, h.flags)
			}
			if hint := binary.LittleEndian.Uint32(u[16:]); int(hint) != size-len(got) {
				t.Errorf("fragment %d of %d: hint %d", i, size, hint)
			}
			got = append(got, u[responseSize:]...)
		}
		if !bytes.Equal(got, stub[:size]) {
			t.Errorf("%d bytes became others", size)
		}
		if want := max(1, (size+1407)/1408); len(units) != want {
			t.Errorf("%d bytes took %d fragments, want %d", size, len(units), want)
		}
	}
}
