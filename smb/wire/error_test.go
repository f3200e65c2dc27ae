package wire

import (
	"errors"
	"testing"
)

const (
	errorPlain    = "0900 00 00 00000000 00"
	errorTooSmall = "0900 00 00 04000000 40010000"
	// Two contexts, of which the first is padded.
	errorContexts = `
		0900 02 00 1a000000
		01000000 53526472 ff 00000000000000
		02000000 00000000 aabb`
	// The reply of a server to an open of "link\rest" where link points to
	// "..\target".
	symlinkError = `
		44000000 53594d4c 0c0000a0 # length, tag, symlink
		3800 0800                  # data length, unparsed
		0000 1400 1400 1800        # substitute, print
		01000000
		2e00 2e00 5c00 7400 6100 7200 6700 6500 7400 2100
		5000 3a00 5c00 7000 7200 6900 6e00 7400 6e00 6100 6d00 6500`
)

func TestErrorResponse(t *testing.T) {
	testGolden(t, &ErrorResponse{}, errorPlain)
	testGolden(t, &ErrorResponse{ErrorData: []byte{0x40, 1, 0, 0}}, errorTooSmall)
	testPrefixes(t, message(unhex(t, errorTooSmall)), new(ErrorResponse).Decode)
	testTruncations(t, message(unhex(t, errorPlain)), HeaderSize+8, new(ErrorResponse).Decode)

	list := AppendErrorContext(nil, ErrorIDShareRedirect, []byte{0xff})
	list = AppendErrorContext(list, ErrorIDDefault, []byte{0xaa, 0xbb})
	testGolden(t, &ErrorResponse{ErrorContextCount: 2, ErrorData: list}, errorContexts)
	testPrefixes(t, message(unhex(t, errorContexts)), new(ErrorResponse).Decode)
}

func TestErrorPayload(t *testing.T) {
	data := []byte{0x40, 1, 0, 0}
	for _, d := range []Dialect{Dialect302, Dialect311} {
		m := NewErrorResponse(d, ErrorIDDefault, data)
		if got, err := m.Payload(ErrorIDDefault); err != nil || string(got) != string(data) {
			t.Errorf("%v: %x, %v", d, got, err)
		}
		if (m.ErrorContextCount == 1) != (d == Dialect311) {
			t.Errorf("%v: %d contexts", d, m.ErrorContextCount)
		}
	}
	if m := NewErrorResponse(Dialect311, ErrorIDDefault, nil); m.ErrorContextCount != 0 || len(m.ErrorData) != 0 {
		t.Errorf("no data is wrapped: %+v", m)
	}

	var m ErrorResponse
	if err := m.Decode(message(unhex(t, errorContexts))); err != nil {
		t.Fatal(err)
	}
	if got, err := m.Payload(ErrorIDDefault); err != nil || string(got) != "\xaa\xbb" {
		t.Errorf("got %x, %v", got, err)
	}
	if _, err := m.Payload(7); !errors.Is(err, ErrMalformed) {
		t.Errorf("an id that is not there gives %v", err)
	}
	full := m.ErrorData
	for n := range full {
		m.ErrorData = full[:n:n]
		if _, err := m.Payload(ErrorIDDefault); err == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(full))
		}
	}
	m.ErrorData = unhex(t, "ffffffff 00000000 aa")
	if _, err := m.Payload(ErrorIDDefault); !errors.Is(err, ErrTruncated) {
		t.Errorf("a huge length gives %v", err)
	}
}

func TestErrorDataTypes(t *testing.T) {
	testGoldenData(t, &BufferTooSmallData{0x140}, "40010000")
	testPrefixes(t, unhex(t, "40010000"), new(BufferTooSmallData).Decode)
	testGoldenData(t, &SymlinkErrorResponse{
		UnparsedPathLength: 8, SubstituteName: `..\target!`, PrintName: `P:\printname`, Flags: SymlinkFlagRelative,
	}, symlinkError)
	testPrefixes(t, unhex(t, symlinkError), new(SymlinkErrorResponse).Decode)
}

func FuzzErrorResponse(f *testing.F) {
	fuzzDecode[ErrorResponse](f, errorPlain, errorTooSmall, errorContexts)
}

func FuzzSymlinkErrorResponse(f *testing.F) { fuzzDecodeData[SymlinkErrorResponse](f, symlinkError) }
