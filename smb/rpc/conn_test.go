package rpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"lessor/smb/rpc/ndr"
)

// todRequest are the parameters of NetrRemoteTOD, and todOpnum its number: the
// shortest method.
const todOpnum = 28

var todRequest = []byte{0, 0, 0, 0}

func TestBindOfWindows(t *testing.T) {
	p, err := Open(`\SrvSvc`, newBackend(t), alice)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	reply, more, err := p.Transact(unhex(t, windowsBind), 1024)
	if err != nil || more {
		t.Fatal(more, err)
	}
	group := binary.LittleEndian.Uint32(reply[20:])
	if group == 0 {
		t.Error("no association group")
	}
	binary.LittleEndian.PutUint32(reply[20:], 0)
	wantBytes(t, "BindAck", reply, unhex(t, `
		05 00 0c 03 10000000 7400 0000 02000000
		b810 b810 00000000
		0d00 5c504950455c73727673766300 00  # \PIPE\srvsvc
		03 000000
		0000 0000 045d888a eb1cc911 9fe80800 2b104860 02000000  # NDR
		0200 0200 00000000 00000000 00000000 00000000 00000000  # no NDR64
		0300 0200 00000000 00000000 00000000 00000000 00000000  # connection survives orphans
	`))
	if _, failed := callMethod(t, p, 0, todOpnum, todRequest); failed != 0 {
		t.Error(failed)
	}
	if _, failed := callMethod(t, p, 1, todOpnum, todRequest); failed != faultUnknownIf {
		t.Errorf("a call in the refused context: %v", failed)
	}
}

func TestBindRejections(t *testing.T) {
	other := srvsvc.syntax
	other.version = 4
	newer := srvsvc.syntax
	newer.version |= 1 << 16
	unknown := syntaxID{uuid: [16]byte{1}}
	for name, test := range map[string]struct {
		abstract       syntaxID
		transfer       []syntaxID
		result, reason uint16
	}{
		"accepted":                {srvsvc.syntax, []syntaxID{unknown, ndrSyntax}, resultAccept, 0},
		"of another pipe":         {lsarpc.syntax, []syntaxID{ndrSyntax}, resultReject, reasonAbstractSyntax},
		"of another version":      {other, []syntaxID{ndrSyntax}, resultReject, reasonAbstractSyntax},
		"of a newer minor":        {newer, []syntaxID{ndrSyntax}, resultReject, reasonAbstractSyntax},
		"without transfer syntax": {srvsvc.syntax, nil, resultReject, reasonTransferSyntax},
		"with NDR 1":              {srvsvc.syntax, []syntaxID{{ndrSyntax.uuid, 1}}, resultReject, reasonTransferSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			c := newConn(endpoints["srvsvc"], newBackend(t), alice)
			b := append(newPDU(100, typeBind, flagWhole, 1), 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0)
			out := c.feed(finishPDU(appendContext(b, 9, test.abstract, test.transfer...)))
			if len(out) != 1 || out[0][2] != typeBindAck {
				t.Fatalf("%x", out)
			}
			answer := out[0][len(out[0])-24:]
			if r := binary.LittleEndian.Uint16(answer); r != test.result {
				t.Errorf("result %d", r)
			}
			if r := binary.LittleEndian.Uint16(answer[2:]); r != test.reason {
				t.Errorf("reason %d", r)
			}
			if _, ok := c.contexts[9]; ok != (test.result == resultAccept) {
				t.Errorf("context there: %v", ok)
			}
		})
	}
}

func TestFragmentSizeIsNegotiated(t *testing.T) {
	for asked, want := range map[uint16]uint16{0: 1432, 1432: 1432, 2003: 2000, 4280: 4280, 5840: 4280, 65535: 4280} {
		c := newConn(endpoints["srvsvc"], newBackend(t), alice)
		out := c.feed(bindUnit(1, asked, srvsvc))
		xmit, recv := binary.LittleEndian.Uint16(out[0][16:]), binary.LittleEndian.Uint16(out[0][18:])
		if xmit != want || recv != want || c.frag != want {
			t.Errorf("%d became %d and %d", asked, xmit, recv)
		}
	}
}

