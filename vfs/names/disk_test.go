package names

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFromDisk(t *testing.T) {
	for _, tt := range []struct{ disk, shown string }{
		{"plain", "plain"},
		{"größe 😀", "größe 😀"},
		{"\xed\xa0\x80", "\xed\xa0\x80"}, // a lone surrogate
		{"caf\xe9", "caf\uf7e9"},
		{"\x80", "\uf780"},
		// The real character looks like the escape of the byte above, so it is
		// shown as the escapes of its own bytes.
		{"\uf780", "\uf7ef\uf79e\uf780"},
		// Decoded, this would be a valid name, so nothing claims it.
		{"\uf7c3\uf7a9", "\uf7c3\uf7a9"},
		// A surrogate pair in two halves is not WTF-8.
		{"\xed\xa0\xbd\xed\xb8\x80", "\uf7ed\uf7a0\uf7bd\xed\xb8\x80"},
		{"\uf020\uf001", "\uf020\uf001"}, // characters of clients, untouched
	} {
		if got := FromDisk(tt.disk); got != tt.shown {
			t.Errorf("FromDisk(%q) = %q, want %q", tt.disk, got, tt.shown)
		}
		if got := ToDisk(tt.shown); got != tt.disk {
			t.Errorf("ToDisk(%q) = %q, want %q", tt.shown, got, tt.disk)
		}
	}
}

// pieces are the parts of names in which the two directions could collide.
var pieces = []string{"a", ".", "ä", "\uf780", "\uf7ef", "\uf79e", "\uf7c3", "\uf7a9", "\uf77f", "\uf800", "\xed\xa0\x80", "\xed\xb0\x80", "😀"}

func TestDiskBytesSurviveShowing(t *testing.T) {
	piece := rapid.OneOf(
		rapid.SampledFrom(append([]string{"\x80", "\xef", "\x9e", "\xc3", "\xa9", "\xff", "\xed", "\xa0"}, pieces...)),
		rapid.Map(rapid.Byte(), func(b byte) string { return string([]byte{b}) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		disk := strings.Join(rapid.SliceOfN(piece, 0, 9).Draw(t, "disk"), "")
		shown := FromDisk(disk)
		if valid, _ := scan(shown); !valid {
			t.Fatalf("FromDisk(%q) = %q is not WTF-8", disk, shown)
		}
		if back := ToDisk(shown); back != disk {
			t.Fatalf("%q is shown as %q, which leads to %q", disk, shown, back)
		}
	})
}

func TestClientNamesSurviveTheDisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 9).Draw(t, "name"), "")
		if valid, _ := scan(name); !valid {
			t.Skip("a client cannot send this")
		}
		disk := ToDisk(name)
		if back := FromDisk(disk); back != name {
			t.Fatalf("%q is stored as %q and comes back as %q", name, disk, back)
		}
	})
}

func FuzzDisk(f *testing.F) {
	f.Add("caf\xe9")
	f.Add("\uf780\uf7ef\uf79e\uf780")
	f.Fuzz(func(t *testing.T, s string) {
		shown := FromDisk(s)
		if valid, _ := scan(shown); !valid || ToDisk(shown) != s {
			t.Errorf("%q is shown as %q, which leads to %q", s, shown, ToDisk(shown))
		}
		if valid, _ := scan(s); valid && FromDisk(ToDisk(s)) != s {
			t.Errorf("%q does not survive the disk", s)
		}
	})
}

func TestReserved(t *testing.T) {
	for disk, shown := range map[string]string{
		"plain":     "plain",
		`a:b*c?d"e`: "a\uf022b\uf021c\uf025d\uf020e",
		`<>|\`:      "\uf023\uf024\uf027\uf026",
		"a\x01\x1f": "a\uf001\uf01f",
		"end ":      "end\uf028",
		"end.":      "end\uf029",
		"a b.c":     "a b.c",
		"ä:":        "ä\uf022",
		"..":        "..",
	} {
		if got := MapReserved(disk); got != shown {
			t.Errorf("MapReserved(%q) = %q, want %q", disk, got, shown)
		}
		if got := UnmapReserved(shown); got != disk {
			t.Errorf("UnmapReserved(%q) = %q, want %q", shown, got, disk)
		}
	}
	for _, evil := range []string{"\uf029", ".\uf029"} {
		if got := UnmapReserved(evil); got != evil {
			t.Errorf("UnmapReserved(%q) = %q", evil, got)
		}
	}
}

func TestShortName(t *testing.T) {
	for _, s := range []string{"README.TXT", "a", "readme", "12345678.123"} {
		if got := ShortName(s, 1); got != "" {
			t.Errorf("ShortName(%q) = %q, want none", s, got)
		}
	}
	seen := map[string]string{}
	for _, s := range []string{"a long name.text", "A long name.texture", ".profile", "größe.txt", "two.dots.txt", "with space", "日本語", "x.", "123456789"} {
		got := ShortName(s, 7)
		if !isShort(got) || got != ShortName(s, 7) {
			t.Errorf("ShortName(%q) = %q", s, got)
		}
		if other := seen[got]; other != "" {
			t.Errorf("%q and %q have the short name %q", s, other, got)
		}
		seen[got] = s
	}
	if ShortName("a long name", 1) == ShortName("a long name", 2) {
		t.Error("the salt does not count")
	}
}
