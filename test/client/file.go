package client

import (
	"context"

	"lessor/smb/wire"
)

// File is an open file, directory or pipe. It is immutable, so what the server
// granted stays what the CREATE response said, whatever breaks have come since.
type File struct {
	Tree *Tree
	ID   wire.FileID
	Name string
	// Args are those that it was opened with, Response is the answer, and the rest
	// its contexts, nil if they did not come.
	Args          CreateArgs
	Response      wire.CreateResponse
	Lease         *wire.LeaseContext
	DurableV1     bool
	DurableV2     *wire.DurableResponseV2
	MaximalAccess *wire.MaximalAccessResponse
	DiskID        *wire.OnDiskIDResponse
	AAPL          *wire.AAPLResponse
	Posix         *wire.PosixCreateResponse

	tweak func(*Request)
}

// With returns the file with a function that every request passes through.
func (f *File) With(tweak func(*Request)) *File {
	own := *f
	own.tweak = chain(f.tweak, tweak)
	return &own
}

// On returns the file by way of another channel of its session.
func (f *File) On(s *Session) *File {
	own := *f
	own.Tree = f.Tree.On(s)
	return &own
}

// Request returns a request in the file's tree.
func (f *File) Request(body wire.Appender) *Request {
	r := &Request{Session: f.Tree.Session, Tree: f.Tree, Body: body}
	if f.tweak != nil {
		f.tweak(r)
	}
	return r
}

// Replay marks a request as one that may have been carried out before; it is for
// With (MS-SMB2 3.2.4.1.1).
func Replay(r *Request) { addHeader(r, func(h *wire.Header) { h.Flags |= wire.FlagReplay }) }

// ChannelSequence returns a function for With that sets the channel sequence
// (MS-SMB2 3.2.4.1.1).
func ChannelSequence(n uint16) func(*Request) {
	return func(r *Request) { addHeader(r, func(h *wire.Header) { h.Status = uint32(n) }) }
}

// addHeader sets a function for the header that runs after one that is there.
func addHeader(r *Request, f func(*wire.Header)) {
	before := r.Header
	r.Header = func(h *wire.Header) {
		if before != nil {
			before(h)
		}
		f(h)
	}
}

// do sends a request and decodes the reply into m.
func (f *File) do(ctx context.Context, body wire.Appender, m Decoder) error {
	resp, err := f.Tree.Session.Conn.Do(ctx, f.Request(body))
	if err != nil {
		return err
	}
	return resp.Decode(m)
}

// Close closes the file.
func (f *File) Close(ctx context.Context) error {
	return f.do(ctx, &wire.CloseRequest{FileID: f.ID}, &wire.CloseResponse{})
}

// CloseAttributes closes the file and returns its last attributes.
func (f *File) CloseAttributes(ctx context.Context) (m wire.CloseResponse, err error) {
	err = f.do(ctx, &wire.CloseRequest{FileID: f.ID, Flags: wire.CloseFlagPostQueryAttrib}, &m)
	return m, err
}

// Flush makes everything written durable.
func (f *File) Flush(ctx context.Context) error {
	return f.do(ctx, &wire.FlushRequest{FileID: f.ID}, &wire.FlushResponse{})
}

// Read reads up to n bytes from off with one request. At the end of the file the
// error is EndOfFile; for a message longer than n in a pipe it is BufferOverflow, and
// the data is returned with it.
func (f *File) Read(ctx context.Context, off uint64, n int) ([]byte, error) {
	return f.StartRead(off, n).Wait(ctx)
}

// StartRead is Read without waiting.
func (f *File) StartRead(off uint64, n int) *Call[[]byte] {
	r := f.Request(&wire.ReadRequest{FileID: f.ID, Offset: off, Length: uint32(n), Padding: 80})
	return call(f.Tree.Session, r, func(resp *Response) ([]byte, error) {
		var m wire.ReadResponse
		err := resp.Decode(&m)
		if len(m.Data) > n {
			return nil, violation("READ of %d bytes answered with %d", n, len(m.Data))
		}
		return m.Data, err
	})
}

// Write writes data at off with one request, and returns how much the server took.
func (f *File) Write(ctx context.Context, off uint64, data []byte) (int, error) {
	return f.StartWrite(off, data).Wait(ctx)
}

// StartWrite is Write without waiting.
func (f *File) StartWrite(off uint64, data []byte) *Call[int] {
	r := f.Request(&wire.WriteRequest{FileID: f.ID, Offset: off, Data: data})
	return call(f.Tree.Session, r, func(resp *Response) (int, error) {
		var m wire.WriteResponse
		err := resp.Decode(&m)
		return int(m.Count), err
	})
}

