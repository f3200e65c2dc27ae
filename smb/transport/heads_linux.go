package transport

import (
	"sync"

	"golang.org/x/sys/unix"
)

// headsStayOut reports whether this kernel keeps what is written to a pipe out of the page of a
// file that lies in it before. Linux 5.8 to 5.16 without the mend of CVE-2022-0847 does not, if
// the place of that page in the pipe has held bytes that were written: the
// heads of replies would get into the files of the shares.
var headsStayOut = sync.OnceValue(func() bool {
	return keepsPages(func(p *pipe, _ int) error {
		_, err := unix.Write(p.w, []byte{'x'})
		return err
	})
})

// keepsPages tries that with a file in memory: behind the first of its two bytes, write puts
// another one into the pipe. It reports false if the file has changed, or nobody knows.
func keepsPages(write func(p *pipe, file int) error) bool {
	file, err := unix.MemfdCreate("pages", unix.MFD_CLOEXEC|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		file, err = unix.MemfdCreate("pages", unix.MFD_CLOEXEC)
	}
	if err != nil {
		return false
	}
	defer unix.Close(file)
	p, err := newPipe()
	if err != nil {
		return false
	}
	defer p.close()

	text, off := []byte("ab"), int64(0)
	if _, err := unix.Pwrite(file, text, 0); err != nil || !p.useAll() {
		return false
	}
	if n, err := unix.Splice(file, &off, p.w, nil, 1, unix.SPLICE_F_NONBLOCK); n != 1 || err != nil {
		return false
	}
	if write(p, file) != nil {
		return false
	}
	n, err := unix.Pread(file, text, 0)
	return n == 2 && err == nil && string(text) == "ab"
}

// useAll lets each place of an empty pipe hold bytes that were written, and empties it again.
func (p *pipe) useAll() bool {
	buf := make([]byte, 64<<10)
	for _, call := range []func([]byte) (int, error){
		func(b []byte) (int, error) { return unix.Write(p.w, b) },
		func(b []byte) (int, error) { return unix.Read(p.r, b) },
	} {
		for {
			_, err := call(buf)
			if err == unix.EAGAIN {
				break
			}
			if err != nil && err != unix.EINTR {
				return false
			}
		}
	}
	return true
}
