// Package aeskey expands AES keys (FIPS 197 section 5.2) for the assembly of its
// neighbours aesgcm and aesmac.
//
// # Theory
//
// A [Schedule] holds the round keys in the order of their use, each as the bytes that
// AESENC takes. It is a value without a state, a lock or a goroutine. Expansion uses
// the S-box of the AES instructions: no branch and no address depends on the key.
// There is nothing here for processors without assembly; nobody asks for it there.
package aeskey
