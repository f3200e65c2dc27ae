package wire

import "testing"

const (
	ioctlRequest = `
		3900 0000 17c01100` + testID + `
		78000000 03000000 00000000 # input at 120, none in the response
		00000000 00000000 00040000 # no output
		01000000 00000000
		616263`
	ioctlRequestOutput = `
		3900 0000 17c01100` + testID + `
		78000000 03000000 08000000
		80000000 02000000 00040000
		01000000 00000000
		616263 0000000000 7879`
	ioctlRequestEmpty = `
		3900 0000 64401400` + testID + `
		78000000 00000000 00000000
		00000000 00000000 10000000
		01000000 00000000`
	ioctlResponse = `
		3100 0000 17c01100` + testID + `
		70000000 00000000 70000000 03000000
		00000000 00000000
		616263`
	ioctlResponseInput = `
		3100 0000 17c01100` + testID + `
		70000000 01000000 78000000 03000000
		00000000 00000000
		7a 00000000000000 616263`

	queryDirectoryRequest = `
		2100 25 03 05000000` + testID + `
		6000 0200 00000100
		2a00`
	queryDirectoryRequestEmpty = "2100 03 00 00000000" + testID + "6000 0000 00000100"

	changeNotifyRequest = "2000 0100 00100000" + testID + "ff0f0000 00000000"

	bufferResponse      = "0900 4800 03000000 616263"
	bufferResponseEmpty = "0900 4800 00000000"

	queryInfoRequest = `
		2900 01 0f 00040000
		6800 0000 07000000 02000000 03000000` + testID + `
		00000000 01 6100`
	queryInfoRequestEmpty = `
		2900 03 00 00040000
		0000 0000 00000000 07000000 00000000` + testID
	setInfoRequest = `
		2100 01 14 08000000
		6000 0000 00000000` + testID + `
		0010000000000000`

	oplockBreak            = "1800 01 00 00000000" + testID
	leaseBreakNotification = `
		2c00 0500 01000000
		00112233445566778899aabbccddeeff
		07000000 01000000 00000000 00000000 00000000`
	leaseBreakAck = `
		2400 0000 00000000
		00112233445566778899aabbccddeeff
		03000000 0000000000000000`
)

var testLeaseKey = GUID{0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}

func TestIoctlRequest(t *testing.T) {
	testGolden(t, &IoctlRequest{
		CtlCode: FsctlPipeTransceive, FileID: testFileID, Input: []byte("abc"), MaxOutputResponse: 1024, Flags: IoctlIsFsctl,
	}, ioctlRequest)
	testPrefixes(t, message(unhex(t, ioctlRequest)), new(IoctlRequest).Decode)
	testGolden(t, &IoctlRequest{
		CtlCode: FsctlPipeTransceive, FileID: testFileID, Input: []byte("abc"), Output: []byte("xy"),
		MaxInputResponse: 8, MaxOutputResponse: 1024, Flags: IoctlIsFsctl,
	}, ioctlRequestOutput)
	testPrefixes(t, message(unhex(t, ioctlRequestOutput)), new(IoctlRequest).Decode)
	testGolden(t, &IoctlRequest{
		CtlCode: FsctlSrvEnumerateSnapshots, FileID: testFileID, MaxOutputResponse: 16, Flags: IoctlIsFsctl,
	}, ioctlRequestEmpty)
	testPrefixes(t, message(unhex(t, ioctlRequestEmpty)), new(IoctlRequest).Decode)
}

