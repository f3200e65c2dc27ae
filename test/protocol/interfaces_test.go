package protocol

import (
	"bytes"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"lessor/smb/wire"
)

// Clients are told of the interfaces that the configuration lets through, and what it
// says of them; a reload changes both.
func TestInterfacesAreConfigured(t *testing.T) {
	s := start(t, `
server:
  multichannel:
    exclude: ["::1", "nosuch*"]
    links:
    - {name: "l?", speed: 2.5G, rss: true}
`)
	tree := s.connect(t)
	is := func(list []wire.NetworkInterface, speed uint64) bool {
		return len(list) == 1 && list[0].Addr.String() == "127.0.0.1" && list[0].LinkSpeed == speed &&
			list[0].Capability&wire.NetworkInterfaceRSSCapable != 0
	}
	if list := must(tree.Interfaces(t.Context()))(t); !is(list, 2_500_000_000) {
		t.Fatalf("%+v", list)
	}
	file := filepath.Join(s.Dir, "lessor.yaml")
	text := must(os.ReadFile(file))(t)
	change := func(from, to string) {
		t.Helper()
		changed := bytes.ReplaceAll(text, []byte(from), []byte(to))
		if bytes.Equal(changed, text) {
			t.Fatalf("%q is not in %s", from, text)
		}
		check(t, os.WriteFile(file, changed, 0o600))
		check(t, s.Signal(syscall.SIGHUP))
	}
	change("2.5G", "40G")
	eventually(t, "the new speed", func() bool { return is(must(tree.Interfaces(t.Context()))(t), 40_000_000_000) })
	change("nosuch*", "127.0.0.0/8")
	eventually(t, "no interface", func() bool { return len(must(tree.Interfaces(t.Context()))(t)) == 0 })
}