func TestAlterContext(t *testing.T) {
	p := open(t, newBackend(t), "lsarpc", alice)
	unit := bindLike(typeAlterContext, 3, 4280, lsarpc, dssetup)
	reply, _, err := p.Transact(unit, 1024)
	if err != nil || reply[2] != typeAlterResponse || len(reply) != 32+48 {
		t.Fatalf("%x, %v", reply, err)
	}
	if got, failed := callMethod(t, p, 1, 0, []byte{1, 0}); failed != 0 || len(got) < 40 {
		t.Errorf("%x, %v", got, failed)
	}
	// A context cannot change its interface.
	reply, _, err = p.Transact(bindLike(typeAlterContext, 4, 4280, dssetup), 1024)
	if err != nil || binary.LittleEndian.Uint16(reply[len(reply)-24:]) != resultReject {
		t.Errorf("%x, %v", reply, err)
	}
	if _, failed := callMethod(t, p, 0, 45, make([]byte, 12)); failed != 0 {
		t.Errorf("context 0 after that: %v", failed)
	}
}

func TestContextsAreLimited(t *testing.T) {
	c := newConn(endpoints["srvsvc"], newBackend(t), alice)
	c.feed(bindUnit(1, 4280, srvsvc))
	rejected := 0
	for id := range 300 {
		b := append(newPDU(100, typeAlterContext, flagWhole, 2), 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0)
		out := c.feed(finishPDU(appendContext(b, uint16(id), srvsvc.syntax, ndrSyntax)))
		switch answer := out[0][len(out[0])-24:]; {
		case binary.LittleEndian.Uint16(answer) == resultAccept:
		case binary.LittleEndian.Uint16(answer[2:]) == reasonLocalLimit:
			rejected++
		default:
			t.Fatalf("%x", out)
		}
	}
	if len(c.contexts) != maxContexts || rejected != 300-maxContexts {
		t.Errorf("%d contexts, %d rejected", len(c.contexts), rejected)
	}
}

func TestSecurityIsRefused(t *testing.T) {
	b := newBackend(t)
	p, err := Open("srvsvc", b, alice)
	if err != nil {
		t.Fatal(err)
	}
	bind := bindUnit(1, 4280, srvsvc)
	reply, _, err := p.Transact(withAuth(bind, 10, 6), 1024)
	if err != nil || reply[2] != typeBindNak || binary.LittleEndian.Uint16(reply[16:]) != nakAuthType {
		t.Fatalf("%x, %v", reply, err)
	}
	// The pipe is still unbound, and level "none" authenticates nothing.
	if reply, _, err = p.Transact(withAuth(bind, 10, authLevelNone), 1024); err != nil || reply[2] != typeBindAck {
		t.Fatalf("%x, %v", reply, err)
	}
	request := requestUnit(flagWhole, 2, 0, todOpnum, todRequest)
	wantFault(t, p, withAuth(request, 10, 6), faultAccessDenied)
	wantFault(t, p, withAuth(bindLike(typeAlterContext, 3, 4280, srvsvc), 10, 6), faultAccessDenied)
	if reply, _, err := p.Transact(withAuth(request, 10, authLevelNone), 1024); err != nil || reply[2] != typeResponse {
		t.Errorf("%x, %v", reply, err)
	}
}

func TestMalformedBindIsRefused(t *testing.T) {
	p, err := Open("srvsvc", newBackend(t), alice)
	if err != nil {
		t.Fatal(err)
	}
	unit := bindUnit(1, 4280, srvsvc)
	reply, _, err := p.Transact(finishPDU(unit[:len(unit)-1]), 100)
	if err != nil || reply[2] != typeBindNak || binary.LittleEndian.Uint16(reply[16:]) != nakUnspecified {
		t.Errorf("%x, %v", reply, err)
	}
}

func TestUnknownVersionIsRefused(t *testing.T) {
	p, err := Open("srvsvc", newBackend(t), alice)
	if err != nil {
		t.Fatal(err)
	}
	unit := bindUnit(1, 4280, srvsvc)
	unit[0] = 4
	reply, _, err := p.Transact(unit, 100)
	if err != nil || reply[2] != typeBindNak || binary.LittleEndian.Uint16(reply[16:]) != nakVersion {
		t.Errorf("%x, %v", reply, err)
	}
	wantBroken(t, p)
}

