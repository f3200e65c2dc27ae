package smb

import (
	"cmp"

	"lessor/smb/wire"
	"lessor/vfs"
)

// answerAAPL answers the server query of macOS, which turns Apple's extensions on for
// the whole session.
func (r *request) answerAAPL(q *wire.AAPLRequest, reply *wire.CreateContextList) {
	sh := r.tree.share
	if q.Command != wire.AAPLServerQuery || sh.Mac.Off {
		return
	}
	a := wire.AAPLResponse{
		ReplyBitmap: q.RequestBitmap & (wire.AAPLQueryServerCaps | wire.AAPLQueryVolumeCaps | wire.AAPLQueryModelInfo),
		Model:       cmp.Or(sh.Mac.Model, defaultModel),
	}
	if q.RequestBitmap&wire.AAPLQueryServerCaps != 0 {
		a.ServerCapabilities = wire.AAPLUnixBased | wire.AAPLSupportsOSXCopyfile | wire.AAPLSupportsNFSACE
		if q.ClientCapabilities&wire.AAPLSupportsReadDirAttr != 0 {
			a.ServerCapabilities |= wire.AAPLSupportsReadDirAttr
			r.sess.macDirs.Store(true)
		}
		r.sess.mac.Store(true)
	}
	if sh.CaseSensitive && sh.caps.Has(vfs.CapCaseSensitive) {
		a.VolumeCapabilities |= wire.AAPLCaseSensitive
	}
	if sh.Mac.TimeMachine {
		// Every FLUSH syncs the medium, but clients take the bit as the mark of a
		// share for backups.
		a.VolumeCapabilities |= wire.AAPLSupportsFullSync
	}
	reply.Put(wire.TagAAPL, &a)
}
