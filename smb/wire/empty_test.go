package wire

import "testing"

// The messages that have no fields.
const emptyBody = "0400 0000"

func TestEmptyMessages(t *testing.T) {
	for _, m := range []codec{
		&LogoffRequest{}, &LogoffResponse{}, &TreeDisconnectRequest{}, &TreeDisconnectResponse{},
		&EchoRequest{}, &EchoResponse{}, &CancelRequest{},
	} {
		testGolden(t, m, emptyBody)
		testPrefixes(t, message(unhex(t, emptyBody)), m.Decode)
		if m.Decode(message(unhex(t, "0500 0000"))) != ErrMalformed {
			t.Errorf("%T accepts another structure size", m)
		}
	}
}

func FuzzEmpty(f *testing.F) { fuzzDecode[EchoRequest](f, emptyBody) }
