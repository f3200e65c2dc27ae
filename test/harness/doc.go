// Package harness runs the real server for tests and runners: it builds the
// binary, starts it on free ports of 127.0.0.1 with directories of its own, waits
// until it is ready, and ends it. It knows the command line of the server and
// the framing of SMB over TCP; it must not know what the server is made of, so
// it imports none of the packages under test.
//
// # Objects
//
//	Binary   the program under test: built once for each process, or $LESSOR_BIN
//	Options  what server a test wants
//	Server   one server with its directories, address, user and log. It outlives
//	         its process: Start, Stop, Kill and Start again keep address, state
//	         and shares
//	Smbd     Samba's server on a directory, as a peer, where it is installed
//	Tap      a relay in front of a server that counts what passes, by kind of
//	         frame, to see from outside whether the traffic is signed or sealed
//
// A test calls Run, which starts a server and lets it end with the test: the
// test fails when the server does not exit with 0 or when its log holds a panic
// or a data race. Programs that are not tests use New, Start and Stop.
//
// # States of a Server
//
//	new -Start-> running -Stop-> ended (exit status 0, clean log)
//	                     -Kill-> ended
//	                     ------> ended (the process died; Start or Stop say so)
//	ended -Start-> running
//
// # Goroutines and locks
//
// One goroutine waits for each process and closes its channel. A Server is used
// by one goroutine at a time, except for Log, Alive and Done, which anybody may
// call. A Tap has a goroutine for accepting and two for each connection; its
// mutex guards the counters and is a leaf.
//
// # Environment
//
//	LESSOR_BIN                 use this program instead of building one
//	LESSOR_BUILD_FLAGS         more flags for go build, such as "-race -tags=invariants"
//	LESSOR_TEST_REQUIRE_TOOLS  1: a missing tool (smbclient, ...) is a failure, not a skip
package harness
