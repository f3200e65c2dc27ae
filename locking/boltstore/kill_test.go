package boltstore

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"lessor/locking"
	"lessor/locking/storetest"
)

// victimEnv names the store of a child process that is going to be killed.
const victimEnv = "BOLTSTORE_TEST_VICTIM"

func TestMain(m *testing.M) {
	if path := os.Getenv(victimEnv); path != "" {
		if err := victim(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// kept is how many opens the victim leaves in the store, beside the one that
// counts.
const kept = 20

// step is the n-th transaction of the victim: an open comes with its lease and
// two locks and loses one of them, an old one goes, and a record says n.
func step(n uint64) []locking.Change {
	id := locking.OpenID(1000 + n)
	counter := storetest.OpenRecord(1)
	counter.Path = strconv.FormatUint(n, 10)
	return []locking.Change{
		{PutOpen: counter},
		{PutOpen: storetest.OpenRecord(id)},
		{PutLock: storetest.Lock(10*n, id, true)},
		{PutLock: storetest.Lock(10*n+1, id, false)},
		{PutLock: storetest.Lock(10*n+2, id, false)},
		{DeleteOpen: id - kept},
		{DeleteLock: 10*n + 1},
		{DeleteLock: 10*n - 8},
	}
}

// after is the content after n steps.
func after(n uint64) (c content) {
	if n == 0 {
		return c
	}
	counter := storetest.OpenRecord(1)
	counter.Path = strconv.FormatUint(n, 10)
	c.Opens = append(c.Opens, counter)
	first := uint64(1)
	if n > kept {
		first = n - kept + 1
	}
	for i := first; i <= n; i++ {
		id := locking.OpenID(1000 + i)
		c.Opens = append(c.Opens, storetest.OpenRecord(id))
		c.Locks = append(c.Locks, storetest.Lock(10*i, id, true))
		if i == n {
			c.Locks = append(c.Locks, storetest.Lock(10*i+2, id, false))
		}
	}
	return c
}

// victim carries out step after step and says so after each one.
func victim(path string) error {
	s, err := Open(path, Options{})
	if err != nil {
		return err
	}
	n, err := steps(s)
	if err != nil {
		return err
	}
	for {
		n++
		if err := s.Commit(step(n)); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// steps is how many steps a store has seen.
func steps(s *Store) (n uint64, err error) {
	err = s.LoadOpens(func(p *locking.PersistedOpen) error {
		if p.Owner.OpenID == 1 {
			n, err = strconv.ParseUint(p.Path, 10, 64)
		}
		return err
	})
	return n, err
}

// A process that is killed at any moment leaves all it has acknowledged, and
// nothing by halves.
func TestKill(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks.db")
	start := time.Now()
	rounds, total := 0, uint64(0)
	for ; rounds < 5 || rounds < 100 && time.Since(start) < 3*time.Second; rounds++ {
		acked := kill(t, path)
		s := openStore(t, path)
		n, err := steps(s)
		if err != nil {
			t.Fatal(err)
		}
		if n != acked && n != acked+1 {
			t.Fatalf("%d steps acknowledged, %d in the store", acked, n)
		}
		got, err := load(s)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(after(n), got); d != "" {
			t.Fatalf("after %d steps (-want +got):\n%s", n, d)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		total = n
	}
	t.Logf("%d kills, %d steps", rounds, total)
}

// kill lets a victim work until a random moment and returns the last step that it
// has acknowledged.
func kill(t *testing.T, path string) (acked uint64) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^$")
	cmd.Env = append(os.Environ(), victimEnv+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	left := 1 + rand.IntN(30)
	for {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if acked, err = strconv.ParseUint(line[:len(line)-1], 10, 64); err != nil {
			t.Fatal(err)
		}
		if left--; left == 0 {
			// Somewhere within the next transactions.
			time.AfterFunc(time.Duration(rand.IntN(2000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child was not killed: %v", err)
	}
	return acked
}
