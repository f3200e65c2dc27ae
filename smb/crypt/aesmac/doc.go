// Package aesmac is the CBC-MAC of AES, alone as CMAC needs it (NIST SP 800-38B) and
// with counter mode as CCM has it (NIST SP 800-38C), for processors with AES-NI.
//
// # Theory
//
// Each block of a CBC-MAC needs the one before: the processor, which could begin a round
// of AES every half cycle, waits four cycles for each. The standard library adds to that
// the way through the memory. This package has three means against it.
//
// First, a [Key] keeps the state of the chain in a register, and nothing but the rounds
// in the chain: what comes in is XORed into the last round key beforehand.
// Second, where counter mode is wanted too, it goes through the text in the same pass, in
// the gaps that the chain leaves: it costs nothing.
// Third, up to eight messages under one key go through the processor in turns, a round of
// each, which takes hardly longer than one message. [Key.Together] is that.
//
// A [Crew] brings messages together without letting one wait for another. The first
// goroutine that comes with a message lets those run that are ready to, no more, and works
// at it, a piece at a time. Who comes meanwhile joins: it lies down, and the first one
// takes that message along from its next piece on. When the message of the one that works
// is done it returns, and one of the others gets up and goes on. So a message takes as
// long as alone, and all of them together cost little more than the longest.
// What comes when [Lanes] messages are at work waits for one of their places.
//
// No branch and no address depends on a secret. Whole blocks come in; padding, lengths,
// nonces, and what a tag is, are the caller's business. [New] says whether the processor
// can do it; who gets nil uses the standard library, whose results are the same.
//
// # State and locks
//
// A Key is immutable. Crew.mu is a leaf; what it guards is said there. The messages at
// work belong to the goroutine that works at them, their owners sleep. There are no
// goroutines of its own.
//
// # What it must not know
//
// SMB.
package aesmac
