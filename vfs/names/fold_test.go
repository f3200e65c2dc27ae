package names

import (
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestFold(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"README.TXT", "README.TXT"},
		{"ReadMe.txt", "README.TXT"},
		{"äöüß", "ÄÖÜß"},
		{"ÿ", "Ÿ"},
		{"µ", "µ"},
		{"ıİſ", "ıİſ"},
		{"σς", "ΣΣ"},
		{"ϐϑ", "ϐϑ"},
		{"ǆǅǄ", "ǄǅǄ"},
		{"ᾳ", "ᾼ"},
		{"ⅷ", "Ⅷ"},
		{"ａｚ", "ＡＺ"},
		{"ყꭰ", "ყꭰ"},
		{"жѐ", "ЖЀ"},
		{"ɫ", "Ɫ"},
		{"𐐨", "𐐨"}, // beyond the basic plane
		{"a\xffb\xc3", "A\xffB\xc3"},
		{"x\xed\xa0\x80y", "X\xed\xa0\x80Y"},
	} {
		if got := Fold(tt.in); got != tt.want {
			t.Errorf("Fold(%q) = %q, want %q", tt.in, got, tt.want)
		}
		if got := string(AppendFold([]byte("p"), tt.in)); got != "p"+tt.want {
			t.Errorf("AppendFold(%q) = %q", tt.in, got)
		}
	}
}

func TestUpcaseNeverCrossesIntoASCII(t *testing.T) {
	for r := rune(0x80); r <= 0xFFFF; r++ {
		up := upcase(r)
		if up < 0x80 || up > 0xFFFF || upcase(up) != up {
			t.Errorf("upcase(%U) = %U", r, up)
		}
	}
}

func TestEqualFoldIsEqualityOfFolds(t *testing.T) {
	name := rapid.StringOfN(rapid.SampledFrom([]rune("aAbBäÄßσςΣǅ𐐨é")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "a"), name.Draw(t, "b")
		if got, want := EqualFold(a, b), Fold(a) == Fold(b); got != want {
			t.Fatalf("EqualFold(%q, %q) = %v", a, b, got)
		}
		if !EqualFold(a, Fold(a)) {
			t.Fatalf("%q is not equal to its own folded form", a)
		}
	})
}

func TestFoldDoesNotAllocate(t *testing.T) {
	var buf [64]byte
	n := testing.AllocsPerRun(100, func() {
		_ = Fold("UPPER.TXT")
		_ = EqualFold("größe.TXT", "GRÖßE.txt")
		_ = AppendFold(buf[:0], "größe.txt")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUTF16Len(t *testing.T) {
	for _, s := range []string{"", "abc", "äß", "😀x", "\u2028"} {
		if got, want := UTF16Len(s), len(utf16.Encode([]rune(s))); got != want {
			t.Errorf("UTF16Len(%q) = %d, want %d", s, got, want)
		}
	}
	if got := UTF16Len("\xed\xa0\x80\xff"); got != 2 {
		t.Errorf("UTF16Len of a surrogate and a raw byte = %d, want 2", got)
	}
}
