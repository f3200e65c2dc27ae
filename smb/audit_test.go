package smb_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// auditLine is a line of the log as a reader takes it.
type auditLine struct {
	Time                               time.Time
	User, SID, Address, Session, Share string
	Operation, Path, Access, Status    string
	NewPath                            string `json:"new_path"`
	Read, Written                      *int64
	Lost                               int
}

// audited has a share that tells everything, unless a tweak says otherwise. lines ends the
// server's log and returns what was written.
func audited(t *testing.T, tweak func(*smb.Audit), opts smb.AuditLogOptions) (s *testServer, dir string, lines func() []auditLine) {
	t.Helper()
	if opts.Path == "" && opts.Writer == nil {
		opts.Path = filepath.Join(t.TempDir(), "audit.log")
	}
	log, err := smb.NewAuditLog(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	a := &smb.Audit{Log: log, Operations: smb.AuditAll, Success: true, Failure: true}
	if tweak != nil {
		tweak(a)
	}
	s, dir = dirServer(t, func(sh *smb.Share) { sh.Audit = a })
	return s, dir, func() []auditLine {
		t.Helper()
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(opts.Path)
		if err != nil {
			t.Fatal(err)
		}
		return readAudit(t, b)
	}
}

// readAudit takes lines apart, each of which must be whole.
func readAudit(t *testing.T, b []byte) []auditLine {
	t.Helper()
	if len(b) > 0 && b[len(b)-1] != '\n' {
		t.Errorf("the last line has no end: %q", b)
	}
	var out []auditLine
	for line := range bytes.Lines(b) {
		var l auditLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		out = append(out, l)
	}
	return out
}

// short are the lines in a few words each.
func short(lines []auditLine) string {
	var out []string
	for _, l := range lines {
		text := l.Operation + " " + l.Path
		if l.NewPath != "" {
			text += " to " + l.NewPath
		}
		if l.Status != "STATUS_SUCCESS" {
			text += " " + l.Status
		}
		out = append(out, text)
	}
	return strings.Join(out, "\n")
}

func TestAuditTellsWhatHappened(t *testing.T) {
	s, _, lines := audited(t, nil, smb.AuditLogOptions{})
	ctx, tree := t.Context(), s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "a.txt", Access: client.ReadWriteDelete | wire.AccessWriteDAC | wire.AccessReadControl})
	if _, err := f.Write(ctx, 0, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Read(ctx, 0, 3); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "rename", f.Rename(ctx, "b.txt", false), ntstatus.Success)
	mustBe(t, "size", f.Truncate(ctx, 1), ntstatus.Success)
	mustBe(t, "basic", f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: 2}), ntstatus.Success)
	ea := wire.FileFullEaInformation{Entries: []wire.EaEntry{{EaName: "A", EaValue: []byte("b")}}}
	mustBe(t, "EA", f.Set(ctx, wire.FileInfoFullEa, &ea), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	_, err := tree.Create(ctx, client.CreateArgs{Name: `no\such`, Disposition: client.Create, Access: client.ReadAccess})
	mustBe(t, "no such", err, ntstatus.ObjectPathNotFound)
	mustBe(t, "remove", tree.Remove(ctx, "b.txt"), ntstatus.Success)
	mustBe(t, "disconnect", tree.Disconnect(ctx), ntstatus.Success)
	got := lines()
	want := strings.Join([]string{
		"connect ", "create a.txt", "rename a.txt to b.txt", "size b.txt", "attributes b.txt", "ea b.txt", "close b.txt",
		"create no/such STATUS_OBJECT_PATH_NOT_FOUND", "open b.txt", "close b.txt", "delete b.txt", "disconnect "}, "\n")
	if short(got) != want {
		t.Errorf("got\n%s\nwant\n%s", short(got), want)
	}
	for _, l := range got {
		if l.User != "alice" || !strings.HasPrefix(l.SID, "S-1-5-21-") || !strings.HasPrefix(l.Address, "127.0.0.1:") ||
			l.Session == "" || l.Share != "data" || time.Since(l.Time).Abs() > time.Hour {
			t.Errorf("%+v", l)
		}
	}
	if c := got[6]; c.Read == nil || *c.Read != 3 || c.Written == nil || *c.Written != 5 {
		t.Errorf("bytes: %+v", c)
	}
	if got[1].Access == "" {
		t.Error("no access mask")
	}
}

