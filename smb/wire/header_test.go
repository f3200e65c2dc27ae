package wire

import "testing"

const (
	headerSync = `
		fe534d42 4000 0100          # protocol, size, credit charge
		00000000 0500 1f00          # status, CREATE, 31 credits
		38000020 e8000000           # signed, priority 3, replay; next command
		0700000000000000            # message id
		fffe0000 05000000           # process id, tree id
		4900000000000c00            # session id
		00112233445566778899aabbccddeeff`
	headerAsync = `
		fe534d42 4000 0000
		03010000 0f00 0100          # STATUS_PENDING, CHANGE_NOTIFY
		03000000 00000000           # response, async
		0900000000000000
		0800000001000000            # async id
		2143658700000000
		00000000000000000000000000000000`
)

func TestHeader(t *testing.T) {
	testGoldenData(t, &Header{
		CreditCharge: 1, Command: CmdCreate, Credits: 31,
		Flags:       FlagSigned | 3<<FlagPriorityShift | FlagReplay,
		NextCommand: 0xe8, MessageID: 7, ProcessID: 0xfeff, TreeID: 5,
		SessionID: 0xc000000000049,
		Signature: [16]byte{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff},
	}, headerSync)
	testGoldenData(t, &Header{
		Status: 0x103, Command: CmdChangeNotify, Credits: 1,
		Flags: FlagServerToRedir | FlagAsync, MessageID: 9,
		AsyncID: 0x100000008, SessionID: 0x87654321,
	}, headerAsync)
}

func TestHeaderRefused(t *testing.T) {
	raw := unhex(t, headerSync)
	var h Header
	testPrefixes(t, raw, h.Decode)
	for _, at := range []int{0, 3, 4, 5} {
		bad := append([]byte(nil), raw...)
		bad[at] ^= 1
		if err := h.Decode(bad); err != ErrMalformed {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
}

func TestHeaderAccessors(t *testing.T) {
	h := Header{Status: 0xffff1234, Flags: FlagServerToRedir | FlagRelated}
	if !h.IsResponse() || !h.IsRelated() || h.IsAsync() || h.IsSigned() {
		t.Errorf("flags %#x are read wrongly", h.Flags)
	}
	if h.ChannelSequence() != 0x1234 {
		t.Errorf("channel sequence %#x", h.ChannelSequence())
	}
	if CmdOplockBreak.String() != "OPLOCK_BREAK" || Command(0x13).String() != "UNKNOWN" || CmdNegotiate.String() != "NEGOTIATE" {
		t.Error("command names are out of step")
	}
	if ProtocolOf([]byte{0xfd, 'S', 'M', 'B', 0}) != ProtocolTransform || ProtocolOf([]byte{0xfe, 'S', 'M'}) != 0 {
		t.Error("protocol ids are read wrongly")
	}
}

func TestHeaderDoesNotAllocate(t *testing.T) {
	raw := unhex(t, headerSync)
	buf := make([]byte, 0, HeaderSize)
	var h Header
	if n := testing.AllocsPerRun(100, func() {
		if h.Decode(raw) != nil {
			t.Fatal("refused")
		}
		buf = h.Append(buf[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzHeader(f *testing.F) { fuzzDecodeData[Header](f, headerSync, headerAsync) }
