package wire

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// codec is what every message and every payload of this package is.
type codec interface {
	Decode(msg []byte) error
	Append(dst []byte) []byte
}

// unhex converts hexadecimal to bytes. White space is free, and everything
// from a '#' to the end of its line is a comment.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatalf("bad hex in the test: %v", err)
	}
	return b
}

// message puts an empty header before a body, as Decode wants it.
func message(body []byte) []byte {
	return append(make([]byte, HeaderSize), body...)
}

// testGolden pins a message: msg must encode to the body in hexBody (no
// header), and message(hexBody) must decode to msg, also into a struct that
// held another message before.
func testGolden(t *testing.T, msg codec, hexBody string) {
	t.Helper()
	testGoldenAt(t, msg, hexBody, HeaderSize)
}

// testGoldenData is testGolden for a structure that stands by itself, such as
// an information class, a context or an FSCTL buffer: no header precedes it.
func testGoldenData(t *testing.T, data codec, hexData string) {
	t.Helper()
	testGoldenAt(t, data, hexData, 0)
}

func testGoldenAt(t *testing.T, msg codec, hexBody string, start int) {
	t.Helper()
	body := unhex(t, hexBody)
	raw := append(make([]byte, start), body...)

	if diff := diffBytes(body, msg.Append(make([]byte, start))[start:]); diff != "" {
		t.Errorf("%T encodes otherwise (-want +got):\n%s", msg, diff)
	}
	// The offsets must not depend on what stands before the header.
	if diff := diffBytes(body, msg.Append(make([]byte, start+11))[start+11:]); start > 0 && diff != "" {
		t.Errorf("%T encodes otherwise behind other bytes (-want +got):\n%s", msg, diff)
	}
	got := reflect.New(reflect.TypeOf(msg).Elem())
	scribble(got.Elem(), 0)
	if err := got.Interface().(codec).Decode(raw); err != nil {
		t.Fatalf("%T does not decode: %v", msg, err)
	}
	if diff := diffValues(msg, got.Interface()); diff != "" {
		t.Errorf("%T decodes otherwise (-want +got):\n%s", msg, diff)
	}
}

// testPrefixes demands that every truncation of raw is refused.
func testPrefixes(t *testing.T, raw []byte, decode func([]byte) error) {
	t.Helper()
	if err := decode(raw); err != nil {
		t.Fatalf("the whole of %d bytes is refused: %v", len(raw), err)
	}
	for n := range raw {
		if decode(raw[:n:n]) == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(raw))
		}
	}
}

// testTruncations demands that no truncation of raw panics, for messages whose
// tail may be shorter. Those of less than least bytes must be refused.
func testTruncations(t *testing.T, raw []byte, least int, decode func([]byte) error) {
	t.Helper()
	for n := range raw {
		if err := decode(raw[:n:n]); err == nil && n < least {
			t.Errorf("%d of %d bytes are accepted", n, len(raw))
		}
	}
}

// fuzzDecode fuzzes the decoder of a message. What decodes must encode to
// something that decodes to the same. Seeds are bodies in hexadecimal.
//
//	func FuzzEchoRequest(f *testing.F) { fuzzDecode[EchoRequest](f, "0400 0000") }
func fuzzDecode[T any, P interface {
	*T
	codec
}](f *testing.F, seeds ...string) {
	f.Helper()
	fuzzAt[T, P](f, HeaderSize, seeds)
}

// fuzzDecodeData is fuzzDecode for a structure that stands by itself.
func fuzzDecodeData[T any, P interface {
	*T
	codec
}](f *testing.F, seeds ...string) {
	f.Helper()
	fuzzAt[T, P](f, 0, seeds)
}

func fuzzAt[T any, P interface {
	*T
	codec
}](f *testing.F, start int, seeds []string) {
	f.Helper()
	for _, s := range seeds {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second T
		raw := append(make([]byte, start), body...)
		if P(&first).Decode(raw) != nil {
			return
		}
		encoded := P(&first).Append(make([]byte, start))
		if err := P(&second).Decode(encoded); err != nil {
			t.Fatalf("own encoding is refused: %v\nin  %x\nout %x", err, body, encoded[start:])
		}
		if diff := diffValues(&first, &second); diff != "" {
			t.Fatalf("another value comes back (-first +second):\n%s\nin  %x\nout %x", diff, body, encoded[start:])
		}
	})
}

// scribble fills v with values that no test expects, to find fields that a
// decoder forgets to overwrite.
func scribble(v reflect.Value, depth int) {
	if !v.CanSet() || depth > 4 {
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(0x55)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(0xaa)
	case reflect.String:
		v.SetString("left over")
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 3, 3))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		scribble(v.Elem(), depth+1)
	case reflect.Array:
		for i := range v.Len() {
			scribble(v.Index(i), depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			scribble(v.Field(i), depth+1)
		}
	}
}

func diffValues(want, got any) string {
	return cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.Exporter(func(reflect.Type) bool { return true }))
}

func diffBytes(want, got []byte) string {
	if bytes.Equal(want, got) {
		return ""
	}
	return cmp.Diff(strings.Split(hex.Dump(want), "\n"), strings.Split(hex.Dump(got), "\n"))
}
