// Command lessor is the server as a program: it knows the command line, signals
// and the service manager, and puts the other packages together. It is the only
// package that knows all of them, and nobody imports it. What a setting means is
// none of its business: it hands them on.
//
// # Commands
//
//	serve            daemon.go, from flags (serve.go, quickstart.go) or a file
//	user             the user file (user.go, password.go)
//	config, version  configcmd.go, version.go
//	status           asks a running server through its control socket (control.go);
//	                 status.go, statustables.go
//	close-file, disconnect
//	                 end what clients have, by the same way (closing.go)
//
// # Life of a server
//
//	settings -> addresses -> user -> open -> sandbox -> running -SIGHUP-> running
//	                                      -SIGTERM, SIGINT-> stopping -> exit 0
//	                                       stopping -second signal-> closed at once
//
// The addresses come first, from the service manager (activation.go) or by opening
// them (addresses.go), since the right to some of them is given up with the user
// that started the program (privilege.go). Once everything is open, the process goes
// into its sandbox (package sandbox), with the places that the configuration names:
// a reload cannot add others.
//
// The daemon owns, in the order of their making: log, user file, lock store,
// volumes, smb.Server, listeners, metrics server; it closes them in reverse. It
// is used by the main goroutine alone, which also receives the signals: a reload
// never overlaps with a stop. A reload replaces shares and log; everything else
// is named in the log as waiting for a restart. Volumes stay open until the end,
// since connected clients may still use one whose share is gone; but a volume whose
// directory is gone is given up with all that clients have on it (places.go), so that
// it can be unmounted. Audit logs stay open likewise.
//
// # Goroutines
//
// One for each listener (smb.Server.Serve), one for the metrics address, one for
// the control socket, and while stopping one in Server.Shutdown. One looks once a second after
// the directories of shares, by one more for each, which may hang with it; they tell
// the main goroutine by a channel. Each audit log has one that writes.
//
// # Mistakes of the user
//
// Everything that a user can get wrong is a *config.Problem: one line with the
// place (file and line, variable, or flag), what is wrong and what to do. The
// exit status is 1. Passwords come from a terminal, standard input or a file;
// they are in no argument, variable or log.
package main
