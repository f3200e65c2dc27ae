package client

import "lessor/smb/wire"

// commandOf tells the command from the type of a request.
func commandOf(body wire.Appender) (wire.Command, bool) {
	switch body.(type) {
	case *wire.NegotiateRequest:
		return wire.CmdNegotiate, true
	case *wire.SessionSetupRequest:
		return wire.CmdSessionSetup, true
	case *wire.LogoffRequest:
		return wire.CmdLogoff, true
	case *wire.TreeConnectRequest:
		return wire.CmdTreeConnect, true
	case *wire.TreeDisconnectRequest:
		return wire.CmdTreeDisconnect, true
	case *wire.CreateRequest:
		return wire.CmdCreate, true
	case *wire.CloseRequest:
		return wire.CmdClose, true
	case *wire.FlushRequest:
		return wire.CmdFlush, true
	case *wire.ReadRequest:
		return wire.CmdRead, true
	case *wire.WriteRequest:
		return wire.CmdWrite, true
	case *wire.LockRequest:
		return wire.CmdLock, true
	case *wire.IoctlRequest:
		return wire.CmdIoctl, true
	case *wire.CancelRequest:
		return wire.CmdCancel, true
	case *wire.EchoRequest:
		return wire.CmdEcho, true
	case *wire.QueryDirectoryRequest:
		return wire.CmdQueryDirectory, true
	case *wire.ChangeNotifyRequest:
		return wire.CmdChangeNotify, true
	case *wire.QueryInfoRequest:
		return wire.CmdQueryInfo, true
	case *wire.SetInfoRequest:
		return wire.CmdSetInfo, true
	case *wire.OplockBreakAck, *wire.LeaseBreakAck:
		return wire.CmdOplockBreak, true
	}
	return 0, false
}

// payload is the larger of the bytes that a request sends and those that it asks
// for, which its credits must pay for (MS-SMB2 3.3.5.2.5).
func payload(body wire.Appender) int {
	switch m := body.(type) {
	case *wire.ReadRequest:
		return int(m.Length)
	case *wire.WriteRequest:
		return len(m.Data)
	case *wire.IoctlRequest:
		return max(len(m.Input)+len(m.Output), int(m.MaxInputResponse)+int(m.MaxOutputResponse))
	case *wire.QueryDirectoryRequest:
		return int(m.OutputBufferLength)
	case *wire.ChangeNotifyRequest:
		return int(m.OutputBufferLength)
	case *wire.QueryInfoRequest:
		return max(len(m.Input), int(m.OutputBufferLength))
	case *wire.SetInfoRequest:
		return len(m.Buffer)
	}
	return 0
}
