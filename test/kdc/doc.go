// Package kdc runs a real Kerberos KDC, that of MIT, for tests and runners: on a free
// port of 127.0.0.1, with a database and a configuration of its own. It knows the
// commands of Debian's packages krb5-kdc, krb5-admin-server and krb5-user; it must not
// know who uses it.
//
// # Objects
//
//	KDC  a realm with its directory, its process and its principals. Programs that are
//	     to use it, of MIT's libraries or of Heimdal's, get the variables of Env.
//
// The KDC runs until Stop; the kernel ends it when the process that started it dies.
// One goroutine waits for it. A KDC is used by one goroutine at a time, except for Env
// and Realm, which do not change.
package kdc
