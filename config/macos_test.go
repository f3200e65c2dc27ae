package config

import "testing"

func TestMacos(t *testing.T) {
	c, err := Load(write(t, "server:\n  discovery: {mdns: true, name: Files}\n"+
		"shares:\n  - {name: s, path: data, default_access: write, time_machine: true, time_machine_max_size: 500GiB, macos: {import: true}}\n"), Default())
	if err != nil {
		t.Fatal(err)
	}
	s := c.Shares[0]
	if m := s.Macos; !m.Enabled || !m.Import || m.ZeroFileIDs || m.Model != "MacSamba" || !s.TimeMachine || s.TimeMachineMaxSize != 500<<30 {
		t.Errorf("%+v", s)
	}
	if d := c.Server.Discovery; !d.MDNS || d.Name != "Files" {
		t.Errorf("%+v", d)
	}
	for text, key := range map[string]string{
		`macos: {model: ""}`:                               "shares[0].macos.model",
		"time_machine: true, macos: {enabled: false}":      "shares[0].time_machine",
		"time_machine: true, read_only: true":              "shares[0].time_machine",
		"time_machine_max_size: 1GiB":                      "shares[0].time_machine_max_size",
		"time_machine: true, time_machine_max_size: 31KiB": "shares[0].time_machine_max_size",
	} {
		_, err := Load(write(t, "shares:\n  - {name: s, path: data, default_access: write, "+text+"}\n"), Default())
		if p := firstProblem(err); p == nil || p.Key != key || p.Remedy == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}
