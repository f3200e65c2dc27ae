//go:build linux

package asuser

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lessor/vfs"
)

// needRoot skips a test where the process cannot act as others.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, to act as other users")
	}
	if err := Probe(); err != nil {
		t.Skipf("the system does not let root act as others: %v", err)
	}
}

// ownerOf returns user and group of a file.
func ownerOf(t testing.TB, path string) (uid, gid uint32) {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Uid, st.Gid
}

func openDir(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	// The directories above belong to the server alone; a descriptor needs no way.
	for up := dir; up != "/"; up = filepath.Dir(up) {
		if err := os.Chmod(up, 0o777|info(t, up)&os.ModeSticky); err != nil {
			t.Fatal(err)
		}
		if filepath.Dir(up) == os.TempDir() {
			break
		}
	}
	var err error
	if e := Do(&vfs.Cred{UID: 20001, GID: 20001}, func() { err = unix.Access(dir, unix.F_OK) }); e != nil || err != nil {
		t.Skipf("the directory for temporary files is not for everybody: %v %v", e, err)
	}
	return dir
}

func info(t testing.TB, path string) fs.FileMode {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode()
}

func TestFilesBelongToTheUser(t *testing.T) {
	needRoot(t)
	path := filepath.Join(openDir(t), "f")
	var err error
	if e := Do(&vfs.Cred{UID: 20001, GID: 20002}, func() { err = os.WriteFile(path, nil, 0o600) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	if uid, gid := ownerOf(t, path); uid != 20001 || gid != 20002 {
		t.Errorf("the file belongs to %d:%d", uid, gid)
	}
	if e := Do(&vfs.Cred{UID: 20003, GID: 20002}, func() { _, err = os.ReadFile(path) }); e != nil || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("another user reads a private file: %v %v", e, err)
	}
	if _, err := os.ReadFile(path); err != nil {
		t.Errorf("the server itself: %v", err)
	}
}

func TestSupplementaryGroupsCount(t *testing.T) {
	needRoot(t)
	path := filepath.Join(openDir(t), "f")
	if err := os.WriteFile(path, []byte("x"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 0, 20009); err != nil {
		t.Fatal(err)
	}
	for _, groups := range [][]uint32{{20008, 20009}, {20008}, nil} {
		var err error
		if e := Do(&vfs.Cred{UID: 20001, GID: 20002, Groups: groups}, func() { _, err = os.ReadFile(path) }); e != nil {
			t.Fatal(e)
		}
		if may := slices.Contains(groups, 20009); may != (err == nil) {
			t.Errorf("groups %v: %v", groups, err)
		}
	}
}

func TestNobodyIsRoot(t *testing.T) {
	for _, c := range []vfs.Cred{{UID: 0, GID: 5}, {UID: noID, GID: 5}, {UID: 5, GID: noID}} {
		ran := false
		if err := Do(&c, func() { ran = true }); !errors.Is(err, fs.ErrPermission) || ran {
			t.Errorf("%v: %v, ran %v", c, err, ran)
		}
	}
}

// Without the capabilities the function is not run at all.
func TestRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root is not refused")
	}
	ran := false
	if err := Do(&vfs.Cred{UID: 20001, GID: 20002}, func() { ran = true }); !errors.Is(err, ErrRefused) || ran {
		t.Errorf("%v, ran %v", err, ran)
	}
}

// A server that is not root has its capabilities taken off by Do itself.
func TestCapabilitiesOfAnotherUser(t *testing.T) {
	needRoot(t)
	secret := filepath.Join(openDir(t), "f")
	if err := os.WriteFile(secret, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for ever: the thread dies with the goroutine
		p := *self()
		p.uid, p.caps = 20005, true
		// The thread becomes that of a user who has all capabilities.
		setID(unix.SYS_SETFSUID, p.uid)
		if !setCaps(&p.with) {
			t.Error("capset")
			return
		}
		read := func() error {
			fd, err := syscall.Open(secret, syscall.O_RDONLY, 0)
			if err == nil {
				_ = syscall.Close(fd)
			}
			return err
		}
		if err := read(); err != nil {
			t.Errorf("with CAP_DAC_OVERRIDE: %v", err)
		}
		if !p.become(&vfs.Cred{UID: 20006, GID: 20002}) {
			t.Error("refused")
			return
		}
		if err := read(); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("as a user: %v", err)
		}
		p.restore()
		if err := read(); err != nil {
			t.Errorf("back again: %v", err)
		}
	}()
	<-done
}

