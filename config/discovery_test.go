package config

import (
	"strings"
	"testing"
)

func TestDiscovery(t *testing.T) {
	if d := Default().Server.Discovery; d.WSD || d.MDNS || d.Workgroup != "WORKGROUP" {
		t.Errorf("announced without being asked: %+v", d)
	}
	c, err := Load(write(t, "server:\n  discovery: {wsd: true, workgroup: My Office-1}\n"), Default())
	if err != nil {
		t.Fatal(err)
	}
	if d := c.Server.Discovery; !d.WSD || d.Workgroup != "My Office-1" {
		t.Errorf("%+v", d)
	}
	for _, bad := range []string{"", strings.Repeat("x", 16), " x", "x ", ".x", "a/b", `a\b`, "a:b", "a<b", "büro", "a\x01"} {
		c := Default()
		c.Server.Discovery.Workgroup = bad
		p := firstProblem(c.Validate())
		if p == nil || p.Key != "server.discovery.workgroup" || p.Remedy == "" {
			t.Errorf("%q: %v", bad, p)
		}
	}
}
