package wire

import "testing"

const (
	clientGuid = "44a95f3b6e9c11498f2a0123456789ab"

	// As smbclient sends it for the dialects up to 3.0.2.
	negotiateRequest302 = `
		2400 0400 0100 0000        # size, four dialects, signing enabled
		7f000000` + clientGuid + `
		0000000000000000           # start time
		0202 1002 0003 0203`

	// As a Windows 11 client sends it, with preauthentication, ciphers and
	// the name of the server.
	negotiateRequest311 = `
		2400 0500 0100 0000
		7f000000` + clientGuid + `
		70000000 0300 0000         # contexts at 112
		0202 1002 0003 0203 1103 0000
		0100 0a00 00000000 0100 0400 0100 deadbeef 000000000000
		0200 0600 00000000 0200 0200 0100 0000
		0500 0600 00000000 7300 7200 7600`

	negotiateResponse302 = `
		4100 0100 0203 0000
		` + clientGuid + `
		3f000000 00008000 00008000 00008000
		0000000000d8d901 0000000000000000
		8000 0300 00000000 602801`

	negotiateResponse311 = `
		4100 0300 1103 0200
		` + clientGuid + `
		7f000000 00008000 00008000 00008000
		0000000000d8d901 0000000000000000
		8000 0300 88000000 602801 0000000000
		0100 0a00 00000000 0100 0400 0100 deadbeef 000000000000
		0800 0400 00000000 0100 0200`
)

func TestNegotiateRequest(t *testing.T) {
	guid := GUID(unhex(t, clientGuid))
	testGolden(t, &NegotiateRequest{
		SecurityMode: NegotiateSigningEnabled, Capabilities: 0x7f, ClientGuid: guid,
		Dialects: []Dialect{Dialect202, Dialect210, Dialect300, Dialect302},
	}, negotiateRequest302)
	testGolden(t, &NegotiateRequest{
		SecurityMode: NegotiateSigningEnabled, Capabilities: 0x7f, ClientGuid: guid,
		Dialects: []Dialect{Dialect202, Dialect210, Dialect300, Dialect302, Dialect311},
		Contexts: []NegotiateContext{
			NewNegotiateContext(ContextPreauthIntegrity, &PreauthCapabilities{
				HashAlgorithms: []HashAlgorithm{HashSHA512}, Salt: []byte{0xde, 0xad, 0xbe, 0xef}}),
			NewNegotiateContext(ContextEncryption, &EncryptionCapabilities{
				Ciphers: []Cipher{CipherAES128GCM, CipherAES128CCM}}),
			NewNegotiateContext(ContextNetname, &NetnameContext{NetName: "srv"}),
		},
	}, negotiateRequest311)
	for _, raw := range []string{negotiateRequest302, negotiateRequest311} {
		testPrefixes(t, message(unhex(t, raw)), new(NegotiateRequest).Decode)
	}
}

func TestNegotiateResponse(t *testing.T) {
	m := NegotiateResponse{
		SecurityMode: NegotiateSigningEnabled, DialectRevision: Dialect302,
		ServerGuid: GUID(unhex(t, clientGuid)), Capabilities: 0x3f,
		MaxTransactSize: 8 << 20, MaxReadSize: 8 << 20, MaxWriteSize: 8 << 20,
		SystemTime: 0x01d9d80000000000, Buffer: []byte{0x60, 0x28, 0x01},
	}
	testGolden(t, &m, negotiateResponse302)
	m.DialectRevision, m.Capabilities = Dialect311, 0x7f
	m.SecurityMode |= NegotiateSigningRequired
	m.Contexts = []NegotiateContext{
		NewNegotiateContext(ContextPreauthIntegrity, &PreauthCapabilities{
			HashAlgorithms: []HashAlgorithm{HashSHA512}, Salt: []byte{0xde, 0xad, 0xbe, 0xef}}),
		NewNegotiateContext(ContextSigning, &SigningCapabilities{
			SigningAlgorithms: []SigningAlgorithm{SigningAESGMAC}}),
	}
	testGolden(t, &m, negotiateResponse311)
	for _, raw := range []string{negotiateResponse302, negotiateResponse311} {
		testPrefixes(t, message(unhex(t, raw)), new(NegotiateResponse).Decode)
	}
}

func TestNegotiateContextsBeyondTheMessage(t *testing.T) {
	for _, patch := range []struct {
		at    int
		value byte
	}{{28, 0xff}, {31, 0x80}, {31, 0x7f}, {33, 0xff}, {32, 4}} {
		raw := message(unhex(t, negotiateRequest311))
		raw[HeaderSize+patch.at] = patch.value
		if new(NegotiateRequest).Decode(raw) == nil {
			t.Errorf("%#x at %d is accepted", patch.value, patch.at)
		}
	}
}

func FuzzNegotiateRequest(f *testing.F) {
	fuzzDecode[NegotiateRequest](f, negotiateRequest302, negotiateRequest311)
}

func FuzzNegotiateResponse(f *testing.F) {
	fuzzDecode[NegotiateResponse](f, negotiateResponse302, negotiateResponse311)
}
