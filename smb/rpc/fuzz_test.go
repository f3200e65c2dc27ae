package rpc

import (
	"bytes"
	"strings"
	"testing"

	"lessor/smb/rpc/ndr"
	"lessor/smb/secdesc"
)

// sample is a valid request; every shorter one must be refused.
type sample struct {
	opnum uint16
	// policy: a handle precedes the stub.
	policy bool
	stub   []byte
}

// accountMethods are those of lsarpc whose handle is that of an account.
var accountMethods = map[uint16]bool{18: true, 19: true, 20: true, 23: true, 24: true, 34: true}

// request is the whole stub, with one of the handles that connFor returned.
func (s sample) request(h []byte) []byte {
	switch {
	case !s.policy:
		return s.stub
	case len(h) == 40 && accountMethods[s.opnum]:
		h = h[20:]
	case len(h) == 40:
		h = h[:20]
	}
	return append(bytes.Clone(h), s.stub...)
}

// numbersStub are the parameters of a method after a server name.
func numbersStub(values ...uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.StringPointer(`\\server`)
		e.Flush()
		for _, v := range values {
			e.U32(v)
		}
	})
}

func nameStub(name string, values ...uint32) []byte {
	return stub(func(e *ndr.Encoder) {
		e.Nil()
		e.String(name)
		for _, v := range values {
			e.U32(v)
		}
	})
}

