package smb

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// AuditLogOptions are the settings of an AuditLog.
type AuditLogOptions struct {
	// Path is the file that lines are appended to. Empty: Writer gets each line with one
	// call of Write.
	Path   string
	Writer io.Writer
	// Queue is how many lines may wait to be written; default 4,096.
	Queue int
	// Drop leaves lines out when the queue is full; their number is written when there
	// is room again. By default the requests wait that have caused them.
	Drop bool
	// Log gets a line when the file cannot be written, and when it can be again; nil
	// drops it.
	Log *zerolog.Logger
}

// AuditLog writes what happened on shares, one JSON object in a line for each event. A
// line is written whole or not at all. One goroutine writes; it ends with Close. Several
// shares may have the same AuditLog.
type AuditLog struct {
	// Immutable after construction.
	opts  AuditLogOptions
	queue chan []byte
	ended chan struct{} // closed when the goroutine has ended

	lost    atomic.Uint64 // lines that were not written
	closing chan struct{}
	once    sync.Once

	mu   sync.Mutex // leaf, held across a write; guards file
	file *os.File   // nil: opts.Writer, or the file could not be opened

	// Of the goroutine.
	told    uint64 // lost lines that the log itself tells of
	failing bool
	buf     bytes.Buffer
}

// maxAuditBatch is how many bytes of lines are written at a time.
const maxAuditBatch = 64 << 10

// NewAuditLog starts one. Errors: what the file answers.
func NewAuditLog(opts AuditLogOptions) (*AuditLog, error) {
	if opts.Queue <= 0 {
		opts.Queue = 4096
	}
	if opts.Log == nil {
		nop := zerolog.Nop()
		opts.Log = &nop
	}
	if opts.Path == "" && opts.Writer == nil {
		return nil, errors.New("smb: an audit log needs a file or a writer")
	}
	l := &AuditLog{opts: opts, queue: make(chan []byte, opts.Queue), ended: make(chan struct{}), closing: make(chan struct{})}
	if err := l.Reopen(); err != nil {
		return nil, err
	}
	go l.run()
	return l, nil
}

// Reopen opens the file anew, because the old one was moved away. On failure the old one
// stays in use.
func (l *AuditLog) Reopen() error {
	if l.opts.Path == "" {
		return nil
	}
	f, err := os.OpenFile(l.opts.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.mu.Lock()
	old := l.file
	l.file = f
	l.mu.Unlock()
	if old != nil {
		return old.Close()
	}
	return nil
}

// Lost is how many events are in no line, because the queue was full or the file could not
// be written.
func (l *AuditLog) Lost() uint64 { return l.lost.Load() }

// Close writes what waits and ends. Events that come later are lost.
func (l *AuditLog) Close() error {
	l.once.Do(func() { close(l.closing) })
	<-l.ended
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

// put queues a line, which ends with a newline.
func (l *AuditLog) put(line []byte) {
	select {
	case l.queue <- line:
		return
	default:
	}
	if l.opts.Drop {
		l.lost.Add(1)
		return
	}
	select {
	case l.queue <- line:
	case <-l.closing:
		l.lost.Add(1)
	}
}

// run writes lines until the log is closed, and then those that wait.
func (l *AuditLog) run() {
	defer close(l.ended)
	for {
		select {
		case line := <-l.queue:
			l.write(line)
		case <-l.closing:
			for {
				select {
				case line := <-l.queue:
					l.write(line)
				default:
					return
				}
			}
		}
	}
}

// write writes a line, and with it those that have come meanwhile. If some could not be
// written before, a line that says how many comes first.
func (l *AuditLog) write(line []byte) {
	l.buf.Reset()
	lost, notes := l.lost.Load(), 0
	if lost > l.told {
		note, _ := json.Marshal(auditLost{Time: auditTime(time.Now()), Operation: "lost", Lost: lost - l.told}) // plain fields
		l.buf.Write(append(note, '\n'))
		notes = 1
	}
	l.buf.Write(line)
	if l.opts.Path != "" {
		for more := true; more && l.buf.Len() < maxAuditBatch; {
			select {
			case line := <-l.queue:
				l.buf.Write(line)
			default:
				more = false
			}
		}
	}
	events := bytes.Count(l.buf.Bytes(), []byte{'\n'}) - notes
	n, err := l.flush(l.buf.Bytes())
	if n >= notes {
		l.told += (lost - l.told) * uint64(notes)
		n -= notes
	}
	l.lost.Add(uint64(events - n))
	switch {
	case err != nil && !l.failing:
		l.opts.Log.Error().Err(err).Str("file", l.opts.Path).Msg("audit log cannot be written; events are lost")
	case err == nil && l.failing:
		l.opts.Log.Warn().Str("file", l.opts.Path).Uint64("lost", l.lost.Load()).Msg("audit log is written again")
	}
	l.failing = err != nil
}

// flush writes whole lines, and returns how many. What did not fit is taken back, so that
// no half of a line stays.
func (l *AuditLog) flush(lines []byte) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.opts.Path == "" {
		for line := range bytes.Lines(lines) {
			if _, err := l.opts.Writer.Write(line); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	done, err := l.file.Write(lines)
	whole := bytes.LastIndexByte(lines[:done], '\n') + 1
	if torn := int64(done - whole); torn > 0 {
		if info, statErr := l.file.Stat(); statErr == nil {
			err = errors.Join(err, l.file.Truncate(info.Size()-torn))
		}
	}
	return bytes.Count(lines[:whole], []byte{'\n'}), err
}

// auditLost is the line that says that lines are missing before it.
type auditLost struct {
	Time      string `json:"time"`
	Operation string `json:"operation"`
	Lost      uint64 `json:"lost"`
}

// auditTime is a time as lines have it.
func auditTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }
