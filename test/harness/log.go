package harness

import (
	"io"
	"os"
	"regexp"
	"strings"
)

// complaint matches what no log may hold: panics that were caught or not, other
// deaths of the Go runtime, and the race detector's report.
var complaint = regexp.MustCompile(`(?im)^.*(panic|fatal error:|data race|SIGSEGV).*$`)

func (s *Server) logFile() string { return s.file("log") }

// Log is what the server wrote to its standard output and error, over all its
// lives.
func (s *Server) Log() string { return s.LogFrom(0) }

// LogSize is the present length of the log in bytes.
func (s *Server) LogSize() int64 {
	info, err := os.Stat(s.logFile())
	if err != nil {
		return 0
	}
	return info.Size()
}

// LogFrom is the log from an offset that LogSize returned.
func (s *Server) LogFrom(offset int64) string {
	f, err := os.Open(s.logFile())
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Seek(offset, io.SeekStart); err != nil {
		return ""
	}
	text, _ := io.ReadAll(f)
	return string(text)
}

// Complaint is the first line of the log from offset that tells of a panic or a
// data race; empty if there is none.
func (s *Server) Complaint(offset int64) string {
	return complaint.FindString(s.LogFrom(offset))
}

// tail is the last n lines of text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
