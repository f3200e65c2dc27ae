//go:build !invariants

package smb_test

const invariantsOn = false