func TestBreachesOfProtocol(t *testing.T) {
	request := requestUnit(flagWhole, 5, 0, todOpnum, todRequest)
	short := finishPDU(append(newPDU(20, typeRequest, flagWhole, 5), 0, 0, 0, 0))
	wrongVersion := bytes.Clone(request)
	wrongVersion[0] = 9
	badAuth := withAuth(request, 10, 6)
	badAuth[len(badAuth)-14] = 0xff
	for name, test := range map[string]struct {
		unbound bool
		units   [][]byte
	}{
		"request before bind":         {true, [][]byte{request}},
		"alter before bind":           {true, [][]byte{bindLike(typeAlterContext, 5, 4280, srvsvc)}},
		"second bind":                 {false, [][]byte{bindUnit(5, 4280, srvsvc)}},
		"malformed alter":             {false, [][]byte{finishPDU(newPDU(16, typeAlterContext, flagWhole, 5))}},
		"short request":               {false, [][]byte{short}},
		"wrong version":               {false, [][]byte{wrongVersion}},
		"padding beyond the unit":     {false, [][]byte{badAuth}},
		"auth3":                       {false, [][]byte{finishPDU(append(newPDU(20, typeAuth3, flagWhole, 5), 0, 0, 0, 0))}},
		"shutdown":                    {false, [][]byte{finishPDU(newPDU(16, typeShutdown, flagWhole, 5))}},
		"response":                    {false, [][]byte{finishPDU(append(newPDU(24, typeResponse, flagWhole, 5), make([]byte, 8)...))}},
		"type unknown":                {false, [][]byte{finishPDU(newPDU(16, 200, flagWhole, 5))}},
		"continuation of nothing":     {false, [][]byte{requestUnit(flagLast, 5, 0, todOpnum, todRequest)}},
		"first fragment twice":        {false, [][]byte{requestUnit(flagFirst, 5, 0, todOpnum, todRequest), requestUnit(flagFirst, 5, 0, todOpnum, todRequest)}},
		"fragments of calls mixed up": {false, [][]byte{requestUnit(flagFirst, 4, 0, todOpnum, todRequest), requestUnit(flagLast, 5, 0, todOpnum, todRequest)}},
	} {
		t.Run(name, func(t *testing.T) {
			var p *Pipe
			if test.unbound {
				var err error
				if p, err = Open("srvsvc", newBackend(t), alice); err != nil {
					t.Fatal(err)
				}
			} else {
				p = open(t, newBackend(t), "srvsvc", alice)
			}
			last := len(test.units) - 1
			for _, u := range test.units[:last] {
				if _, err := p.Write(u); err != nil {
					t.Fatal(err)
				}
			}
			wantFault(t, p, test.units[last], faultProtocol)
			wantBroken(t, p)
		})
	}
}

func TestNothingIsReadBehindABreach(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	data := append(finishPDU(newPDU(16, typeShutdown, flagWhole, 5)), requestUnit(flagWhole, 6, 0, todOpnum, todRequest)...)
	if n, err := p.Write(data); n != len(data) || err != nil {
		t.Fatal(n, err)
	}
	if reply, _, err := p.Read(1000); err != nil || reply[2] != typeFault {
		t.Fatalf("%x, %v", reply, err)
	}
	wantBroken(t, p)
}

func TestFaults(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	for _, test := range []struct {
		contextID, opnum uint16
		stub             []byte
		want             fault
	}{
		{0, 0, nil, faultOpRange},
		{0, 999, nil, faultOpRange},
		{7, todOpnum, todRequest, faultUnknownIf},
		{0, todOpnum, nil, faultBadStub},
		{0, todOpnum, []byte{1, 0, 0, 0}, faultBadStub},
	} {
		if _, failed := callMethod(t, p, test.contextID, test.opnum, test.stub); failed != test.want {
			t.Errorf("context %d, opnum %d: %v", test.contextID, test.opnum, failed)
		}
	}
	if _, failed := callMethod(t, p, 0, todOpnum, todRequest); failed != 0 {
		t.Errorf("the call after that: %v", failed)
	}
}

func TestObjectIsIgnored(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	unit := requestUnit(flagWhole|flagObject, 5, 0, todOpnum, append(make([]byte, 16), todRequest...))
	if reply, _, err := p.Transact(unit, 1000); err != nil || reply[2] != typeResponse {
		t.Errorf("%x, %v", reply, err)
	}
}

func TestMaybeHasNoReply(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	for _, request := range [][]byte{todRequest, nil} {
		if _, _, err := p.Transact(requestUnit(flagWhole|flagMaybe, 5, 0, todOpnum, request), 1000); err != ErrNoData {
			t.Error(err)
		}
	}
}

func TestCancelAndOrphan(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	quiet := func(unit []byte) {
		t.Helper()
		if _, _, err := p.Transact(unit, 1000); err != ErrNoData {
			t.Fatal(err)
		}
	}
	quiet(finishPDU(newPDU(16, typeCancel, flagWhole, 4)))
	quiet(finishPDU(newPDU(16, typeOrphaned, flagWhole, 4)))
	quiet(requestUnit(flagFirst, 5, 0, todOpnum, todRequest))
	quiet(finishPDU(newPDU(16, typeOrphaned, flagWhole, 4))) // another call
	quiet(finishPDU(newPDU(16, typeCancel, flagWhole, 5)))
	quiet(finishPDU(newPDU(16, typeOrphaned, flagWhole, 5)))
	// Call 5 is forgotten: its number can be used again.
	if reply, _, err := p.Transact(requestUnit(flagWhole, 5, 0, todOpnum, todRequest), 1000); err != nil || reply[2] != typeResponse {
		t.Errorf("%x, %v", reply, err)
	}
}

// longRequest is a NetprNameValidate with a name of n characters.
func longRequest(n int) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Nil()
		e.String(string(bytes.Repeat([]byte{'x'}, n)))
		e.U32(9)
		e.U32(0)
	})
}

// fragments cuts a request.
func fragments(callID uint32, opnum uint16, stub []byte, size int) [][]byte {
	var units [][]byte
	flags := uint8(flagFirst)
	for {
		n := min(size, len(stub))
		if n == len(stub) {
			flags |= flagLast
		}
		units = append(units, requestUnit(flags, callID, 0, opnum, stub[:n]))
		if stub = stub[n:]; flags&flagLast != 0 {
			return units
		}
		flags = 0
	}
}

func TestRequestInFragments(t *testing.T) {
	for _, size := range []int{1, 7, 8, 200, 10000} {
		p := open(t, newBackend(t), "srvsvc", alice)
		for name, want := range map[int]werr{80: werrOK, 81: werrInvalidName} {
			units := fragments(9, 33, longRequest(name), size)
			for i, u := range units {
				reply, _, err := p.Transact(u, 1000)
				if i < len(units)-1 {
					if err != ErrNoData {
						t.Fatalf("fragment %d: %x, %v", i, reply, err)
					}
					continue
				}
				if err != nil || len(reply) != responseSize+4 || werr(binary.LittleEndian.Uint32(reply[24:])) != want {
					t.Errorf("fragments of %d bytes: %x, %v, want %d", size, reply, err, want)
				}
			}
		}
	}
}

func TestRequestTooLarge(t *testing.T) {
	p := open(t, newBackend(t), "srvsvc", alice)
	units := fragments(9, 33, longRequest(maxRequest), 5000)
	var got [][]byte
	for _, u := range units {
		reply, _, err := p.Transact(u, 1000)
		if err == nil {
			got = append(got, reply)
		} else if err != ErrNoData {
			t.Fatal(err)
		}
		if r := p.conn.request; r != nil && cap(r.stub) > 2*maxRequest {
			t.Fatalf("%d bytes are kept", cap(r.stub))
		}
	}
	if len(got) != 1 || got[0][2] != typeFault || fault(binary.LittleEndian.Uint32(got[0][24:])) != faultNoMemory {
		t.Errorf("%x", got)
	}
	if _, failed := callMethod(t, p, 0, todOpnum, todRequest); failed != 0 {
		t.Errorf("the call after that: %v", failed)
	}
}

