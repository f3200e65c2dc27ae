package crypt

import (
	"crypto/sha512"
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestDeriveKeys: the appendix of Microsoft's "SMB 2 and SMB 3 security in
// Windows 10: the anatomy of signing and cryptographic keys". Its
// EncryptionKey is the client's, so our ServerIn.
func TestDeriveKeys(t *testing.T) {
	preauth := unhex(t, "0DD13628CC3ED218EF9DF9772D436D0887AB9814BFAE63A80AA845F36909DB79"+
		"28622DDDAD522D9751640A459762C5A9D6BB084CBB3CE6BDADEF5D5BCE3C6C01")
	for _, c := range []struct {
		name       string
		dialect    uint16
		sessionKey string
		cipher     uint16
		want       Keys
	}{
		{"3.0", 0x0300, "7CD451825D0450D235424E44BA6E78CC", CipherAES128CCM, Keys{
			Signing:     unhex(t, "0B7E9C5CAC36C0F6EA9AB275298CEDCE"),
			ServerIn:    unhex(t, "FAD27796665B313EBB578F388632B4F7"),
			ServerOut:   unhex(t, "B0F0427F7CEB416D1D9DCC0CD4F99447"),
			Application: unhex(t, "BB23A4575AA26C721AF525AF15A87B4F"),
		}},
		{"3.1.1", 0x0311, "270E1BA896585EEB7AF3472D3B4C75A7", CipherAES128GCM, Keys{
			Signing:     unhex(t, "73FE7A9A77BEF0BDE49C650D8CCB5F76"),
			ServerIn:    unhex(t, "629BCBC54422A0F572B97F45989B6073"),
			ServerOut:   unhex(t, "E2AF0DCEFAC68DA71A0DFBD0D1350D74"),
			Application: unhex(t, "6D7AD7954E9EC61E907B4D473DC178FF"),
		}},
		{"2.1", 0x0210, "7CD451825D0450D235424E44BA6E78CC", 0, Keys{
			Signing:     unhex(t, "7CD451825D0450D235424E44BA6E78CC"),
			Application: unhex(t, "7CD451825D0450D235424E44BA6E78CC"),
		}},
	} {
		got := DeriveKeys(c.dialect, unhex(t, c.sessionKey), preauth, c.cipher)
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	// The second channel of the 3.0 example.
	got := DeriveKeys(0x0302, unhex(t, "4E01A2B313BCF660CC250BEF021AEDE6"), nil, CipherAES128CCM)
	if s := hex.EncodeToString(got.Signing); s != "ba1a17dbbfec349bca105563d598952f" {
		t.Errorf("signing key of the second channel: %s", s)
	}
}

// TestDeriveKeys256: 256-bit ciphers take the whole session key and give 32
// bytes; signing and application keys do not change.
func TestDeriveKeys256(t *testing.T) {
	key, preauth := fill(32, 1), fill(64, 2)
	short := DeriveKeys(0x0311, key[:16], preauth, CipherAES256GCM)
	long := DeriveKeys(0x0311, key, preauth, CipherAES256GCM)
	small := DeriveKeys(0x0311, key, preauth, CipherAES128GCM)
	for _, k := range []Keys{short, long} {
		if len(k.ServerIn) != 32 || len(k.ServerOut) != 32 || len(k.Signing) != 16 || len(k.Application) != 16 {
			t.Errorf("sizes: %d %d %d %d", len(k.ServerIn), len(k.ServerOut), len(k.Signing), len(k.Application))
		}
	}
	if cmp.Equal(short.ServerIn, long.ServerIn) {
		t.Error("the second half of the session key does not count")
	}
	if !cmp.Equal(short.Signing, long.Signing) || !cmp.Equal(long.Signing, small.Signing) {
		t.Error("the signing key depends on the cipher")
	}
	if len(small.ServerIn) != 16 {
		t.Errorf("ServerIn has %d bytes", len(small.ServerIn))
	}
	for _, n := range []int{0, 5} { // short keys are padded, not refused
		if k := DeriveKeys(0x0210, key[:n], nil, 0); len(k.Signing) != 16 {
			t.Errorf("%d bytes of session key: signing key of %d", n, len(k.Signing))
		}
	}
}

func TestPreauthHash(t *testing.T) {
	var h PreauthHash
	h.Update([]byte("one"))
	h.Update([]byte("two"))
	first := sha512.Sum512(append(make([]byte, 64), "one"...))
	want := sha512.Sum512(append(first[:], "two"...))
	if h != PreauthHash(want) {
		t.Errorf("got %x", h)
	}
}

func TestNames(t *testing.T) {
	for alg := range uint16(4) {
		if (SigningName(alg) == "unknown") != (alg > 2) {
			t.Errorf("signing %d: %s", alg, SigningName(alg))
		}
	}
	for id := range uint16(6) {
		if (CipherName(id) == "unknown") != (id > 4) {
			t.Errorf("cipher %d: %s", id, CipherName(id))
		}
	}
}

// TestPreauthSample: the session set-up of the 3.1.1 example in Microsoft's "SMB 2
// and SMB 3 security in Windows 10".
func TestPreauthSample(t *testing.T) {
	h := PreauthHash(unhex(t, "324BFA92A4F3A190E466EBEA08D9C110DC88BFED758D9846ECC6F541CC1D02AE"+
		"3C94A79F36011E997E13F841B91B50957AD07B19C8E2539C0B23FDAE09D2C513"))
	h.Update(unhex(t, "FE534D4240000100000000000100800000000000000000000200000000000000FFFE000000000000"+
		"00000000000000000000000000000000000000000000000019000001010000000000000058004A00"+
		"0000000000000000604806062B0601050502A03E303CA00E300C060A2B06010401823702020AA22A"+
		"04284E544C4D5353500001000000978208E200000000000000000000000000000000060380250000000F"))
	want := PreauthHash(unhex(t, "AC0B0F2B9986257700365E416D142A6EDC96DF03594A19E52A15F6BD0D041CD5"+
		"D432F8ED42C55E33197A50C9EC00F1462B50C592211B1471A04B56088FDFD5F9"))
	if h != want {
		t.Errorf("got %x", h)
	}
}
