package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestNetworkProblems(t *testing.T) {
	tests := map[string]struct{ yaml, want string }{
		"overlap":        {`server: {listen: [":445", "[::1]:4450", "0.0.0.0:445"]}`, `server.listen[2]: "0.0.0.0:445" and server.listen[0] ":445" overlap`},
		"twice":          {`server: {listen: ["eth0:445", "eth0:445"]}`, `server.listen[1]: "eth0:445" is there twice`},
		"bare IPv6":      {`server: {listen: ["::1:445"]}`, `bad address "::1:445"`},
		"nothing":        {`server: {listen: []}`, "server.listen: there is no address"},
		"no certificate": {`server: {quic: {listen: [":443"]}}`, "server.quic.certificate: there is none"},
		"QUIC, old":      {`server: {dialects: {max: "3.0.2"}, quic: {listen: [":443"], certificate: a, key: b}}`, "server.quic.listen: SMB over QUIC needs dialect 3.1.1"},
		"key in a share": {"server: {quic: {listen: [\":443\"], certificate: a, key: data/b}}\nshares: [{name: a, path: data, default_access: read}]", "server.quic.key: "},
		"idle":           {`server: {quic: {idle_timeout: 0s}}`, "server.quic.idle_timeout: bad value 0s"},
		"too short":      {`server: {tcp: {keepalive_idle: 100ms}}`, "server.tcp.keepalive_idle: bad value 100ms"},
		"probes":         {`server: {tcp: {keepalive_probes: 128}}`, "server.tcp.keepalive_probes: bad value 128"},
		"congestion":     {`server: {tcp: {congestion: BBR}}`, `server.tcp.congestion: bad value "BBR"; want auto, system, or the name`},
		"long":           {`server: {tcp: {congestion: abcdefghijklmnop}}`, `server.tcp.congestion: bad value "abcdefghijklmnop"`},
		"no congestion":  {`server: {tcp: {congestion: ""}}`, `server.tcp.congestion: bad value ""`},
		"user":           {`user: nobody-of-this-name`, `user: there is no user "nobody-of-this-name"`},
		"group":          {`user: "0:no-group-of-this-name"`, `user: there is no group "no-group-of-this-name"`},
		"sandbox":        {`sandbox: on`, "sandbox: bad value"},
	}
	for name, tt := range tests {
		_, err := Load(write(t, tt.yaml), Default())
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestNetworkIsFine(t *testing.T) {
	file := write(t, "user: \"0\"\nsandbox: required\nserver:\n  listen: [\":445\", \"[::1]:4450\", \"eth0:4451\"]\n"+
		"  tcp: {keepalive_idle: 0s, keepalive_probes: 0, user_timeout: 1s, congestion: a2-_fghijklmnop}\n"+
		"  quic: {listen: [\":443\"], certificate: tls/a.crt, key: /b.key, client_allow: [\"name:x\"]}\n")
	c, err := Load(file, Default())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.TrimSuffix(file, "lessor.yaml") + "tls/a.crt"; c.Server.QUIC.Certificate != want || c.Server.QUIC.Key != "/b.key" {
		t.Errorf("certificate %s, key %s", c.Server.QUIC.Certificate, c.Server.QUIC.Key)
	}
	if n := c.Server.TCP.Congestion; n != "a2-_fghijklmnop" || !n.Named() {
		t.Errorf("congestion %q", n)
	}
	c.Server.TCP.Congestion = "no name" // as a program may fill it in
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), `server.tcp.congestion: bad value "no name"`) {
		t.Errorf("%v", err)
	}
	if n := Default().Server.TCP.Congestion; n != CongestionAuto || n.Named() {
		t.Errorf("by default %q", n)
	}
	// Without TCP there is QUIC.
	if _, err := Load(write(t, `server: {listen: [], quic: {listen: [":443"], certificate: a, key: b}}`), Default()); err != nil {
		t.Error(err)
	}
}

func TestLookupAccount(t *testing.T) {
	a, err := LookupAccount("0")
	if err != nil || a.UID != 0 || !slices.Contains(a.Groups, a.GID) {
		t.Errorf("%+v, %v", a, err)
	}
	// A number without a name, as in a container.
	if a, err = LookupAccount("54321:54322"); err != nil || a.UID != 54321 || a.GID != 54322 || len(a.Groups) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := os.Stat("/etc/passwd"); err != nil {
		return
	}
	if a, err = LookupAccount("root"); err != nil || a.UID != 0 {
		t.Errorf("%+v, %v", a, err)
	}
}
