package wire

// HashAlgorithm is the hash of preauthentication integrity (MS-SMB2 2.2.3.1.1).
type HashAlgorithm uint16

// HashSHA512 is the only hash.
const HashSHA512 HashAlgorithm = 0x0001

// Cipher is a sealing algorithm (MS-SMB2 2.2.3.1.2).
type Cipher uint16

// The ciphers. Zero in a response means that none is shared.
const (
	CipherNone      Cipher = 0x0000
	CipherAES128CCM Cipher = 0x0001
	CipherAES128GCM Cipher = 0x0002
	CipherAES256CCM Cipher = 0x0003
	CipherAES256GCM Cipher = 0x0004
)

// CompressionAlgorithm compresses a payload (MS-SMB2 2.2.3.1.3).
type CompressionAlgorithm uint16

// The compression algorithms.
const (
	CompressionNone        CompressionAlgorithm = 0x0000
	CompressionLZNT1       CompressionAlgorithm = 0x0001
	CompressionLZ77        CompressionAlgorithm = 0x0002
	CompressionLZ77Huffman CompressionAlgorithm = 0x0003
	CompressionPatternV1   CompressionAlgorithm = 0x0004
	CompressionLZ4         CompressionAlgorithm = 0x0005
)

// CompressionCapabilityChained is the flag of CompressionCapabilities that
// offers chained payloads.
const CompressionCapabilityChained uint32 = 0x00000001

// RDMATransform is a transform of RDMA payloads (MS-SMB2 2.2.3.1.6).
type RDMATransform uint16

// The RDMA transforms.
const (
	RDMATransformNone       RDMATransform = 0x0000
	RDMATransformEncryption RDMATransform = 0x0001
	RDMATransformSigning    RDMATransform = 0x0002
)

// SigningAlgorithm is a signing algorithm (MS-SMB2 2.2.3.1.7).
type SigningAlgorithm uint16

// The signing algorithms.
const (
	SigningHMACSHA256 SigningAlgorithm = 0x0000
	SigningAESCMAC    SigningAlgorithm = 0x0001
	SigningAESGMAC    SigningAlgorithm = 0x0002
)

// TransportLevelSecurity is the flag of TransportCapabilities by which a peer
// accepts the protection of the transport in place of sealing.
const TransportLevelSecurity uint32 = 0x00000001

// PreauthCapabilities is SMB2_PREAUTH_INTEGRITY_CAPABILITIES (MS-SMB2
// 2.2.3.1.1).
type PreauthCapabilities struct {
	HashAlgorithms []HashAlgorithm
	Salt           []byte
}

// Decode reads the data of a context; Salt aliases it.
func (c *PreauthCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	hashes, salt := int(r.U16()), int(r.U16())
	c.HashAlgorithms = readIDs[HashAlgorithm](&r, hashes)
	c.Salt = r.Bytes(salt)
	return r.Err()
}

// Append appends the data of the context.
func (c *PreauthCapabilities) Append(dst []byte) []byte {
	dst = AppendU16(dst, uint16(len(c.HashAlgorithms)))
	dst = AppendU16(dst, uint16(len(c.Salt)))
	dst = appendIDs(dst, c.HashAlgorithms)
	return append(dst, c.Salt...)
}

// EncryptionCapabilities is SMB2_ENCRYPTION_CAPABILITIES (MS-SMB2 2.2.3.1.2).
type EncryptionCapabilities struct {
	// Ciphers in the order of preference; exactly one in a response.
	Ciphers []Cipher
}

// Decode reads the data of a context.
func (c *EncryptionCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Ciphers = readIDs[Cipher](&r, int(r.U16()))
	return r.Err()
}

// Append appends the data of the context.
func (c *EncryptionCapabilities) Append(dst []byte) []byte {
	return appendIDs(AppendU16(dst, uint16(len(c.Ciphers))), c.Ciphers)
}

// CompressionCapabilities is SMB2_COMPRESSION_CAPABILITIES (MS-SMB2 2.2.3.1.3).
type CompressionCapabilities struct {
	// Flags is 0 or CompressionCapabilityChained.
	Flags                 uint32
	CompressionAlgorithms []CompressionAlgorithm
}

