// Package service tests the program as the machine it runs on sees it: sockets that
// it is given, the account it runs as, the sandbox it goes into, the files it reads
// again, and SMB over QUIC from outside. What it says to clients is tested in
// packages protocol and interop.
package service
