// Package faults tries what happens when the disk behind a share fails: it is full, takes
// no changes any more, gives errors, or goes away and comes back. It runs the program, and
// file systems in images that are mounted for the purpose, which only root may do; what
// needs that is skipped else. What a client is told, that nothing acknowledged is lost, that
// the server goes on by itself, and that the log says so in one line, is what is looked at.
//
// Errors in places where no real disk gives them are tried with package errfs, in package
// smb.
package faults
