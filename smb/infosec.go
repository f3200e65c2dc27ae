package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
)

// querySecurity answers SMB2_0_INFO_SECURITY (MS-SMB2 3.3.5.20.3, MS-FSA
// 2.1.5.14).
func (r *request) querySecurity(o *open, q *wire.QueryInfoRequest) error {
	if o.isPipe() {
		return ntstatus.InvalidParameter
	}
	if err := o.can(secdesc.QueryAccess(q.AdditionalInformation)); err != nil {
		return err
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	d, _, err := r.srv().descriptor(r.ctx(), o.share(), o.grip.base, &at, r.sess.user.Load())
	if err != nil {
		return err
	}
	if r.isMac() {
		d = withNFS(d, &at)
	}
	part := secdesc.Select(d, q.AdditionalInformation)
	if n := part.Len(); n > int(q.OutputBufferLength) {
		return bufferTooSmall(n)
	}
	b, err := part.Append(r.out.b)
	if err != nil {
		return err
	}
	start := len(r.out.b)
	r.out.b = b
	wire.PatchBufferResponse(r.out.body(), len(b)-start)
	return nil
}