// samples of each interface: of every method that decodes anything.
func samples(t testing.TB, i *iface) []sample {
	resume := uint32(1)
	switch i {
	case srvsvc:
		return []sample{
			{8, false, enumStub(1, 100, &resume, "data")}, {8, false, enumStub(0, 100, nil, `\\10.0.0.7`)},
			{9, false, enumStub(3, 100, &resume, `C:\`, "bob")}, {9, false, enumStub(2, 100, nil, "", "")},
			{10, false, numbersStub(11, 3)}, {11, false, numbersStub(11)},
			{12, false, enumStub(10, 100, &resume, `\\10.0.0.7`, "alice")}, {12, false, enumStub(502, 100, nil, "", "")},
			{13, false, numbersStub(0, 0)},
			{15, false, enumStub(1, 100, &resume)}, {15, false, enumStub(502, 0xffffffff, nil)},
			{16, false, nameStub("data", 502)}, {20, false, nameStub(`C:\data`)},
			{21, false, numbersStub(102)}, {23, false, diskStub(0)}, {26, false, enumStub(1, 100, &resume)}, {28, false, numbersStub()},
			{33, false, nameStub("data", 9, 0)}, {36, false, enumStub(2, 100, &resume)},
		}
	case wkssvc:
		return []sample{{0, false, wkstaStub(102)}, {2, false, enumStub(1, 100, &resume)}, {5, false, enumStub(0, 100, &resume)}, {20, false, numbersStub()}}
	case lsarpc:
		sids := []secdesc.SID{secdesc.System, machineSID.WithRID(1000), {}}
		more := []uint32{0, 2}
		return append(lsaSamples(), []sample{
			{0, true, nil}, {7, true, []byte{5, 0}}, {46, true, []byte{12, 0}}, {44, false, openPolicyStub(maximumAllowed)},
			{6, false, unhex(t, "01000000 5c00 0000 18000000 00000000 00000000 00000000 00000000 00000000 01000000")},
			{14, true, lookupNamesStub(nil, 1, nil, "alice", "", `BUILTIN\Users`)},
			{58, true, lookupNamesStub(nil, 1, more, "a")}, {68, true, lookupNamesStub(nil, 1, more, "a")},
			{15, true, lookupSidsStub(nil, 1, nil, sids...)}, {57, true, lookupSidsStub(nil, 1, more, sids...)},
			{45, false, unhex(t, "00000000 01000000 0200 0200 01000000 01000000 00000000 01000000 7800 0000 01000000 01000000 0000 0000 00000000")},
		}...)
	case samr:
		return samrSamples()
	}
	return []sample{{0, false, []byte{1, 0}}}
}

// connFor binds an interface as context 0. The handles are, for lsarpc, those of a
// policy and of an account.
func connFor(t testing.TB, i *iface) (c *conn, policyHandle []byte) {
	t.Helper()
	for _, e := range endpoints {
		for _, f := range e.ifaces {
			if f == i {
				c = newConn(e, newBackend(t), admin)
			}
		}
	}
	c.feed(bindUnit(1, 4280, i))
	if i == lsarpc {
		out := c.feed(requestUnit(flagWhole, 1, 0, 44, openPolicyStub(maximumAllowed)))
		policyHandle = bytes.Clone(out[0][responseSize : responseSize+20])
		h, _ := c.handles.add(lsaAccount{secdesc.BuiltinAdministrators, accountRights.all}, 1)
		policyHandle = append(policyHandle, h[:]...)
	}
	if i == samr {
		h, _ := c.handles.add(samDomain{machineSID}, 1)
		policyHandle = h[:]
	}
	return c, policyHandle
}

func TestTruncatedRequests(t *testing.T) {
	for _, i := range []*iface{srvsvc, wkssvc, lsarpc, dssetup, samr} {
		covered := map[uint16]bool{}
		for _, s := range samples(t, i) {
			covered[s.opnum] = true
			m := i.methods[s.opnum]
			c, h := connFor(t, i)
			whole := s.request(h)
			for n := range whole {
				if _, failed := c.invoke(i, m, whole[:n:n]); failed != faultBadStub {
					t.Errorf("%s.%s: %d of %d bytes: %v", i.name, m.name, n, len(whole), failed)
				}
			}
			if _, failed := c.invoke(i, m, whole); failed != 0 {
				t.Errorf("%s.%s: %v", i.name, m.name, failed)
			}
		}
		for opnum, m := range i.methods {
			// Refusals decode nothing, so that nothing is too short for them.
			c, _ := connFor(t, i)
			if _, failed := c.invoke(i, m, nil); failed == faultBadStub && !covered[opnum] {
				t.Errorf("%s.%s has no sample", i.name, m.name)
			}
		}
	}
}

// Parameters that are whole and contradict themselves or the interface.
func TestHostileParameters(t *testing.T) {
	for name, test := range map[string]struct {
		iface  *iface
		opnum  uint16
		policy bool
		stub   string
	}{
		"two levels":               {srvsvc, 15, false, "00000000 01000000 02000000 00000000 ffffffff 00000000"},
		"entries in a request":     {srvsvc, 15, false, "00000000 00000000 00000000 01000000 01000000 01000000 01000000 00000000 00000000 00000000 ffffffff 00000000"},
		"drives in a request":      {srvsvc, 23, false, "00000000 00000000 01000000 01000000 01000000 00000000 01000000 00000000 00000000 00000000 00000000"},
		"string of 4 GiB":          {srvsvc, 16, false, "00000000 ffffffff 00000000 ffffffff 61000000 01000000"},
		"names without limit":      {lsarpc, 14, true, "ffffffff ffffffff 0000 0000 00000000"},
		"two counts of names":      {lsarpc, 14, true, "02000000 01000000 0000 0000 00000000 0000 0000 00000000 00000000 00000000 0100 0000 00000000"},
		"answers in a request":     {lsarpc, 15, true, "00000000 00000000 01000000 01000000 01000000 00000000 0100 0000 00000000"},
		"SIDs without limit":       {lsarpc, 15, true, "00500100 01000000 00500100 00000000"},
		"SIDs without array":       {lsarpc, 15, true, "01000000 00000000 00000000 00000000 0100 0000 00000000"},
		"two counts of SIDs":       {lsarpc, 15, true, "02000000 01000000 01000000 00000000 00000000 00000000 0100 0000 00000000"},
		"SID of 16 parts":          {lsarpc, 15, true, "01000000 01000000 01000000 01000000 10000000 01 10 000000000005" + strings.Repeat("01000000", 16) + "00000000 00000000 0100 0000 00000000"},
		"SID of two counts":        {lsarpc, 15, true, "01000000 01000000 01000000 01000000 02000000 01 01 000000000005 01000000 01000000 00000000 00000000 0100 0000 00000000"},
		"privileges without limit": {lsarpc, 19, true, "ffffffff ffffffff 00000000 11000000 00000000 00000000"},
		"two counts of privileges": {lsarpc, 19, true, "01000000 02000000 00000000 11000000 00000000 00000000"},
		"rights without limit":     {lsarpc, 37, true, "01000000 01 01 000000000001 00000000 01010000 01000000 01010000 0000 0000 00000000"},
		"rights without array":     {lsarpc, 38, true, "01000000 01 01 000000000001 00000000 00 000000 01000000 00000000"},
		"two counts of rights":     {lsarpc, 37, true, "01000000 01 01 000000000001 00000000 02000000 01000000 01000000 0000 0000 00000000 0000 0000 00000000"},
		"security of 4 GiB":        {lsarpc, 4, true, "04000000 ffffffff 01000000 ffffffff 00000000"},
		"two sizes of security":    {lsarpc, 4, true, "04000000 05000000 01000000 04000000 00000000 00000000"},
		"SID of revision 2":        {lsarpc, 15, true, "01000000 01000000 01000000 01000000 01000000 02 01 000000000005 01000000 00000000 00000000 0100 0000 00000000"},
	} {
		c, h := connFor(t, test.iface)
		s := sample{test.opnum, test.policy, unhex(t, test.stub)}
		if reply, failed := c.invoke(test.iface, test.iface.methods[test.opnum], s.request(h)); failed != faultBadStub {
			t.Errorf("%s: %v, %x", name, failed, reply)
		}
	}
}

func TestReplyTooLarge(t *testing.T) {
	b := newBackend(t)
	b.extra = []ShareInfo{{Name: "large", Security: make([]byte, maxReply)}}
	p := open(t, b, "srvsvc", admin)
	if _, failed := callMethod(t, p, 0, 16, nameStub("large", 502)); failed != faultNoMemory {
		t.Errorf("%v", failed)
	}
}

// fuzzIface calls any method with any parameters, behind a valid handle if one
// comes first. fakeBackend fails the test on a panic.
func fuzzIface(f *testing.F, i *iface) {
	f.Helper()
	needsPolicy := map[uint16]bool{}
	for _, s := range samples(f, i) {
		needsPolicy[s.opnum] = s.policy
		f.Add(s.opnum, s.stub)
	}
	f.Fuzz(func(t *testing.T, opnum uint16, stub []byte) {
		m, ok := i.methods[opnum]
		if !ok || len(stub) > maxRequest {
			return
		}
		c, h := connFor(t, i)
		reply, failed := c.invoke(i, m, sample{opnum, needsPolicy[opnum], stub}.request(h))
		if len(reply) > maxReply || (failed == 0) != (len(reply) >= 4) {
			t.Fatalf("%v and %d bytes", failed, len(reply))
		}
		if failed == faultContextMismatch {
			t.Fatal("the handle is not found")
		}
	})
}

func FuzzSrvsvc(f *testing.F)  { fuzzIface(f, srvsvc) }
func FuzzWkssvc(f *testing.F)  { fuzzIface(f, wkssvc) }
func FuzzLsarpc(f *testing.F)  { fuzzIface(f, lsarpc) }
func FuzzSamr(f *testing.F)    { fuzzIface(f, samr) }
func FuzzDssetup(f *testing.F) { fuzzIface(f, dssetup) }

// FuzzPDU feeds the decoders of data units.
func FuzzPDU(f *testing.F) {
	f.Add(unhex(f, windowsBind))
	f.Add(withAuth(requestUnit(flagWhole|flagObject, 1, 0, 15, make([]byte, 30)), 10, 6))
	f.Fuzz(func(t *testing.T, unit []byte) {
		h, err := decodeHeader(unit)
		if err != nil || int(h.fragLength) > len(unit) {
			return
		}
		unit = unit[:h.fragLength]
		rest, _, err := splitAuth(h, unit)
		if err != nil {
			return
		}
		if len(rest) < headerSize || len(rest) > len(unit) {
			t.Fatalf("%d of %d bytes are left", len(rest), len(unit))
		}
		if m, err := decodeBind(rest); err == nil && (len(m.contexts) == 0 || len(m.contexts)*(4+syntaxSize) > len(rest)) {
			t.Fatalf("%d contexts in %d bytes", len(m.contexts), len(rest))
		}
		if m, err := decodeRequest(h, rest); err == nil && len(m.stub) > len(rest)-requestSize {
			t.Fatalf("a stub of %d bytes in %d", len(m.stub), len(rest))
		}
	})
}

// FuzzConn writes any bytes behind a Bind, whole and in two pieces: every
// answer is a data unit, and the same.
func FuzzConn(f *testing.F) {
	f.Add(requestUnit(flagWhole, 1, 0, 15, enumStub(1, 100, nil)), uint16(30))
	var data []byte
	for _, u := range fragments(2, 33, longRequest(20), 30) {
		data = append(data, u...)
	}
	f.Add(data, uint16(100))
	f.Add(append(bindLike(typeAlterContext, 3, 2000, srvsvc), finishPDU(newPDU(16, typeOrphaned, flagWhole, 1))...), uint16(3))
	f.Add(withAuth(requestUnit(flagWhole, 1, 0, 15, nil), 10, 6), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, cut uint16) {
		run := func(pieces ...[]byte) []byte {
			c := newConn(endpoints["srvsvc"], newBackend(t), alice)
			c.feed(bindUnit(1, 1432, srvsvc))
			c.assocGroup = 1
			var all []byte
			for _, piece := range pieces {
				for _, u := range c.feed(piece) {
					h, err := decodeHeader(u)
					if err != nil || int(h.fragLength) != len(u) || h.ptype == typeResponse && len(u) > 1432 {
						t.Fatalf("bad answer %x: %v", u, err)
					}
					all = append(all, u...)
				}
			}
			if len(c.partial) > maxFragment {
				t.Fatalf("%d bytes are kept", len(c.partial))
			}
			return all
		}
		whole := run(data)
		at := min(int(cut), len(data))
		// The flood limit counts what one write produces.
		if pieces := run(data[:at], data[at:]); len(whole) < maxQueued && !bytes.Equal(whole, pieces) {
			t.Fatalf("cut at %d: %x, whole %x", at, pieces, whole)
		}
	})
}