// Decode reads the data of a context.
func (c *CompressionCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	n := int(r.U16())
	r.Skip(2)
	c.Flags = r.U32()
	c.CompressionAlgorithms = readIDs[CompressionAlgorithm](&r, n)
	return r.Err()
}

// Append appends the data of the context.
func (c *CompressionCapabilities) Append(dst []byte) []byte {
	dst = AppendU16(dst, uint16(len(c.CompressionAlgorithms)))
	dst = AppendU16(dst, 0)
	dst = AppendU32(dst, c.Flags)
	return appendIDs(dst, c.CompressionAlgorithms)
}

// NetnameContext is SMB2_NETNAME_NEGOTIATE_CONTEXT_ID (MS-SMB2 2.2.3.1.4): the
// name by which the client knows the server. Requests only.
type NetnameContext struct {
	NetName string
}

// Decode reads the data of a context.
func (c *NetnameContext) Decode(data []byte) error {
	var err error
	c.NetName, err = UTF16String(data)
	return err
}

// Append appends the data of the context.
func (c *NetnameContext) Append(dst []byte) []byte { return AppendUTF16(dst, c.NetName) }

// TransportCapabilities is SMB2_TRANSPORT_CAPABILITIES (MS-SMB2 2.2.3.1.5).
type TransportCapabilities struct {
	// Flags is 0 or TransportLevelSecurity.
	Flags uint32
}

// Decode reads the data of a context.
func (c *TransportCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Flags = r.U32()
	return r.Err()
}

// Append appends the data of the context.
func (c *TransportCapabilities) Append(dst []byte) []byte { return AppendU32(dst, c.Flags) }

// RDMATransformCapabilities is SMB2_RDMA_TRANSFORM_CAPABILITIES (MS-SMB2
// 2.2.3.1.6).
type RDMATransformCapabilities struct {
	RDMATransformIDs []RDMATransform
}

// Decode reads the data of a context.
func (c *RDMATransformCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	n := int(r.U16())
	r.Skip(6)
	c.RDMATransformIDs = readIDs[RDMATransform](&r, n)
	return r.Err()
}

// Append appends the data of the context.
func (c *RDMATransformCapabilities) Append(dst []byte) []byte {
	dst = AppendU16(dst, uint16(len(c.RDMATransformIDs)))
	return appendIDs(AppendZeros(dst, 6), c.RDMATransformIDs)
}

// SigningCapabilities is SMB2_SIGNING_CAPABILITIES (MS-SMB2 2.2.3.1.7).
type SigningCapabilities struct {
	// SigningAlgorithms in the order of preference; one in a response.
	SigningAlgorithms []SigningAlgorithm
}

// Decode reads the data of a context.
func (c *SigningCapabilities) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.SigningAlgorithms = readIDs[SigningAlgorithm](&r, int(r.U16()))
	return r.Err()
}

// Append appends the data of the context.
func (c *SigningCapabilities) Append(dst []byte) []byte {
	return appendIDs(AppendU16(dst, uint16(len(c.SigningAlgorithms))), c.SigningAlgorithms)
}

// PosixExtensionsGUID is the data of a ContextPosix, and also the tag of the
// create context: version 1 of the POSIX extensions of SMB 3.1.1.
const PosixExtensionsGUID = TagPosix

// PosixExtensions is the POSIX context of a NEGOTIATE: a list of the versions,
// 16 bytes each, that a peer speaks.
type PosixExtensions struct {
	// Versions holds the identifiers end to end; it aliases the message.
	Versions []byte
}

// Decode reads the data of a context.
func (c *PosixExtensions) Decode(data []byte) error {
	if len(data) == 0 || len(data)%16 != 0 {
		return ErrMalformed
	}
	c.Versions = data
	return nil
}

// Append appends the data of the context.
func (c *PosixExtensions) Append(dst []byte) []byte { return append(dst, c.Versions...) }

// Has reports whether version, such as PosixExtensionsGUID, is in the list.
func (c *PosixExtensions) Has(version string) bool {
	for b := c.Versions; len(b) >= 16; b = b[16:] {
		if string(b[:16]) == version {
			return true
		}
	}
	return false
}
