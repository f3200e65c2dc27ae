//go:build linux

package main

import (
	"encoding/binary"
	"fmt"
	"os"
)

// file is what is read and written.
type file struct {
	f    *os.File
	size int64
}

const ownSize = 256 << 20

// openFile opens the file of the settings, or makes one.
func openFile(s *settings, picked []loop) (*file, error) {
	if s.file == "" {
		dir := s.dir
		if dir == "" {
			if i, err := os.Stat("/dev/shm"); err == nil && i.IsDir() {
				dir = "/dev/shm"
			}
		}
		return newFile(dir, ownSize)
	}
	how, least := os.O_RDONLY, 0
	for i := range picked {
		if picked[i].writes {
			how = os.O_RDWR
		}
		least = max(least, picked[i].size)
	}
	f, err := os.OpenFile(s.file, how, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() < int64(least)) {
		err = fmt.Errorf("%s is not a file of at least %d bytes", s.file, least)
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return &file{f: f, size: info.Size()}, nil
}

// newFile makes a file, in the directory for temporary ones if dir is empty. It has no
// name any more when newFile returns, so nothing is left of it whatever happens.
func newFile(dir string, size int64) (*file, error) {
	dir, err := os.MkdirTemp(dir, "lessor-limits-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	f, err := os.CreateTemp(dir, "")
	if err != nil {
		return nil, err
	}
	b := make([]byte, 1<<20)
	for off := int64(0); off < size; off += int64(len(b)) {
		b = b[:min(int64(len(b)), size-off)]
		pattern(b, off)
		if _, err := f.Write(b); err != nil {
			_ = f.Close()
			return nil, fmt.Errorf("a file of %d MiB (see -dir): %w", size>>20, err)
		}
	}
	return &file{f: f, size: size}, nil
}

func (f *file) close() { _ = f.f.Close() }

// fd is good until close.
func (f *file) fd() int { return int(f.f.Fd()) }

// pattern fills b, 8 bytes at a time, with what stands at off of a file: no two places
// have the same 8 bytes.
func pattern(b []byte, off int64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], (uint64(off)+uint64(i)+1)*0x9e3779b97f4a7c15)
	}
}

// slots is how many pieces of a size the file has.
func (f *file) slots(size int) int64 { return f.size / int64(size) }
