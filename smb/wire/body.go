package wire

import "encoding/binary"

// Appender is what encodes itself behind other bytes; every message, context
// and information class of this package does.
type Appender interface {
	Append(dst []byte) []byte
}

// bodyOffset is the offset from the header of what is appended to dst next,
// for a message whose body began at dst[body].
func bodyOffset(dst []byte, body int) int { return len(dst) - body + HeaderSize }

func putU16(b []byte, v uint16) { binary.LittleEndian.PutUint16(b, v) }

func putU32(b []byte, v uint32) { binary.LittleEndian.PutUint32(b, v) }

// decodeEmpty reads a body of StructureSize 4 and two reserved bytes, which is
// all that half a dozen messages have.
func decodeEmpty(msg []byte) error {
	r := NewReader(msg, HeaderSize)
	r.StructureSize(4)
	r.Skip(2)
	return r.Err()
}

func appendEmpty(dst []byte) []byte { return append(dst, 4, 0, 0, 0) }
