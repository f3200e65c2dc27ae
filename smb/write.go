package smb

import (
	"errors"
	"math"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

const (
	// maxFileSize is the greatest end of file that NTFS knows, 16 TiB less 64 KiB.
	// Clients expect a write beyond it to be refused as a bad parameter, whatever
	// the storage could do (MS-FSA 2.1.5.4).
	maxFileSize = 0xfffffff0000
	// writeToEnd as an offset means the end of the file, for an open that may do
	// nothing but append (MS-FSA 2.1.5.4).
	writeToEnd = math.MaxUint64
)

// write carries out WRITE (MS-SMB2 3.3.5.13), or a part of one, with all checks for what
// is to come as well.
func (r *request) write(q *wire.WriteRequest, a *wire.WriteResponse) error {
	n := len(q.Data) + q.Missing
	if n > int(r.conn.neg.Load().maxWrite) {
		return ntstatus.InvalidParameter
	}
	if err := r.checkCharge(n); err != nil {
		return err
	}
	if err := r.checkChannel(q.Channel); err != nil {
		return err
	}
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	switch {
	case o.isPipe():
		return r.writePipe(o, q.Data, a)
	case o.grip.dir:
		return ntstatus.InvalidDeviceRequest
	}
	if o.access&dataWriting != 0 && o.isPast() {
		return ntstatus.MediaWriteProtected
	}
	switch o.access & dataWriting {
	case 0:
		return ntstatus.AccessDenied
	case wire.AccessAppendData:
		return r.appendData(o, q, a)
	}
	return r.writeAt(o, q, q.Offset, a)
}

// appendData writes for an open without FILE_WRITE_DATA: only behind the end of
// the file. Two that append at the same time do not write over each other.
func (r *request) appendData(o *open, q *wire.WriteRequest, a *wire.WriteResponse) error {
	if err := r.breakOthers(o, locking.CauseWrite); err != nil {
		return err
	}
	leave := r.locks().Enter(o.lock.Key(), "")
	defer leave()
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	off := q.Offset
	if off == writeToEnd {
		off = uint64(at.Size)
	} else if o.posix {
		return ntstatus.InvalidParameter // nobody can know where the end will be
	}
	if off < uint64(at.Size) {
		return ntstatus.AccessDenied
	}
	return r.writeAt(o, q, off, a)
}

// writeAt writes the data of q at an offset.
func (r *request) writeAt(o *open, q *wire.WriteRequest, off uint64, a *wire.WriteResponse) error {
	n := len(q.Data) + q.Missing
	if !spanFits(off, n) || n > 0 && off+uint64(n) > maxFileSize {
		return ntstatus.InvalidParameter
	}
	if n == 0 {
		return nil
	}
	if err := r.mayGrow(o, int64(off)+int64(n)); err != nil {
		return err
	}
	if err := o.lock.CheckIO(off, uint64(n), true); err != nil {
		return err
	}
	if err := r.breakOthers(o, locking.CauseWrite); err != nil {
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
	done, err := f.WriteAt(q.Data, int64(off))
	if done > 0 {
		o.lateWritten(late)
		o.written(int64(off) + int64(done))
		o.grip.countWritten(done)
	}
	if keep.Mask != 0 {
		err = errors.Join(err, o.restoreTimes(r.ctx(), keep))
	}
	if err != nil {
		return err // a part may have been written, which nobody is told
	}
	a.Count = uint32(done)
	if q.Missing == 0 && (q.Flags&wire.WriteFlagWriteThrough != 0 || o.grip.sync) {
		return r.sync(o)
	}
	return nil
}

// written takes note that data was written up to pos.
func (o *open) written(pos int64) {
	if !o.wrote.Load() {
		o.wrote.Store(true)
	}
	o.seekTo(pos)
}
