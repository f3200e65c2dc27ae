package wire

import "testing"

const (
	preauthData     = "0100 0400 0100 deadbeef"
	encryptionData  = "0400 0200 0100 0400 0300"
	compressionData = "0300 0000 01000000 0400 0200 0500"
	netnameData     = "7300 7200 7600"
	transportData   = "01000000"
	rdmaData        = "0200 0000 00000000 0100 0200"
	signingData     = "0300 0200 0100 0000"
	posixData       = "93ad25509cb411e7b42383de968bcd7c"
)

func TestNegotiateContextTypes(t *testing.T) {
	for _, c := range []struct {
		value codec
		hex   string
	}{
		{&PreauthCapabilities{[]HashAlgorithm{HashSHA512}, []byte{0xde, 0xad, 0xbe, 0xef}}, preauthData},
		{&EncryptionCapabilities{[]Cipher{CipherAES128GCM, CipherAES128CCM, CipherAES256GCM, CipherAES256CCM}}, encryptionData},
		{&CompressionCapabilities{CompressionCapabilityChained,
			[]CompressionAlgorithm{CompressionPatternV1, CompressionLZ77, CompressionLZ4}}, compressionData},
		{&TransportCapabilities{TransportLevelSecurity}, transportData},
		{&RDMATransformCapabilities{[]RDMATransform{RDMATransformEncryption, RDMATransformSigning}}, rdmaData},
		{&SigningCapabilities{[]SigningAlgorithm{SigningAESGMAC, SigningAESCMAC, SigningHMACSHA256}}, signingData},
	} {
		testGoldenData(t, c.value, c.hex)
		testPrefixes(t, unhex(t, c.hex), c.value.Decode)
	}
	testGoldenData(t, &NetnameContext{"srv"}, netnameData)
	testGoldenData(t, &PosixExtensions{[]byte(PosixExtensionsGUID)}, posixData)
}

func TestPosixExtensions(t *testing.T) {
	var c PosixExtensions
	two := append(make([]byte, 16), PosixExtensionsGUID...)
	if err := c.Decode(two); err != nil || !c.Has(PosixExtensionsGUID) {
		t.Errorf("the second of two versions is not found: %v", err)
	}
	if c.Decode(two[:16]) != nil || c.Has(PosixExtensionsGUID) {
		t.Error("a version is found that is not there")
	}
	for _, n := range []int{0, 15, 17} {
		if c.Decode(two[:n]) == nil {
			t.Errorf("%d bytes are accepted", n)
		}
	}
}

func TestFindNegotiateContext(t *testing.T) {
	list := []NegotiateContext{{ContextSigning, []byte{1}}, {ContextSigning, []byte{2}}}
	if data, ok := FindNegotiateContext(list, ContextSigning); !ok || data[0] != 1 {
		t.Errorf("got %x, %v", data, ok)
	}
	if _, ok := FindNegotiateContext(list, ContextPosix); ok {
		t.Error("found what is not there")
	}
}

func FuzzPreauthCapabilities(f *testing.F) { fuzzDecodeData[PreauthCapabilities](f, preauthData) }
func FuzzEncryptionCapabilities(f *testing.F) {
	fuzzDecodeData[EncryptionCapabilities](f, encryptionData)
}
func FuzzCompressionCapabilities(f *testing.F) {
	fuzzDecodeData[CompressionCapabilities](f, compressionData)
}
func FuzzNetnameContext(f *testing.F)        { fuzzDecodeData[NetnameContext](f, netnameData) }
func FuzzTransportCapabilities(f *testing.F) { fuzzDecodeData[TransportCapabilities](f, transportData) }
func FuzzRDMATransformCapabilities(f *testing.F) {
	fuzzDecodeData[RDMATransformCapabilities](f, rdmaData)
}
func FuzzSigningCapabilities(f *testing.F) { fuzzDecodeData[SigningCapabilities](f, signingData) }
func FuzzPosixExtensions(f *testing.F)     { fuzzDecodeData[PosixExtensions](f, posixData) }
