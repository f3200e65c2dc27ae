// Package crypt signs, seals and derives keys for SMB 2 and 3.
//
// # Theory
//
// The package knows the byte layout of two headers, and only as far as the
// cryptography needs it: the 64-byte SMB2 header (where the signature, the
// message id, the command and the flags stand) and the 52-byte transform header
// of sealed messages. It knows nothing of sessions, connections, or of who may
// do what: callers hand it keys and whole messages, it answers with bytes or
// with "no".
//
// There are four objects:
//
//   - [Signer] signs and verifies one message with one key and one algorithm.
//   - [Sealer] encrypts or decrypts one message with one key and one cipher. A
//     session has two: one for each direction.
//   - [Keys], from [DeriveKeys], are the keys of a session (or of a channel).
//   - [PreauthHash] is the running hash over the messages that set up a
//     connection and a session.
//
// A Signer and a Sealer are immutable after construction but for the nonce
// counter of the Sealer, which is atomic; any number of goroutines may use one
// at the same time, and no call allocates once the pools are warm. There are no
// goroutines, and no mutexes but those of the crews below.
//
// AES-CMAC (RFC 4493) and AES-CCM (RFC 3610) are written here, because the
// standard library does not offer them. Both rest on the package aesmac below this
// one where the processor has AES-NI, and on the standard library's CBC and counter
// mode elsewhere. The chain of blocks is what they cost, and one message cannot make
// more of it than one chain; so long messages with one key that are there at the same
// time, from several goroutines, go through the processor together (aesmac.Crew): one
// of the goroutines works, the others sleep until theirs is done. AES-GCM and GMAC
// come from the package aesgcm on processors that have the instructions for it.
// Everything else is the standard library's.
package crypt
