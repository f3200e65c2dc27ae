package names

import (
	"strings"
	"testing"
)

func TestMatch(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "x", true},
		{"*", "", false},
		{"", "", true},
		{"", "x", false},
		{"*.*", "noext", true}, // MS-FSA 2.1.4.4, part 1
		{"*.*", "a.b", true},
		{"abc", "ABC", true},
		{"abc", "abcd", false},
		{"*.txt", "a.TXT", true},
		{"*.txt", ".txt", true},
		{"*.txt", "txt", false},
		{"*.txt", "ä.txt", true},
		{"ab*", "ABC", true},
		{"ab*", "ab", true},
		{"ab*", "a", false},
		{"ä*", "Äb", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a?", "a", false},
		{"??", "😀", true}, // two UTF-16 units
		{"?", "😀", false},
		{"*a*b*", "xxaxxbxx", true},
		{"*a*b*", "xxbxxaxx", false},

		// '<' takes anything but the last period.
		{"<", "abc", true},
		{"<", "a.b", false},
		{"<.b", "a.b", true},
		{"<.c", "a.b.c", true},
		{"<c", "a.b.c", false},
		{"a.<", "a.bcd", true},
		{"*a<b", "a.ab", true},
		{"<\"*", "abc", true},
		{"<\"*", "a.b.c", true},

		// '>' takes one character, or nothing before a period and at the end.
		{"a>>>", "a", true},
		{"a>>>", "abcd", true},
		{"a>>>", "abcde", false},
		{"a>>>.txt", "ab.txt", true},
		{">>>.>>>", "ab.c", true},
		{">>>.>>>", "abcd.c", false},
		{">>>>>>>>\">>>", "abc", true},
		{">", ".", false},

		// '"' takes a period, or nothing at the end.
		{"abc\"", "abc", true},
		{"abc\"", "abc.", true},
		{"abc\"", "abcx", false},
		{"a\"b", "a.b", true},
		{"a\"b", "ab", false},
		{"a\"\"\"", "a", true},
		{"**********", "x", true},
		{"*<*", "a.b", true},
		{"\xff*", "\xffx", true},
		{"\xff", "\xfe", false},
	} {
		if got := Match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("Match(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
		if got := newModel(tt.pattern, tt.name).match(0, 0); tt.name != "" && tt.pattern != "*.*" && got != tt.want {
			t.Errorf("model(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

// model is the definition of the wildcards, with a table of what was tried.
type model struct {
	p, n []rune
	last int
	seen map[[2]int]bool
}

func newModel(pattern, name string) *model {
	m := &model{p: appendUnits(nil, pattern), n: appendUnits(nil, name), last: -1, seen: map[[2]int]bool{}}
	for i, c := range m.n {
		if c == '.' {
			m.last = i
		}
	}
	return m
}

func (m *model) match(p, n int) bool {
	key := [2]int{p, n}
	if known, ok := m.seen[key]; ok {
		return known
	}
	m.seen[key] = false
	r := m.try(p, n)
	m.seen[key] = r
	return r
}

func (m *model) try(p, n int) bool {
	if p == len(m.p) {
		return n == len(m.n)
	}
	end := n == len(m.n)
	switch c := m.p[p]; c {
	case '*':
		return m.match(p+1, n) || !end && m.match(p, n+1)
	case '<':
		return m.match(p+1, n) || !end && n != m.last && m.match(p, n+1)
	case '?':
		return !end && m.match(p+1, n+1)
	case '>':
		if end || m.n[n] == '.' {
			return m.match(p+1, n)
		}
		return m.match(p+1, n+1)
	case '"':
		if end {
			return m.match(p+1, n)
		}
		return m.n[n] == '.' && m.match(p+1, n+1)
	default:
		return !end && m.n[n] == c && m.match(p+1, n+1)
	}
}

func FuzzMatch(f *testing.F) {
	f.Add("*a<b", "a.ab")
	f.Add(">>>\"*", "ab.c")
	f.Add("*?*<>\".", "ä.😀.x")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern) > 500 || len(name) > 500 || name == "" || pattern == "*.*" {
			return
		}
		if got, want := Match(pattern, name), newModel(pattern, name).match(0, 0); got != want {
			t.Errorf("Match(%q, %q) = %v, the model says %v", pattern, name, got, want)
		}
	})
}

func TestMatchModelOverSmallAlphabet(t *testing.T) {
	patterns, names := words("a.*?<>\"", 4), words("ab.", 5)
	for _, p := range patterns {
		c := Compile(p)
		for _, n := range names {
			if n == "" || p == "*.*" {
				continue
			}
			if got, want := c.Match(n), newModel(p, n).match(0, 0); got != want {
				t.Fatalf("Match(%q, %q) = %v, the model says %v", p, n, got, want)
			}
		}
	}
}

// words returns all words over an alphabet of up to n letters.
func words(alphabet string, n int) []string {
	all := []string{""}
	for begin := 0; n > 0; n-- {
		end := len(all)
		for _, w := range all[begin:end] {
			for _, c := range alphabet {
				all = append(all, w+string(c))
			}
		}
		begin = end
	}
	return all
}

func TestMatchIsBounded(t *testing.T) {
	name := strings.Repeat("a", MaxUnits)
	for _, p := range []string{
		strings.Repeat("*a", 200) + "b",
		strings.Repeat("<a", 250) + "b",
		strings.Repeat("*?", 127) + "b",
		strings.Repeat(">*", 250) + "b",
		strings.Repeat("*", 30000) + "b",
		strings.Repeat("a", 30000) + "*?",
		strings.Repeat(">\"", 15000),
	} {
		if Match(p, name) {
			t.Errorf("a pattern of %d units matches", len(p))
		}
	}
	if !Match(strings.Repeat("*", 30000), name) {
		t.Error("30000 stars do not match")
	}
}

func TestPatternForms(t *testing.T) {
	all, lit, suffix := Compile("***"), Compile("Read Me"), Compile("*.txt")
	if !all.All() || lit.All() || suffix.All() {
		t.Error("All is wrong")
	}
	if s, ok := lit.Literal(); !ok || s != "Read Me" {
		t.Errorf("Literal() = %q, %v", s, ok)
	}
	if _, ok := suffix.Literal(); ok {
		t.Error("*.txt is no literal")
	}
	if suffix.String() != "*.txt" {
		t.Errorf("String() = %q", suffix.String())
	}
	var zero Pattern
	if zero.Match("x") || zero.Match("") {
		t.Error("the zero Pattern matches")
	}
}

func TestMatchDoesNotAllocate(t *testing.T) {
	p := Compile("*a<.t?t")
	if n := testing.AllocsPerRun(100, func() { p.Match("grüße.aha.txt") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatchGeneral(b *testing.B) {
	p := Compile("<.t?t")
	for b.Loop() {
		p.Match("a file of ordinary length.txt")
	}
}
