// Package interop tests the real server with clients that others wrote: go-smb2,
// linked into the test, and smbclient, run as a program. It knows what a user
// sees of a share: files, directories, refusals. It must not know the inside of
// the server, which it reaches over TCP and, to check what was stored, through
// the directory of the share.
//
// # Objects
//
//	client   what the cases need of a client; goClient and smbclient implement it
//	mode     how the traffic is protected: plain, signed, sealed. One server each
//	dialect  a dialect of SMB, the only one that the client offers
//	cases    what is done in each combination of client, mode and dialect
//
// A relay between client and server (harness.Tap) counts the frames, so that
// "signed" and "sealed" are seen on the wire and not believed.
//
// # Running
//
//	go test ./test/interop -short                      without the files of 1 GiB
//	go test ./test/interop -run 'TestFiles/smbclient/sealed/3.1.1/rename'
package interop
