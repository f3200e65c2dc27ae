package wire

import "testing"

const (
	validateRequest  = "7f000000 000102030405060708090a0b0c0d0e0f 0100 0300 1002 0003 0203"
	validateResponse = "3f000000 101112131415161718191a1b1c1d1e1f 0300 0203"
)

func TestValidateNegotiateInfo(t *testing.T) {
	testGoldenData(t, &ValidateNegotiateInfoRequest{
		Capabilities: 0x7f, Guid: testKey(0), SecurityMode: NegotiateSigningEnabled,
		Dialects: []Dialect{Dialect210, Dialect300, Dialect302},
	}, validateRequest)
	testGoldenData(t, &ValidateNegotiateInfoResponse{
		Capabilities: 0x3f, Guid: testKey(0x10),
		SecurityMode: NegotiateSigningEnabled | NegotiateSigningRequired, Dialect: Dialect302,
	}, validateResponse)
	testPrefixes(t, unhex(t, validateRequest), new(ValidateNegotiateInfoRequest).Decode)
	testPrefixes(t, unhex(t, validateResponse), new(ValidateNegotiateInfoResponse).Decode)
}

func FuzzValidateNegotiateInfoRequest(f *testing.F) {
	fuzzDecodeData[ValidateNegotiateInfoRequest](f, validateRequest)
}

func FuzzValidateNegotiateInfoResponse(f *testing.F) {
	fuzzDecodeData[ValidateNegotiateInfoResponse](f, validateResponse)
}
