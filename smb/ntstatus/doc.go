// Package ntstatus names the 32-bit status codes that an SMB2 reply carries.
//
// It knows the values of MS-ERREF 2.3.1 that a file server sends or a client of
// it meets, and their names; it knows nothing about when one is due. It holds
// no state, so everything in it may be used by any number of goroutines.
//
// A Status is an error, so that a request handler returns one directly. Note
// that Success and Pending are errors in Go's sense too, being non-nil: a
// handler that succeeded returns nil.
package ntstatus