// TestBytesInPieces writes a whole dialogue in pieces of every size: the
// replies must not depend on it.
func TestBytesInPieces(t *testing.T) {
	dialogue := bindUnit(1, 4280, srvsvc)
	for _, u := range fragments(2, 33, longRequest(80), 50) {
		dialogue = append(dialogue, u...)
	}
	dialogue = append(dialogue, requestUnit(flagWhole, 3, 0, todOpnum, todRequest)...)
	dialogue = append(dialogue, finishPDU(newPDU(16, typeShutdown, flagWhole, 4))...)
	var want []byte
	for size := len(dialogue); size > 0; size-- {
		c := newConn(endpoints["srvsvc"], newBackend(t), alice)
		c.assocGroup = 5
		var got []byte
		for data := dialogue; len(data) > 0; data = data[min(size, len(data)):] {
			for _, u := range c.feed(data[:min(size, len(data))]) {
				if u[2] == typeBindAck {
					copy(u[20:24], "same")
				}
				got = append(got, u...)
			}
			if cap(c.partial) > 2*maxFragment {
				t.Fatalf("%d bytes are kept", cap(c.partial))
			}
		}
		if want == nil {
			want = got
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("pieces of %d bytes:\n%x\nwant\n%x", size, got, want)
		}
	}
}

func TestReplyInFragments(t *testing.T) {
	for _, frag := range []uint16{1432, 4280} {
		b := newBackend(t)
		for i := range 300 {
			b.extra = append(b.extra, ShareInfo{Name: fmt.Sprintf("share%03d", i), Comment: "something longer"})
		}
		p, err := Open("srvsvc", b, alice)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Transact(bindUnit(1, frag, srvsvc), 1000); err != nil {
			t.Fatal(err)
		}
		reply, status := mustCall(t, p, 15, enumStub(1, 0xffffffff, nil))
		if werr(status) != werrOK || len(reply) < 300*60 {
			t.Errorf("status %d, %d bytes", status, len(reply))
		}
		shares := readShares1(t, reply)
		if len(shares) != 302 || shares[301] != "share299" {
			t.Errorf("%d shares", len(shares))
		}
	}
}

// Many short requests with long replies in one Write are cut off.
func TestFloodIsCutOff(t *testing.T) {
	b := newBackend(t)
	for i := range 2000 {
		b.extra = append(b.extra, ShareInfo{Name: fmt.Sprintf("share%03d", i)})
	}
	p := open(t, b, "srvsvc", alice)
	unit := requestUnit(flagWhole, 3, 0, 15, enumStub(1, 0xffffffff, nil))
	if _, err := p.Write(bytes.Repeat(unit, 1000)); err != nil {
		t.Fatal(err)
	}
	if n := p.Pending(); n > 2*(maxQueued+maxPage) {
		t.Errorf("%d bytes are queued", n)
	}
	var last []byte
	for {
		data, _, err := p.Read(65536)
		if err != nil {
			break
		}
		last = data
	}
	if last[2] != typeFault {
		t.Errorf("the end is %x", last)
	}
	wantBroken(t, p)
}

func TestPanicBecomesAFault(t *testing.T) {
	b := newBackend(t)
	b.crash = true
	p := open(t, b, "srvsvc", alice)
	request := stub(func(e *ndr.Encoder) {
		e.Nil()
		e.String("data")
		e.U32(1)
	})
	if _, failed := callMethod(t, p, 0, 16, request); failed != faultUnspecified {
		t.Errorf("%v", failed)
	}
	if len(b.panics) != 1 || b.panics[0] != "srvsvc.NetrShareGetInfo" {
		t.Errorf("%v", b.panics)
	}
	if _, failed := callMethod(t, p, 0, todOpnum, todRequest); failed != 0 {
		t.Errorf("the call after that: %v", failed)
	}
}

func TestHandlesAreLimited(t *testing.T) {
	var table handleTable
	seen := map[handle]bool{{}: true}
	for range maxHandles {
		h, ok := table.add(policy{}, 1)
		if !ok || seen[h] {
			t.Fatal(h, ok)
		}
		seen[h] = true
	}
	if _, ok := table.add(policy{}, 1); ok {
		t.Error("one more is taken")
	}
	// A counter that wraps around does not give out a handle twice.
	for h := range table.open {
		delete(table.open, h)
		break
	}
	table.last = ^uint32(0) - 1
	if h, ok := table.add(policy{}, 1); !ok || seen[h] {
		t.Error(h, ok)
	}
}
