package smb

import (
	"encoding/binary"
	"errors"
	"io"
	"math"

	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/transport"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Copying on the server: FSCTL_SRV_REQUEST_RESUME_KEY and FSCTL_SRV_COPYCHUNK
// (MS-SMB2 3.3.5.15.5, 3.3.5.15.6), and the sharing of storage by
// FSCTL_DUPLICATE_EXTENTS_TO_FILE (MS-FSA 2.1.5.10.4).

// The limits of one FSCTL_SRV_COPYCHUNK, those of Windows (MS-SMB2 3.3.3):
// chunks, bytes of a chunk, bytes in all.
const (
	maxChunks     = 256
	maxChunkBytes = 1 << 20
	maxCopyBytes  = 16 << 20
)

// requestResumeKey carries out FSCTL_SRV_REQUEST_RESUME_KEY. The key names the
// open and a random number, so that it means nothing once the open is closed.
func (r *request) requestResumeKey(o *open, c *control) error {
	if c.room < wire.ResumeKeyResponseSize {
		return ntstatus.InvalidParameter
	}
	var random [8]byte
	r.srv().random(random[:])
	o.mu.Lock()
	if o.resumeID == 0 {
		o.resumeID = binary.LittleEndian.Uint64(random[:]) | 1
	}
	id := o.resumeID
	o.mu.Unlock()
	var a wire.ResumeKeyResponse
	binary.LittleEndian.PutUint64(a.ResumeKey[:], o.id.Volatile)
	binary.LittleEndian.PutUint64(a.ResumeKey[8:], id)
	c.answer(&a)
	return nil
}

// resumed finds the open of the session that a resume key names, on whatever
// share, and pins it until the message is done.
func (r *request) resumed(key *wire.ResumeKey) (*open, error) {
	id := binary.LittleEndian.Uint64(key[:])
	o := r.sess.pinOpen(fileID(locking.OpenID(id)))
	if o == nil {
		return nil, ntstatus.ObjectNameNotFound
	}
	r.keep(o)
	o.mu.Lock()
	resumeID := o.resumeID
	o.mu.Unlock()
	tail := binary.LittleEndian.Uint64(key[16:])
	if resumeID == 0 || resumeID != binary.LittleEndian.Uint64(key[8:]) || tail != 0 {
		return nil, ntstatus.ObjectNameNotFound
	}
	return o, nil
}

// copyChunkRead carries out FSCTL_SRV_COPYCHUNK, which demands that the copy can
// be read.
func (r *request) copyChunkRead(dst *open, c *control) error {
	return r.copyChunk(dst, c, wire.AccessReadData)
}

// copyChunkWrite carries out FSCTL_SRV_COPYCHUNK_WRITE.
func (r *request) copyChunkWrite(dst *open, c *control) error { return r.copyChunk(dst, c, 0) }

// copyChunk copies ranges of one open to another (MS-SMB2 3.3.5.15.6).
func (r *request) copyChunk(dst *open, c *control, need uint32) error {
	const size = 12
	if c.room < size {
		return ntstatus.InvalidParameter
	}
	var q wire.SrvCopychunkCopy
	if err := q.Decode(c.in); err != nil {
		return ntstatus.InvalidParameter
	}
	src, err := r.resumed(&q.SourceKey)
	if err != nil {
		return err
	}
	if src.isPipe() || src.grip.dir || dst.grip.dir {
		return ntstatus.InvalidDeviceRequest
	}
	if err := src.canAny(wire.AccessReadData | wire.AccessExecute); err != nil {
		return err
	}
	if err := dst.canAny(dataWriting); err != nil {
		return err
	}
	if err := dst.can(need); err != nil {
		return err
	}
	if !chunksAllowed(q.Chunks) {
		// The three numbers are the limits then.
		c.answer(&wire.SrvCopychunkResponse{ChunksWritten: maxChunks, ChunkBytesWritten: maxChunkBytes, TotalBytesWritten: maxCopyBytes})
		return r.withBody(ntstatus.InvalidParameter)
	}
	var done wire.SrvCopychunkResponse
	err = r.changeUnchecked(dst, locking.CauseWrite, func(to vfs.Handle) error {
		from, err := src.file(r.ctx())
		if err != nil {
			return err
		}
		if len(q.Chunks) == 0 && r.isMac() {
			return r.copyWhole(dst, src, to, from, &done)
		}
		return r.copyChunks(dst, src, to, from, q.Chunks, &done)
	})
	if errors.Is(err, errConnClosed) {
		return err
	}
	c.answer(&done)
	if err != nil {
		// What was copied is told with every status.
		return r.withBody(statusOf(err))
	}
	return nil
}

// chunksAllowed reports whether a list of chunks is within the limits.
func chunksAllowed(list []wire.SrvCopychunk) bool {
	if len(list) > maxChunks {
		return false
	}
	total := 0
	for i := range list {
		if list[i].Length == 0 || list[i].Length > maxChunkBytes {
			return false
		}
		total += int(list[i].Length)
	}
	return total <= maxCopyBytes
}

// copyChunks copies chunk by chunk and keeps count in done.
func (r *request) copyChunks(dst, src *open, to, from vfs.Handle, list []wire.SrvCopychunk, done *wire.SrvCopychunkResponse) error {
	for i := range list {
		e := &list[i]
		n := int(e.Length)
		if !spanFits(e.SourceOffset, n) || !spanFits(e.TargetOffset, n) || e.TargetOffset+uint64(n) > maxFileSize {
			return ntstatus.InvalidParameter
		}
		at, err := src.attr(r.ctx())
		if err != nil {
			return err
		}
		if int64(e.SourceOffset)+int64(n) > at.Size {
			return ntstatus.InvalidViewSize
		}
		if err := src.lock.CheckIO(e.SourceOffset, uint64(n), false); err != nil {
			return err
		}
		if err := r.mayGrow(dst, int64(e.TargetOffset)+int64(n)); err != nil {
			return err
		}
		if err := dst.lock.CheckIO(e.TargetOffset, uint64(n), true); err != nil {
			return err
		}
		if dst.access&dataWriting == wire.AccessAppendData {
			if err := dst.checkAppend(r, e.TargetOffset); err != nil {
				return err
			}
		}
		got, err := r.copyRange(dst, src, to, from, e)
		if err == nil && got < int64(n) {
			err = ntstatus.InvalidViewSize // the source became shorter meanwhile
		}
		done.TotalBytesWritten += uint32(got)
		if err != nil {
			done.ChunkBytesWritten = uint32(got)
			return err
		}
		done.ChunksWritten++
	}
	return nil
}

// checkAppend refuses to write before the end of a file that may only grow.
func (o *open) checkAppend(r *request, off uint64) error {
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	if off < uint64(at.Size) {
		return ntstatus.AccessDenied
	}
	return nil
}

// copyRange copies one chunk. Within one stream both ranges may overlap: then
// the chunk is read before any of it is written.
func (r *request) copyRange(dst, src *open, to, from vfs.Handle, e *wire.SrvCopychunk) (int64, error) {
	n := int64(e.Length)
	srcOff, dstOff := int64(e.SourceOffset), int64(e.TargetOffset)
	same := dst.lock.Key() == src.lock.Key() && dst.lock.Stream() == src.lock.Stream()
	if !same || max(srcOff, dstOff)-min(srcOff, dstOff) >= n {
		return to.CopyFrom(r.ctx(), from, srcOff, dstOff, n)
	}
	buf := transport.Get(int(n))
	defer buf.Release()
	got, err := from.ReadAt(buf.B, srcOff)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	put, err := to.WriteAt(buf.B[:got], dstOff)
	return int64(put), err
}

// duplicateExtents carries out FSCTL_DUPLICATE_EXTENTS_TO_FILE.
func (r *request) duplicateExtents(dst *open, c *control) error {
	var q wire.DuplicateExtentsData
	if err := q.Decode(c.in); err != nil {
		return ntstatus.InvalidParameter
	}
	return r.cloneRange(dst, &q)
}

// duplicateExtentsEx carries out FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX. A clone is
// made whole or not at all in any case, so its flag changes nothing.
func (r *request) duplicateExtentsEx(dst *open, c *control) error {
	var q wire.DuplicateExtentsDataEx
	if err := q.Decode(c.in); err != nil || q.Flags&^wire.DuplicateExtentsSourceAtomic != 0 {
		return ntstatus.InvalidParameter
	}
	return r.cloneRange(dst, &q.DuplicateExtentsData)
}

// cloneRange lets a range of a file share the storage of another (MS-FSA
// 2.1.5.10.4). Byte-range locks do not matter, as with Windows.
func (r *request) cloneRange(dst *open, q *wire.DuplicateExtentsData) error {
	if !dst.share().caps.Has(vfs.CapReflink) {
		return errUnsupportedFsctl
	}
	src := r.sess.pinOpen(q.SourceFileID)
	if src == nil {
		return ntstatus.InvalidHandle
	}
	r.keep(src)
	switch {
	case src.isPipe() || src.grip.dir || dst.grip.dir:
		return ntstatus.InvalidParameter
	case src.tree.share.volume != dst.share().volume:
		return ntstatus.NotSameDevice
	case q.SourceFileOffset < 0, q.TargetFileOffset < 0, q.ByteCount < 0,
		q.ByteCount > math.MaxInt64-max(q.SourceFileOffset, q.TargetFileOffset):
		return ntstatus.InvalidParameter
	}
	if err := src.can(wire.AccessReadData); err != nil {
		return err
	}
	if err := dst.can(wire.AccessWriteData); err != nil {
		return err
	}
	if q.ByteCount == 0 {
		return nil
	}
	if err := r.checkClone(dst, src, q); err != nil || q.ByteCount <= 0 {
		return err
	}
	return r.changeUnchecked(dst, locking.CauseWrite, func(to vfs.Handle) error {
		from, err := src.file(r.ctx())
		if err != nil {
			return err
		}
		err = to.CloneFrom(r.ctx(), from, q.SourceFileOffset, q.TargetFileOffset, q.ByteCount)
		if errors.Is(err, errors.ErrUnsupported) {
			return ntstatus.NotSupported
		}
		return err
	})
}

// checkClone refuses what the specification does not support: ranges that
// overlap or reach beyond the end of the source, and a sparse source for a file
// that is not sparse. The size of the file stays as it is, so what would be beyond
// its end is left out, as Windows does.
func (r *request) checkClone(dst, src *open, q *wire.DuplicateExtentsData) error {
	from, err := src.attr(r.ctx())
	if err != nil {
		return err
	}
	to, err := dst.attr(r.ctx())
	if err != nil {
		return err
	}
	apart := max(q.SourceFileOffset, q.TargetFileOffset) - min(q.SourceFileOffset, q.TargetFileOffset)
	same := dst.lock.Key() == src.lock.Key() && dst.lock.Stream() == src.lock.Stream()
	switch {
	case q.SourceFileOffset+q.ByteCount > from.Size:
		return ntstatus.NotSupported
	case same && apart < q.ByteCount:
		return ntstatus.NotSupported
	case isSparse(&from) && !isSparse(&to):
		return ntstatus.NotSupported
	}
	q.ByteCount = min(q.ByteCount, to.Size-q.TargetFileOffset)
	return nil
}
