package names_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"lessor/vfs/names"
)

// The forms of some names: C, D, and what lies between.
const (
	cafeC = "caf\u00e9"
	cafeD = "cafe\u0301"
)

func TestNFC(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""}, {"plain.txt", "plain.txt"}, {cafeC, cafeC}, {cafeD, cafeC},
		{"\u1112\u1161\u11ab\u1100\u1173\u11af", "\ud55c\uae00"}, // Hangul
		{"\u30ab\u3099", "\u30ac"},
		{"\u212b", "\u00c5"}, // Angstrom
		{"\xff" + cafeD + "\xed\xa0\x80", "\xff" + cafeC + "\xed\xa0\x80"},
		{"\uf022e\u0301", "\uf022\u00e9"},
	} {
		if got := names.NFC(c[0]); got != c[1] {
			t.Errorf("%+q: %+q, want %+q", c[0], got, c[1])
		}
	}
}

func TestRule(t *testing.T) {
	for _, c := range []struct {
		a, b                   string
		exact, fold, form, all bool
	}{
		{"a", "a", true, true, true, true},
		{"a", "A", false, true, false, true},
		{"a", "b", false, false, false, false},
		{cafeC, cafeD, false, false, true, true},
		{cafeC, "CAFE\u0301", false, false, false, true},
		{cafeC, "CAF\u00c9", false, true, false, true},
		{cafeC, "cafe", false, false, false, false},
	} {
		for _, r := range []struct {
			rule names.Rule
			want bool
		}{
			{names.Rule{}, c.exact}, {names.Rule{Fold: true}, c.fold}, {names.Rule{Form: true}, c.form}, {names.Rule{Fold: true, Form: true}, c.all},
		} {
			if got := r.rule.Same(c.a, c.b); got != r.want {
				t.Errorf("%+v: %+q and %+q: %v", r.rule, c.a, c.b, got)
			}
		}
	}
	all := names.Rule{Fold: true, Form: true}
	order := []string{cafeC, cafeD, "CAF\u00c9", "cAF\u00c9", "CAFE\u0301"}
	for i, a := range order {
		for j, b := range order[i+1:] {
			if !all.Closer(a, b, cafeC) || all.Closer(b, a, cafeC) {
				t.Errorf("%d against %d", i, i+1+j)
			}
		}
	}
	if !all.Closer(cafeD, cafeC, cafeD) {
		t.Error("the name itself is not the closest")
	}
}

// anyName is made of what has several forms.
func anyName() *rapid.Generator[string] {
	parts := []string{"a", "E", "e", "\u0301", "\u0308", "j", "J", "\u030c", "\u01f0", "\u1fb3", "\u1fbc", "\u0345", "\u0399", "\u00e9", "\u00c9", "\u212b", "\u1100", "\u1161", "\uac00", "\u30ab", "\u3099", "\xff",
		"\xed\xa0\x80", "\U0001f600", "\uf022", "\uf7cc", "."}
	return rapid.Custom(func(t *rapid.T) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(parts), 0, 6).Draw(t, "parts"), "")
	})
}

func TestRuleLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyName().Draw(t, "a"), anyName().Draw(t, "b")
		if c := names.NFC(a); names.NFC(c) != c {
			t.Fatalf("the form of %+q is %+q, which has another one", a, c)
		}
		for _, r := range []names.Rule{{}, {Fold: true}, {Form: true}, {Fold: true, Form: true}} {
			same := r.Same(a, b)
			if same != r.Same(b, a) || same != (r.Key(a) == r.Key(b)) {
				t.Fatalf("%+v: %+q and %+q: %v", r, a, b, same)
			}
			if same && a != b && names.Key(a) != names.Key(b) {
				t.Fatalf("%+v: %+q and %+q have no key in common", r, a, b)
			}
			if same && a != b && !r.Applies(a) {
				t.Fatalf("%+v does not apply to %+q", r, a)
			}
		}
		spelled := names.Spell(a)
		if names.NFC(spelled) != spelled {
			t.Fatalf("%+q has another form", spelled)
		}
		if back, ok := names.Unspell(spelled); back != a || ok == names.IsASCII(a) {
			t.Fatalf("%+q leads to %+q, %v", spelled, back, ok)
		}
	})
}

// A name in ASCII costs a look at its bytes.
func TestNFCAllocates(t *testing.T) {
	for _, name := range []string{"an ordinary name.txt", cafeC, "\ud55c\uae00"} {
		if n := testing.AllocsPerRun(100, func() { sink = names.NFC(name) }); n != 0 {
			t.Errorf("%q: %v", name, n)
		}
	}
}

var sink string

func BenchmarkNFC(b *testing.B) {
	for _, c := range []struct{ name, s string }{
		{"ascii", "an ordinary name of a file.txt"}, {"form C", "ein gew\u00f6hnlicher Name.txt"}, {"form D", "ein gewo\u0308hnlicher Name.txt"},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				sink = names.NFC(c.s)
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	for _, c := range []struct {
		name string
		key  func(string) string
	}{{"fold alone", names.Fold}, {"with form", names.Key}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				sink = c.key("an ordinary name of a file.txt")
			}
		})
	}
}

// All characters that have an upper case have it in either form.
func TestKeyOfEveryLetter(t *testing.T) {
	for r := rune(0x80); r <= 0xFFFF; r++ {
		if r >= 0xD800 && r < 0xE000 {
			continue
		}
		s := string(r)
		for _, other := range []string{names.Fold(s), names.NFC(s), names.NFC(names.Fold(s))} {
			if names.Key(other) != names.Key(s) {
				t.Errorf("%+q and %+q: %+q and %+q", s, other, names.Key(s), names.Key(other))
			}
		}
	}
}
