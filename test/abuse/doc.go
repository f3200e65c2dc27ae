// Package abuse tests that the conversation holds against those who mean ill: a man in
// the middle, a client that tries every combination, and one that says anything in
// any order. It holds no code but tests.
//
// # Theory
//
// It meets the server as package test/protocol does, by package client, but always in
// this process and, but for the programs of others, under the fake clock of
// testing/synctest, where a message that is never answered costs no time and a
// goroutine that stays behind fails the test. It knows Server.Status and the metrics,
// which say what is left behind, and nothing else of the server's insides.
//
//	downgrade_test.go  every byte of the handshake is flipped by a man in the middle
//	matrix_test.go     every dialect, signing algorithm, cipher and compression, and
//	                   what may be bound to what as a second channel
//	machine_*.go       bytes become a dialogue of two clients: FuzzConversation
//	found_test.go      what that has found, in a form in which it happens each time
//	initiator_test.go  NTLM and SPNEGO as other people's programs speak them
//
// Crowds, floods and cheats are in the siege of package test/protocol.
//
// # What a test of chance leaves
//
// TestConversations runs scripts that are the same each time, though what comes of them
// depends on how the goroutines of the server meet; LESSOR_TEST_SCRIPTS=N runs N of them. A
// script that fails is logged in hexadecimal, and go test -fuzz FuzzConversation looks for
// more. What they find becomes a test of its own in found_test.go.
package abuse
