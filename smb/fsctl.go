package smb

import (
	"errors"
	"math"
	"slices"
	"time"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
	"lessor/vfs/names"
)

// Control codes that are not about copying, reparse points, pipes or network
// interfaces. Those of files follow MS-FSA 2.1.5.10 and MS-FSCC 2.3.

// errUnsupportedFsctl is the answer to codes that need what the storage does not
// have.
const errUnsupportedFsctl = ntstatus.InvalidDeviceRequest

// validateNegotiate carries out FSCTL_VALIDATE_NEGOTIATE_INFO (MS-SMB2
// 3.3.5.15.12). A difference means that somebody changed the NEGOTIATE on its
// way, and ends the connection.
func (r *request) validateNegotiate(_ *open, c *control) error {
	const size = 24
	n := r.conn.neg.Load()
	var q wire.ValidateNegotiateInfoRequest
	switch err := q.Decode(c.in); {
	case n.dialect == wire.Dialect311: // there are better ways, which it must use
		return &protocolError{"negotiate validated in 3.1.1"}
	case err != nil:
		return ntstatus.InvalidParameter
	case c.room < size, !slices.Equal(q.Dialects, n.dialects), q.Guid != n.guid, q.SecurityMode != n.mode,
		q.Capabilities != n.offered:
		return &protocolError{"negotiate was tampered with"}
	}
	c.answer(&wire.ValidateNegotiateInfoResponse{
		Capabilities: n.serverCaps, Guid: r.srv().guid, SecurityMode: n.serverMode, Dialect: n.dialect,
	})
	return nil
}

// noReferrals answers requests for DFS referrals: there is no DFS (MS-SMB2
// 3.3.5.15.2).
func (r *request) noReferrals(*open, *control) error { return ntstatus.FsDriverRequired }

// isPathnameValid carries out FSCTL_IS_PATHNAME_VALID, which is always so
// (MS-FSCC 2.3).
func (r *request) isPathnameValid(*open, *control) error { return nil }

// requestResiliency carries out FSCTL_LMR_REQUEST_RESILIENCY (MS-SMB2
// 3.3.5.15.9).
func (r *request) requestResiliency(o *open, c *control) error {
	var q wire.NetworkResiliencyRequest
	if err := q.Decode(c.in); err != nil || r.conn.dialect() < wire.Dialect210 {
		return ntstatus.InvalidParameter
	}
	timeout := time.Duration(q.Timeout) * time.Millisecond
	if timeout > locking.MaxDurableTimeout {
		return ntstatus.InvalidParameter
	}
	grant, err := o.lock.Durable(locking.DurableRequest{
		Resilient: true, Timeout: timeout, User: r.sess.userKey(), Share: foldShare(r.tree.share.Name), Extra: o.extra(),
	})
	if err != nil {
		return err
	}
	if !grant.Granted {
		return ntstatus.NotSupported
	}
	o.resilient.Store(true)
	o.lock.SetPayload(o)
	return nil
}

// isSparse reports whether a file has FILE_ATTRIBUTE_SPARSE_FILE.
func isSparse(at *vfs.Attr) bool { return dosOf(at)&vfs.DOSSparse != 0 }

// setSparse carries out FSCTL_SET_SPARSE (MS-FSA 2.1.5.10.36).
func (r *request) setSparse(o *open, c *control) error {
	if o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if err := o.canAny(dataWriting | wire.AccessWriteAttributes); err != nil {
		return err
	}
	if !o.share().caps.Has(vfs.CapSparse) || !o.share().caps.Has(vfs.CapDOS) {
		return errUnsupportedFsctl
	}
	var q wire.SetSparse
	_ = q.Decode(c.in)
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if isSparse(&at) == q.SetSparse {
		return nil
	}
	_, base := names.Split(o.path())
	dos := dosAttributes(&at, base, !o.share().ShowDotFiles) & vfs.DOSMask // without what Share.Hide shows
	if q.SetSparse {
		dos |= vfs.DOSSparse
	} else {
		dos &^= vfs.DOSSparse
		r.fillHoles(o, at.Size)
	}
	if err := o.grip.node.SetAttr(r.ctx(), o.cred(), &vfs.SetAttr{Mask: vfs.SetDOS, DOS: dos}); err != nil {
		return err
	}
	o.touched(vfs.FilterAttributes)
	return nil
}

// fillHoles provides storage for all of a file that is not sparse any more. That
// is a courtesy: where it cannot be done, a later write finds out.
func (r *request) fillHoles(o *open, size int64) {
	if f, err := o.file(r.ctx()); err == nil && o.grip.write && size > 0 {
		r.giveTurn()
		_ = f.Alloc(r.ctx(), 0, size, vfs.AllocReserve)
	}
}

// setZeroData carries out FSCTL_SET_ZERO_DATA (MS-FSA 2.1.5.10.38). It never
// changes the size.
func (r *request) setZeroData(o *open, c *control) error {
	if o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if err := o.can(wire.AccessWriteData); err != nil {
		return err
	}
	var q wire.FileZeroDataInformation
	if err := q.Decode(c.in); err != nil || q.FileOffset < 0 || q.BeyondFinalZero < q.FileOffset {
		return ntstatus.InvalidParameter
	}
	n := q.BeyondFinalZero - q.FileOffset
	if n == 0 {
		return nil
	}
	return r.changeData(o, locking.CauseZeroData, q.FileOffset, n, func(f vfs.Handle) error {
		at, err := o.attr(r.ctx())
		if err != nil {
			return err
		}
		mode := vfs.AllocZero
		if isSparse(&at) {
			mode = vfs.AllocPunch
		}
		if n = min(n, at.Size-q.FileOffset); n <= 0 {
			return nil
		}
		return f.Alloc(r.ctx(), q.FileOffset, n, mode)
	})
}

