package interop

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hirochachacha/go-smb2"
)

// goClient is a session of go-smb2 with one share.
type goClient struct {
	conn    net.Conn
	session *smb2.Session
	share   *smb2.Share
}

// dialGo authenticates. The server decides whether to sign and seal.
func dialGo(l login) (net.Conn, *smb2.Session, error) {
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		return nil, nil, err
	}
	// A server that stops answering must not hang the test.
	if err := conn.SetDeadline(time.Now().Add(10 * time.Minute)); err != nil {
		return nil, nil, err
	}
	d := &smb2.Dialer{
		Negotiator: smb2.Negotiator{SpecifiedDialect: l.dialect.revision},
		Initiator:  &smb2.NTLMInitiator{User: l.user, Password: l.password},
	}
	session, err := d.Dial(conn)
	if err != nil {
		_ = conn.Close()
		return nil, nil, goError(err)
	}
	return conn, session, nil
}

func openGo(_ testing.TB, l login) (client, error) {
	conn, session, err := dialGo(l)
	if err != nil {
		return nil, err
	}
	share, err := session.Mount(`\\127.0.0.1\` + l.share)
	if err != nil {
		_ = conn.Close()
		return nil, goError(err)
	}
	return &goClient{conn, session, share}, nil
}

func (c *goClient) close() error {
	err := goError(errors.Join(c.share.Umount(), c.session.Logoff()))
	_ = c.conn.Close()
	return err
}

func (c *goClient) put(name string, r io.Reader) error {
	f, err := c.share.Create(back(name))
	if err != nil {
		return goError(err)
	}
	_, err = io.Copy(f, r)
	return goError(errors.Join(err, f.Close()))
}

func (c *goClient) get(name string, w io.Writer) error {
	f, err := c.share.Open(back(name))
	if err != nil {
		return goError(err)
	}
	_, err = io.Copy(w, f)
	return goError(errors.Join(err, f.Close()))
}

func (c *goClient) list(dir string) (map[string]entry, error) {
	infos, err := c.share.ReadDir(back(dir))
	if err != nil {
		return nil, goError(err)
	}
	all := make(map[string]entry, len(infos))
	for _, info := range infos {
		if _, twice := all[info.Name()]; twice {
			return nil, fmt.Errorf("%s is listed twice", info.Name())
		}
		all[info.Name()] = entry{info.Size(), info.IsDir()}
	}
	return all, nil
}

func (c *goClient) rename(from, to string) error {
	return goError(c.share.Rename(back(from), back(to)))
}
func (c *goClient) remove(name string) error { return goError(c.share.Remove(back(name))) }
func (c *goClient) mkdir(name string) error  { return goError(c.share.Mkdir(back(name), 0o755)) }
func (c *goClient) rmdir(name string) error  { return goError(c.share.Remove(back(name))) }

// back turns slashes into what go-smb2 wants.
func back(name string) string { return strings.ReplaceAll(name, "/", `\`) }

// goError gives the statuses that the tests ask for their names; go-smb2 keeps
// its list to itself.
func goError(err error) error {
	var r *smb2.ResponseError
	if !errors.As(err, &r) {
		return err
	}
	switch r.Code {
	case 0xC000006D:
		return statusLogonFailure
	case 0xC00000CC:
		return statusBadNetworkName
	case 0xC0000101:
		return statusNotEmpty
	case 0xC00000BB:
		return statusNotSupported
	case 0xC0000022:
		return statusError("NT_STATUS_ACCESS_DENIED")
	case 0xC00000A2:
		return statusError("NT_STATUS_MEDIA_WRITE_PROTECTED")
	}
	return err
}
