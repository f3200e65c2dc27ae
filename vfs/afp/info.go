package afp

import (
	"encoding/binary"
	"strings"
)

// The names of the streams.
const (
	InfoStream     = "AFP_AfpInfo"
	ResourceStream = "AFP_Resource"
)

// InfoSize is the length of AFP_AfpInfo, and FinderSize that of the information of
// the Finder in it, in bytes.
const (
	InfoSize   = 60
	FinderSize = 32
)

const (
	infoMagic     = "AFP\x00"
	infoVersion   = 0x00010000
	finderOffset  = 16
	leastInfo     = 3 // bytes of a write that are enough to be recognised
	lookAtInfo    = len(infoMagic)
	infoNoBackup  = 0x80000000 // time of the backup: never
	infoBackupOff = 12
)

// FinderInfo is what the Finder stores of a file or folder: type, creator, flags
// and the place of the icon.
type FinderInfo [FinderSize]byte

// Empty reports whether nothing is set.
func (f *FinderInfo) Empty() bool { return *f == FinderInfo{} }

// AppendInfo appends the content of AFP_AfpInfo.
func AppendInfo(dst []byte, f *FinderInfo) []byte {
	var b [InfoSize]byte
	copy(b[:], infoMagic)
	binary.BigEndian.PutUint32(b[4:], infoVersion)
	binary.BigEndian.PutUint32(b[infoBackupOff:], infoNoBackup)
	copy(b[finderOffset:], f[:])
	return append(dst, b[:]...)
}

// DecodeInfo reads the content of AFP_AfpInfo. ok is false for what is none.
func DecodeInfo(b []byte) (f FinderInfo, ok bool) {
	if len(b) < InfoSize || string(b[:lookAtInfo]) != infoMagic {
		return FinderInfo{}, false
	}
	copy(f[:], b[finderOffset:])
	return f, true
}

// kind is which of the two streams a name means.
type kind uint8

const (
	other kind = iota
	info
	resource
)

func kindOf(stream string) kind {
	switch {
	case strings.EqualFold(stream, InfoStream):
		return info
	case strings.EqualFold(stream, ResourceStream):
		return resource
	}
	return other
}

// IsResource reports whether a stream is AFP_Resource.
func IsResource(stream string) bool { return kindOf(stream) == resource }

// Special reports whether a stream is one of the two.
func Special(stream string) bool { return kindOf(stream) != other }
