package snapdir

import (
	"encoding/xml"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// maxInfo is how much of an info.xml is read, in bytes.
const maxInfo = 64 << 10

// snapperTime is how info.xml writes the time, which is UTC.
const snapperTime = "2006-01-02 15:04:05"

// The years in which a snapshot can have been made: those that tokens of four digits and
// file times can tell.
const (
	firstYear = 1970
	lastYear  = 9999
)

// look says whether an entry of the directory is a snapshot. A symbolic link is none.
func (s *Set) look(dir *os.File, e os.DirEntry) (n snapshot, ok bool) {
	if !e.IsDir() {
		return n, false
	}
	name := e.Name()
	if s.opts.Layout == Snapper {
		n.path = name + "/snapshot"
		n.time, ok = snapperTimeOf(int(dir.Fd()), name)
	} else {
		n.path = name
		n.time, ok = s.opts.Format.Time(name, s.opts.Location)
	}
	return n, ok && n.time.Year() >= firstYear && n.time.Year() <= lastYear
}

// snapperTimeOf finds out when Snapper has made the snapshot of a number.
func snapperTimeOf(dir int, number string) (t time.Time, ok bool) {
	if n, err := strconv.ParseUint(number, 10, 32); err != nil || n == 0 {
		return t, false
	}
	fd, err := openBeneath(dir, number)
	if err != nil {
		return t, false
	}
	defer func() { _ = unix.Close(fd) }()
	snap, err := openBeneath(fd, "snapshot")
	if err != nil {
		return t, false
	}
	_ = unix.Close(snap)
	if t, ok := infoTime(fd); ok {
		return t, true
	}
	var st unix.Statx_t
	if unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_BTIME|unix.STATX_MTIME, &st) != nil {
		return t, false
	}
	if st.Mask&unix.STATX_BTIME != 0 {
		return time.Unix(st.Btime.Sec, 0).UTC(), true
	}
	return time.Unix(st.Mtime.Sec, 0).UTC(), true
}

// infoTime reads the time from info.xml.
func infoTime(dir int) (t time.Time, ok bool) {
	fd, err := unix.Openat2(dir, "info.xml", &unix.OpenHow{
		Flags: unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOCTTY | unix.O_CLOEXEC, Resolve: beneath})
	if err != nil {
		return t, false
	}
	f := os.NewFile(uintptr(fd), "info.xml")
	defer func() { _ = f.Close() }()
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return t, false
	}
	var info struct {
		Date string `xml:"date"`
	}
	if xml.NewDecoder(io.LimitReader(f, maxInfo)).Decode(&info) != nil {
		return t, false
	}
	t, err = time.ParseInLocation(snapperTime, strings.TrimSpace(info.Date), time.UTC)
	return t, err == nil
}
