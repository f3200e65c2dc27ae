package smb

import (
	"errors"
	"io"
	"math"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

const (
	// sendFileMin is from how many bytes on a part of a file is handed to the
	// kernel to send, rather than read and sent together with other replies. Of a client
	// that waits for each answer it is sendFileAlone: a client that copies less has it sooner from
	// what was just copied than from the pages, and no requests behind it wait meanwhile.
	sendFileMin   = 32 << 10
	sendFileAlone = 64 << 10
	// bulkMin is from how many bytes on it matters how many READs of a connection
	// hold memory at the same time.
	bulkMin = 64 << 10
)

// read carries out READ (MS-SMB2 3.3.5.12).
func (r *request) read(q *wire.ReadRequest) error {
	n := int(q.Length)
	if q.Length > r.conn.neg.Load().maxRead {
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
		return r.readPipe(o, n)
	case o.grip.dir:
		return ntstatus.InvalidDeviceRequest
	}
	if err := o.canAny(wire.AccessReadData | wire.AccessExecute); err != nil {
		return err
	}
	if !spanFits(q.Offset, n) {
		return ntstatus.InvalidParameter
	}
	if err := o.lock.CheckIO(q.Offset, uint64(n), false); err != nil {
		return err
	}
	f, err := o.file(r.ctx())
	if err != nil {
		return err
	}
	r.shrink = q.Flags&wire.ReadFlagRequestCompressed != 0
	return r.readFile(o, f, q, n)
}

// checkChannel refuses a READ or WRITE whose data is to go by RDMA: a stream
// connection has no such channel (MS-SMB2 3.3.5.12, 3.3.5.13). The field means
// nothing before dialect 3.0.
func (r *request) checkChannel(channel uint32) error {
	if channel != wire.ChannelNone && r.conn.dialect() >= wire.Dialect300 {
		return ntstatus.InvalidParameter
	}
	return nil
}

// spanFits reports whether n bytes from off on have offsets that a file can
// have: 0 to 2^63-1, the last one included as the place behind the end.
func spanFits(off uint64, n int) bool {
	return off <= math.MaxInt64 && uint64(n) <= math.MaxInt64-off
}

// readFile reads n bytes of a file into the reply, or promises them by sendfile.
func (r *request) readFile(o *open, f vfs.Handle, q *wire.ReadRequest, n int) error {
	off := int64(q.Offset)
	if least := r.sendsFileFrom(); n >= least {
		if size, ok := sizeOf(f); ok {
			// No more memory is taken than there is to read.
			n = int(min(int64(n), max(0, size-off)))
			if n >= least && !r.chained() && r.plain() && !r.shrinks() {
				if uint64(n) < uint64(q.MinimumCount) {
					return ntstatus.EndOfFile
				}
				// Of who reads on from where the last READ ended, the kernel knows itself what
				// to read next.
				r.out.cold = least == sendFileMin && !o.isAt(off) && !inMemory(f, off, n)
				r.sendFile(o, f, off, n)
				return nil
			}
		}
	}
	if r.out.size()+wire.ReadResponseHeaderSize+n > maxReply-replySlack {
		return ntstatus.InsufficientResources
	}
	if n >= bulkMin {
		memory := n
		if r.shrinks() {
			memory = 2 * n // it is compressed into another buffer
			r.giveTurn()
		} else if !r.plain() && r.slowReply(n) {
			r.giveTurn()
		}
		if err := r.takeBulk(memory); err != nil {
			return err
		}
	}
	r.out.reserve(wire.ReadResponseHeaderSize + n)
	r.out.b = wire.AppendReadResponseHeader(r.out.b, n)
	at := len(r.out.b)
	r.out.b = r.out.b[:at+n]
	got, err := f.ReadAt(r.out.b[at:], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	// MS-SMB2 3.3.5.12: nothing, where something was asked for, and less than
	// MinimumCount are the end of the file.
	if got == 0 && q.Length > 0 || uint64(got) < uint64(q.MinimumCount) {
		return ntstatus.EndOfFile
	}
	r.out.b = r.out.b[:at+got]
	wire.PatchReadResponse(r.out.body(), got)
	o.grip.countRead(got)
	o.seekTo(off + int64(got))
	return nil
}

// sendsFileFrom is from how many bytes on the data of a READ is sent by the kernel.
func (r *request) sendsFileFrom() int {
	if tr := r.conn.tr; tr.Buffered() || tr.QueuedBytes() > 0 {
		return sendFileMin
	}
	return sendFileAlone
}

// sendFile makes the reply to a READ without its data, which follows from the
// file. The open stays until it was sent.
func (r *request) sendFile(o *open, f vfs.Handle, off int64, n int) {
	r.out.b = wire.AppendReadResponseHeader(r.out.b, n)
	o.refs.Add(1) // the request holds one already
	r.out.file, r.out.off, r.out.n = f, off, n
	r.out.done = o.unpinner()
	o.grip.countRead(n)
	o.seekTo(off + int64(n))
}

// replySlack is what a frame needs besides the messages in it.
const replySlack = headRoom + 1024

// plain reports whether the reply to this message is neither signed nor sealed.
func (r *request) plain() bool {
	return r.sealFor() == nil && (r.chn == nil || r.chn.signer == nil || !r.signed && !r.sess.signing)
}

// longReply is from how many bytes on a signed reply is made beside the next request
// however fast the algorithm is.
const longReply = 512 << 10

// slowReply reports whether a reply of n bytes to this message takes so long to be
// signed or sealed that the next request should not wait for it: sealing always
// does, as it costs more than the reading.
func (r *request) slowReply(n int) bool {
	return n >= longReply || r.sealFor() != nil || slowSigning(r.conn.neg.Load().signing)
}

// seekTo sets CurrentByteOffset (MS-FSA 2.1.5.3, 2.1.5.4).
func (o *open) seekTo(pos int64) {
	o.mu.Lock()
	o.position = pos
	o.mu.Unlock()
}

// isAt reports whether CurrentByteOffset is pos.
func (o *open) isAt(pos int64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.position == pos
}

// unpinner returns unpin as a value, which is made once.
func (o *open) unpinner() func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.unpinFunc == nil {
		o.unpinFunc = o.unpin
	}
	return o.unpinFunc
}