func TestIoctlResponse(t *testing.T) {
	testGolden(t, &IoctlResponse{CtlCode: FsctlPipeTransceive, FileID: testFileID, Output: []byte("abc")}, ioctlResponse)
	testPrefixes(t, message(unhex(t, ioctlResponse)), new(IoctlResponse).Decode)
	testGolden(t, &IoctlResponse{
		CtlCode: FsctlPipeTransceive, FileID: testFileID, Input: []byte("z"), Output: []byte("abc"),
	}, ioctlResponseInput)

	dst := AppendIoctlResponseHeader([]byte("before"), FsctlPipeTransceive, testFileID)
	PatchIoctlResponse(dst[len("before"):], 3)
	if diff := diffBytes(unhex(t, ioctlResponse), append(dst, "abc"...)[len("before"):]); diff != "" {
		t.Errorf("encoded in place:\n%s", diff)
	}
}

// A sum of offset and length that overflows 32 bits must not be accepted.
func TestIoctlOverflow(t *testing.T) {
	raw := message(unhex(t, ioctlRequest))
	putU32(raw[HeaderSize+24:], 0xfffffff0)
	putU32(raw[HeaderSize+28:], 0x20)
	if new(IoctlRequest).Decode(raw) == nil {
		t.Error("accepted")
	}
}

func TestQueryDirectory(t *testing.T) {
	testGolden(t, &QueryDirectoryRequest{
		FileInformationClass: FileInfoIDBothDirectory,
		Flags:                QueryDirectoryRestartScans | QueryDirectoryReturnSingleEntry,
		FileIndex:            5, FileID: testFileID, FileName: "*", OutputBufferLength: 65536,
	}, queryDirectoryRequest)
	testPrefixes(t, message(unhex(t, queryDirectoryRequest)), new(QueryDirectoryRequest).Decode)
	testGolden(t, &QueryDirectoryRequest{
		FileInformationClass: FileInfoBothDirectory, FileID: testFileID, OutputBufferLength: 65536,
	}, queryDirectoryRequestEmpty)
	testGolden(t, &QueryDirectoryResponse{Buffer: []byte("abc")}, bufferResponse)
	testPrefixes(t, message(unhex(t, bufferResponse)), new(QueryDirectoryResponse).Decode)
}

func TestChangeNotify(t *testing.T) {
	testGolden(t, &ChangeNotifyRequest{
		Flags: ChangeNotifyWatchTree, OutputBufferLength: 4096, FileID: testFileID, CompletionFilter: NotifyChangeAll,
	}, changeNotifyRequest)
	testPrefixes(t, message(unhex(t, changeNotifyRequest)), new(ChangeNotifyRequest).Decode)
	testGolden(t, &ChangeNotifyResponse{Buffer: []byte("abc")}, bufferResponse)
	testGolden(t, &ChangeNotifyResponse{}, bufferResponseEmpty)
}

func TestQueryInfo(t *testing.T) {
	testGolden(t, &QueryInfoRequest{
		InfoType: InfoTypeFile, FileInfoClass: FileInfoFullEa, OutputBufferLength: 1024,
		Input:                 (&FileGetEaInformation{Names: []string{"a"}}).Append(nil),
		AdditionalInformation: 2, Flags: QueryInfoRestartScan | QueryInfoReturnSingleEntry, FileID: testFileID,
	}, queryInfoRequest)
	testPrefixes(t, message(unhex(t, queryInfoRequest)), new(QueryInfoRequest).Decode)
	testGolden(t, &QueryInfoRequest{
		InfoType: InfoTypeSecurity, OutputBufferLength: 1024, FileID: testFileID,
		AdditionalInformation: OwnerSecurityInformation | GroupSecurityInformation | DaclSecurityInformation,
	}, queryInfoRequestEmpty)
	testGolden(t, &QueryInfoResponse{Buffer: []byte("abc")}, bufferResponse)
	testGolden(t, &QueryInfoResponse{}, bufferResponseEmpty)
}

func TestSetInfo(t *testing.T) {
	testGolden(t, &SetInfoRequest{
		InfoType: InfoTypeFile, FileInfoClass: FileInfoEndOfFile, FileID: testFileID,
		Buffer: (&FileEndOfFileInformation{EndOfFile: 4096}).Append(nil),
	}, setInfoRequest)
	testPrefixes(t, message(unhex(t, setInfoRequest)), new(SetInfoRequest).Decode)
	testGolden(t, &SetInfoResponse{}, "0200")
	testPrefixes(t, message(unhex(t, "0200")), new(SetInfoResponse).Decode)
}

