package config

import (
	"fmt"
	"strings"
)

// Discovery says how clients on the same link find the server.
type Discovery struct {
	// MDNS announces the server by multicast DNS.
	MDNS bool `mapstructure:"mdns"`
	// Name is what it is called there; empty: the name of the server.
	Name string `mapstructure:"name"`
	// WSD announces it by WS-Discovery.
	WSD bool `mapstructure:"wsd"`
	// Workgroup is where Windows shows it, if it is in no domain, and what it says over RPC,
	// announced or not.
	Workgroup string `mapstructure:"workgroup"`
}

// maxDiscoveryName is the longest name, in bytes: that of a label of DNS.
const maxDiscoveryName = 63

func (v *validation) discovery() {
	d := &v.c.Server.Discovery
	if len(d.Name) > maxDiscoveryName {
		v.problem("server.discovery.name", "longer than 63 bytes", "give a shorter name")
	}
	if !validWorkgroup(d.Workgroup) {
		v.problem("server.discovery.workgroup", fmt.Sprintf("bad value %q", d.Workgroup), `want 1 to 15 characters of ASCII, without \ / : * ? " < > |`)
	}
}

// validWorkgroup reports whether a text can be the NetBIOS name of a workgroup.
func validWorkgroup(name string) bool {
	bad := func(r rune) bool { return r < ' ' || r > '~' || strings.ContainsRune(`\/:*?"<>|`, r) }
	return name != "" && len(name) <= 15 && strings.TrimSpace(name) == name && name[0] != '.' && !strings.ContainsFunc(name, bad)
}
