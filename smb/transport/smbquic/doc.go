// Package smbquic carries SMB over QUIC (MS-SMB2 2.1): it makes a net.Listener of a
// UDP socket, whose connections smb.Server serves like those of TCP.
//
// # What it knows and what it must not know
//
// It knows QUIC, certificates, and how many strangers may knock at once. It does
// not know what goes through a connection: the four bytes before each message are
// the business of package transport, as on TCP.
//
// # The protocol
//
// A client comes with TLS 1.3 and the ALPN "smb", proves who it is by a
// certificate if it is asked to, and opens one bidirectional stream, which is the
// connection. It may open no second one, no unidirectional stream and no
// datagram; nothing is sent before the handshake is done (no 0-RTT, which could be
// replayed), and no session is resumed, so that a certificate that is taken off
// the list is refused from then on.
//
// # Objects
//
//	Listener     one UDP socket with its connections
//	credentials  the certificate, its key and the list of clients, read again when
//	             the files change
//	gate         counts the connections whose handshake or first stream is due
//	conn         a connection and its stream, as a net.Conn
//
// # States of a connection
//
//	handshake --ok--> stream due --stream--> accepted --Close--> lingering --> gone
//	   |                  |                                          ^ the client has
//	   +----- too slow, too many, refused: gone                      | read the end, or 1 s
//
// The first two count against Config.Handshakes, for all clients together and, at
// an eighth, for one address alone, so that nobody keeps the others out. When many
// are under way, who comes has to show first that its address is its own (Retry,
// RFC 9000 8.1.2): a forged address costs the server one packet, not a handshake.
//
// # Locks and goroutines
//
// Listener.mu comes before gate.mu; that and credentials.mu are leaves. A goroutine accepts, one for
// each connection waits for its stream, and one waits for the end of all after
// Close; the rest belong to quic-go. Wait returns when all of them have ended.
package smbquic
