package wire

import "testing"

const transformHeader = `
	fd534d42 000102030405060708090a0b0c0d0e0f
	101112131415161718191a1b00000000
	68000000 0000 0100
	4900000000000c00`

func TestTransformHeader(t *testing.T) {
	h := TransformHeader{
		Signature: testKey(0), OriginalMessageSize: 104, Flags: TransformEncrypted, SessionID: 0xc000000000049,
	}
	for i := range 12 {
		h.Nonce[i] = 0x10 + byte(i)
	}
	testGoldenData(t, &h, transformHeader)
	testPrefixes(t, unhex(t, transformHeader), new(TransformHeader).Decode)
	if err := new(TransformHeader).Decode(unhex(t, headerSync)); err != ErrMalformed {
		t.Errorf("an ordinary header gives %v", err)
	}
	raw := unhex(t, transformHeader)
	if raw[TransformSignatureOffset] != 0 || raw[TransformSignatureOffset+15] != 15 || raw[TransformAADOffset] != 0x10 {
		t.Error("the offsets are wrong")
	}
}

func FuzzTransformHeader(f *testing.F) { fuzzDecodeData[TransformHeader](f, transformHeader) }
