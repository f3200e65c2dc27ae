// Command scale measures what should not depend on how much there is: the cost of one
// more file in a directory of a million, of one more open, of one more lease. It
// speaks to any SMB server, so that others can be measured beside Lessor, and prints
// rows of a Markdown table.
//
//	go run ./test/bench/scale -addr 127.0.0.1:445 -user alice -password PW -path DIR dirs 100000 1000000
//	go run ./test/bench/scale -addr 127.0.0.1:445 -user alice -password PW -pid PID opens 16000
//	go run ./test/bench/scale opens 100000
//	go run ./test/bench/scale -addr 127.0.0.1:445 -user alice -password PW clients 1 8 64 512
//
// dirs needs the directory of the share, -path, to fill it without the server. Without
// -addr the server runs in this process, with its files in memory; it can then have
// more opens than a process may have descriptors.
//
// # Theory
//
// The program knows test/client and nothing of the server, but for the one that it
// starts itself. Each command is a function from a tree to rows. One goroutine per
// client; all have ended when the command returns.
package main
