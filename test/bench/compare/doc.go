// Command compare runs a load generator against Lessor and other servers in turn, and
// writes what it finds into docs/performance.md.
//
//	go run ./test/bench/compare -compare PROGRAM [-smbload PROGRAM] NAME=HOST:PORT:SHARE:USER:PASSWORD:PID...
//
// The others must run already, with the same user and password; Lessor is started, from
// -lessor, with a share in a temporary directory. PROGRAM is called with --rounds,
// --duration, --only, --json FILE and the servers as above, and leaves in FILE an object
// with "medians": of each workload, of each server, the figures that figures below
// names. With -from the file of an earlier run is taken, or several, of which the later
// ones replace rows of the former.
//
// # Theory
//
// The program measures nothing itself. It owns the process of Lessor, which has ended
// when it returns, and the lines of the document between two marks.
package main
