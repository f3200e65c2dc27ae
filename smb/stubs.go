package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Temporary: each of these moves to a file of its own.

type watch struct{}

func (w *watch) stop() {}

func (r *request) changeNotify(*wire.ChangeNotifyRequest) error { return ntstatus.NotSupported }
func (r *request) setInfo(*wire.SetInfoRequest, *wire.SetInfoResponse) error {
	return ntstatus.NotSupported
}