// changeData changes n bytes of a file from off on by do: with everything that a
// WRITE does about locks, caches, times and watchers.
func (r *request) changeData(o *open, cause locking.Cause, off, n int64, do func(vfs.Handle) error) error {
	if err := o.lock.CheckIO(uint64(off), uint64(n), true); err != nil {
		return err
	}
	return r.changeUnchecked(o, cause, do)
}

// changeUnchecked is changeData without regard to byte-range locks.
func (r *request) changeUnchecked(o *open, cause locking.Cause, do func(vfs.Handle) error) error {
	if err := r.breakOthers(o, cause); err != nil {
		return err
	}
	f, err := o.file(r.ctx())
	if err != nil {
		return err
	}
	keep, err := o.keepTimes(r.ctx())
	if err != nil {
		return err
	}
	late, err := o.lateWriter(r.ctx(), keep.Mask)
	if err != nil {
		return err
	}
	r.giveTurn()
	err = do(f)
	o.wrote.Store(true)
	o.lateWritten(late)
	if keep.Mask != 0 {
		err = errors.Join(err, o.restoreTimes(r.ctx(), keep))
	}
	if err == nil && o.grip.sync {
		return f.Sync(r.ctx())
	}
	if errors.Is(err, errors.ErrUnsupported) {
		return errUnsupportedFsctl
	}
	return err
}

// allocatedRanges carries out FSCTL_QUERY_ALLOCATED_RANGES (MS-FSA
// 2.1.5.10.22). A file that is not sparse has no holes, whatever the storage
// says.
func (r *request) allocatedRanges(o *open, c *control) error {
	if o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if err := o.can(wire.AccessReadData); err != nil {
		return err
	}
	var q wire.FileAllocatedRange
	if err := q.Decode(c.in); err != nil || q.FileOffset < 0 || q.Length < 0 || q.Length > math.MaxInt64-q.FileOffset {
		return ntstatus.InvalidParameter
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	off := q.FileOffset
	n := min(q.Length, at.Size-off)
	if n <= 0 {
		return nil
	}
	if !isSparse(&at) || !o.share().caps.Has(vfs.CapSparse) {
		if c.room < wire.AllocatedRangeSize {
			return ntstatus.BufferTooSmall
		}
		c.answer(&wire.FileAllocatedRange{FileOffset: off, Length: n})
		return nil
	}
	return r.listRanges(o, c, off, n)
}

// listRanges appends the allocated ranges of a sparse file, as many as fit.
func (r *request) listRanges(o *open, c *control, off, n int64) error {
	f, err := o.file(r.ctx())
	if err != nil {
		return err
	}
	c.begin(0)
	end, fit := off+n, c.room/wire.AllocatedRangeSize
	list := make([]vfs.Range, 64)
	for count := 0; off < end; {
		got, err := f.AllocatedRanges(r.ctx(), off, end-off, list)
		if err != nil {
			return err
		}
		for _, e := range list[:got] {
			if count == fit {
				if count == 0 {
					return ntstatus.BufferTooSmall
				}
				c.finish()
				return r.withBody(ntstatus.BufferOverflow)
			}
			entry := wire.FileAllocatedRange{FileOffset: e.Off, Length: e.Len}
			r.out.b = entry.Append(r.out.b)
			off = e.Off + e.Len
			count++
		}
		if got < len(list) {
			break
		}
	}
	c.finish()
	return nil
}

// maxTrimRanges bounds the ranges of one FSCTL_FILE_LEVEL_TRIM.
const maxTrimRanges = 4096

// fileLevelTrim carries out FSCTL_FILE_LEVEL_TRIM: the ranges become holes, if
// the storage can make some (MS-FSA 2.1.5.10.14). Locked ranges stay as they are.
func (r *request) fileLevelTrim(o *open, c *control) error {
	if o.grip.dir {
		return ntstatus.InvalidParameter
	}
	if err := o.can(wire.AccessWriteData); err != nil {
		return err
	}
	var q wire.FileLevelTrim
	if err := q.Decode(c.in); err != nil || q.Key != 0 || len(q.Ranges) == 0 || len(q.Ranges) > maxTrimRanges {
		return ntstatus.InvalidParameter
	}
	for _, e := range q.Ranges {
		if e.Offset > math.MaxInt64 || e.Length > math.MaxInt64-e.Offset {
			return ntstatus.InvalidParameter
		}
	}
	err := r.changeUnchecked(o, locking.CauseZeroData, func(f vfs.Handle) error {
		at, err := o.attr(r.ctx())
		if err != nil {
			return err
		}
		for _, e := range q.Ranges {
			n := min(int64(e.Length), at.Size-int64(e.Offset)) // behind the end there is nothing
			if n <= 0 || o.lock.CheckIO(e.Offset, e.Length, true) != nil {
				continue
			}
			if err := f.Alloc(r.ctx(), int64(e.Offset), n, vfs.AllocPunch); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if c.room >= 4 {
		c.answer(&wire.FileLevelTrimOutput{NumRangesProcessed: uint32(len(q.Ranges))})
	}
	return nil
}
