package afp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
)

// DoublePrefix begins the name of an AppleDouble file: that of FILE is ._FILE.
const DoublePrefix = "._"

// MaxHeader is how much of an AppleDouble file its header may take, in bytes,
// extended attributes included.
const MaxHeader = 256 << 10

const (
	doubleMagic   = 0x00051607
	doubleVersion = 0x00020000
	doubleHeader  = 26
	doubleEntry   = 12
	maxEntries    = 16

	entryResource = 2
	entryFinder   = 9

	attrMagic  = "ATTR"
	attrHeader = 36 // of the list, behind the information of the Finder and 2 bytes
	attrEntry  = 11 // without the name
	maxAttrs   = 2048

	// emptyFork is the length of the resource fork that macOS writes where there is
	// none, and blank is what stands in it.
	emptyFork = 286
	blank     = "This resource fork intentionally left blank"
)

// ErrNotDouble says that something is not AppleDouble.
var ErrNotDouble = errors.New("not AppleDouble")

// ErrAttrs says that an AppleDouble file has a list of extended attributes that cannot be
// read in full: it makes no sense, or goes beyond MaxHeader.
var ErrAttrs = errors.New("the extended attributes in an AppleDouble file cannot be read in full")

// Attr is an extended attribute in an AppleDouble file.
type Attr struct {
	Name  string
	Value []byte // aliases what was decoded
}

// Double is the header of an AppleDouble file, or what Netatalk keeps in an
// attribute.
type Double struct {
	Finder FinderInfo
	Attrs  []Attr
	// The resource fork: where it begins in the file, and its length in bytes.
	ResourceOffset, ResourceSize int64
}

// Decode reads the beginning of an AppleDouble file, at most MaxHeader bytes of it.
// Where the resource fork lies is not checked against the length of the file. Errors:
// ErrNotDouble; ErrAttrs, with which the attributes are missing and all else is there.
func (d *Double) Decode(b []byte) error {
	*d = Double{}
	if len(b) < doubleHeader || binary.BigEndian.Uint32(b) != doubleMagic || binary.BigEndian.Uint32(b[4:]) != doubleVersion {
		return ErrNotDouble
	}
	count := int(binary.BigEndian.Uint16(b[24:]))
	if count > maxEntries || doubleHeader+count*doubleEntry > len(b) {
		return ErrNotDouble
	}
	attrsAt := int64(0)
	for i := range count {
		e := b[doubleHeader+i*doubleEntry:]
		off, size := int64(binary.BigEndian.Uint32(e[4:])), int64(binary.BigEndian.Uint32(e[8:]))
		switch binary.BigEndian.Uint32(e) {
		case entryResource:
			d.ResourceOffset, d.ResourceSize = off, size
		case entryFinder:
			if size < FinderSize || off+FinderSize > int64(len(b)) {
				return ErrNotDouble
			}
			copy(d.Finder[:], b[off:])
			if size > FinderSize+2 {
				attrsAt = off + FinderSize + 2
			}
		}
	}
	if attrsAt == 0 {
		return nil
	}
	var err error
	d.Attrs, err = decodeAttrs(b, attrsAt)
	return err
}

// decodeAttrs reads the list of extended attributes. One that cannot be read in full is an
// error: who takes it over takes the file away then. Values that overlap are one too, as
// a small file could otherwise become hundreds of megabytes of streams.
func decodeAttrs(b []byte, at int64) ([]Attr, error) {
	if at+4 > int64(len(b)) || string(b[at:at+4]) != attrMagic {
		return nil, nil
	}
	if at+attrHeader > int64(len(b)) {
		return nil, ErrAttrs
	}
	count := int(binary.BigEndian.Uint16(b[at+34:]))
	if count > maxAttrs {
		return nil, ErrAttrs
	}
	var out []Attr
	at += attrHeader
	total := int64(0)
	for range count {
		if at+attrEntry > int64(len(b)) {
			return nil, ErrAttrs
		}
		off, size := int64(binary.BigEndian.Uint32(b[at:])), int64(binary.BigEndian.Uint32(b[at+4:]))
		nameEnd := at + attrEntry + int64(b[at+10])
		total += size
		if nameEnd > int64(len(b)) || off+size > int64(len(b)) || total > int64(len(b)) {
			return nil, ErrAttrs
		}
		name, _, _ := bytes.Cut(b[at+attrEntry:nameEnd], []byte{0})
		if len(name) > 0 {
			out = append(out, Attr{Name: string(name), Value: b[off : off+size]})
		}
		at = (nameEnd + 3) &^ 3
	}
	return out, nil
}

// streamOf is the stream that clients see an extended attribute in: what a name of a
// stream cannot have is moved to a private range, as macOS does.
func streamOf(attr string) string {
	return strings.Map(func(r rune) rune {
		if moved, ok := private[r]; ok {
			return moved
		}
		return r
	}, attr)
}

// private is where macOS moves the characters that NTFS has no room for.
var private = map[rune]rune{
	'"': 0xf020, '*': 0xf021, ':': 0xf022, '<': 0xf023, '>': 0xf024, '?': 0xf025, '\\': 0xf026, '|': 0xf027, '/': 0xf022,
}