func TestPanicRestores(t *testing.T) {
	needRoot(t)
	func() {
		defer func() { _ = recover() }()
		_ = Do(&vfs.Cred{UID: 20001, GID: 20002}, func() { panic("x") })
	}()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if uid, _ := ownerOf(t, path); uid != 0 {
		t.Errorf("made as %d", uid)
	}
}

// Whatever the goroutines do, a file belongs to whom it was made as, and what nobody
// was asked for belongs to the server.
func TestNoThreadKeepsAnIdentity(t *testing.T) {
	needRoot(t)
	dir := openDir(t)
	var n, bad atomic.Int64
	make1 := func() string {
		path := filepath.Join(dir, strconv.FormatInt(n.Add(1), 10))
		fd, err := syscall.Open(path, syscall.O_CREAT|syscall.O_EXCL|syscall.O_WRONLY, 0o600)
		if err != nil {
			bad.Add(1)
			return path
		}
		_ = syscall.Close(fd)
		return path
	}
	check := func(path string, uid, gid uint32) {
		var st unix.Stat_t
		if unix.Lstat(path, &st) != nil || st.Uid != uid || st.Gid != gid {
			bad.Add(1)
		}
	}
	var wg sync.WaitGroup
	for g := range uint32(64) {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for range 60 {
				switch rnd.IntN(3) {
				case 0:
					check(make1(), 0, 0)
				case 1:
					c := vfs.Cred{UID: 20000 + rnd.Uint32N(8), GID: 21000 + rnd.Uint32N(8), Groups: []uint32{22000 + g}}
					var path string
					if Do(&c, func() { runtime.Gosched(); path = make1(); runtime.Gosched() }) != nil {
						bad.Add(1)
					}
					check(path, c.UID, c.GID)
				case 2:
					// A goroutine that is started right behind may get the thread.
					done := make(chan struct{})
					go func() { check(make1(), 0, 0); close(done) }()
					<-done
				}
			}
		})
	}
	wg.Wait()
	if bad.Load() != 0 {
		t.Errorf("%d of %d files belong to somebody else", bad.Load(), n.Load())
	}
}

// pool is the other way: threads that are handed the work.
type pool chan func()

func newPool(n int) pool {
	p := make(pool)
	for range n {
		go func() {
			runtime.LockOSThread()
			for f := range p {
				f()
			}
		}()
	}
	return p
}

func (p pool) do(c *vfs.Cred, f func()) {
	done := make(chan struct{})
	p <- func() {
		own := self()
		setGroups(c.Groups)
		own.become(c)
		f()
		own.restore()
		close(done)
	}
	<-done
}

// BenchmarkDo compares the two ways around one open and close, and neither.
func BenchmarkDo(b *testing.B) {
	needRoot(b)
	path := filepath.Join(openDir(b), "f")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		b.Fatal(err)
	}
	c := &vfs.Cred{UID: 20001, GID: 20002, Groups: []uint32{20002, 20003}}
	open := func() {
		if fd, err := syscall.Open(path, syscall.O_RDONLY, 0); err == nil {
			_ = syscall.Close(fd)
		}
	}
	p := newPool(8)
	defer close(p)
	for _, way := range []struct {
		name string
		run  func()
	}{{"service", open}, {"inline", func() { _ = Do(c, open) }}, {"pool", func() { p.do(c, open) }}} {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				way.run()
			}
		})
		b.Run(way.name+"Parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					way.run()
				}
			})
		})
	}
}
