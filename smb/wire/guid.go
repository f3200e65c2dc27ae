package wire

import (
	"encoding/binary"
	"fmt"
)

// GUID is a globally unique identifier in its wire form (MS-DTYP 2.3.4.2), of
// which the first three fields are little-endian.
type GUID [16]byte

// IsZero reports whether all bytes are zero.
func (g GUID) IsZero() bool { return g == GUID{} }

// String is the registry form without braces, in lower case.
func (g GUID) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[0:]),
		binary.LittleEndian.Uint16(g[4:]), binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:])
}

// GUID reads 16 bytes.
func (r *Reader) GUID() GUID {
	var g GUID
	r.Copy(g[:])
	return g
}
