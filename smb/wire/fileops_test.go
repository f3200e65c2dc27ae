package wire

import (
	"bytes"
	"errors"
	"testing"
)

var testFileID = FileID{Persistent: 0x1716151413121110, Volatile: 0x2726252423222120}

const (
	testID = " 1011121314151617 2021222324252627 "

	closeRequest  = "1800 0100 00000000" + testID
	closeResponse = `
		3c00 0100 00000000
		0100000000d8d901 0200000000d8d901 0300000000d8d901 0400000000d8d901
		0010000000000000 0500000000000000 20000000`
	flushRequest = "1800 ffff 00000000" + testID

	readRequest = `
		3100 50 01 00100000 0000100000000000` + testID + `
		01000000 00000000 00000000 # minimum, channel, remaining
		0000 0000 00`
	readRequestRDMA = `
		3100 50 00 00000100 0000000000000000` + testID + `
		00000000 01000000 00000000
		7000 1000                  # channel information at 112
		0000000000000001 11223344 00000100`
	readResponse = `
		1100 50 00 03000000 00000000 01000000
		616263`
	writeRequest = `
		3100 7000 03000000 0010000000000000` + testID + `
		00000000 00000000 0000 0000 01000000
		616263`
	writeRequestRDMA = `
		3100 7000 00000000 0000000000000000` + testID + `
		02000000 00000100 7000 1000 00000000
		0000000000000001 11223344 00000100`
	writeRequestEmpty = `
		3100 7000 00000000 0000000000000000` + testID + `
		00000000 00000000 0000 0000 00000000 00`
	writeResponse = "1100 0000 03000000 00000000 0000 0000"

	lockRequest = `
		3000 0200 23000000` + testID + `
		0000000000000000 0a00000000000000 12000000 00000000
		ffffffffffffffff 0100000000000000 04000000 00000000`
)

func TestClose(t *testing.T) {
	testGolden(t, &CloseRequest{Flags: CloseFlagPostQueryAttrib, FileID: testFileID}, closeRequest)
	testPrefixes(t, message(unhex(t, closeRequest)), new(CloseRequest).Decode)
	testGolden(t, &CloseResponse{
		Flags:        CloseFlagPostQueryAttrib,
		CreationTime: 0x1d9d80000000001, LastAccessTime: 0x1d9d80000000002,
		LastWriteTime: 0x1d9d80000000003, ChangeTime: 0x1d9d80000000004,
		AllocationSize: 4096, EndofFile: 5, FileAttributes: FileAttributeArchive,
	}, closeResponse)
	testPrefixes(t, message(unhex(t, closeResponse)), new(CloseResponse).Decode)
}

func TestFlush(t *testing.T) {
	testGolden(t, &FlushRequest{Reserved1: FlushFullSync, FileID: testFileID}, flushRequest)
	testPrefixes(t, message(unhex(t, flushRequest)), new(FlushRequest).Decode)
	testGolden(t, &FlushResponse{}, "0400 0000")
	testGolden(t, &LockResponse{}, "0400 0000")
}

func TestRead(t *testing.T) {
	testGolden(t, &ReadRequest{
		Padding: 0x50, Flags: ReadFlagReadUnbuffered, Length: 4096, Offset: 1 << 20, FileID: testFileID, MinimumCount: 1,
	}, readRequest)
	testTruncations(t, message(unhex(t, readRequest)), HeaderSize+48, new(ReadRequest).Decode)
	testGolden(t, &ReadRequest{
		Padding: 0x50, Length: 0x10000, FileID: testFileID, Channel: ChannelRDMAV1,
		ChannelInfo: unhex(t, "0000000000000001 11223344 00000100"),
	}, readRequestRDMA)
	testPrefixes(t, message(unhex(t, readRequestRDMA)), new(ReadRequest).Decode)
	testGolden(t, &ReadResponse{Data: []byte("abc"), Flags: ReadResponseFlagRDMATransform}, readResponse)
	testPrefixes(t, message(unhex(t, readResponse)), new(ReadResponse).Decode)
}

// Some clients leave garbage where the channel information would be.
func TestReadIgnoresChannelInfoWithoutChannel(t *testing.T) {
	raw := message(unhex(t, readRequest))
	copy(raw[HeaderSize+44:], []byte{0xff, 0xff, 0xff, 0xff})
	var m ReadRequest
	if err := m.Decode(raw); err != nil || m.ChannelInfo != nil {
		t.Errorf("%v, channel information %x", err, m.ChannelInfo)
	}
}

func TestReadResponseInPlace(t *testing.T) {
	dst := AppendReadResponseHeader([]byte("before"), 4096)
	body := dst[len("before"):]
	dst = append(dst, "abc"...)
	PatchReadResponse(body, 3)
	want := (&ReadResponse{Data: []byte("abc")}).Append([]byte("before"))
	if diff := diffBytes(want, dst); diff != "" {
		t.Error(diff)
	}
}

