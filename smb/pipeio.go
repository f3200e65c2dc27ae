package smb

import (
	"errors"
	"io/fs"

	"lessor/smb/ntstatus"
	"lessor/smb/rpc"
	"lessor/smb/wire"
)

// Named pipes: what READ, WRITE and the control codes of pipes do with an open
// of IPC$ (MS-SMB2 3.3.5.12, 3.3.5.13, 3.3.5.15.3 and .10). The pipes are those of
// package rpc, in message mode.

// openPipe opens a new instance of a named pipe for the user of a session, who comes
// from an address. The error is fs.ErrNotExist if there is no pipe of that name.
func (s *Server) openPipe(name string, sess *session, from string) (*rpc.Pipe, error) {
	p := sess.user.Load()
	user := p.User
	if p.Anonymous {
		user = ""
	}
	return rpc.Open(name, rpcBackend{s: s, who: p, sess: sess, from: from}, user)
}

// readPipe carries out a READ of n bytes at most from a pipe. It waits until
// there is a message; what does not fit of that is read later.
func (r *request) readPipe(o *open, n int) error {
	data, more, err := r.nextMessage(o, n)
	if err != nil {
		return err
	}
	r.out.reserve(wire.ReadResponseHeaderSize + len(data))
	r.out.b = wire.AppendReadResponseHeader(r.out.b, len(data))
	r.out.b = append(r.out.b, data...)
	if more {
		return r.withBody(ntstatus.BufferOverflow)
	}
	return nil
}

// nextMessage takes the next message of a pipe, or the first n bytes of it, and
// waits for it.
func (r *request) nextMessage(o *open, n int) (data []byte, more bool, err error) {
	for waited := false; ; waited = true {
		data, more, err = o.pipe.Read(n)
		if waited && errors.Is(err, fs.ErrClosed) {
			return nil, false, ntstatus.PipeBroken // as in Windows: the other end has gone
		}
		if !errors.Is(err, rpc.ErrNoData) {
			return data, more, err
		}
		r.unframe()
		if err := r.await(o.pipe.Wait(), waitPipe); err != nil {
			return nil, false, err
		}
	}
}

// writePipe carries out a WRITE to a pipe.
func (r *request) writePipe(o *open, data []byte, a *wire.WriteResponse) error {
	r.giveTurn() // an answer to a remote call may take its time
	n, err := o.pipe.Write(data)
	a.Count = uint32(n)
	return err
}

// pipeTransceive carries out FSCTL_PIPE_TRANSCEIVE: a write and the read of the
// answer in one (MS-SMB2 3.3.5.15.10).
func (r *request) pipeTransceive(o *open, c *control) error {
	r.giveTurn()
	data, more, err := o.pipe.Transact(c.in, c.room)
	if errors.Is(err, rpc.ErrNoData) {
		data, more, err = r.nextMessage(o, c.room)
	}
	if err != nil {
		return err
	}
	c.out(data)
	if more {
		return r.withBody(ntstatus.BufferOverflow)
	}
	return nil
}

// pipePeek carries out FSCTL_PIPE_PEEK (MS-FSCC 2.3, MS-SMB2 3.3.5.15.3).
func (r *request) pipePeek(o *open, c *control) error {
	const fixed = 16
	if c.room < fixed {
		return ntstatus.BufferTooSmall
	}
	data, length, messages, broken := o.pipe.Peek(c.room - fixed)
	p := wire.PipePeekResponse{
		NamedPipeState:    wire.PipeConnected,
		ReadDataAvailable: uint32(o.pipe.Pending()),
		NumberOfMessages:  uint32(messages),
		MessageLength:     uint32(length),
		Data:              data,
	}
	if broken {
		p.NamedPipeState = wire.PipeClosing
	}
	c.answer(&p)
	if len(data) < length {
		return r.withBody(ntstatus.BufferOverflow)
	}
	return nil
}

// pipeWait carries out FSCTL_PIPE_WAIT: an instance of every pipe that there is
// can be had at any time (MS-SMB2 3.3.5.15.2).
func (r *request) pipeWait(_ *open, c *control) error {
	var q wire.PipeWaitRequest
	if err := q.Decode(c.in); err != nil {
		return ntstatus.InvalidParameter
	}
	if !rpc.Exists(q.Name) {
		return ntstatus.ObjectNameNotFound
	}
	return nil
}
