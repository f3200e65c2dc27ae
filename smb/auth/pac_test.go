package auth

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	krbpac "github.com/oiweiwei/gokrb5.fork/v9/pac"
	"github.com/oiweiwei/gokrb5.fork/v9/test/testdata"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"lessor/smb/secdesc"
)

func sidText(sids []secdesc.SID) []string {
	var list []string
	for _, s := range sids {
		list = append(list, s.String())
	}
	return list
}

// TestLogonInfo: what domain controllers sent, read by the library and by us.
func TestLogonInfo(t *testing.T) {
	for name, c := range map[string]struct{ data, user string }{
		"MS":     {testdata.MarshaledPAC_Kerb_Validation_Info_MS, "S-1-5-21-397955417-626881126-188441444-2914711"},
		"plain":  {testdata.MarshaledPAC_Kerb_Validation_Info, "S-1-5-21-3167651404-3865080224-2280184895-1105"},
		"trusts": {testdata.MarshaledPAC_Kerb_Validation_Info_Trust, "S-1-5-21-2284869408-3503417140-1141177250-1106"},
	} {
		t.Run(name, func(t *testing.T) {
			data := unhex(t, c.data)
			var lib krbpac.KerbValidationInfo
			if err := lib.Unmarshal(data); err != nil {
				t.Fatal(err)
			}
			got, err := parseLogonInfo(data)
			if err != nil {
				t.Fatal(err)
			}
			if got.user.String() != c.user {
				t.Errorf("user %v", got.user)
			}
			want, have := lib.GetGroupMembershipSIDs(), sidText(got.groups)
			slices.Sort(want)
			slices.Sort(have)
			if d := cmp.Diff(slices.Compact(want), have); d != "" {
				t.Errorf("groups (-library +ours):\n%s", d)
			}
			if got.groups[0].RID() != lib.PrimaryGroupID {
				t.Errorf("first group %v", got.groups[0])
			}
			for n := range len(data) - 8 { // what is behind is padding
				if _, err := parseLogonInfo(data[:n]); err == nil && n < len(data)-16 {
					t.Fatalf("%d of %d bytes accepted", n, len(data))
				}
			}
		})
	}
}

// TestWindowsPAC: the signature that a domain controller made, and the client in it.
func TestWindowsPAC(t *testing.T) {
	var kt keytab.Keytab
	if err := kt.Unmarshal(unhex(t, testdata.KEYTAB_SYSHTTP_TEST_GOKRB5)); err != nil {
		t.Fatal(err)
	}
	key, _, err := kt.GetEncryptionKey(types.NewPrincipalName(1, "sysHTTP"), "TEST.GOKRB5", 2, aes256)
	if err != nil {
		t.Fatal(err)
	}
	data := unhex(t, testdata.MarshaledPAC_AD_WIN2K_PAC)
	part := &messages.EncTicketPart{CRealm: "TEST.GOKRB5", CName: types.NewPrincipalName(1, "testuser1")}
	stamp := binary.LittleEndian.Uint64(unhex(t, testdata.MarshaledPAC_Client_Info))
	part.AuthTime = time.Unix(int64(stamp/fileTimeSecond)-11644473600, 0)
	withPAC(t, part, data)

	id := &Identity{}
	if err := addPAC(id, part, serviceKey{key: key}); err != nil {
		t.Fatal(err)
	}
	const domain = "S-1-5-21-3167651404-3865080224-2280184895-"
	want := []string{domain + "513", domain + "1108", domain + "1109", domain + "1115", domain + "1116", domain + "1114", domain + "1111"}
	if d := cmp.Diff(want, sidText(id.GroupSIDs)); d != "" || id.SID.String() != domain+"1105" {
		t.Errorf("user %v, groups (-want +got):\n%s", id.SID, d)
	}

	// Not one bit of it may change but in the signature of the KDC.
	for i := range data {
		changed := bytes.Clone(data)
		changed[i] ^= 0x10
		withPAC(t, part, changed)
		if err := addPAC(&Identity{}, part, serviceKey{key: key}); err == nil && i < len(data)-24 {
			t.Errorf("byte %d of %d changed, and nobody sees it", i, len(data))
		}
	}
}

