package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// again is how often an operation is done, if the time allows; three times it always is.
const (
	again    = 51
	patience = 5 * time.Second
)

// dirs measures directories of so many entries, each on a connection of its own.
func dirs(ctx context.Context, t *target, counts []int) error {
	if t.path == "" {
		return errors.New("dirs needs -path")
	}
	fmt.Println("| entries | create one more, first / later | look-up in the other case, first / later | name that is not there | listing, first / again |")
	fmt.Println("|---|---|---|---|---|")
	for _, n := range counts {
		if err := dirsOf(ctx, t, n); err != nil {
			return fmt.Errorf("%d entries: %w", n, err)
		}
	}
	return nil
}

func dirsOf(ctx context.Context, t *target, n int) error {
	name := fmt.Sprintf("scale-%d", n)
	if err := fillDir(filepath.Join(t.path, name), n); err != nil {
		return err
	}
	tree, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Session.Conn.Close() }()
	stamp := time.Now().UnixNano()
	create, err := repeat(func(i int) error {
		return touch(ctx, tree, client.CreateArgs{Name: fmt.Sprintf(`%s\new-%d-%d`, name, stamp, i), Disposition: client.Create})
	})
	if err != nil {
		return err
	}
	fold, err := repeat(func(i int) error {
		return touch(ctx, tree, client.CreateArgs{Name: strings.ToUpper(fmt.Sprintf(`%s\%s`, name, entry(i*n/again))), Disposition: client.Open, Access: client.ReadAccess})
	})
	if err != nil {
		return err
	}
	missing, err := repeat(func(i int) error {
		err := touch(ctx, tree, client.CreateArgs{Name: fmt.Sprintf(`%s\missing-%d`, name, i), Disposition: client.Open, Access: client.ReadAccess})
		if err == ntstatus.ObjectNameNotFound {
			return nil
		}
		return fmt.Errorf("a name that is not there: %w", err)
	})
	if err != nil {
		return err
	}
	var lists [2]time.Duration
	for i := range lists {
		if lists[i], err = list(ctx, tree, name, n); err != nil {
			return err
		}
	}
	fmt.Printf("| %d | %s / %s | %s / %s | %s | %s / %s |\n", n, short(create[0]), short(create[1]), short(fold[0]), short(fold[1]),
		short(missing[1]), short(lists[0]), short(lists[1]))
	return nil
}

// entry is the name of the i-th file of a large directory.
func entry(i int) string { return fmt.Sprintf("entry-%07d.txt", i) }

// fillDir makes a directory of n empty files, unless it is there.
func fillDir(path string, n int) error {
	if _, err := os.Stat(filepath.Join(path, entry(n-1))); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o777); err != nil { // whatever the umask
		return err
	}
	for i := range n {
		f, err := os.Create(filepath.Join(path, entry(i)))
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	return nil
}

// repeat runs an operation, and returns the time of the first run and the median of
// the others.
func repeat(f func(i int) error) (t [2]time.Duration, err error) {
	all := make([]time.Duration, 0, again)
	begun := time.Now()
	for i := 0; i < again && (i < 3 || time.Since(begun) < patience); i++ {
		start := time.Now()
		if err := f(i); err != nil {
			return t, err
		}
		all = append(all, time.Since(start))
	}
	t[0], all = all[0], all[1:]
	slices.Sort(all)
	t[1] = all[len(all)/2]
	return t, nil
}

// touch opens a file and closes it.
func touch(ctx context.Context, tree *client.Tree, a client.CreateArgs) error {
	f, err := tree.Create(ctx, a)
	if err != nil {
		return err
	}
	return f.Close(ctx)
}

// list reads a whole directory, 1 MiB at a time where the server gives as much.
func list(ctx context.Context, tree *client.Tree, name string, least int) (time.Duration, error) {
	start := time.Now()
	d, err := tree.Create(ctx, client.CreateArgs{Name: name, Directory: true, Disposition: client.Open, Access: client.ListDirectory})
	if err != nil {
		return 0, err
	}
	size := min(1<<20, int(tree.Session.Conn.Negotiated().Response.MaxTransactSize))
	for n := 0; ; {
		l, err := d.QueryDirectory(ctx, client.DirQuery{Class: wire.FileInfoIDBothDirectory, Size: size})
		if err == ntstatus.NoMoreFiles {
			if n < least {
				return 0, fmt.Errorf("%d entries were listed", n)
			}
			return time.Since(start), d.Close(ctx)
		}
		if err != nil {
			return 0, err
		}
		n += len(l)
	}
}

// short is a duration with three digits.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.2f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%.0f ms", d.Seconds()*1e3)
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", d.Seconds()*1e3)
	}
	return fmt.Sprintf("%d us", d.Microseconds())
}
