package config

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMultichannel(t *testing.T) {
	c, err := Load(write(t, `server:
  multichannel:
    include: [eth0, "10g*", 192.0.2.77/24, "2001:db8::1"]
    exclude: ["docker?"]
    links:
    - {name: eth0, speed: 10G, rss: true}
    - {name: "*", speed: 2.5G, rss: false}
    - {name: bond0.7}
`), Default())
	if err != nil {
		t.Fatal(err)
	}
	want := Multichannel{
		Include: []Interface{"eth0", "10g*", "192.0.2.77/24", "2001:db8::1"}, Exclude: []Interface{"docker?"},
		Links: []Link{{"eth0", 10e9, AnswerYes}, {"*", 2.5e9, AnswerNo}, {Name: "bond0.7"}},
	}
	if d := cmp.Diff(want, c.Server.Multichannel); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for i, r := range map[Interface]string{"eth0": "", "10g*": "", "192.0.2.77/24": "192.0.2.0/24", "2001:db8::1": "2001:db8::1/128"} {
		p, ok := i.Range()
		if ok != (r != "") || ok && p != netip.MustParsePrefix(r) {
			t.Errorf("%s: range %v, %v", i, p, ok)
		}
	}
	t.Setenv("LESSOR_SERVER_MULTICHANNEL_EXCLUDE", "eth1, 10.0.0.0/8")
	if c, err = Load("", Default()); err != nil || len(c.Server.Multichannel.Exclude) != 2 {
		t.Errorf("%v: %v", c, err)
	}
}

func TestBitRate(t *testing.T) {
	for text, want := range map[string]BitRate{"10G": 10e9, "2.5G": 2.5e9, "100M": 1e8, "1T": 1e12, "64K": 64e3, "9600": 9600} {
		var r BitRate
		if err := r.UnmarshalText([]byte(text)); err != nil || r != want || r.String() != map[string]string{"9600": "9.6K"}[text] && r.String() != text {
			t.Errorf("%s: %d (%s), %v", text, r, r, err)
		}
	}
	for _, text := range []string{"", "0", "G", "-1G", "fast", "10 G", "NaN", "Inf", "1e20", "1001T", "10GG"} {
		if err := new(BitRate).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
