package abuse

import (
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
