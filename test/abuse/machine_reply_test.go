package abuse

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// replies checks what a server says on one connection: that each message is what it
// claims to be, and that no request is answered twice.
type replies struct {
	complain func(format string, args ...any)

	mu    sync.Mutex // guards what follows; a leaf
	final map[uint64]bool
}

// responses are the bodies of the replies that are not errors.
var responses = [wire.NumCommands]func() client.Decoder{
	wire.CmdNegotiate:      func() client.Decoder { return new(wire.NegotiateResponse) },
	wire.CmdSessionSetup:   func() client.Decoder { return new(wire.SessionSetupResponse) },
	wire.CmdLogoff:         func() client.Decoder { return new(wire.LogoffResponse) },
	wire.CmdTreeConnect:    func() client.Decoder { return new(wire.TreeConnectResponse) },
	wire.CmdTreeDisconnect: func() client.Decoder { return new(wire.TreeDisconnectResponse) },
	wire.CmdCreate:         func() client.Decoder { return new(wire.CreateResponse) },
	wire.CmdClose:          func() client.Decoder { return new(wire.CloseResponse) },
	wire.CmdFlush:          func() client.Decoder { return new(wire.FlushResponse) },
	wire.CmdRead:           func() client.Decoder { return new(wire.ReadResponse) },
	wire.CmdWrite:          func() client.Decoder { return new(wire.WriteResponse) },
	wire.CmdLock:           func() client.Decoder { return new(wire.LockResponse) },
	wire.CmdIoctl:          func() client.Decoder { return new(wire.IoctlResponse) },
	wire.CmdEcho:           func() client.Decoder { return new(wire.EchoResponse) },
	wire.CmdQueryDirectory: func() client.Decoder { return new(wire.QueryDirectoryResponse) },
	wire.CmdChangeNotify:   func() client.Decoder { return new(wire.ChangeNotifyResponse) },
	wire.CmdQueryInfo:      func() client.Decoder { return new(wire.QueryInfoResponse) },
	wire.CmdSetInfo:        func() client.Decoder { return new(wire.SetInfoResponse) },
}

// structureSizes are the StructureSizes of the same, as MS-SMB2 2.2 has them: the codec of the
// client is that of the server, and would not notice.
var structureSizes = [wire.NumCommands]uint16{
	wire.CmdNegotiate: 65, wire.CmdSessionSetup: 9, wire.CmdLogoff: 4, wire.CmdTreeConnect: 16, wire.CmdTreeDisconnect: 4,
	wire.CmdCreate: 89, wire.CmdClose: 60, wire.CmdFlush: 4, wire.CmdRead: 17, wire.CmdWrite: 17, wire.CmdLock: 4, wire.CmdIoctl: 49,
	wire.CmdEcho: 4, wire.CmdQueryDirectory: 9, wire.CmdChangeNotify: 9, wire.CmdQueryInfo: 9, wire.CmdSetInfo: 2, wire.CmdOplockBreak: 24,
}

// wellSized says whether the body begins with the size that it must have.
func wellSized(h *wire.Header, msg []byte) bool {
	if len(msg) < wire.HeaderSize+2 {
		return false
	}
	got, want := binary.LittleEndian.Uint16(msg[wire.HeaderSize:]), uint16(9)
	if withBody(h) && int(h.Command) < len(structureSizes) {
		want = structureSizes[h.Command]
	}
	return got == want || h.Command == wire.CmdOplockBreak && got == 36 || h.Command == wire.CmdIoctl && got == 49
}

// withBody says whether a reply with this status has the body of its command
// (MS-SMB2 3.3.4.4). ERROR responses are ErrorResponse.
func withBody(h *wire.Header) bool {
	switch st := ntstatus.Status(h.Status); st {
	case ntstatus.Success:
		return true
	case ntstatus.MoreProcessingRequired:
		return h.Command == wire.CmdSessionSetup
	case ntstatus.BufferOverflow:
		return h.Command == wire.CmdRead || h.Command == wire.CmdQueryInfo || h.Command == wire.CmdIoctl
	case ntstatus.InvalidParameter:
		return false // but for copies: see message
	}
	return false
}

// message is client.Options.OnMessage.
func (r *replies) message(h *wire.Header, msg []byte) {
	bad := func(format string, args ...any) {
		r.complain("%v %d, status %v, flags %#x, %d bytes: %s", h.Command, h.MessageID, ntstatus.Status(h.Status), h.Flags,
			len(msg), fmt.Sprintf(format, args...))
	}
	if !h.IsResponse() {
		bad("no response")
		return
	}
	if h.MessageID == math.MaxUint64 {
		if h.Command != wire.CmdOplockBreak || h.Status != 0 {
			bad("unsolicited")
		}
		return // the client decodes it
	}
	if ntstatus.Status(h.Status) == ntstatus.Pending {
		if !h.IsAsync() || h.AsyncID == 0 {
			bad("pending without AsyncId")
		}
		if h.NextCommand != 0 {
			bad("an interim reply in front of others")
		}
	} else {
		r.mu.Lock()
		if r.final[h.MessageID] {
			bad("a second reply")
		}
		r.final[h.MessageID] = true
		r.mu.Unlock()
	}
	if !wellSized(h, msg) {
		bad("StructureSize %x", msg[min(len(msg), wire.HeaderSize):min(len(msg), wire.HeaderSize+2)])
	}
	var body client.Decoder = new(wire.ErrorResponse)
	if withBody(h) {
		switch {
		case h.Command == wire.CmdOplockBreak && len(msg) >= wire.HeaderSize && msg[wire.HeaderSize] == 36:
			body = new(wire.LeaseBreakResponse)
		case h.Command == wire.CmdOplockBreak:
			body = new(wire.OplockBreakResponse)
		case int(h.Command) >= len(responses) || responses[h.Command] == nil:
			bad("success of a command that has none")
			return
		default:
			body = responses[h.Command]()
		}
	}
	err := body.Decode(msg)
	if err != nil && h.Command == wire.CmdIoctl && ntstatus.Status(h.Status) == ntstatus.InvalidParameter {
		err = new(wire.IoctlResponse).Decode(msg) // MS-SMB2 3.3.5.15.6: the limits of a copy
	}
	if err != nil {
		bad("%T: %v", body, err)
	}
}
