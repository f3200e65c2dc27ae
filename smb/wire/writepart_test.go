package wire

import (
	"bytes"
	"encoding/binary"
	"testing"

	"pgregory.net/rapid"
)

// TestWritePart: what has come of a WRITE and what is missing make the whole of it, wherever
// the data is cut.
func TestWritePart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := WriteRequest{
			Offset: rapid.Uint64().Draw(t, "offset"),
			FileID: FileID{Persistent: 7, Volatile: rapid.Uint64().Draw(t, "id")},
			Flags:  rapid.Uint32().Draw(t, "flags"),
			Data:   rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "data"),
		}
		msg := whole.Append(make([]byte, HeaderSize))
		cut := rapid.IntRange(HeaderSize+writeRequestSize-1, len(msg)).Draw(t, "cut")
		var part WriteRequest
		if err := part.DecodePart(msg[:cut], len(msg)-cut); err != nil {
			t.Fatal(err)
		}
		if part.Offset != whole.Offset || part.FileID != whole.FileID || part.Flags != whole.Flags ||
			!bytes.HasPrefix(whole.Data, part.Data) || len(part.Data)+part.Missing != len(whole.Data) {
			t.Fatalf("%d bytes of data and %d missing, of %d", len(part.Data), part.Missing, len(whole.Data))
		}
		if missing := len(msg) - cut; missing > 0 {
			for _, wrong := range []int{missing - 1, missing + 1, len(msg)} {
				if wrong > 0 && new(WriteRequest).DecodePart(msg[:cut], wrong) == nil {
					t.Fatalf("%d bytes are said to be missing, and %d are", wrong, missing)
				}
			}
		}
	})
}

// FuzzWritePart: no input makes DecodePart find data that is not there.
func FuzzWritePart(f *testing.F) {
	for _, body := range []string{writeRequest, writeRequestRDMA, writeRequestEmpty} {
		msg := message(unhex(f, body))
		f.Add(msg, 0)
		f.Add(msg, 1)
		f.Add(msg[:len(msg)-1], 1)
		f.Add(msg, 1<<31)
	}
	f.Fuzz(func(t *testing.T, msg []byte, missing int) {
		if missing < 0 {
			missing = -(missing + 1)
		}
		var m WriteRequest
		if m.DecodePart(msg, missing) != nil {
			return
		}
		if n := binary.LittleEndian.Uint32(msg[HeaderSize+4:]); uint64(len(m.Data))+uint64(m.Missing) != uint64(n) {
			t.Errorf("%d bytes of data and %d missing, of %d", len(m.Data), m.Missing, n)
		}
		if missing > 0 && !bytes.HasSuffix(msg, m.Data) {
			t.Error("the data is not the end of what has come")
		}
	})
}
