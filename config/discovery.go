package config

// Discovery says how clients on the same link find the server.
type Discovery struct {
	// MDNS announces the server by multicast DNS.
	MDNS bool `mapstructure:"mdns"`
	// Name is what it is called there; empty: the name of the server.
	Name string `mapstructure:"name"`
}

// maxDiscoveryName is the longest name, in bytes: that of a label of DNS.
const maxDiscoveryName = 63

func (v *validation) discovery() {
	if n := v.c.Server.Discovery.Name; len(n) > maxDiscoveryName {
		v.problem("server.discovery.name", "longer than 63 bytes", "give a shorter name")
	}
}