func TestOplockBreak(t *testing.T) {
	testGolden(t, &OplockBreakNotification{OplockLevel: OplockII, FileID: testFileID}, oplockBreak)
	testGolden(t, &OplockBreakAck{OplockLevel: OplockII, FileID: testFileID}, oplockBreak)
	testGolden(t, &OplockBreakResponse{OplockLevel: OplockII, FileID: testFileID}, oplockBreak)
	testPrefixes(t, message(unhex(t, oplockBreak)), new(OplockBreakAck).Decode)
}

func TestLeaseBreak(t *testing.T) {
	testGolden(t, &LeaseBreakNotification{
		NewEpoch: 5, Flags: LeaseBreakAckRequired, LeaseKey: testLeaseKey,
		CurrentLeaseState: LeaseRead | LeaseHandle | LeaseWrite, NewLeaseState: LeaseRead,
	}, leaseBreakNotification)
	testPrefixes(t, message(unhex(t, leaseBreakNotification)), new(LeaseBreakNotification).Decode)
	testGolden(t, &LeaseBreakAck{LeaseKey: testLeaseKey, LeaseState: LeaseRead | LeaseHandle}, leaseBreakAck)
	testGolden(t, &LeaseBreakResponse{LeaseKey: testLeaseKey, LeaseState: LeaseRead | LeaseHandle}, leaseBreakAck)
	testPrefixes(t, message(unhex(t, leaseBreakAck)), new(LeaseBreakAck).Decode)
}

func TestBreakKinds(t *testing.T) {
	for _, c := range []struct {
		body              string
		ack, notification bool
	}{
		{oplockBreak, false, false}, {leaseBreakAck, true, false}, {leaseBreakNotification, false, true}, {"24", false, false},
	} {
		msg := message(unhex(t, c.body))
		if IsLeaseBreakAck(msg) != c.ack || IsLeaseBreakNotification(msg) != c.notification {
			t.Errorf("%x is taken for something else", msg[HeaderSize:])
		}
	}
}

func FuzzIoctlRequest(f *testing.F) {
	fuzzDecode[IoctlRequest](f, ioctlRequest, ioctlRequestOutput, ioctlRequestEmpty)
}
func FuzzIoctlResponse(f *testing.F) { fuzzDecode[IoctlResponse](f, ioctlResponse, ioctlResponseInput) }
func FuzzQueryDirectoryRequest(f *testing.F) {
	fuzzDecode[QueryDirectoryRequest](f, queryDirectoryRequest, queryDirectoryRequestEmpty)
}
func FuzzQueryDirectoryResponse(f *testing.F) {
	fuzzDecode[QueryDirectoryResponse](f, bufferResponse, bufferResponseEmpty)
}
func FuzzChangeNotifyRequest(f *testing.F) { fuzzDecode[ChangeNotifyRequest](f, changeNotifyRequest) }
func FuzzQueryInfoRequest(f *testing.F) {
	fuzzDecode[QueryInfoRequest](f, queryInfoRequest, queryInfoRequestEmpty)
}
func FuzzSetInfoRequest(f *testing.F) { fuzzDecode[SetInfoRequest](f, setInfoRequest) }
func FuzzOplockBreakAck(f *testing.F) { fuzzDecode[OplockBreakAck](f, oplockBreak) }
func FuzzLeaseBreakNotification(f *testing.F) {
	fuzzDecode[LeaseBreakNotification](f, leaseBreakNotification)
}
func FuzzLeaseBreakAck(f *testing.F) { fuzzDecode[LeaseBreakAck](f, leaseBreakAck) }
