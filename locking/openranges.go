package locking

// What somebody needs who shows the byte-range locks of an open to others than
// the manager's clients, and may find that those have a say.

// Overlapping appends to buf the byte-range locks that the open holds and that
// have a byte in common with the range, in the order of their offsets, and returns
// it. Locks of no bytes have none, nor has a range of no bytes.
func (o *Open) Overlapping(buf []Range, off, length uint64) []Range {
	if length == 0 {
		return buf
	}
	o.file.mu.Lock()
	defer o.file.mu.Unlock()
	return overlappingNodes(o.stream.ranges.root, buf, o, off, lastByte(off, length))
}

func overlappingNodes(n *rangeNode, buf []Range, o *Open, off, end uint64) []Range {
	for n != nil && n.maxEnd >= off {
		buf = overlappingNodes(n.left, buf, o, off, end)
		if n.off > end {
			break
		}
		if n.owner == o && n.length > 0 && n.end >= off {
			buf = append(buf, Range{Offset: n.off, Length: n.length, Exclusive: n.exclusive})
		}
		n = n.right
	}
	return buf
}

// Withdraw takes back locks that Lock has granted and of which the client was not
// told: for each range one lock with this place and kind, while Unlock would give
// an exclusive lock back in place of a shared one that is stacked on it. Locks
// that are not held any more, as those of a closed open, are left out. The error is
// that of the store.
func (o *Open) Withdraw(ranges []Range) error {
	f, s := o.file, o.stream
	f.mu.Lock()
	var p promise
	freed := false
	for _, r := range ranges {
		if n := s.ranges.findKind(o, r); n != nil {
			o.freeLocked(n)
			p = o.promiseLocked()
			freed = true
		}
	}
	if freed {
		s.retryWaitersLocked()
	}
	f.unlockNoWait()
	return p.wait()
}

// findKind returns a lock of the owner with exactly this place and kind.
func (t *rangeTree) findKind(owner *Open, r Range) *rangeNode {
	probe := rangeNode{off: r.Offset, length: r.Length, owner: owner, exclusive: r.Exclusive}
	var best *rangeNode
	for n := t.root; n != nil; {
		if n.order(&probe) >= 0 {
			best, n = n, n.left
		} else {
			n = n.right
		}
	}
	if best == nil || best.off != r.Offset || best.length != r.Length || best.owner != owner || best.exclusive != r.Exclusive {
		return nil
	}
	return best
}