// ReadAll reads the file from its beginning to its end, with requests of the
// greatest size.
func (f *File) ReadAll(ctx context.Context) ([]byte, error) {
	n := f.Tree.Session.Conn.maxTransfer(f.Tree.Session.Conn.Negotiated().Response.MaxReadSize)
	var all []byte
	for {
		data, err := f.Read(ctx, uint64(len(all)), n)
		all = append(all, data...)
		if isEndOfFile(err) || err == nil && len(data) == 0 {
			return all, nil
		}
		if err != nil {
			return all, err
		}
	}
}

// WriteAll writes data at off with as many requests as it takes.
func (f *File) WriteAll(ctx context.Context, off uint64, data []byte) error {
	size := f.Tree.Session.Conn.maxTransfer(f.Tree.Session.Conn.Negotiated().Response.MaxWriteSize)
	for len(data) > 0 {
		n, err := f.Write(ctx, off, data[:min(size, len(data))])
		if err != nil {
			return err
		}
		if n == 0 {
			return violation("WRITE took nothing")
		}
		off, data = off+uint64(n), data[n:]
	}
	return nil
}

// maxTransfer bounds one request to what the server takes and, without credit
// charges, 64 KiB.
func (c *Conn) maxTransfer(server uint32) int {
	if !c.Negotiated().LargeMTU() {
		return 65536
	}
	return int(min(server, 1<<20))
}

// Lock takes or releases byte ranges, all or none, as the flags of the elements say.
// Without LockFlagFailImmediately the server may wait.
func (f *File) Lock(ctx context.Context, ranges ...wire.LockElement) error {
	_, err := f.StartLock(ranges...).Wait(ctx)
	return err
}

// StartLock is Lock without waiting.
func (f *File) StartLock(ranges ...wire.LockElement) *Call[struct{}] {
	r := f.Request(&wire.LockRequest{FileID: f.ID, Locks: ranges})
	return call(f.Tree.Session, r, plain(&wire.LockResponse{}))
}

// Exclusive is an element for Lock, as Shared and Unlock are. The first two do
// not wait; Waiting makes them.
func Exclusive(off, n uint64) wire.LockElement {
	return wire.LockElement{Offset: off, Length: n, Flags: wire.LockFlagExclusiveLock | wire.LockFlagFailImmediately}
}

// Shared is an element for a shared lock.
func Shared(off, n uint64) wire.LockElement {
	return wire.LockElement{Offset: off, Length: n, Flags: wire.LockFlagSharedLock | wire.LockFlagFailImmediately}
}

// Unlock is an element for the release of a lock.
func Unlock(off, n uint64) wire.LockElement {
	return wire.LockElement{Offset: off, Length: n, Flags: wire.LockFlagUnlock}
}

// Waiting returns e without LockFlagFailImmediately.
func Waiting(e wire.LockElement) wire.LockElement {
	e.Flags &^= wire.LockFlagFailImmediately
	return e
}

// Ioctl carries out a control code on the file. The output comes also with the error
// BufferOverflow.
func (f *File) Ioctl(ctx context.Context, code uint32, in []byte, maxOut int) ([]byte, error) {
	return f.StartIoctl(code, in, maxOut).Wait(ctx)
}

// StartIoctl is Ioctl without waiting.
func (f *File) StartIoctl(code uint32, in []byte, maxOut int) *Call[[]byte] {
	return startIoctl(f.Tree.Session, code, f.Request(ioctlBody(code, f.ID, in, maxOut)))
}

// Transact writes a message to a pipe and reads the answer.
func (f *File) Transact(ctx context.Context, in []byte, maxOut int) ([]byte, error) {
	return f.Ioctl(ctx, wire.FsctlPipeTransceive, in, maxOut)
}

// CopyFrom copies ranges of another open of the same session on the server, and
// returns its answer also with InvalidParameter, when it holds the server's limits.
func (f *File) CopyFrom(ctx context.Context, src *File, chunks ...wire.SrvCopychunk) (wire.SrvCopychunkResponse, error) {
	var m wire.SrvCopychunkResponse
	out, err := src.Ioctl(ctx, wire.FsctlSrvRequestResumeKey, nil, wire.ResumeKeyResponseSize)
	if err != nil {
		return m, err
	}
	var key wire.ResumeKeyResponse
	if err := key.Decode(out); err != nil {
		return m, violation("resume key of %d bytes", len(out))
	}
	in := (&wire.SrvCopychunkCopy{SourceKey: key.ResumeKey, Chunks: chunks}).Append(nil)
	body := ioctlBody(wire.FsctlSrvCopychunk, f.ID, in, 12)
	resp, err := f.Tree.Session.Conn.Do(ctx, f.Request(body))
	if err != nil {
		return m, err
	}
	// The one error that comes with a body of its own (MS-SMB2 3.3.5.15.6.2).
	var reply wire.IoctlResponse
	if reply.Decode(resp.Msg) == nil && m.Decode(reply.Output) == nil {
		return m, resp.Err()
	}
	return m, resp.Decode(&reply)
}
