package snapdir

import (
	"strings"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	berlin := time.FixedZone("here", 3600)
	for _, c := range []struct {
		format, name string
		in           *time.Location
		want         string // empty: not a snapshot
	}{
		{"@GMT-%Y.%m.%d-%H.%M.%S", "@GMT-2026.11.25-01.02.03", time.UTC, "2026-11-25T01:02:03Z"},
		{"%Y-%m-%d_%H%M%S", "2026-11-25_010203", berlin, "2026-11-25T00:02:03Z"},
		{"%Y-%m-%d", "2024-02-29", time.UTC, "2024-02-29T00:00:00Z"},
		{"%Y-%m-%d", "2026-02-29", time.UTC, ""},
		{"%Y-%m-%d", "2026-13-01", time.UTC, ""},
		{"%Y%m%d%H", "2026112524", time.UTC, ""},
		{"%Y%m%d%H%M", "202611252360", time.UTC, ""},
		{"%Y-%m-%d", "2026-11-25x", time.UTC, ""},
		{"%Y-%m-%d", "2026-11-25\n", time.UTC, ""},
		{"*-%Y-%m-%d-%H%M", "zfs-auto-snap_daily-2026-11-25-0102", time.UTC, "2026-11-25T01:02:00Z"},
		{"*-%Y-%m-%d-%H%M", "\xff-2026-11-25-0102", time.UTC, "2026-11-25T01:02:00Z"},
		{"%s", "1000000000", time.UTC, "2001-09-09T01:46:40Z"},
		{"%s", "99999999999999999999", time.UTC, ""},
		{"%y%m%d", "261125", time.UTC, "2026-11-25T00:00:00Z"},
		{"100%%%*%Y%m%d", "100%*20261125", time.UTC, "2026-11-25T00:00:00Z"},
		{"a.c%Y%m%d", "abc20261125", time.UTC, ""},
		{"*%Y%m%d", strings.Repeat("*", 300) + "20261125", time.UTC, ""},
	} {
		f, err := ParseFormat(c.format)
		if err != nil {
			t.Errorf("%q: %v", c.format, err)
			continue
		}
		got := ""
		if at, ok := f.Time(c.name, c.in); ok {
			got = at.Format(time.RFC3339)
		}
		if got != c.want {
			t.Errorf("%q of %q: %q, want %q", c.format, c.name, got, c.want)
		}
	}
	for _, bad := range []string{"", "%Y", "%Y-%m", "%m%d", "%Y%m%d%", "%Y%m%d%Y", "%Y%m%d%q", "a/%s", "%s\x00", strings.Repeat("x", 300) + "%s"} {
		if _, err := ParseFormat(bad); err == nil {
			t.Errorf("format %q was taken", bad)
		}
	}
}

// Whatever a format and a name are, a time is one of whole seconds.
func FuzzFormat(f *testing.F) {
	f.Add("@GMT-%Y.%m.%d-%H.%M.%S", "@GMT-2026.11.25-01.02.03")
	f.Add("*%s", "x1000000000")
	f.Fuzz(func(t *testing.T, format, name string) {
		p, err := ParseFormat(format)
		if err != nil {
			return
		}
		if at, ok := p.Time(name, time.UTC); ok && at.Nanosecond() != 0 {
			t.Errorf("%v", at)
		}
	})
}
