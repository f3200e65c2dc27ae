package smb

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"unicode/utf16"

	"lessor/smb/auth"
	"lessor/smb/rpc"
)

// rpcCaller calls methods over a pipe that it has bound.
type rpcCaller struct {
	*testing.T
	pipe *rpc.Pipe
}

// unit is a data unit of DCE/RPC (C706 12.6.3.1).
func unit(kind byte, body []byte) []byte {
	b := []byte{5, 0, kind, 3, 0x10, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}
	binary.LittleEndian.PutUint16(b[8:], uint16(len(b)+len(body)))
	return append(b, body...)
}

// bindTo opens a pipe and binds to the interface of a UUID, as it is on the wire.
func bindTo(t *testing.T, b rpcBackend, pipe string, uuid []byte, version byte) rpcCaller {
	t.Helper()
	p, err := rpc.Open(pipe, b, b.who.User)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	body := slices.Concat([]byte{0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0}, uuid, []byte{version, 0, 0, 0},
		[]byte{0x04, 0x5d, 0x88, 0x8a, 0xeb, 0x1c, 0xc9, 0x11, 0x9f, 0xe8, 0x08, 0x00, 0x2b, 0x10, 0x48, 0x60, 2, 0, 0, 0}) // NDR
	if ack, _, err := p.Transact(unit(11, body), 4096); err != nil || ack[2] != 12 {
		t.Fatalf("bind to %s: %x, %v", pipe, ack, err)
	}
	return rpcCaller{t, p}
}

// call calls a method and returns what it answers.
func (c rpcCaller) call(opnum uint16, stub []byte) []byte {
	c.Helper()
	body := binary.LittleEndian.AppendUint32(nil, uint32(len(stub)))
	body = binary.LittleEndian.AppendUint16(append(body, 0, 0), opnum)
	reply, _, err := c.pipe.Transact(unit(0, append(body, stub...)), 65536)
	if err != nil || reply[2] != 2 {
		c.Fatalf("method %d: %x, %v", opnum, reply, err)
	}
	return reply[24:]
}

// wide is a text as it is in an answer.
func wide(text string) (b []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

var (
	uuidSrvsvc = []byte{0xc8, 0x4f, 0x32, 0x4b, 0x70, 0x16, 0xd3, 0x01, 0x12, 0x78, 0x5a, 0x47, 0xbf, 0x6e, 0xe1, 0x88}
	uuidWkssvc = []byte{0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46, 0xc3, 0xf8, 0x7e, 0x34, 0x5a}
	uuidLsarpc = []byte{0x78, 0x57, 0x34, 0x12, 0x34, 0x12, 0xcd, 0xab, 0xef, 0x00, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab}
)

// TestWorkgroup: every interface tells the workgroup that the server was given, and that its
// accounts are its own.
func TestWorkgroup(t *testing.T) {
	for given, want := range map[string]string{"": "WORKGROUP", "My Office": "MY OFFICE"} {
		s := made(New(Config{Auth: auth.NewNegotiator(), Name: "FILES", Comment: "hello", Workgroup: given}))(t)
		b := rpcBackend{s: s, who: s.principalOf(&auth.Identity{User: "alice"})}
		srv, wks, lsa := bindTo(t, b, "srvsvc", uuidSrvsvc, 3), bindTo(t, b, "wkssvc", uuidWkssvc, 1), bindTo(t, b, "lsarpc", uuidLsarpc, 0)
		word := func(list ...uint32) (stub []byte) {
			for _, n := range list {
				stub = binary.LittleEndian.AppendUint32(stub, n)
			}
			return stub
		}
		// LsarOpenPolicy2: no name, no attributes, MAXIMUM_ALLOWED.
		policy := lsa.call(44, word(0, 0, 0, 0, 0, 0, 0, 0x02000000))[:20]
		ask := func(class uint16) []byte {
			return lsa.call(46, binary.LittleEndian.AppendUint16(slices.Clone(policy), class))
		}
		machine := b.MachineSID()
		sid := machine.Append(nil)
		for _, c := range []struct {
			what      string
			reply     []byte
			name      bool // of the server is in it
			group     bool
			knowsSIDs bool
		}{
			{"NetrWkstaGetInfo 100", wks.call(0, word(0, 100)), true, true, false},
			{"NetrWkstaGetInfo 101", wks.call(0, word(0, 101)), true, true, false},
			{"NetrGetJoinInformation", wks.call(20, word(0, 1, 1, 0, 1, 0)), false, true, false},
			{"NetrServerGetInfo 101", srv.call(21, word(0, 101)), true, false, false},
			{"the primary domain", ask(3), false, true, false},
			{"the domain of DNS", ask(12), false, true, false},
			{"the account domain", ask(5), true, false, true},
		} {
			has := func(part []byte) bool { return bytes.Contains(c.reply, part) }
			if has(wide("FILES")) != c.name || has(wide(want)) != c.group || has(sid) != c.knowsSIDs || !bytes.HasSuffix(c.reply, word(0)) {
				t.Errorf("in %q, %s: %x", want, c.what, c.reply)
			}
			if other := wide("WORKGROUP"); want != "WORKGROUP" && has(other) {
				t.Errorf("in %q, %s: %x", want, c.what, c.reply)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
