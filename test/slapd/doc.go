// Package slapd runs OpenLDAP for tests: a server of its own on a free port of
// loopback, with accounts as Active Directory keeps them below dc=ad,dc=test, for who
// has bound, and as Samba keeps them below dc=samba,dc=test, for everybody.
//
// It knows nothing of the server under test. A Server belongs to one test, whose end
// stops it; it has no locks.
package slapd
