package config

import "testing"

func TestNormalizeNames(t *testing.T) {
	for text, want := range map[string]NameForms{
		"":                       NamesMatch,
		"normalize_names: off":   NamesOff,
		"normalize_names: match": NamesMatch,
		"normalize_names: nfc":   NamesNFC,
	} {
		c, err := Load(write(t, "shares:\n  - {name: s, path: data, default_access: write, "+text+"}\n"), Default())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Shares[0].NormalizeNames; got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
	_, err := Load(write(t, "shares:\n  - {name: s, path: data, default_access: write, normalize_names: nfd}\n"), Default())
	if p := firstProblem(err); p == nil || p.Key != "shares[0].normalize_names" {
		t.Errorf("%v", err)
	}
}