func TestAuditOfSomeOperations(t *testing.T) {
	s, _, lines := audited(t, func(a *smb.Audit) {
		a.Operations, a.Success = smb.AuditOpen|smb.AuditDelete|smb.AuditConnect, false
	}, smb.AuditLogOptions{})
	ctx, tree := t.Context(), s.connect(t)
	if err := tree.WriteFile(ctx, "f", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.ReadFile(ctx, "missing"); err == nil {
		t.Fatal("no error")
	}
	if err := tree.WriteFile(ctx, "d/f", nil); err == nil {
		t.Fatal("no error")
	}
	dir := create(t, tree, client.CreateArgs{Name: "d", Options: wire.OptionDirectoryFile, Access: client.DeleteAccess})
	if err := tree.WriteFile(ctx, `d\f`, nil); err != nil {
		t.Fatal(err)
	}
	mustBe(t, "not empty", dir.SetDelete(ctx, true), ntstatus.DirectoryNotEmpty)
	if got, want := short(lines()), "open missing STATUS_OBJECT_NAME_NOT_FOUND\ndelete d STATUS_DIRECTORY_NOT_EMPTY"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAuditOfADeletionNamesTheBin(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	log, err := smb.NewAuditLog(smb.AuditLogOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s, dir := dirServer(t, func(sh *smb.Share) {
		sh.Recycle = &smb.Recycle{Directory: "bin"}
		sh.Audit = &smb.Audit{Log: log, Operations: smb.AuditDelete, Success: true}
	})
	put(t, dir, "f", "x")
	remove(t, s.connect(t), "f")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := short(readAudit(t, b)); got != "delete f to bin/f" {
		t.Error(got)
	}
}

func TestAuditLogIsReopened(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	log, err := smb.NewAuditLog(smb.AuditLogOptions{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	s, _ := dirServer(t, func(sh *smb.Share) {
		sh.Audit = &smb.Audit{Log: log, Operations: smb.AuditCreate, Success: true}
	})
	tree := s.connect(t)
	var wg sync.WaitGroup
	const files = 200
	wg.Go(func() {
		for i := range files {
			if err := tree.WriteFile(t.Context(), string(rune('a'+i%26))+strings.Repeat("x", i), nil); err != nil {
				t.Error(err)
			}
		}
	})
	for i := range 5 {
		if err := os.Rename(path, path+string(rune('0'+i))); err != nil {
			t.Fatal(err)
		}
		if err := log.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	total := 0
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 6 {
		t.Fatal(list, err)
	}
	for _, e := range list {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		total += len(readAudit(t, b))
	}
	if total != files {
		t.Errorf("%d lines of %d", total, files)
	}
}

// slowWriter blocks until it is let go.
type slowWriter struct {
	mu   sync.Mutex
	b    bytes.Buffer
	gate chan struct{}
	busy chan struct{} // gets a word with every call
}

func (w *slowWriter) Write(p []byte) (int, error) {
	select {
	case w.busy <- struct{}{}:
	default:
	}
	<-w.gate
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestAuditLogThatIsFull(t *testing.T) {
	for _, drop := range []bool{true, false} {
		w := &slowWriter{gate: make(chan struct{}), busy: make(chan struct{}, 1)}
		log, err := smb.NewAuditLog(smb.AuditLogOptions{Writer: w, Queue: 2, Drop: drop})
		if err != nil {
			t.Fatal(err)
		}
		s, _ := dirServer(t, func(sh *smb.Share) {
			sh.Audit = &smb.Audit{Log: log, Operations: smb.AuditCreate, Success: true}
		})
		tree := s.connect(t)
		const files = 10
		done := make(chan error, 1)
		go func() {
			var err error
			for i := range files {
				if err == nil {
					err = tree.WriteFile(t.Context(), string(rune('a'+i)), nil)
				}
			}
			done <- err
		}()
		<-w.busy
		if drop {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if log.Lost() == 0 {
				t.Error("nothing was lost")
			}
			close(w.gate)
		} else {
			select {
			case err := <-done:
				t.Fatal("nobody has waited:", err)
			default:
			}
			close(w.gate)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		lost := int(log.Lost())
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		told, count := 0, 0
		for _, l := range readAudit(t, w.b.Bytes()) {
			if l.Operation == "lost" {
				told += l.Lost
			} else {
				count++
			}
		}
		if count+lost != files || told > lost || !drop && lost != 0 {
			t.Errorf("drop %v: %d lines, %d lost, %d told", drop, count, lost, told)
		}
	}
}

func TestAuditLogOnAFullDiskLosesWholeLines(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	var said logBuffer
	zlog := zerolog.New(&said)
	log, err := smb.NewAuditLog(smb.AuditLogOptions{Path: "/dev/full", Log: &zlog})
	if err != nil {
		t.Skip("cannot open /dev/full:", err)
	}
	s, _ := dirServer(t, func(sh *smb.Share) {
		sh.Audit = &smb.Audit{Log: log, Operations: smb.AuditCreate, Success: true}
	})
	tree := s.connect(t)
	for _, name := range []string{"a", "b", "c"} {
		if err := tree.WriteFile(t.Context(), name, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if log.Lost() != 3 || said.says("audit log cannot be written") != 1 {
		t.Errorf("%d lost, said %d times", log.Lost(), said.says("audit log"))
	}
}
