package client

import (
	"context"
	"io"
	"net"
	"time"

	"lessor/smb/wire"
)

// Options say how a Conn negotiates and behaves. The zero value is a well-behaved
// anonymous client of every dialect from 2.1 on.
type Options struct {
	// User, Password and Domain are the credentials of Conn.SessionSetup. With an
	// empty User the logon is anonymous.
	User, Password, Domain string
	// ServerName is the host in the paths of TREE_CONNECT and in the negotiate
	// context; by default the host of the address dialled, or "server".
	ServerName string

	// Dial makes the transport of Dial and Connect; nil: TCP. See smbquic.Dial.
	Dial func(ctx context.Context, addr string) (net.Conn, error)

	// Dialects to offer; default 2.1 to 3.1.1.
	Dialects []wire.Dialect
	// ClientGuid names the client; random if zero. Connections of one client, for
	// leases and multichannel, share it.
	ClientGuid wire.GUID
	// Without are bits of GlobalCap not to announce; all others that the client
	// can serve are.
	Without uint32
	// Ciphers and SigningAlgs to offer in 3.1.1, the preferred first; default all.
	// A slice that is empty but not nil leaves the context out.
	Ciphers     []wire.Cipher
	SigningAlgs []wire.SigningAlgorithm
	// Compression are the algorithms to offer in 3.1.1, the preferred one for what is
	// sent first; by default none. Unchained does not offer to chain payloads.
	Compression []wire.CompressionAlgorithm
	Unchained   bool
	// CompressAll compresses every request that becomes shorter, where Compression
	// was negotiated. Without it only READs and WRITEs of a share that wants it are,
	// and requests that say so.
	CompressAll bool
	// Contexts, if set, has the last word on the negotiate contexts of 3.1.1.
	Contexts func([]wire.NegotiateContext) []wire.NegotiateContext

	// SignRequired announces that signing is required, and signs everything.
	// Without it only what must be signed is: see Session.Signing.
	SignRequired bool
	// Encrypt seals every request of a session; it needs a dialect of 3.0 or more.
	Encrypt bool
	// Credits is what every request asks for; default 128.
	Credits uint16

	// Timeout bounds every call whose context has no deadline, and every write to
	// the transport; default one minute.
	Timeout time.Duration
	// NoVerify accepts replies that are not signed, not sealed or unasked for.
	NoVerify bool
	// OnBreak, if set, gets the breaks in place of Conn.Breaks. It runs on the
	// reading goroutine and must not wait for a reply.
	OnBreak func(*Break)
	// OnMessage, if set, sees every message of the server, in plain text, before it is
	// delivered. It runs on the reading goroutine and must not keep the bytes.
	OnMessage func(h *wire.Header, msg []byte)
	// Trace, if set, gets one line for every message; t.Output() is a good choice.
	Trace io.Writer
}

// capabilities of the client that NEGOTIATE announces.
const capabilities = wire.GlobalCapDFS | wire.GlobalCapLeasing | wire.GlobalCapLargeMTU |
	wire.GlobalCapMultiChannel | wire.GlobalCapPersistentHandles |
	wire.GlobalCapDirectoryLeasing | wire.GlobalCapEncryption

func (o Options) withDefaults() Options {
	if o.Dialects == nil {
		o.Dialects = []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect302, wire.Dialect311}
	}
	if o.ClientGuid.IsZero() {
		o.ClientGuid = NewGUID()
	}
	if o.Ciphers == nil {
		o.Ciphers = []wire.Cipher{
			wire.CipherAES128GCM, wire.CipherAES128CCM, wire.CipherAES256GCM, wire.CipherAES256CCM,
		}
	}
	if o.SigningAlgs == nil {
		o.SigningAlgs = []wire.SigningAlgorithm{
			wire.SigningAESGMAC, wire.SigningAESCMAC, wire.SigningHMACSHA256,
		}
	}
	if o.ServerName == "" {
		o.ServerName = "server"
	}
	if o.Credits == 0 {
		o.Credits = 128
	}
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	return o
}
