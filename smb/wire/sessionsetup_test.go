package wire

import "testing"

const (
	sessionSetupRequest = `
		1900 01 02 01000000        # binding, signing required, DFS
		00000000 5800 0500         # channel, token at 88
		4900000000000c00           # previous session
		6003010203`
	sessionSetupResponse = `
		0900 0100 4800 0400        # guest, token at 72
		a1020304`
)

func TestSessionSetup(t *testing.T) {
	testGolden(t, &SessionSetupRequest{
		Flags: SessionFlagBinding, SecurityMode: NegotiateSigningRequired, Capabilities: GlobalCapDFS,
		PreviousSessionID: 0xc000000000049, Buffer: []byte{0x60, 3, 1, 2, 3},
	}, sessionSetupRequest)
	testGolden(t, &SessionSetupResponse{
		SessionFlags: SessionFlagIsGuest, Buffer: []byte{0xa1, 2, 3, 4},
	}, sessionSetupResponse)
	testGolden(t, &SessionSetupResponse{}, "0900 0000 4800 0000")
	testPrefixes(t, message(unhex(t, sessionSetupRequest)), new(SessionSetupRequest).Decode)
	testPrefixes(t, message(unhex(t, sessionSetupResponse)), new(SessionSetupResponse).Decode)
}

func FuzzSessionSetupRequest(f *testing.F) {
	fuzzDecode[SessionSetupRequest](f, sessionSetupRequest)
}

func FuzzSessionSetupResponse(f *testing.F) {
	fuzzDecode[SessionSetupResponse](f, sessionSetupResponse)
}
