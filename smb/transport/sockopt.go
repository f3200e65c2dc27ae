package transport

import (
	"net"
	"time"
)

// TCPOptions say when the other end of an idle TCP connection is given up, so
// that what a dead client has open becomes free for its return, and how fast one
// sends. A zero or negative time or number leaves the matter to the system. The kernel
// counts in whole seconds, at least one.
type TCPOptions struct {
	// Idle is how long nothing may come before the peer is asked for a sign of
	// life, Interval the time between two such questions, and Probes the number of
	// unanswered ones after which the connection ends.
	Idle, Interval time.Duration
	Probes         int
	// UserTimeout is how long what was sent, or asked, may stay unacknowledged
	// (TCP_USER_TIMEOUT, RFC 5482). Linux only.
	UserTimeout time.Duration
	// Congestion is CongestionAuto, CongestionSystem, or the name of the congestion control
	// that all connections use, as in TCP_CONGESTION of tcp(7); empty: CongestionAuto. A
	// connection that refuses it keeps what it has: see TryCongestion. Linux only.
	Congestion string
}

// apply sets the options of a connection. A connection that refuses one has
// ended already, or is none of this system's: reading from it will tell.
func (o *TCPOptions) apply(c *net.TCPConn) {
	if o.Idle > 0 || o.Interval > 0 || o.Probes > 0 {
		_ = c.SetKeepAliveConfig(net.KeepAliveConfig{
			Enable: true, Idle: whole(o.Idle), Interval: whole(o.Interval), Count: positive(o.Probes),
		})
	}
	if o.UserTimeout > 0 {
		setUserTimeout(c, o.UserTimeout)
	}
	o.applyCongestion(c)
}

// whole is d in whole seconds, and -1, "leave it alone" to package net, if there
// are none.
func whole(d time.Duration) time.Duration {
	if d <= 0 {
		return -1
	}
	return max(d.Round(time.Second), time.Second)
}

func positive(n int) int {
	if n <= 0 {
		return -1
	}
	return n
}
