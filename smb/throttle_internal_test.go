package smb

import (
	"fmt"
	"hash/maphash"
	"net/netip"
	"testing"
	"time"
)

func newThrottle() *throttle {
	return &throttle{Throttle: Throttle{Failures: 3, Delay: time.Second, MaxDelay: 8 * time.Second}, seed: maphash.MakeSeed()}
}

func TestThrottle(t *testing.T) {
	now := time.Unix(1e9, 0)
	home, away := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	wait := func(th *throttle, at netip.Addr, user string) time.Duration {
		t.Helper()
		d, _, ok := th.reserve(at, user, now)
		if !ok {
			return -1
		}
		return d
	}
	fail := func(th *throttle, at netip.Addr, user string, n int) (last time.Duration) {
		for range n {
			last = th.failed(at, user, now)
		}
		return last
	}
	want := func(what string, got, want time.Duration) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}

	th := newThrottle()
	fail(th, home, "alice", 2)
	want("two failures", wait(th, home, "alice"), 0)
	fail(th, home, "Alice", 1)
	want("three, without regard to case", wait(th, home, "ALICE"), time.Second)
	want("behind one that waits", wait(th, home, "alice"), 3*time.Second)
	th.leave(home, "alice")
	th.leave(home, "alice")
	want("another user", wait(th, home, "bob"), 0)
	want("another address", wait(th, away, "alice"), 0)
	fail(th, home, "alice", 10)
	want("many failures", wait(th, home, "alice"), 8*time.Second)
	want("too many wait", wait(th, home, "alice"), -1)
	now = now.Add(8 * time.Second)
	th.leave(home, "alice")
	want("one of them is through", wait(th, home, "alice"), 8*time.Second)
	th.succeeded(home, "alice", now)
	want("the right password", wait(th, home, "alice"), 0)
	fail(th, home, "alice", 3)
	now = now.Add(forgetAfter + time.Second)
	want("forgotten", wait(th, home, "alice"), 0)

	// One password, many users.
	th = newThrottle()
	th.succeeded(home, "carol", now)
	for i := range 3 * addressFactor {
		fail(th, home, fmt.Sprint("user", i), 1)
	}
	want("a new user", wait(th, home, "dora"), time.Second)
	want("a known one", wait(th, home, "carol"), 0)
	want("elsewhere", wait(th, away, "dora"), 0)

	// One user, many addresses: the right password is never kept waiting.
	th = newThrottle()
	for i := range 3*userFactor - 1 {
		want("early", fail(th, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), "alice", 1), 0)
	}
	want("late", fail(th, netip.MustParseAddr("10.0.1.1"), "alice", 1), time.Second)
	want("later", fail(th, netip.MustParseAddr("10.0.1.2"), "alice", 1), 2*time.Second)
	want("another user", fail(th, netip.MustParseAddr("10.0.1.3"), "bob", 1), 0)
	want("the right one", wait(th, away, "alice"), 0)

	// A host has all addresses of its network.
	th = newThrottle()
	for i := range 3 {
		fail(th, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i+1)), "alice", 1)
	}
	want("IPv6", wait(th, netip.MustParseAddr("2001:db8::ffff"), "alice"), time.Second)
	want("the next network", wait(th, netip.MustParseAddr("2001:db8:0:1::1"), "alice"), 0)
}

// Names of strangers cost no more than the tables, and push out none of another kind.
func TestThrottleForgets(t *testing.T) {
	th := newThrottle()
	now := time.Unix(1e9, 0)
	home := netip.MustParseAddr("192.0.2.1")
	for i := range 3 * throttleEntries {
		th.failed(home, fmt.Sprint("user", i), now)
	}
	if n := len(th.pairs.byKey); n != throttleEntries || th.pairs.order.Len() != n {
		t.Errorf("%d entries, %d in order", n, th.pairs.order.Len())
	}
	if d, scope, _ := th.reserve(home, "alice", now); d != 8*time.Second || scope != scopeAddress {
		t.Errorf("the address is forgotten: %v, %q", d, scope)
	}
	if n := th.users.get(logonKey{user: maphash.String(th.seed, "user0")}); n != nil {
		t.Error("the oldest user is not forgotten")
	}
}
