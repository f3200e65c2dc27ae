package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Temporary: each of these moves to a file of its own.

type dirScan struct{}
type watch struct{}

func (w *watch) stop() {}

type channelSequence struct{}

func (r *request) write(*wire.WriteRequest, *wire.WriteResponse) error { return ntstatus.NotSupported }
func (r *request) lock(*wire.LockRequest, *wire.LockResponse) error    { return ntstatus.NotSupported }
func (r *request) ioctl(*wire.IoctlRequest) error                      { return ntstatus.NotSupported }
func (r *request) queryDirectory(*wire.QueryDirectoryRequest) error    { return ntstatus.NotSupported }
func (r *request) changeNotify(*wire.ChangeNotifyRequest) error        { return ntstatus.NotSupported }
func (r *request) queryInfo(*wire.QueryInfoRequest) error              { return ntstatus.NotSupported }
func (r *request) setInfo(*wire.SetInfoRequest, *wire.SetInfoResponse) error {
	return ntstatus.NotSupported
}
