package smb

import "lessor/locking"

// gate takes the name gate of a path of the share, level 0 of the lock order: as
// long as it is held, nobody else makes, opens, renames or removes what has this
// name. The key is that of the root and not of the directory, so that the gate
// can be taken before anything is looked up. The caller calls leave once and
// awaits nothing before; two gates are taken in the order of their folded paths.
func (sh *share) gate(locks *locking.OplockManager, path string) (leave func()) {
	return locks.Enter(sh.root, sh.fold(path))
}
