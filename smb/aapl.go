package smb

import (
	"lessor/smb/wire"
	"lessor/vfs"
)

// answerAAPL answers the server query of macOS. Only what is there is announced;
// the rest of Apple's extensions is listed in docs/status.md.
func (r *request) answerAAPL(q *wire.AAPLRequest, reply *wire.CreateContextList) {
	if q.Command != wire.AAPLServerQuery {
		return
	}
	a := wire.AAPLResponse{
		ReplyBitmap: q.RequestBitmap & (wire.AAPLQueryServerCaps | wire.AAPLQueryVolumeCaps | wire.AAPLQueryModelInfo),
		// FLUSH with the flag of F_FULLFSYNC syncs the medium, as every FLUSH does.
		VolumeCapabilities: wire.AAPLSupportsFullSync,
		Model:              "Xserve",
	}
	if sh := r.tree.share; sh.CaseSensitive && sh.caps.Has(vfs.CapCaseSensitive) {
		a.VolumeCapabilities |= wire.AAPLCaseSensitive
	}
	reply.Put(wire.TagAAPL, &a)
}
