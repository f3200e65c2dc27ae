package rpc

import (
	"errors"
	"io/fs"
)

// werr is a NET_API_STATUS (MS-ERREF 2.2), what the methods of srvsvc and
// wkssvc return.
type werr uint32

const (
	werrOK                 werr = 0
	werrAccessDenied       werr = 5
	werrNotSupported       werr = 50
	werrInvalidParameter   werr = 87
	werrInvalidName        werr = 123
	werrInvalidLevel       werr = 124
	werrMoreData           werr = 234
	werrInternal           werr = 1359
	werrUserNotFound       werr = 2221 // NERR_UserNotFound
	werrNetNameNotFound    werr = 2310 // NERR_NetNameNotFound: no such share
	werrDeviceNotShared    werr = 2311 // NERR_DeviceNotShared: no share of that path
	werrClientNameNotFound werr = 2312 // NERR_ClientNameNotFound: no such session
	werrFileIDNotFound     werr = 2314 // NERR_FileIdNotFound: no such open
)

// werrOf translates an error of the Backend. notFound is what fs.ErrNotExist
// means for the method.
func werrOf(err error, notFound werr) werr {
	switch {
	case err == nil:
		return werrOK
	case errors.Is(err, fs.ErrNotExist):
		return notFound
	case errors.Is(err, fs.ErrPermission):
		return werrAccessDenied
	case errors.Is(err, errors.ErrUnsupported):
		return werrNotSupported
	}
	return werrInternal
}

// fault is the status of a fault PDU (C706 appendix E): the
// call failed before or beside the method. It implements error.
type fault uint32

const (
	faultAccessDenied    fault = 0x00000005
	faultBadStub         fault = 0x000006F7 // RPC_X_BAD_STUB_DATA
	faultOpRange         fault = 0x1C010002 // nca_s_op_rng_error: no such method
	faultUnknownIf       fault = 0x1C010003 // nca_s_unk_if: no such presentation context
	faultProtocol        fault = 0x1C01000B // nca_s_proto_error
	faultUnspecified     fault = 0x1C000012 // nca_s_fault_unspec
	faultContextMismatch fault = 0x1C00001A // nca_s_fault_context_mismatch: no such handle
	faultNoMemory        fault = 0x1C00001D // nca_s_fault_remote_no_memory: larger than we take
)

var faultNames = map[fault]string{
	faultAccessDenied:    "access denied",
	faultBadStub:         "bad stub data",
	faultOpRange:         "no such method",
	faultUnknownIf:       "no such presentation context",
	faultProtocol:        "protocol error",
	faultUnspecified:     "unspecified fault",
	faultContextMismatch: "no such context handle",
	faultNoMemory:        "too large",
}

func (f fault) Error() string { return "rpc: " + faultNames[f] }