func TestWrite(t *testing.T) {
	testGolden(t, &WriteRequest{
		Offset: 4096, FileID: testFileID, Flags: WriteFlagWriteThrough, Data: []byte("abc"),
	}, writeRequest)
	testPrefixes(t, message(unhex(t, writeRequest)), new(WriteRequest).Decode)
	testGolden(t, &WriteRequest{
		FileID: testFileID, Channel: ChannelRDMAV1Invalidate, RemainingBytes: 0x10000,
		ChannelInfo: unhex(t, "0000000000000001 11223344 00000100"),
	}, writeRequestRDMA)
	testPrefixes(t, message(unhex(t, writeRequestRDMA)), new(WriteRequest).Decode)
	testGolden(t, &WriteRequest{FileID: testFileID}, writeRequestEmpty)
	testGolden(t, &WriteResponse{Count: 3}, writeResponse)
	testPrefixes(t, message(unhex(t, writeResponse)), new(WriteResponse).Decode)
}

func TestWriteDataOffset(t *testing.T) {
	for _, c := range []struct {
		offset byte
		high   byte
		ok     bool
	}{{0x70, 0, true}, {0x6f, 0, false}, {0, 0, false}, {0x74, 0, true}, {0, 1, true}, {1, 1, false}} {
		raw := append(message(unhex(t, writeRequest)), make([]byte, 256)...)
		raw[HeaderSize+2], raw[HeaderSize+3] = c.offset, c.high
		var m WriteRequest
		if err := m.Decode(raw); (err == nil) != c.ok {
			t.Errorf("data at %#x: %v", int(c.high)<<8|int(c.offset), err)
		}
	}
}

func TestLock(t *testing.T) {
	want := LockRequest{
		LockSequence: 0x23, FileID: testFileID,
		Locks: []LockElement{
			{Length: 10, Flags: LockFlagExclusiveLock | LockFlagFailImmediately},
			{Offset: 1<<64 - 1, Length: 1, Flags: LockFlagUnlock},
		},
	}
	testGolden(t, &want, lockRequest)
	testPrefixes(t, message(unhex(t, lockRequest)), new(LockRequest).Decode)
	if want.SequenceNumber() != 3 || want.SequenceIndex() != 2 {
		t.Errorf("sequence number %d, index %d", want.SequenceNumber(), want.SequenceIndex())
	}
}

func TestLockCountBeyondTheMessage(t *testing.T) {
	raw := message(unhex(t, lockRequest))
	raw[HeaderSize+2], raw[HeaderSize+3] = 0xff, 0xff
	if err := new(LockRequest).Decode(raw); !errors.Is(err, ErrTruncated) {
		t.Errorf("65535 locks in %d bytes: %v", len(raw), err)
	}
}

// The hot requests, and those that recycle their lists, must not allocate.
func TestFileOpsDoNotAllocate(t *testing.T) {
	var (
		r ReadRequest
		w WriteRequest
		c CloseRequest
		l LockRequest
	)
	for _, m := range []struct {
		name string
		raw  []byte
		msg  codec
	}{
		{"READ", message(unhex(t, readRequest)), &r},
		{"READ over RDMA", message(unhex(t, readRequestRDMA)), &r},
		{"WRITE", message(unhex(t, writeRequest)), &w},
		{"CLOSE", message(unhex(t, closeRequest)), &c},
		{"LOCK", message(unhex(t, lockRequest)), &l},
	} {
		if n := testing.AllocsPerRun(100, func() {
			if m.msg.Decode(m.raw) != nil {
				t.Fatal("refused")
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", m.name, n)
		}
	}
}

func TestWriteDataAliasesTheMessage(t *testing.T) {
	raw := message(unhex(t, writeRequest))
	var m WriteRequest
	if err := m.Decode(raw); err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] = 'x'
	if !bytes.Equal(m.Data, []byte("abx")) {
		t.Errorf("data %q", m.Data)
	}
	if cap(m.Data) != len(m.Data) {
		t.Error("the data could be extended over what follows it")
	}
}

func FuzzCloseRequest(f *testing.F)  { fuzzDecode[CloseRequest](f, closeRequest) }
func FuzzCloseResponse(f *testing.F) { fuzzDecode[CloseResponse](f, closeResponse) }
func FuzzFlushRequest(f *testing.F)  { fuzzDecode[FlushRequest](f, flushRequest) }
func FuzzReadRequest(f *testing.F)   { fuzzDecode[ReadRequest](f, readRequest, readRequestRDMA) }
func FuzzReadResponse(f *testing.F)  { fuzzDecode[ReadResponse](f, readResponse) }
func FuzzWriteRequest(f *testing.F) {
	fuzzDecode[WriteRequest](f, writeRequest, writeRequestRDMA, writeRequestEmpty)
}
func FuzzWriteResponse(f *testing.F) { fuzzDecode[WriteResponse](f, writeResponse) }
func FuzzLockRequest(f *testing.F)   { fuzzDecode[LockRequest](f, lockRequest) }
