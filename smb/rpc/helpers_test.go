package rpc

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/rpc/ndr"
)

// unhex converts hexadecimal to bytes. White space is free, and everything
// from a '#' to the end of its line is a comment.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("bad hex in the test: %v", err)
	}
	return b
}

func wantBytes(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is something else (-want +got):\n%s", what,
			cmp.Diff(strings.Split(hex.Dump(want), "\n"), strings.Split(hex.Dump(got), "\n")))
	}
}

// stub builds the parameters of a request.
func stub(build func(e *ndr.Encoder)) []byte {
	var e ndr.Encoder
	build(&e)
	return e.Stub()
}

// bindUnit is a Bind of the interfaces as contexts 0, 1, ...
func bindUnit(callID uint32, frag uint16, ifaces ...*iface) []byte {
	return bindLike(typeBind, callID, frag, ifaces...)
}

func bindLike(ptype uint8, callID uint32, frag uint16, ifaces ...*iface) []byte {
	b := newPDU(200, ptype, flagWhole, callID)
	b = binary.LittleEndian.AppendUint16(b, frag)
	b = binary.LittleEndian.AppendUint16(b, frag)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, uint8(len(ifaces)), 0, 0, 0)
	for i, f := range ifaces {
		b = appendContext(b, uint16(i), f.syntax, ndrSyntax)
	}
	return finishPDU(b)
}

func appendContext(b []byte, id uint16, abstract syntaxID, transfer ...syntaxID) []byte {
	b = binary.LittleEndian.AppendUint16(b, id)
	b = abstract.append(append(b, uint8(len(transfer)), 0))
	for _, s := range transfer {
		b = s.append(b)
	}
	return b
}

// requestUnit is one fragment of a request.
func requestUnit(flags uint8, callID uint32, contextID, opnum uint16, stub []byte) []byte {
	b := newPDU(requestSize+len(stub), typeRequest, flags, callID)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(stub)))
	b = binary.LittleEndian.AppendUint16(b, contextID)
	b = binary.LittleEndian.AppendUint16(b, opnum)
	return finishPDU(append(b, stub...))
}

// withAuth puts an authentication trailer behind a unit.
func withAuth(unit []byte, kind, level uint8) []byte {
	pad := -len(unit) & 3
	b := append(bytes.Clone(unit), make([]byte, pad)...)
	b = append(b, kind, level, uint8(pad), 0, 1, 0, 0, 0)
	b = append(b, "NTLMSSP\x00"...)
	binary.LittleEndian.PutUint16(b[10:], 8)
	return finishPDU(b)
}

// open opens a pipe and binds its first interface as context 0.
func open(t testing.TB, b Backend, pipeName, user string) *Pipe {
	t.Helper()
	p, err := Open(pipeName, b, user)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	reply, more, err := p.Transact(bindUnit(1, offeredFragment, p.conn.end.ifaces[0]), 65536)
	if err != nil || more || reply[2] != typeBindAck {
		t.Fatalf("bind: %x, %v, %v", reply, more, err)
	}
	return p
}

// callMethod sends a request in one fragment and puts the reply together. It
// returns the stub of the reply or the fault.
func callMethod(t testing.TB, p *Pipe, contextID, opnum uint16, request []byte) ([]byte, fault) {
	t.Helper()
	const callID = 77
	reply, more, err := p.Transact(requestUnit(flagWhole, callID, contextID, opnum, request), 65536)
	if err != nil || more {
		t.Fatalf("opnum %d: %v, more %v", opnum, err, more)
	}
	var out []byte
	for first := true; ; first = false {
		h, err := decodeHeader(reply)
		if err != nil || int(h.fragLength) != len(reply) || h.callID != callID {
			t.Fatalf("bad reply %x: %v", reply, err)
		}
		if first != (h.flags&flagFirst != 0) {
			t.Fatalf("flags %x, first %v", h.flags, first)
		}
		if h.ptype == typeFault {
			return nil, fault(binary.LittleEndian.Uint32(reply[24:]))
		}
		if h.ptype != typeResponse || binary.LittleEndian.Uint16(reply[20:]) != contextID {
			t.Fatalf("bad reply %x", reply)
		}
		out = append(out, reply[responseSize:]...)
		if h.flags&flagLast != 0 {
			if p.Pending() != 0 {
				t.Fatalf("%d bytes behind the reply", p.Pending())
			}
			return out, 0
		}
		if reply, _, err = p.Read(65536); err != nil {
			t.Fatal(err)
		}
	}
}

// mustCall is callMethod for a call that succeeds in the sense of RPC. It
// returns the stub without the status at its end, and the status.
func mustCall(t testing.TB, p *Pipe, opnum uint16, request []byte) ([]byte, uint32) {
	t.Helper()
	reply, failed := callMethod(t, p, 0, opnum, request)
	if failed != 0 || len(reply) < 4 {
		t.Fatalf("opnum %d: %v, reply %x", opnum, failed, reply)
	}
	at := len(reply) - 4
	return reply[:at], binary.LittleEndian.Uint32(reply[at:])
}

// wantFault demands that unit is answered with one Fault.
func wantFault(t testing.TB, p *Pipe, unit []byte, want fault) {
	t.Helper()
	reply, _, err := p.Transact(unit, 65536)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply) != 32 || reply[2] != typeFault || fault(binary.LittleEndian.Uint32(reply[24:])) != want {
		t.Errorf("got %x, want fault %v", reply, want)
	}
	if !bytes.Equal(reply[12:16], unit[12:16]) {
		t.Errorf("the fault is for call %x, not %x", reply[12:16], unit[12:16])
	}
}

// wantBroken demands that the pipe is dead.
func wantBroken(t testing.TB, p *Pipe) {
	t.Helper()
	if _, _, err := p.Read(100); !errors.Is(err, ErrBroken) {
		t.Errorf("Read: %v", err)
	}
	if _, err := p.Write([]byte{5}); !errors.Is(err, ErrBroken) {
		t.Errorf("Write: %v", err)
	}
	select {
	case <-p.Wait():
	default:
		t.Error("Wait waits for a dead pipe")
	}
}
