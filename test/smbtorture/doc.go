// Package smbtorture runs the smb2.* tests of Samba's smbtorture, the protocol's
// largest public test suite, against the real server. It knows how to call
// smbtorture and how to read what it says; it must not know what the tests test.
//
// # Objects
//
//	Test      a name with what it needs: a time limit, arguments, a setting
//	Result    verdict, seconds and reason of one run of a test
//	Expected  the tests that pass, expected.tsv: the promise that TestExpected keeps
//	Target    a server that is there already: address, share, user
//	blocker   makes one end of a connection deaf, for tests that want it blocked
//	forwarder the server at the well-known port, for a test that asks for no other
//	Pool      workers that each run one test at a time against a server of their own
//
// # Isolation
//
// Each test is a process of its own. Each worker has its own server process and
// share directory, so a test has the server for itself, and what one test breaks
// does not show in those that run beside it. Between two tests the directory is
// emptied; a server that died, or whose log tells of a panic, is started anew and
// the verdict is "crash".
//
// # Goroutines
//
// One for each worker, and while a test needs them one for its blocker, and for its
// forwarder and the connections of that. They take tests from a channel, the longest first, and
// send results to the caller of Pool.Run, who sees them one at a time.
//
// # Use
//
//	go run ./test/smbtorture/run -all -out all.tsv    every test of list.txt
//	go run ./test/smbtorture/run smb2.lease           all tests below a name
//	go run ./test/smbtorture/run -update -count 3     add what passes three times
//	go test ./test/smbtorture -run 'TestExpected/smb2.lease'
package smbtorture
