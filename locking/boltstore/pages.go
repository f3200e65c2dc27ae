package boltstore

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The pages of bbolt, in the byte order of the machine. A page begins with
//
//	0  its number, 8 bytes
//	8  flags, 2 bytes: branchPage or leafPage
//	10 number of elements, 2 bytes
//	12 how many of the pages behind it belong to it, 4 bytes
//
// Then come elements of 16 bytes, and the keys and values one after the other:
//
//	branch: place of the key, from here (4 bytes); its length (4); page (8)
//	leaf:   flags, bucketElement or 0 (4); place of the key, from here (4); its
//	        length (4); that of the value behind it (4)
//
// The value of a bucket is the number of its root page, a sequence of 8 bytes,
// and, if that number is 0, the root page itself.
const (
	branchPage    = 1
	leafPage      = 2
	bucketElement = 1

	elementSize = 16
	headerSize  = 16
)

// pageWalk follows all pages from the root and finds what bbolt would stumble
// over: it takes lengths and page numbers on trust.
type pageWalk struct {
	file     io.ReaderAt
	pageSize int64
	end      uint64              // number of pages
	seen     map[uint64]struct{} // a page is met once
}

// claim enters a page as met.
func (w *pageWalk) claim(id uint64) error {
	if id < 2 || id >= w.end {
		return fmt.Errorf("page %d does not exist", id)
	}
	if _, again := w.seen[id]; again {
		return fmt.Errorf("page %d is used twice", id)
	}
	w.seen[id] = struct{}{}
	return nil
}

// page looks at one page and everything below it.
func (w *pageWalk) page(id uint64) error {
	if err := w.claim(id); err != nil {
		return err
	}
	var header [headerSize]byte
	if _, err := w.file.ReadAt(header[:], int64(id)*w.pageSize); err != nil {
		return err
	}
	if binary.NativeEndian.Uint64(header[:]) != id {
		return fmt.Errorf("page %d is not where it should be", id)
	}
	more := uint64(binary.NativeEndian.Uint32(header[12:]))
	for i := range more {
		if err := w.claim(id + 1 + i); err != nil {
			return err
		}
	}
	p := make([]byte, int64(1+more)*w.pageSize)
	if _, err := w.file.ReadAt(p, int64(id)*w.pageSize); err != nil {
		return err
	}
	if err := w.elements(p); err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	return nil
}

// elements looks at the elements of a page and what they point to.
func (w *pageWalk) elements(p []byte) error {
	kind := binary.NativeEndian.Uint16(p[8:])
	n := int(binary.NativeEndian.Uint16(p[10:]))
	if kind != branchPage && kind != leafPage || kind == branchPage && n == 0 {
		return fmt.Errorf("kind %d with %d elements", kind, n)
	}
	next := uint64(headerSize + n*elementSize) // where the next key stands
	if next > uint64(len(p)) {
		return fmt.Errorf("no room for %d elements", n)
	}
	for i := range n {
		at := uint64(headerSize + i*elementSize)
		e := p[at:]
		var place, key, value, child uint64
		if kind == branchPage {
			place, key = uint64(binary.NativeEndian.Uint32(e)), uint64(binary.NativeEndian.Uint32(e[4:]))
			child = binary.NativeEndian.Uint64(e[8:])
		} else {
			place, key = uint64(binary.NativeEndian.Uint32(e[4:])), uint64(binary.NativeEndian.Uint32(e[8:]))
			value = uint64(binary.NativeEndian.Uint32(e[12:]))
		}
		if at+place != next || next+key+value > uint64(len(p)) {
			return fmt.Errorf("element %d is not where it should be", i)
		}
		next += key + value
		var err error
		switch {
		case kind == branchPage:
			err = w.page(child)
		case binary.NativeEndian.Uint32(e) == bucketElement:
			err = w.bucket(p[next-value : next])
		case binary.NativeEndian.Uint32(e) != 0:
			err = fmt.Errorf("element %d is of no known kind", i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket looks at a bucket.
func (w *pageWalk) bucket(v []byte) error {
	if len(v) < 16 {
		return fmt.Errorf("a bucket of %d bytes", len(v))
	}
	if root := binary.NativeEndian.Uint64(v); root != 0 {
		return w.page(root)
	}
	if v = v[16:]; len(v) < headerSize || binary.NativeEndian.Uint16(v[8:]) != leafPage {
		return fmt.Errorf("a small bucket without a page")
	}
	return w.elements(v)
}
