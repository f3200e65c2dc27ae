package wire

import "testing"

const (
	leaseV1 = `000102030405060708090a0b0c0d0e0f 05000000 02000000 0000000000000000`
	leaseV2 = `000102030405060708090a0b0c0d0e0f 03000000 04000000 0000000000000000
		101112131415161718191a1b1c1d1e1f 3412 0000`
	durableV2         = `60ea0000 02000000 0000000000000000 000102030405060708090a0b0c0d0e0f`
	durableV2Response = `60ea0000 02000000`
	durableV2Again    = `0100000000000000 0200000000000000 000102030405060708090a0b0c0d0e0f 02000000`
	reconnect         = `0100000000000000 ffffffffffffffff`
	accessReply       = `220000c0 ff011f00`
	onDiskID          = `0102030405060708 1112131415161718 00000000000000000000000000000000`
	appInstance       = `1400 0000 000102030405060708090a0b0c0d0e0f`
	appVersion        = `1800 0000 00000000 0100000000000000 0200000000000000`
	aaplRequest       = `01000000 00000000 0700000000000000 0700000000000000`
	aaplResponse      = `01000000 00000000 0700000000000000
		0500000000000000 0600000000000000 00000000 06000000 4d00 6100 6300`
	aaplResponseCaps = `01000000 00000000 0100000000000000 0500000000000000`
	posixReply       = `02000000 00000000 a4010000
		0102000000000005 20000000 20020000
		0101000000000001 00000000`
)

func testKey(first byte) (g GUID) {
	for i := range g {
		g[i] = first + byte(i)
	}
	return g
}

func TestCreateContextTypes(t *testing.T) {
	for _, c := range []struct {
		value codec
		hex   string
	}{
		{&LeaseContext{Version: 1, LeaseKey: testKey(0), LeaseState: LeaseRead | LeaseWrite, LeaseFlags: LeaseFlagBreakInProgress}, leaseV1},
		{&LeaseContext{Version: 2, LeaseKey: testKey(0), LeaseState: LeaseRead | LeaseHandle,
			LeaseFlags: LeaseFlagParentLeaseKeySet, ParentLeaseKey: testKey(0x10), Epoch: 0x1234}, leaseV2},
		{&DurableRequest{}, "00000000000000000000000000000000"},
		{&DurableResponse{}, "0000000000000000"},
		{&DurableReconnect{FileID{1, 1<<64 - 1}}, reconnect},
		{&DurableRequestV2{Timeout: 60000, Flags: DurableV2Persistent, CreateGuid: testKey(0)}, durableV2},
		{&DurableResponseV2{Timeout: 60000, Flags: DurableV2Persistent}, durableV2Response},
		{&DurableReconnectV2{FileID{1, 2}, testKey(0), DurableV2Persistent}, durableV2Again},
		{&MaximalAccessResponse{QueryStatus: 0xc0000022, MaximalAccess: AccessAll}, accessReply},
		{&AllocationSizeContext{1 << 40}, "0000000000010000"},
		{&TimewarpToken{0x01d9d80000000001}, "0100000000d8d901"},
		{&OnDiskIDResponse{0x0807060504030201, 0x1817161514131211}, onDiskID},
		{&AppInstanceID{testKey(0)}, appInstance},
		{&AppInstanceVersion{1, 2}, appVersion},
		{&AAPLRequest{AAPLServerQuery, 7, AAPLSupportsReadDirAttr | AAPLSupportsOSXCopyfile | AAPLUnixBased}, aaplRequest},
		{&AAPLResponse{7, AAPLSupportsReadDirAttr | AAPLUnixBased, AAPLCaseSensitive | AAPLSupportsFullSync, "Mac"}, aaplResponse},
		{&AAPLResponse{ReplyBitmap: AAPLQueryServerCaps, ServerCapabilities: 5}, aaplResponseCaps},
		{&PosixCreateRequest{0o644}, "a4010000"},
		{&PosixCreateResponse{Links: 2, Mode: 0o644, Owner: unhex(t, "0102000000000005 20000000 20020000"),
			Group: unhex(t, "0101000000000001 00000000")}, posixReply},
	} {
		raw := unhex(t, c.hex)
		testGoldenData(t, c.value, c.hex)
		if v, ok := c.value.(*LeaseContext); ok && v.Version == 2 {
			// A version 2 that is cut at 32 bytes is a version 1.
			testTruncations(t, raw, leaseV1Size, c.value.Decode)
		} else {
			testPrefixes(t, raw, c.value.Decode)
		}
		if _, ok := c.value.(*AAPLResponse); !ok && c.value.Decode(append(raw, 0)) == nil {
			t.Errorf("%T accepts a byte too many", c.value)
		}
	}
}

func TestMaximalAccessRequest(t *testing.T) {
	testGoldenData(t, &MaximalAccessRequest{}, "")
	testGoldenData(t, &MaximalAccessRequest{0x01d9d80000000001}, "0100000000d8d901")
	for n := 1; n < 12; n++ {
		if err := new(MaximalAccessRequest).Decode(make([]byte, n)); (err == nil) != (n == 8) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestAAPLOtherCommand(t *testing.T) {
	testGoldenData(t, &AAPLRequest{Command: AAPLResolveID}, "02000000 00000000")
	if new(AAPLResponse).Decode(unhex(t, "02000000 00000000 0000000000000000")) == nil {
		t.Error("the answer to another command is accepted")
	}
}

func FuzzLeaseContext(f *testing.F)       { fuzzDecodeData[LeaseContext](f, leaseV1, leaseV2) }
func FuzzDurableRequestV2(f *testing.F)   { fuzzDecodeData[DurableRequestV2](f, durableV2) }
func FuzzDurableResponseV2(f *testing.F)  { fuzzDecodeData[DurableResponseV2](f, durableV2Response) }
func FuzzDurableReconnect(f *testing.F)   { fuzzDecodeData[DurableReconnect](f, reconnect) }
func FuzzDurableReconnectV2(f *testing.F) { fuzzDecodeData[DurableReconnectV2](f, durableV2Again) }
func FuzzMaximalAccessRequest(f *testing.F) {
	fuzzDecodeData[MaximalAccessRequest](f, "0100000000d8d901")
}
func FuzzMaximalAccessResponse(f *testing.F) { fuzzDecodeData[MaximalAccessResponse](f, accessReply) }
func FuzzOnDiskIDResponse(f *testing.F)      { fuzzDecodeData[OnDiskIDResponse](f, onDiskID) }
func FuzzAppInstanceID(f *testing.F)         { fuzzDecodeData[AppInstanceID](f, appInstance) }
func FuzzAppInstanceVersion(f *testing.F)    { fuzzDecodeData[AppInstanceVersion](f, appVersion) }
func FuzzAAPLRequest(f *testing.F)           { fuzzDecodeData[AAPLRequest](f, aaplRequest) }
func FuzzAAPLResponse(f *testing.F) {
	fuzzDecodeData[AAPLResponse](f, aaplResponse, aaplResponseCaps)
}
func FuzzPosixCreateResponse(f *testing.F) { fuzzDecodeData[PosixCreateResponse](f, posixReply) }
