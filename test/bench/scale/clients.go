package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"lessor/test/client"
)

const (
	clientTime = 2 * time.Second
	smallRead  = 4 << 10
	bulkRead   = 1 << 20
	bulkDepth  = 8
	fileSize   = 64 << 20
)

// clients measures so many clients that read 4 KiB at a time, of one file and each of
// its own, and at last one such client beside one that reads in bulk.
func clients(ctx context.Context, t *target, counts []int) error {
	tree, err := t.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = tree.Session.Conn.Close() }()
	if err := tree.WriteFile(ctx, "scale-bulk", make([]byte, fileSize)); err != nil {
		return err
	}
	fmt.Println("| clients that read 4 KiB | reads a second | p50 | p99 | slowest client to fastest |")
	fmt.Println("|---|---|---|---|---|")
	for _, n := range counts {
		for _, own := range []bool{false, true} {
			what := fmt.Sprintf("%d, one file", n)
			if own {
				what = fmt.Sprintf("%d, own files", n)
			}
			if err := crowd(ctx, t, what, n, own); err != nil {
				return err
			}
		}
	}
	return beside(ctx, t)
}

// crowd is one row of the table.
func crowd(ctx context.Context, t *target, what string, n int, own bool) error {
	files, hangUp, err := readers(ctx, t, n, own)
	defer hangUp()
	if err != nil {
		return err
	}
	times := make([][]time.Duration, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	end := time.Now().Add(clientTime)
	for i, f := range files {
		wg.Go(func() { times[i], errs[i] = readSmall(ctx, f, func() bool { return time.Now().Before(end) }) })
	}
	wg.Wait()
	var all []time.Duration
	least, most := len(times[0]), 0
	for i := range times {
		if errs[i] != nil {
			return errs[i]
		}
		all = append(all, times[i]...)
		least, most = min(least, len(times[i])), max(most, len(times[i]))
	}
	row(what, all, fmt.Sprintf("%.2f", float64(least)/float64(most)))
	return nil
}

// readers opens a file for each of n clients.
func readers(ctx context.Context, t *target, n int, own bool) (files []*client.File, hangUp func(), err error) {
	hangUp = func() {
		for _, f := range files {
			_ = f.Tree.Session.Conn.Close()
		}
	}
	for i := range n {
		tree, err := t.connect(ctx)
		if err != nil {
			return files, hangUp, fmt.Errorf("client %d: %w", i, err)
		}
		name := "scale-bulk"
		if own {
			name = fmt.Sprintf("scale-own-%d", i)
			if err := tree.WriteFile(ctx, name, make([]byte, 16*smallRead)); err != nil {
				return files, hangUp, err
			}
		}
		f, err := tree.Create(ctx, client.CreateArgs{Name: name, Access: client.ReadAccess, Disposition: client.Open})
		if err != nil {
			return files, hangUp, err
		}
		files = append(files, f)
	}
	return files, hangUp, nil
}

// readSmall reads for as long as it may.
func readSmall(ctx context.Context, f *client.File, more func() bool) (times []time.Duration, err error) {
	for i := 0; more(); i++ {
		start := time.Now()
		if _, err := f.Read(ctx, uint64(i%16)*smallRead, smallRead); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

func row(what string, all []time.Duration, rest string) {
	slices.Sort(all)
	fmt.Printf("| %s | %.0f | %s | %s | %s |\n", what, float64(len(all))/clientTime.Seconds(), short(all[len(all)/2]), short(all[len(all)*99/100]), rest)
}

// beside measures a client of small requests alone, and while another reads 1 MiB at a
// time, eight in flight.
func beside(ctx context.Context, t *target) error {
	files, hangUp, err := readers(ctx, t, 2, false)
	defer hangUp()
	if err != nil {
		return err
	}
	for _, what := range []string{"1, alone", "1, beside a reader of 1 MiB, depth 8"} {
		var stop atomic.Bool
		var bulk int
		var bulkErr error
		var wg sync.WaitGroup
		if what != "1, alone" {
			wg.Go(func() { bulk, bulkErr = readBulk(ctx, files[1], &stop) })
		}
		end := time.Now().Add(clientTime)
		times, err := readSmall(ctx, files[0], func() bool { return time.Now().Before(end) })
		stop.Store(true)
		wg.Wait()
		if err != nil || bulkErr != nil {
			return fmt.Errorf("%w, %w", err, bulkErr)
		}
		rest := ""
		if bulk > 0 {
			rest = fmt.Sprintf("the other reads %.0f MiB/s", float64(bulk)*bulkRead/(1<<20)/clientTime.Seconds())
		}
		row(what, times, rest)
	}
	return nil
}

// readBulk reads with several requests in flight and returns how many there were.
func readBulk(ctx context.Context, f *client.File, stop *atomic.Bool) (n int, err error) {
	var calls [bulkDepth]*client.Call[[]byte]
	for i := 0; !stop.Load(); i++ {
		c := &calls[i%bulkDepth]
		if *c != nil {
			if _, err := (*c).Wait(ctx); err != nil {
				return n, err
			}
			n++
		}
		*c = f.StartRead(uint64(i)*bulkRead%fileSize, bulkRead)
	}
	for _, c := range calls {
		if c != nil {
			if _, err := c.Wait(ctx); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
