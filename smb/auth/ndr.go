package auth

import (
	"encoding/binary"

	"lessor/smb/secdesc"
)

// ndr reads the few shapes of NDR that KERB_VALIDATION_INFO is made of. After the
// first mistake it is bad and gives zeros.
type ndr struct {
	b   []byte
	off int
	bad bool
}

// take returns n bytes, or nil.
func (r *ndr) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b)-r.off {
		r.bad = true
		return nil
	}
	r.off += n
	return r.b[r.off-n : r.off]
}

func (r *ndr) skip(n int) { r.take(n) }

// align moves to the next multiple of four.
func (r *ndr) align() { r.take(-r.off & 3) }

func (r *ndr) u32() uint32 {
	r.align()
	if b := r.take(4); b != nil {
		return binary.LittleEndian.Uint32(b)
	}
	return 0
}

// pointer reports whether a pointer points to something.
func (r *ndr) pointer() bool { return r.u32() != 0 }

// unicode reads RPC_UNICODE_STRING and reports whether its text follows later.
func (r *ndr) unicode() bool {
	r.u32() // lengths, which come again
	return r.pointer()
}

// count reads the number of elements of an array of which each takes size bytes at
// least: no more than there is room for.
func (r *ndr) count(size int) int {
	n := r.u32()
	if r.bad || int64(n) > int64((len(r.b)-r.off)/size) {
		r.bad = true
		return 0
	}
	return int(n)
}

// text skips the text of a string.
func (r *ndr) text(there bool) {
	if !there {
		return
	}
	r.u32() // room
	if r.u32() != 0 {
		r.bad = true // text that does not begin at its beginning
	}
	n := r.count(2)
	r.skip(2 * n)
}

// groups reads an array of GROUP_MEMBERSHIP and returns the enabled ones.
func (r *ndr) groups(there bool) []uint32 {
	if !there {
		return nil
	}
	var rids []uint32
	for range r.count(8) {
		rid, attributes := r.u32(), r.u32()
		if attributes&groupEnabled != 0 {
			rids = append(rids, rid)
		}
	}
	return rids
}

// sid reads an RPC_SID.
func (r *ndr) sid(there bool) secdesc.SID {
	if !there {
		return secdesc.SID{}
	}
	n := r.count(4)
	if n > 15 {
		r.bad = true
	}
	raw := r.take(8 + 4*n)
	if raw == nil {
		return secdesc.SID{}
	}
	sid, used, err := secdesc.DecodeSID(raw)
	if err != nil || used != len(raw) {
		r.bad = true
		return secdesc.SID{}
	}
	return sid
}

// sids reads an array of KERB_SID_AND_ATTRIBUTES and returns the enabled ones.
func (r *ndr) sids(there bool) []secdesc.SID {
	if !there {
		return nil
	}
	type entry struct{ there, enabled bool }
	entries := make([]entry, r.count(8))
	for i := range entries {
		entries[i].there = r.pointer()
		entries[i].enabled = r.u32()&groupEnabled != 0
	}
	var list []secdesc.SID
	for _, e := range entries {
		if sid := r.sid(e.there); e.enabled && !sid.IsZero() {
			list = append(list, sid)
		}
	}
	return list
}
