package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"lessor/smb/wire"
	"lessor/test/client"
)

// step is how many opens are timed together.
const step = 1000

// opens measures so many opens of files of their own on one connection, first without
// and then with a lease each.
func opens(ctx context.Context, t *target, counts []int) error {
	fmt.Println("| opens of one connection | the first 1,000 | the last 1,000 | closing the last 1,000 | memory of each |")
	fmt.Println("|---|---|---|---|---|")
	for _, n := range counts {
		for _, lease := range []bool{false, true} {
			if err := opensOf(ctx, t, n, lease); err != nil {
				return err
			}
		}
	}
	return nil
}

func opensOf(ctx context.Context, t *target, n int, lease bool) error {
	n = max(n/step, 2) * step
	tree, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Session.Conn.Close() }()
	// The first pass makes the files, so that these are not counted as memory of opens.
	if err := tree.Mkdir(ctx, "scale-opens"); err != nil {
		return fmt.Errorf("scale-opens (is it left over?): %w", err)
	}
	ids := make([]wire.FileID, n)
	pass := func(from, to int, lease bool, d client.Disposition) error {
		for i := from; i < to; i++ {
			a := client.CreateArgs{Name: fmt.Sprintf(`scale-opens\%06d`, i), Disposition: d}
			if lease {
				a.Lease = &client.Lease{Key: leaseKey(i), State: client.RWH}
			}
			f, err := tree.Create(ctx, a)
			if err != nil {
				return fmt.Errorf("open %d: %w", i, err)
			}
			ids[i] = f.ID
		}
		return nil
	}
	finish := func(from, to int) error {
		for i := from; i < to; i++ {
			if err := (&client.File{Tree: tree, ID: ids[i]}).Close(ctx); err != nil {
				return fmt.Errorf("close %d: %w", i, err)
			}
		}
		return nil
	}
	for i := 0; i < n; i += step {
		if err := pass(i, i+step, false, client.Create); err != nil {
			return err
		}
		if err := finish(i, i+step); err != nil {
			return err
		}
	}
	before, err := t.memory()
	if err != nil {
		return err
	}
	first, err := each(func() error { return pass(0, step, lease, client.Open) })
	if err != nil {
		return err
	}
	if err := pass(step, n-step, lease, client.Open); err != nil {
		return err
	}
	last, err := each(func() error { return pass(n-step, n, lease, client.Open) })
	if err != nil {
		return err
	}
	after, err := t.memory()
	if err != nil {
		return err
	}
	closing, err := each(func() error { return finish(n-step, n) })
	if err != nil {
		return err
	}
	if err := finish(0, n-step); err != nil {
		return err
	}
	if err := tree.RemoveAll(ctx, "scale-opens"); err != nil {
		return err
	}
	with := ""
	if lease {
		with = " with a lease"
	}
	fmt.Printf("| %d%s | %s | %s | %s | %d bytes |\n", n, with, short(first), short(last), short(closing), int64(after-before)/int64(n))
	return nil
}

// each is the time of one of the operations of a step.
func each(f func() error) (time.Duration, error) {
	start := time.Now()
	err := f()
	return time.Since(start) / step, err
}

func leaseKey(i int) (k wire.GUID) {
	binary.LittleEndian.PutUint64(k[:], uint64(i)+1)
	return k
}
