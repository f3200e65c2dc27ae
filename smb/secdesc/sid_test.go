package secdesc

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSIDGolden(t *testing.T) {
	for _, tc := range []struct {
		sid  SID
		text string
		wire string
	}{
		{World, "S-1-1-0", "010100000000000100000000"},
		{CreatorOwner, "S-1-3-0", "010100000000000300000000"},
		{CreatorGroup, "S-1-3-1", "010100000000000301000000"},
		{OwnerRights, "S-1-3-4", "010100000000000304000000"},
		{Network, "S-1-5-2", "010100000000000502000000"},
		{Anonymous, "S-1-5-7", "010100000000000507000000"},
		{AuthenticatedUsers, "S-1-5-11", "01010000000000050b000000"},
		{System, "S-1-5-18", "010100000000000512000000"},
		{BuiltinAdministrators, "S-1-5-32-544", "01020000000000052000000020020000"},
		{BuiltinUsers, "S-1-5-32-545", "01020000000000052000000021020000"},
		{UnixUser(1000), "S-1-22-1-1000", "01020000000000160100 0000e8030000"},
		{UnixGroup(100), "S-1-22-2-100", "0102000000000016020000 0064000000"},
		{MachineSID(1, 2, 3).WithRID(500), "S-1-5-21-1-2-3-500",
			"010500000000000515000000010000000200000003000000f4010000"},
		{NewSID(0x123456789a, 7), "S-1-0x00123456789a-7", "0101" + "00123456789a" + "07000000"},
		{NewSID(5), "S-1-5", "0100000000000005"},
	} {
		t.Run(tc.text, func(t *testing.T) {
			want := unhex(t, tc.wire)
			got := tc.sid.Append(nil)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("Append: -want +got\n%s", diff)
			}
			if len(got) != tc.sid.Len() {
				t.Errorf("Len = %d, want %d", tc.sid.Len(), len(got))
			}
			if tc.sid.String() != tc.text {
				t.Errorf("String = %q, want %q", tc.sid, tc.text)
			}
			parsed, err := ParseSID(tc.text)
			if err != nil || parsed != tc.sid {
				t.Errorf("ParseSID = %v, %v", parsed, err)
			}
			decoded, n, err := DecodeSID(append(want, 0xff))
			if err != nil || decoded != tc.sid || n != len(want) {
				t.Errorf("DecodeSID = %v, %d, %v", decoded, n, err)
			}
			for i := range want {
				if _, _, err := DecodeSID(want[:i]); !errors.Is(err, ErrTruncated) {
					t.Errorf("prefix of %d bytes: %v", i, err)
				}
			}
		})
	}
}

func TestSIDParts(t *testing.T) {
	m := MachineSID(1, 2, 3)
	user := m.WithRID(1000)
	if user.RID() != 1000 || user.Domain() != m || user.Count() != 5 {
		t.Errorf("RID %d, Domain %v, Count %d", user.RID(), user.Domain(), user.Count())
	}
	if uid, ok := UnixUser(7).UnixUID(); !ok || uid != 7 {
		t.Errorf("UnixUID = %d, %v", uid, ok)
	}
	if _, ok := UnixUser(7).UnixGID(); ok {
		t.Error("a user is no group")
	}
	if gid, ok := UnixGroup(8).UnixGID(); !ok || gid != 8 {
		t.Errorf("UnixGID = %d, %v", gid, ok)
	}
	full := NewSID(5, make([]uint32, MaxSubAuthorities)...)
	if full.IsZero() || !full.WithRID(1).IsZero() {
		t.Error("a full SID takes no RID")
	}
	if !NewSID(1<<48).IsZero() || !NewSID(5, make([]uint32, 16)...).IsZero() {
		t.Error("NewSID beyond its limits")
	}
	if !NewSID(5).Domain().IsZero() || NewSID(5).RID() != 0 || (SID{}).Len() != 0 || (SID{}).String() != "" {
		t.Error("edges")
	}
	for _, bad := range []string{"", "S-1", "S-2-5", "X-1-5", "S-1-x", "S-1-5-", "S-1-5-4294967296",
		"S-1-5--1", "S-1-281474976710656", "S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16"} {
		if s, err := ParseSID(bad); err == nil {
			t.Errorf("ParseSID(%q) = %v", bad, s)
		}
	}
	var u SID
	if err := u.UnmarshalText([]byte("s-1-5-18")); err != nil || u != System {
		t.Errorf("UnmarshalText: %v, %v", u, err)
	}
	if err := u.UnmarshalText([]byte("nonsense")); err == nil || u != System {
		t.Error("a bad text must change nothing")
	}
	if err := u.UnmarshalText(nil); err != nil || !u.IsZero() {
		t.Error("an empty text is the zero SID")
	}
	if b, err := System.MarshalText(); err != nil || string(b) != "S-1-5-18" {
		t.Errorf("MarshalText = %s, %v", b, err)
	}
}

func TestSIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSID(t)
		if got, err := ParseSID(s.String()); err != nil || got != s {
			t.Fatalf("text: %v, %v", got, err)
		}
		if got, n, err := DecodeSID(s.Append(nil)); err != nil || got != s || n != s.Len() {
			t.Fatalf("packet: %v, %d, %v", got, n, err)
		}
	})
}

func drawSID(t *rapid.T) SID {
	sub := rapid.SliceOfN(rapid.Uint32(), 0, MaxSubAuthorities).Draw(t, "sub")
	return NewSID(rapid.Uint64Range(0, 1<<48-1).Draw(t, "authority"), sub...)
}

// unhex decodes hexadecimal digits; spaces and line ends are layout.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits []byte
	for _, c := range []byte(s) {
		if c != ' ' && c != '\n' && c != '\t' {
			digits = append(digits, c)
		}
	}
	b, err := hex.DecodeString(string(digits))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
