// Package vfstest says, as tests, what an implementation of package vfs must
// do. Each rule of the contract is one subtest, named after the rule, on a file
// system of its own; rules about abilities that Caps denies are skipped. The
// package knows the contract alone: no implementation, no operating system.
package vfstest
