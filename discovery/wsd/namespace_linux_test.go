package wsd

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

const inside = "LESSOR_TEST_NAMESPACE"

// TestNamespace has conversations of both families on an interface that is no loopback, in a
// network of its own, into which the test calls itself.
func TestNamespace(t *testing.T) {
	if os.Getenv(inside) != "" {
		testInside(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNamespace$", "-test.v")
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
	if os.Getuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Skipf("the system gives no namespace: %v", err)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skipf("%s", out)
	}
}

func testInside(t *testing.T) {
	ip := func(args string) error {
		out, err := exec.Command("ip", strings.Fields(args)...).CombinedOutput()
		if err != nil {
			t.Logf("ip %s: %v %s", args, err, out)
		}
		return err
	}
	_ = ip("link set lo up")
	if ip("link add wsd0 type veth peer name wsd1") != nil && ip("link add wsd0 type dummy") != nil {
		t.Skip("no interface can be made")
	}
	_ = ip("link set wsd1 addrgenmode none up") // a dummy has no other end
	for _, args := range []string{"link set wsd0 multicast on addrgenmode none", "link set wsd0 up", "addr add 192.0.2.1/24 dev wsd0"} {
		if ip(args) != nil {
			t.Skip("the interface cannot be set up")
		}
	}
	// Without addresses of IPv6 there is no socket of that family.
	v6 := ip("addr add fe80::1/64 dev wsd0 nodad") == nil
	t.Run("IPv4", func(t *testing.T) { converse(t, Groups(nil)[0]) })
	t.Run("IPv6", func(t *testing.T) {
		if !v6 {
			t.Skip("no address of IPv6")
		}
		converse(t, Groups(nil)[1])
	})
}
