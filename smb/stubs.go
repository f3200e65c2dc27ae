package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Temporary: each of these moves to a file of its own.

func (r *request) setInfo(*wire.SetInfoRequest, *wire.SetInfoResponse) error {
	return ntstatus.NotSupported
}
