package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"
)

// notify tells the service manager about the state of the server (sd_notify(3)).
// Without a manager that wants to know it does nothing.
func notify(state string) error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // a leading @ is the abstract namespace
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(state))
	return err
}

// signals are those which steer a server.
type signals struct{ c chan os.Signal }

func watchSignals() signals {
	s := signals{make(chan os.Signal, 4)}
	signal.Notify(s.c, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	return s
}

func (s signals) close() { signal.Stop(s.c) }
