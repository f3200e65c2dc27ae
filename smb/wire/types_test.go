package wire

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestFiletime(t *testing.T) {
	for _, c := range []struct {
		ft Filetime
		t  time.Time
	}{
		{0, time.Time{}},
		{1, time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC)},
		{116444736000000000, time.Unix(0, 0).UTC()},
		{116444735999999999, time.Unix(-1, 999_999_900).UTC()},
		{0x01d9_0000_0000_0000, time.Unix(1669292798, 414028800)},
	} {
		if got := FiletimeOf(c.t); got != c.ft {
			t.Errorf("%v is %d, want %d", c.t, got, c.ft)
		}
		if got := c.ft.Time(); !got.Equal(c.t) {
			t.Errorf("%d is %v, want %v", c.ft, got, c.t)
		}
	}
	if got := FiletimeOf(time.Date(1600, 1, 1, 0, 0, 0, 0, time.UTC)); got != 0 {
		t.Errorf("1600 is %d", got)
	}
	if got := FiletimeOfUnix(1<<62, 0); got != 1<<63-1 {
		t.Errorf("the far future is %d", got)
	}
	for _, special := range []Filetime{-1, -2, -1 << 63} {
		if got := special.Time(); got.Year() != 1601 {
			t.Errorf("%d is %v", special, got)
		}
	}
}

func TestFiletimeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Filetime(rapid.Int64Min(0).Draw(t, "ft"))
		if got := FiletimeOfUnix(want.Unix()); got != want && want.maxSecond() {
			t.Fatalf("%d came back as %d", want, got)
		}
	})
}

// maxSecond excludes the last second that a Filetime can hold, which
// FiletimeOfUnix rounds up.
func (f Filetime) maxSecond() bool { return f < 1<<63-1-2*ticksPerSecond }

func TestGUID(t *testing.T) {
	g := GUID(unhex(t, "44a95f3b 6e9c 1149 8f2a 0123456789ab"))
	if got := g.String(); got != "3b5fa944-9c6e-4911-8f2a-0123456789ab" {
		t.Errorf("got %s", got)
	}
	if g.IsZero() || !(GUID{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestFileID(t *testing.T) {
	raw := unhex(t, "0102030405060708 1112131415161718")
	r := NewReader(raw, 0)
	id := r.FileID()
	if id != (FileID{0x0807060504030201, 0x1817161514131211}) || string(AppendFileID(nil, id)) != string(raw) {
		t.Errorf("got %x", id)
	}
	if id.IsRelated() || !RelatedFileID.IsRelated() {
		t.Error("IsRelated is wrong")
	}
}

func TestDialectNames(t *testing.T) {
	for d, want := range map[Dialect]string{
		Dialect202: "2.0.2", Dialect210: "2.1", Dialect300: "3.0", Dialect302: "3.0.2",
		Dialect311: "3.1.1", DialectWildcard: "2.???", 0x1234: "unknown",
	} {
		if d.String() != want {
			t.Errorf("%#x is %s, want %s", uint16(d), d, want)
		}
	}
}
