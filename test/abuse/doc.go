// Package abuse tests that the conversation holds against those who mean ill: a man in
// the middle, a client that tries every combination, one that says anything in any
// order, and thousands of them at once. It holds no code but tests.
//
// # Theory
//
// It meets the server as package test/protocol does, by package client, but always in
// this process: under the fake clock of testing/synctest, where a message that is never
// answered costs no time and a goroutine that stays behind fails the test, or over
// TCP of the loopback interface where what counts is memory and real time. It knows
// Server.Status and the metrics, which say what is left behind, and nothing else of the
// server's insides.
//
//	downgrade_test.go  every byte of the handshake is flipped by a man in the middle
//	matrix_test.go     every dialect, signing algorithm, cipher and compression, and
//	                   what may be bound to what as a second channel
//	machine_*.go       bytes become a dialogue of two clients: FuzzConversation
//	crowd_test.go      clients that open, ask, cancel and wait without measure
//	initiator_test.go  NTLM and SPNEGO as other people's programs speak them
//
// # What a test of chance leaves
//
// TestConversations runs sequences that are the same each time. A sequence that fails is
// logged in hexadecimal; as a line of the table in machine_found_test.go it stays.
package abuse
