package smb

import "lessor/smb/wire"

// echo carries out ECHO (MS-SMB2 3.3.5.17).
func (r *request) echo(*wire.EchoRequest, *wire.EchoResponse) error { return nil }
