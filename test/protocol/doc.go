// Package protocol tests the server as a client of SMB meets it, in what other
// clients do not ask for or do not do: leases and oplocks and their breaks,
// requests that wait and are cancelled, chains, credits, signing and sealing and
// their refusal, channels, durable opens, and everything that a broken or hostile
// client may send. It holds no code but tests.
//
// # Theory
//
// A test says what comes over the wire, by package client, which checks the
// signature, the sealing and the shape of every reply by itself. What the server
// is made of is not looked at, with two exceptions: its metrics, because "nothing
// is left behind" is part of every test here, and its log and memory in the tests
// of bad input.
//
// There are two servers:
//
//	server   the real binary, by package harness, over TCP: everything but time
//	bubble   a server in this process over net.Pipe and under the fake clock of
//	         testing/synctest: time-outs to the second, and goroutines, all of
//	         which must have ended with the bubble
//
// # Events, not sleeps
//
// A test waits for what it expects: a reply, an interim reply, a break, the end of
// a connection. That something has not happened is asked with an ECHO (the order of
// replies is that of what happened, see client.Conn.NoBreak). What a client cannot
// see, such as the end of a connection as the server knows it, is polled from the
// metrics with a deadline.
//
// # At rest
//
// A case of a server (server.run) ends with the question whether the server is at
// rest: no connection, session, tree, open, lock, lease, waiting request or
// goroutine that was not there before. Connections made by server.connect end with
// the case.
//
// # Chance
//
// Tests that draw lots log LESSOR_TEST_SEED; with this variable set they draw the same
// again, as far as time allows. LESSOR_TRACE=1 makes every client write down what it
// says and hears.
//
// # The siege
//
// Tests whose name begins with TestSiege are a client that means ill or is broken,
// in each with a bystander: another client at work, who writes, reads back,
// lists, renames and locks, and must notice nothing but that it takes longer. In
// the end the server must be up, its memory must have stayed bounded, and its
// log must tell what happened without being filled by it.
package protocol
