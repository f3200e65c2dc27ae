package wire

import "testing"

const (
	createRequest = `
		3900 00 ff 02000000        # lease, impersonation
		0000000000000000 0000000000000000
		89001200 80000000 07000000 # access, normal, share all
		03000000 40000000          # open if, no directory
		7800 0a00                  # name at 120
		88000000 18000000          # contexts at 136
		6100 5c00 6200 2e00 6300 000000000000
		00000000 1000 0400 0000 0000 00000000 4d784163 00000000`
	// The root of a share: the buffer is one byte that nothing refers to.
	createRequestRoot = `
		3900 00 00 02000000
		0000000000000000 0000000000000000
		80000000 00000000 07000000
		01000000 01000000
		7800 0000
		00000000 00000000
		00`
	createResponse = `
		5900 09 01 02000000        # batch, reparse point, created
		0100000000d8d901 0200000000d8d901 0300000000d8d901 0400000000d8d901
		0010000000000000 0500000000000000
		20000000 00000000
		1100000000000000 2200000000000000
		98000000 20000000          # contexts at 152
		00000000 1000 0400 0000 1800 08000000 4d784163 00000000
		00000000 ff011f00`
	createResponsePlain = `
		5900 00 00 01000000
		0000000000000000 0000000000000000 0000000000000000 0000000000000000
		0000000000000000 0000000000000000
		10000000 00000000
		1100000000000000 2200000000000000
		00000000 00000000`
)

func TestCreateRequest(t *testing.T) {
	var list CreateContextList
	list.Put(TagMxAc, &MaximalAccessRequest{})
	testGolden(t, &CreateRequest{
		RequestedOplockLevel: OplockLease, ImpersonationLevel: ImpersonationImpersonation,
		DesiredAccess:  AccessReadData | AccessReadEA | AccessReadAttributes | AccessSynchronize | AccessReadControl,
		FileAttributes: 0x80, ShareAccess: ShareAccessRead | ShareAccessWrite | ShareAccessDelete,
		CreateDisposition: DispositionOpenIf, CreateOptions: OptionNonDirectoryFile,
		Name: `a\b.c`, Contexts: list.Bytes,
	}, createRequest)
	testGolden(t, &CreateRequest{
		ImpersonationLevel: ImpersonationImpersonation, DesiredAccess: AccessReadAttributes,
		ShareAccess:       ShareAccessRead | ShareAccessWrite | ShareAccessDelete,
		CreateDisposition: DispositionOpen, CreateOptions: OptionDirectoryFile,
	}, createRequestRoot)
	testPrefixes(t, message(unhex(t, createRequest)), new(CreateRequest).Decode)
	testTruncations(t, message(unhex(t, createRequestRoot)), HeaderSize+createRequestSize-1, new(CreateRequest).Decode)
}

func TestCreateResponse(t *testing.T) {
	var list CreateContextList
	list.Put(TagMxAc, &MaximalAccessResponse{MaximalAccess: AccessAll})
	testGolden(t, &CreateResponse{
		OplockLevel: OplockBatch, Flags: CreateFlagReparsePoint, CreateAction: FileCreated,
		CreationTime: 0x01d9d80000000001, LastAccessTime: 0x01d9d80000000002,
		LastWriteTime: 0x01d9d80000000003, ChangeTime: 0x01d9d80000000004,
		AllocationSize: 4096, EndofFile: 5, FileAttributes: 0x20,
		FileID: FileID{Persistent: 0x11, Volatile: 0x22}, Contexts: list.Bytes,
	}, createResponse)
	testGolden(t, &CreateResponse{
		CreateAction: FileOpened, FileAttributes: 0x10, FileID: FileID{Persistent: 0x11, Volatile: 0x22},
	}, createResponsePlain)
	testPrefixes(t, message(unhex(t, createResponse)), new(CreateResponse).Decode)
	testPrefixes(t, message(unhex(t, createResponsePlain)), new(CreateResponse).Decode)
}

func TestCreateOutOfBounds(t *testing.T) {
	for _, c := range []struct {
		at    int
		bytes string
	}{
		{44, "ffff"}, {46, "ffff"}, {46, "0900"}, // the name
		{48, "ffffffff"}, {48, "00000080"}, {52, "ffffffff"}, {52, "19000000"}, // the contexts
		{0, "3800"},
	} {
		raw := message(unhex(t, createRequest))
		copy(raw[HeaderSize+c.at:], unhex(t, c.bytes))
		if new(CreateRequest).Decode(raw) == nil {
			t.Errorf("%s at %d is accepted", c.bytes, c.at)
		}
	}
}

func TestCreateAllocatesTheNameOnly(t *testing.T) {
	raw := message(unhex(t, createRequest))
	var m CreateRequest
	if n := testing.AllocsPerRun(100, func() { _ = m.Decode(raw) }); n > 1 {
		t.Errorf("decoding a request allocates %v times", n)
	}
	buf := make([]byte, 0, 512)
	resp := CreateResponse{Contexts: m.Contexts}
	if n := testing.AllocsPerRun(100, func() { buf = resp.Append(buf[:0]) }); n != 0 {
		t.Errorf("encoding a response allocates %v times", n)
	}
}

func FuzzCreateRequest(f *testing.F) { fuzzDecode[CreateRequest](f, createRequest, createRequestRoot) }

func FuzzCreateResponse(f *testing.F) {
	fuzzDecode[CreateResponse](f, createResponse, createResponsePlain)
}
