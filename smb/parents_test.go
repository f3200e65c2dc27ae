package smb

import "testing"

func TestResolveParents(t *testing.T) {
	for _, c := range []struct{ path, want string }{
		{``, ``},
		{`a\b`, `a\b`},
		{`a\..b`, `a\..b`},
		{`a\..`, ``},
		{`a\..\b`, `b`},
		{`a\b\..\..\c`, `c`},
		{`a\b\..`, `a`},
		// These are left for package names to refuse.
		{`..`, `..`},
		{`..\..\a`, `..\..\a`},
		{`a\..\..\b`, `..\b`},
		{`\..`, `\..`},
		{`a\\..`, `a\\..`},
	} {
		if got := resolveParents(c.path); got != c.want {
			t.Errorf("%q: %q, want %q", c.path, got, c.want)
		}
	}
}
