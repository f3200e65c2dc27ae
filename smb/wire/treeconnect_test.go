package wire

import "testing"

const (
	treeConnectRequest = `
		0900 0000 4800 0e00        # path at 72
		5c005c00 7300 5c00 6100 e400 6200`
	treeConnectExtended = `
		0900 0400 5800 0a00        # extension, path at 88
		28000000 0200 00000000000000000000
		5c005c00 7300 5c00 6100 000000000000
		0100 0300 00000000 aabbcc 0000000000
		0200 0000 00000000`
	treeConnectResponse = `
		1000 01 00 30080000        # disk; no caching, access-based enumeration
		10000000 ff011f00`
)

func TestTreeConnect(t *testing.T) {
	testGolden(t, &TreeConnectRequest{Path: `\\s\aäb`}, treeConnectRequest)
	testGolden(t, &TreeConnectRequest{
		Flags: TreeConnectExtensionPresent, Path: `\\s\a`,
		Contexts: []TreeConnectContext{
			{Type: TreeConnectRemotedIdentity, Data: []byte{0xaa, 0xbb, 0xcc}}, {Type: 2},
		},
	}, treeConnectExtended)
	testGolden(t, &TreeConnectResponse{
		ShareType: ShareTypeDisk, ShareFlags: ShareFlagNoCaching | ShareFlagAccessBasedDirectoryEnum,
		Capabilities: ShareCapContinuousAvailability, MaximalAccess: AccessAll,
	}, treeConnectResponse)
	testPrefixes(t, message(unhex(t, treeConnectRequest)), new(TreeConnectRequest).Decode)
	testPrefixes(t, message(unhex(t, treeConnectExtended)), new(TreeConnectRequest).Decode)
	testPrefixes(t, message(unhex(t, treeConnectResponse)), new(TreeConnectResponse).Decode)
}

func TestTreeConnectOddPath(t *testing.T) {
	raw := message(unhex(t, treeConnectRequest))
	raw[HeaderSize+6]--
	if err := new(TreeConnectRequest).Decode(raw); err != ErrMalformed {
		t.Errorf("an odd path length gives %v", err)
	}
}

func FuzzTreeConnectRequest(f *testing.F) {
	fuzzDecode[TreeConnectRequest](f, treeConnectRequest, treeConnectExtended)
}

func FuzzTreeConnectResponse(f *testing.F) {
	fuzzDecode[TreeConnectResponse](f, treeConnectResponse)
}
