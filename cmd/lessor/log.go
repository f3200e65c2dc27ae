package main

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"lessor/config"
)

// logSink is where log lines go. It can be pointed elsewhere while loggers use
// it, for a reload and for log files that were moved away.
type logSink struct {
	// mu guards what follows; it is held while a line is written. A leaf.
	mu   sync.Mutex
	w    io.Writer
	file *os.File // nil: standard error
}

// newLog returns a logger that writes to the place of the settings.
func newLog(c *config.Config) (zerolog.Logger, *logSink, error) {
	zerolog.TimeFieldFormat = "2006-01-02T15:04:05.000Z07:00"
	s := &logSink{}
	if err := s.configure(c); err != nil {
		return zerolog.Logger{}, nil, err
	}
	return zerolog.New(s).With().Timestamp().Logger(), s, nil
}

// configure follows the settings, and opens the file anew. On failure everything
// stays as it was.
func (s *logSink) configure(c *config.Config) error {
	var file *os.File
	out := os.Stderr
	if c.Log.File != "" {
		f, err := os.OpenFile(c.Log.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
		if err != nil {
			return c.Problem("log.file", err.Error(), "give a file in an existing directory that the server may write to")
		}
		file, out = f, f
	}
	level, err := zerolog.ParseLevel(string(c.Log.Level))
	if err != nil {
		return c.Problem("log.level", err.Error(), "give trace, debug, info, warn or error")
	}
	zerolog.SetGlobalLevel(level)

	s.mu.Lock()
	old := s.file
	s.file, s.w = file, out
	if c.Log.Format == config.FormatConsole {
		s.w = zerolog.ConsoleWriter{Out: out, TimeFormat: time.DateTime, NoColor: !term.IsTerminal(int(out.Fd()))}
	}
	s.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Write implements io.Writer for one line.
func (s *logSink) Write(line []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(line)
}
