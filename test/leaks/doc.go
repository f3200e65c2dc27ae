// Package leaks finds goroutines that tests have left behind.
//
// # Theory
//
// It is goleak with more patience: that gives goroutines which are about to end half a
// second, which is short on a busy machine after minutes of tests. It knows nothing of what
// is tested, keeps no state and starts no goroutines.
package leaks
