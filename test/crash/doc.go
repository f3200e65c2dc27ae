// Package crash kills the real server under load, starts it again on the state it
// has left, and holds it to what it had told its clients.
//
// Each worker is a client that keeps its identity over the crashes. It opens files
// of its own, persistent ones on a share with continuous_availability and durable
// ones on one without, takes and gives back byte-range locks on them, writes, marks
// some for deletion and closes some; and with the others it fights for the ranges of one file. It
// keeps book of what was acknowledged. When the server is killed, what is on its
// way is uncertain, and everything else is not:
//
//   - each persistent open is there, with its lease and its locks;
//   - a durable open is there with its lease and its locks, or not at all: the test
//     says how many were lost;
//   - a lock that was given back is free;
//   - a LOCK that was not answered is sent again with its sequence, and succeeds,
//     whether it was carried out before or not;
//   - a file that was marked for deletion still is, and is gone once it is closed;
//   - the CREATE of a persistent open that was not answered is replayed, and gets the
//     open if it was made;
//   - no range is locked by two.
//
// It needs only test/harness and test/client, and knows nothing of the server's
// insides. "go test ./test/crash" does a few rounds, "make crash" a hundred;
// -rounds says how many.
package crash
