package client

import (
	"context"
	"fmt"
	"strings"

	"lessor/smb/wire"
)

// Tree is a share in a session. It is immutable.
type Tree struct {
	Session *Session
	ID      uint32
	// Path is that of the request, such as \\server\share.
	Path     string
	Response wire.TreeConnectResponse

	tweak func(*Request)
}

// TreeConnect connects to a share, by its name or by a whole path.
func (s *Session) TreeConnect(ctx context.Context, share string) (*Tree, error) {
	path := share
	if !strings.HasPrefix(path, `\\`) {
		path = `\\` + s.Conn.opts.ServerName + `\` + share
	}
	resp, err := s.Conn.Do(ctx, s.request(&wire.TreeConnectRequest{Path: path}))
	if err != nil {
		return nil, err
	}
	t := &Tree{Session: s, Path: path, ID: resp.Header.TreeID, tweak: s.tweak}
	if err := resp.Decode(&t.Response); err != nil {
		return nil, err
	}
	return t, nil
}

// Disconnect ends the tree connect.
func (t *Tree) Disconnect(ctx context.Context) error {
	return t.do(ctx, &wire.TreeDisconnectRequest{}, &wire.TreeDisconnectResponse{})
}

// Sealing says whether the share demands that everything is sealed.
func (t *Tree) Sealing() bool { return t.Response.ShareFlags&wire.ShareFlagEncryptData != 0 }

// On returns the tree by way of another channel of its session.
func (t *Tree) On(s *Session) *Tree {
	own := *t
	own.Session = s
	return &own
}

// With returns the tree with a function that every request passes through, those of
// files opened from it included.
func (t *Tree) With(tweak func(*Request)) *Tree {
	own := *t
	own.tweak = chain(t.tweak, tweak)
	return &own
}

// Request returns a request in the tree.
func (t *Tree) Request(body wire.Appender) *Request {
	r := &Request{Session: t.Session, Tree: t, Body: body}
	if t.tweak != nil {
		t.tweak(r)
	}
	return r
}

// do sends a request and decodes the reply into m.
func (t *Tree) do(ctx context.Context, body wire.Appender, m Decoder) error {
	resp, err := t.Session.Conn.Do(ctx, t.Request(body))
	if err != nil {
		return err
	}
	return resp.Decode(m)
}

// Ioctl carries out a control code that needs no file.
func (t *Tree) Ioctl(ctx context.Context, code uint32, in []byte, maxOut int) ([]byte, error) {
	return startIoctl(t.Session, code, t.Request(ioctlBody(code, wire.RelatedFileID, in, maxOut))).Wait(ctx)
}

func ioctlBody(code uint32, id wire.FileID, in []byte, maxOut int) *wire.IoctlRequest {
	return &wire.IoctlRequest{
		CtlCode:           code,
		FileID:            id,
		Input:             in,
		MaxOutputResponse: uint32(maxOut),
		Flags:             wire.IoctlIsFsctl,
	}
}

// startIoctl returns the output also with BufferOverflow.
func startIoctl(s *Session, code uint32, r *Request) *Call[[]byte] {
	return call(s, r, func(resp *Response) ([]byte, error) {
		m := wire.IoctlResponse{CtlCode: code}
		err := resp.Decode(&m)
		if m.CtlCode != code {
			return nil, violation("IOCTL %#x answered with %#x", code, m.CtlCode)
		}
		return m.Output, err
	})
}

// Interfaces asks for the addresses of the server (MS-SMB2 3.2.4.20.10).
func (t *Tree) Interfaces(ctx context.Context) ([]wire.NetworkInterface, error) {
	out, err := t.Ioctl(ctx, wire.FsctlQueryNetworkInterfaceInfo, nil, 65536)
	if err != nil {
		return nil, err
	}
	var m wire.NetworkInterfaceInfo
	if err := m.Decode(out); err != nil {
		return nil, fmt.Errorf("%w: interfaces: %w", ErrProtocol, err)
	}
	return m.Interfaces, nil
}
