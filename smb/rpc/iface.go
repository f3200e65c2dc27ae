package rpc

import (
	"errors"
	"io/fs"
	"runtime/debug"
	"strings"
	"time"

	"lessor/smb/rpc/ndr"
)

// iface is an interface that clients can bind to. Interfaces are made at start
// and never change.
type iface struct {
	name    string
	syntax  syntaxID
	methods map[uint16]method
}

// method is one row of an interface. run decodes the request from in and
// writes the whole reply, status included, to k.out. An error is a fault, and
// what was written is lost.
type method struct {
	name string
	run  func(k *call, in *ndr.Decoder) error
}

// on makes a method from a decoder of its parameters and a function that
// carries it out and returns its status, which closes every reply of the
// interfaces here. The function runs only if all parameters decoded.
func on[T any, R ~uint32](name string, decode func(*ndr.Decoder) T, run func(*call, T) R) method {
	return method{name, func(k *call, in *ndr.Decoder) error {
		q := decode(in)
		// Bytes behind the last parameter are padding or a verification
		// trailer (MS-RPCE 2.2.2.13), which is of use with signing only.
		if err := in.Err(); err != nil {
			return err
		}
		status := run(k, q)
		k.out.Flush()
		k.out.U32(uint32(status))
		return nil
	}}
}

// call is one call of a method.
type call struct {
	conn *conn
	b    Backend
	user string
	out  ndr.Encoder
}

// anonymous reports whether nobody in particular calls.
func (k *call) anonymous() bool { return k.user == "" }

func (k *call) admin() bool { return !k.anonymous() && k.b.IsAdmin(k.user) }

// maxCall is how long a call may wait for others than this server: far less than
// the time after which clients give up.
const maxCall = 10 * time.Second

// invoke runs a method and returns the stub of the reply, or a fault.
func (c *conn) invoke(i *iface, m method, stub []byte) (reply []byte, failed fault) {
	// A bug in an interface must not take the server down with it.
	defer func() {
		if v := recover(); v != nil {
			reply, failed = nil, faultUnspecified
			c.backend.Panicked(i.name+"."+m.name, v, debug.Stack())
		}
	}()
	k := &call{conn: c, b: c.backend.Until(time.Now().Add(maxCall)), user: c.user}
	err := m.run(k, ndr.NewDecoder(stub))
	switch {
	case errors.As(err, &failed):
		return nil, failed
	case errors.Is(err, ndr.ErrBadStub):
		return nil, faultBadStub
	case err != nil:
		return nil, faultUnspecified
	}
	reply = k.out.Stub()
	if len(reply) > maxReply {
		return nil, faultNoMemory
	}
	return reply, 0
}

// endpoint is a pipe name with what can be bound to behind it.
type endpoint struct {
	// address is the secondary address of BindAck.
	address string
	ifaces  []*iface
}

// endpoints is the table of pipes, by lower-case name.
var endpoints = map[string]*endpoint{
	"srvsvc": {`\PIPE\srvsvc`, []*iface{srvsvc}},
	"wkssvc": {`\PIPE\wkssvc`, []*iface{wkssvc}},
	"lsarpc": {`\PIPE\lsass`, []*iface{lsarpc, dssetup}},
	"samr":   {`\PIPE\lsass`, []*iface{samr}},
}

func findEndpoint(pipeName string) (*endpoint, bool) {
	e, ok := endpoints[strings.ToLower(strings.TrimPrefix(pipeName, `\`))]
	return e, ok
}

// Exists reports whether there is a pipe of that name. Letter case does not
// matter, nor does one leading backslash.
func Exists(pipeName string) bool {
	_, ok := findEndpoint(pipeName)
	return ok
}

// Open opens a new instance of a pipe for user, whom b knows; "" is anonymous.
// The error is fs.ErrNotExist if there is no such pipe.
func Open(pipeName string, b Backend, user string) (*Pipe, error) {
	e, ok := findEndpoint(pipeName)
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &Pipe{conn: newConn(e, b, user)}, nil
}
