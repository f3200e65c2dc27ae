package names

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	long := strings.Repeat("ä", MaxUnits)
	for _, tt := range []struct {
		in   string
		want Path
		err  error
	}{
		{"", Path{}, nil},
		{"a", Path{Name: "a"}, nil},
		{`a\b\c.txt`, Path{Name: "a/b/c.txt"}, nil},
		{`dir\`, Path{Name: "dir", Dir: true}, nil},
		{`a\f:s`, Path{Name: "a/f", Stream: "s"}, nil},
		{`f:s:$DATA`, Path{Name: "f", Stream: "s", Type: StreamData}, nil},
		{`f:s:$data`, Path{Name: "f", Stream: "s", Type: StreamData}, nil},
		{`f::$DATA`, Path{Name: "f", Type: StreamData}, nil},
		{`f:?Str*eam` + "\x05", Path{Name: "f", Stream: "?Str*eam\x05"}, nil},
		{`d::$INDEX_ALLOCATION`, Path{Name: "d", Type: StreamIndex}, nil},
		{`d:$I30:$INDEX_ALLOCATION`, Path{Name: "d", Type: StreamIndex}, nil},
		{`:s`, Path{Stream: "s"}, nil},
		{`a\` + long, Path{Name: "a/" + long}, nil},
		{". ..x", Path{Name: ". ..x"}, nil},

		{`\a`, Path{}, ErrLeadingBackslash},
		{`\`, Path{}, ErrLeadingBackslash},
		{`a\\b`, Path{}, ErrInvalidName},
		{`a\\`, Path{}, ErrInvalidName},
		{`a/b`, Path{}, ErrInvalidName},
		{`a\.`, Path{}, ErrInvalidName},
		{`a\.\b`, Path{}, ErrInvalidName},
		{`..`, Path{}, ErrPathSyntax},
		{`a\..\b`, Path{}, ErrPathSyntax},
		{"a\x1f", Path{}, ErrInvalidName},
		{"a\x00b", Path{}, ErrInvalidName},
		{`a*`, Path{}, ErrInvalidName},
		{`d:s\f`, Path{}, ErrInvalidName},
		{`f:`, Path{}, ErrInvalidName},
		{`f::`, Path{}, ErrInvalidName},
		{`f:s:`, Path{}, ErrInvalidName},
		{`f:s\`, Path{}, ErrInvalidName},
		{`f:s:$WHAT`, Path{}, ErrInvalidName},
		{`f:s:$DATA:x`, Path{}, ErrInvalidName},
		{`f:s:$INDEX_ALLOCATION`, Path{}, ErrInvalidName},
		{`f:a/b`, Path{}, ErrInvalidName},
		{long + "x", Path{}, ErrInvalidName},
		{"f:" + long + "x", Path{}, ErrInvalidName},
		{strings.Repeat("😀", 128), Path{}, ErrInvalidName},
	} {
		got, err := Parse(tt.in)
		if !errors.Is(err, tt.err) {
			t.Errorf("Parse(%q) fails with %v, want %v", tt.in, err, tt.err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("Parse(%q): %s", tt.in, diff)
		}
	}
}

func TestParsePOSIX(t *testing.T) {
	for _, tt := range []struct {
		in, want string
		err      error
	}{
		{`a/b:c*`, "a/b:c*", nil},
		{`a\b`, `a\b`, nil},
		{`\a\`, `\a\`, nil},
		{"d/", "d", nil},
		{"/d", "d", nil},
		{"/", "", nil},
		{"", "", nil},
		{"a. /b. ", "a. /b. ", nil},
		{"a//b", "", ErrInvalidName},
		{"a//", "", ErrInvalidName},
		{"a/./b", "", ErrInvalidName},
		{"a\x00", "", ErrInvalidName},
		{"a/..", "", ErrPathSyntax},
	} {
		got, err := ParsePOSIX(tt.in)
		if got.Name != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParsePOSIX(%q) = %+v, %v", tt.in, got, err)
		}
	}
}

func TestParseStream(t *testing.T) {
	for in, want := range map[string]string{":a": "a", ":a:$DATA": "a", "::$DATA": ""} {
		if got, err := ParseStream(in); got != want || err != nil {
			t.Errorf("ParseStream(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "a", ":", "::", "::$INDEX_ALLOCATION", ":a:b:c", `:a\b`} {
		if _, err := ParseStream(in); !errors.Is(err, ErrInvalidName) {
			t.Errorf("ParseStream(%q) fails with %v", in, err)
		}
	}
}

func TestCheckPattern(t *testing.T) {
	for _, s := range []string{"*", "<.>\"?", "a"} {
		if err := CheckPattern(s); err != nil {
			t.Errorf("CheckPattern(%q) = %v", s, err)
		}
	}
	for _, s := range []string{"", "a/b", `a\b`, "a|b", "a:b", "\x01"} {
		if err := CheckPattern(s); !errors.Is(err, ErrInvalidName) {
			t.Errorf("CheckPattern(%q) = %v", s, err)
		}
	}
}

func TestSplitJoin(t *testing.T) {
	for _, tt := range [][3]string{{"a/b/c", "a/b", "c"}, {"a", "", "a"}, {"", "", ""}} {
		dir, base := Split(tt[0])
		if dir != tt[1] || base != tt[2] {
			t.Errorf("Split(%q) = %q, %q", tt[0], dir, base)
		}
		if got := Join(dir, base); got != tt[0] {
			t.Errorf("Join(%q, %q) = %q", dir, base, got)
		}
	}
	if got := Join("a", ""); got != "a" {
		t.Errorf("Join = %q", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`a\b:c:$DATA`)
	f.Fuzz(func(t *testing.T, in string) {
		p, err := Parse(in)
		if err != nil {
			return
		}
		if strings.ContainsAny(p.Name, "\\\x00:") || strings.HasPrefix(p.Name, "/") || strings.HasSuffix(p.Name, "/") {
			t.Errorf("Parse(%q) = %+v", in, p)
		}
		for c := range strings.SplitSeq(p.Name, "/") {
			if p.Name != "" && CheckComponent(c) != nil {
				t.Errorf("Parse(%q) has component %q", in, c)
			}
		}
	})
}
