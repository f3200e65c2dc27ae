// Command limits measures what this machine can do without any protocol: loops of the
// system calls that a file server cannot do without, between two threads over TCP on
// 127.0.0.1. It prints tables in Markdown, so that docs/performance.md can say how far
// a server is from the limit. It runs on Linux alone.
//
//	go run ./test/bench/limits
//	go run ./test/bench/limits -rounds 3 -only 'read 1M d8'
//	go run ./test/bench/limits -congestion system -file /srv/share/file
//
// The machine must do nothing else meanwhile: what other programs took is printed, too. A
// single busy program may even make loops faster, as no processor goes to sleep and
// both ends share one. All loops run by turns, in several rounds; the median and the best
// of the rounds are printed, and the median and the least of the CPU time that the
// thread of the server took.
//
//	loop         what the thread of the server does for a request
//	read         it gets 117 bytes, and sends 84 and then so many of the file:
//	  sendfile     the 84 with MSG_MORE, then sendfile(2)
//	  splice       the 84 with MSG_MORE, then splice(2) through a pipe of 1 MiB
//	  copy         pread(2) behind the 84, and both at once by send(2)
//	  gather       the 84 into the pipe and the file's pages behind them, for all requests
//	               that are there, as many as the pipe holds; then the pipe to the socket
//	write        it gets 117 bytes and the data, and sends 84 bytes:
//	  whole        all is read into memory at the beginning of a page, then pwrite(2)
//	  parts        the same, 128 KiB at a time
//	  splice       128 KiB at a time from the socket through a pipe to the file
//	ping-pong    it gets 68 bytes and sends 68:
//	  read         it waits in recv(2)
//	  ppoll        it waits in ppoll(2), after a recv(2) that would have had to wait
//
// d8 means that the client has eight requests outstanding. The 117 and the 84 bytes are
// about what SMB needs for the request and the reply. The client discards what it reads
// by MSG_TRUNC, so that its own copying does not count; -copy makes it copy.
//
// Three things decide about these figures besides the processor:
//
//   - The congestion control. Some machines have bbr, which paces what it sends, with a
//     timer for each few segments; that costs much over loopback. So everything is
//     measured with the one of the system, and with others by name (-congestion), on
//     the socket of the server, as a server can set it. What is written to it comes
//     from a client with the one of the system.
//   - Where the pages of the file lie. The same loop on another file of the same size
//     may be a quarter faster or slower. All loops have the same file, and -file names
//     the one that a server was measured with.
//   - The file system. Without -file the file lies in /dev/shm, if that is there.
//
// # Theory
//
// The package knows system calls and nothing of this module. A loop is a row of a
// table (loops.go): a function of the server and a function of the client, which know
// the same sizes. measure runs it once: it makes the connections, starts one goroutine
// for each end, bound to a thread, and waits for all of them. The sockets block, so
// that neither Go's poller nor its scheduler has a part in it; what the runtime's
// watching thread does every 10 ms is all that remains of them.
//
// The goroutine of a server owns its socket, pipe, memory and meter, that of a client its
// socket and memory. They share one number: of meters that have not seen enough. The
// meter takes time and CPU time of its thread, when the time to warm up is over and
// again at the end, after a reply each. When all meters have seen enough, the clients
// ask no more, take the replies that are due, count whether all bytes have come, and
// shut their socket down, which ends the servers. There is no lock.
//
// What cannot go on ends everything: the first error cancels the context of the run,
// and so do a signal and a limit of time; then all sockets are shut down, and no system
// call on them waits any longer. They are closed after all goroutines have ended.
package main
