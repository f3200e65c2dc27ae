// Package auth finds out who is at the other end of an SMB session.
//
// # Theory
//
// The package knows tokens, passwords' hashes and names. It knows nothing of SMB
// messages, sessions or shares, and takes no part in what a user may do. The smb
// package hands it the security blobs of SESSION_SETUP and gets back blobs to
// send and, at the end, an [Identity] with a session key, or an error of a few
// kinds that it maps to a status.
//
// The layers, from outside to inside:
//
//   - [Authenticator] is what the server has; it makes one [Exchange] for each
//     session set-up. An Exchange is fed token after token: while both identity
//     and error are nil, more legs follow.
//   - [Negotiator] is the Authenticator of production: SPNEGO (RFC 4178 with the
//     additions of MS-SPNG) over a list of mechanisms. It also accepts NTLM
//     messages without SPNEGO around them, as several clients send them.
//   - [Mechanism] is one way to prove an identity: [NTLM] (MS-NLMP, version 2
//     responses only), or [Kerberos] (RFC 4121) with the keys of a keytab.
//   - [Accounts] is where NTLM finds hashes. [Users] is the implementation over a
//     text file, which may be edited while the server runs. Kerberos needs none.
//     Users also keeps groups, and the RIDs from which the SIDs of users and groups
//     are made; a RID is given once and never again. [Foreign] keeps those of users
//     of realms without SIDs.
//   - [NTLMInitiator] and [KerberosInitiator] are the other side, for our own
//     client and tests.
//
// Of Kerberos, the library gokrb5 does the ciphers and the ASN.1. What is decided
// is decided here: which keys count, times, replays, subkeys, who the client is.
// The PAC, which tells the SIDs of a user of a directory, is read only after its
// signature was checked.
//
// # What holds
//
// No input makes anything here panic, and nothing is allocated by a length that
// was not first compared with what arrived. Tokens are never written to and not
// kept, except for copies. Comparisons of secrets take constant time, and an
// unknown user costs the same work as a wrong password. Errors and the String
// methods contain no secrets.
//
// # Concurrency
//
// Negotiator, NTLM, Kerberos and Users are safe for many goroutines. An Exchange
// belongs to one session set-up and is used by one goroutine at a time. The mutexes
// are leaves: Users.mu and keytabFile.mu, held for file I/O of the users file and
// the keytab and never needed by a look-up that finds the file unchanged,
// replayCache.mu, and Foreign.mu, held while the line of a new user is written.
package auth
