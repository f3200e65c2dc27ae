// Package client is an SMB2 and SMB3 client for tests and load: it speaks the
// protocol well by default, and badly on request.
//
// # Theory
//
// It knows the conversation: dialects, ids and credits, sessions and their keys,
// trees, opens, asynchronous replies, breaks of leases and oplocks. It knows
// nothing of the server's insides and imports none of them: messages come from
// smb/wire, keys from smb/crypt, tokens from smb/auth. It caches nothing, retries
// nothing and acknowledges nothing by itself: what a test did not ask for does
// not go over the wire.
//
// There are two ways in, and both may be mixed at any time.
//
// The high level reads like a file API:
//
//	tree, err := client.Connect(ctx, addr, "share", client.Options{User: "u", Password: "p"})
//	f, err := tree.Create(ctx, client.CreateArgs{Name: "a", Lease: &client.Lease{Key: key, State: client.RWH}})
//	if _, err := tree.Create(ctx, other); err != ntstatus.SharingViolation { ... }
//
// Whatever the server refuses is returned as a bare ntstatus.Status, so it can be
// compared; everything else that can go wrong is another kind of error.
//
// The low level is a Request, of which every field of the header and every byte of
// the body can be set, and a Pending, its reply to come:
//
//	p := conn.Start(tree.Request(&wire.LockRequest{...}))
//	id, err := p.Interim(ctx)   // STATUS_PENDING has come
//	p.Cancel()
//	resp, err := p.Wait(ctx)    // a status is no error here: see resp.Status
//
// # Objects
//
// A Conn is one transport connection with a negotiated dialect. A Session is one
// user on one Conn, that is one channel: a session that is bound to several
// connections has one value for each of them, which share id and sealing keys
// (Conn.Bind). A Tree is a share in a Session, a File is an open in a Tree. Tree.On
// and File.On give the same object by way of another channel; With gives a copy
// whose requests pass through a function first, which is how a test breaks one
// field of an otherwise good dialogue. All of these are immutable after
// construction, so any number of goroutines may use them at once.
//
// # What is checked
//
// A Conn does not trust its server. A reply that should be signed or sealed and is
// not, a wrong signature, a reply to nothing, an answer to another command, a
// message that does not parse: each ends the connection with an error that wraps
// ErrProtocol, which every waiting call and Conn.Err return. Options.NoVerify
// switches this off. Messages are compressed only if Options.Compression offers it.
//
// # Goroutines and locks
//
// One goroutine per Conn reads; it starts with the Conn and has ended when Close
// returns. It never blocks on a user of the package: replies go to their Pending,
// breaks into a large channel, or to Options.OnBreak, which must not block.
//
// Conn.mu guards ids, credits, the table of pending requests and that of sessions;
// Conn.writing is held for one write to the transport. Neither is taken while the
// other is held, and nothing is called under either.
//
// Time-outs come from the context of a call; Options.Timeout bounds a call whose
// context has no deadline, so that a silent server fails a test instead of hanging
// it. The package works inside testing/synctest bubbles over net.Pipe.
package client