// TestPAC: PACs of our own: without SIDs, as MIT's KDC makes them; signed by
// somebody else; about somebody else.
func TestPAC(t *testing.T) {
	k := newKDC(t)
	logon := pacBuffer{pacLogonInfo, unhex(t, testdata.MarshaledPAC_Kerb_Validation_Info_Trust)}
	stranger, err := newKey(aes256)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		pac  func(*messages.EncTicketPart) []byte
		want error
		sid  string
	}{
		{"no SIDs", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], clientInfo("alice", p.AuthTime))
		}, nil, ""},
		{"SIDs", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], logon, clientInfo("Alice", p.AuthTime), logon)
		}, nil, "S-1-5-21-2284869408-3503417140-1141177250-1106"},
		{"with realm", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], clientInfo("alice@EXAMPLE.COM", p.AuthTime))
		}, nil, ""},
		{"other key", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, stranger, logon, clientInfo("alice", p.AuthTime))
		}, ErrIntegrity, ""},
		{"other type of key", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[rc4hmac], logon, clientInfo("alice", p.AuthTime))
		}, ErrIntegrity, ""},
		{"other client", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], logon, clientInfo("admin", p.AuthTime))
		}, ErrIntegrity, ""},
		{"other time", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], logon, clientInfo("alice", p.AuthTime.Add(-time.Second)))
		}, ErrIntegrity, ""},
		{"no client", func(*messages.EncTicketPart) []byte { return signPAC(t, k.keys[aes256], logon) }, ErrMalformed, ""},
		{"no signature", func(*messages.EncTicketPart) []byte { return make([]byte, 8) }, ErrIntegrity, ""},
		{"empty", func(*messages.EncTicketPart) []byte { return []byte{} }, ErrMalformed, ""},
		{"many buffers", func(*messages.EncTicketPart) []byte { return []byte{255, 255, 255, 255, 0, 0, 0, 0} }, ErrMalformed, ""},
		{"far buffer", func(*messages.EncTicketPart) []byte {
			return append([]byte{1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0}, bytes.Repeat([]byte{0xff}, 8)...)
		}, ErrMalformed, ""},
		{"bad SIDs", func(p *messages.EncTicketPart) []byte {
			return signPAC(t, k.keys[aes256], pacBuffer{pacLogonInfo, logon.data[:200]}, clientInfo("alice", p.AuthTime))
		}, ErrMalformed, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			client := k.initiator(t, aes256, aes256, func(p *messages.EncTicketPart) { withPAC(t, p, c.pac(p)) })
			id, err := talk(t, client, NewNegotiator(k.service(t, nil)).NewExchange())
			if !errors.Is(err, c.want) || err == nil && id.SID.String() != c.sid {
				t.Errorf("%+v, %v", id, err)
			}
			if err == nil && c.sid != "" && len(id.GroupSIDs) != 6 {
				t.Errorf("groups %v", id.GroupSIDs)
			}
		})
	}
	for _, encType := range []int32{aes128, aes128sha2, aes256sha2, rc4hmac} {
		m := k.service(t, func(c *KerberosConfig) { c.AllowRC4 = true })
		client := k.initiator(t, encType, aes256, func(p *messages.EncTicketPart) {
			withPAC(t, p, signPAC(t, k.keys[encType], logon, clientInfo("alice", p.AuthTime)))
		})
		if id, err := talk(t, client, NewNegotiator(m).NewExchange()); err != nil || id.SID.IsZero() {
			t.Errorf("%s: %v", encTypeName(encType), err)
		}
	}
}

// TestDirectorySIDs: who comes without SIDs has those of the directory, and does not
// get in if it cannot be asked.
func TestDirectorySIDs(t *testing.T) {
	k := newKDC(t)
	user, group := secdesc.NewSID(5, 21, 7, 8, 9, 1104), secdesc.NewSID(5, 21, 7, 8, 9, 1200)
	away := errors.New("away")
	for _, c := range []struct {
		answer, want error
	}{{nil, nil}, {away, ErrLogonFailure}} {
		asked := ""
		m := k.service(t, func(cfg *KerberosConfig) {
			cfg.Directory = func(name, realm string) (secdesc.SID, []secdesc.SID, error) {
				asked = name + "@" + realm
				return user, []secdesc.SID{group}, c.answer
			}
		})
		id, err := talk(t, k.initiator(t, aes256, aes256, nil), NewNegotiator(m).NewExchange())
		if !errors.Is(err, c.want) || asked != "alice@"+k.realm {
			t.Errorf("asked for %q: %v", asked, err)
		}
		if c.want != nil && !errors.Is(err, c.answer) {
			t.Errorf("the reason is lost: %v", err)
		}
		if err == nil && (id.SID != user || len(id.GroupSIDs) != 1 || id.GroupSIDs[0] != group) {
			t.Errorf("%v, %v", id.SID, id.GroupSIDs)
		}
	}
}

// TestLogonInfoUser: an account of no domain is the first of the further SIDs.
func TestLogonInfoUser(t *testing.T) {
	domain, one, two := secdesc.NewSID(5, 21, 1, 2, 3), secdesc.NewSID(5, 21, 9, 9, 9, 500), secdesc.NewSID(18, 1)
	got, err := gather(0, 0, domain, secdesc.SID{}, []uint32{513, 513}, []uint32{7}, []secdesc.SID{one, two, one})
	if err != nil || got.user != one {
		t.Fatalf("%v, %v", got, err)
	}
	if d := cmp.Diff([]string{"S-1-5-21-1-2-3-513", "S-1-18-1"}, sidText(got.groups)); d != "" {
		t.Errorf("groups (-want +got):\n%s", d)
	}
	if _, err := gather(0, 0, domain, secdesc.SID{}, nil, nil, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("nobody: %v", err)
	}
	many := make([]uint32, maxGroupSIDs+1)
	for i := range many {
		many[i] = uint32(i) + 1000
	}
	if _, err := gather(1, 0, domain, secdesc.SID{}, many, nil, nil); !errors.Is(err, ErrMalformed) {
		t.Errorf("too many groups: %v", err)
	}
}
