package memfs

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"lessor/vfs"
)

// spanEnd is how large the files of the model are at most.
const spanEnd = 130 * pageSize

// drawSpan draws a span that likes to begin and end where pages do.
func drawSpan(t *rapid.T, what string, longest int64) (off, n int64) {
	edge := func(label string, most int64) int64 {
		at := rapid.Int64Range(0, most/pageSize).Draw(t, what+" "+label) * pageSize
		at += rapid.SampledFrom([]int64{0, 0, 0, 1, -1, 7, pageSize / 2}).Draw(t, what+" "+label+" shift")
		return min(max(at, 0), most)
	}
	off = edge("offset", spanEnd)
	return off, min(edge("length", longest), spanEnd-off)
}

// twin is a stream and what should be in it.
type twin struct {
	data  data
	model []byte
}

// grow makes the model at least n long.
func (w *twin) grow(n int64) {
	if missing := n - int64(len(w.model)); missing > 0 {
		w.model = append(w.model, make([]byte, missing)...)
	}
}

// streamsModel is several streams on one account.
type streamsModel struct {
	space space
	twins [3]twin
	next  byte
	buf   [spanEnd + 10]byte // to read into
}

// draw picks a stream.
func (m *streamsModel) draw(t *rapid.T, what string) *twin {
	return &m.twins[rapid.IntRange(0, len(m.twins)-1).Draw(t, what)]
}

// fits reports whether an operation was carried out; if not it must be for want
// of space.
func fits(t *rapid.T, err error) bool {
	if err != nil && !errors.Is(err, vfs.ErrNoSpace) {
		t.Fatal(err)
	}
	return err == nil
}

func (m *streamsModel) Write(t *rapid.T) {
	w := m.draw(t, "stream")
	off, n := drawSpan(t, "span", 5*pageSize)
	if n == 0 {
		return
	}
	m.next++
	p := bytes.Repeat([]byte{m.next | 1}, int(n))
	if fits(t, w.data.write(&m.space, p, off)) {
		w.grow(off + n)
		copy(w.model[off:], p)
	}
}

func (m *streamsModel) Truncate(t *rapid.T) {
	w := m.draw(t, "stream")
	size, _ := drawSpan(t, "size", 0)
	if fits(t, w.data.truncate(&m.space, size)) {
		w.grow(size)
		w.model = w.model[:size]
	}
}

func (m *streamsModel) Zero(t *rapid.T) {
	w := m.draw(t, "stream")
	off, n := drawSpan(t, "span", spanEnd)
	if fits(t, w.data.zero(&m.space, off, n, rapid.Bool().Draw(t, "free"))) && off < int64(len(w.model)) {
		clear(w.model[off:min(off+n, int64(len(w.model)))])
	}
}

func (m *streamsModel) Reserve(t *rapid.T) {
	off, n := drawSpan(t, "span", 20*pageSize)
	fits(t, m.draw(t, "stream").data.reserve(&m.space, off, n))
}

func (m *streamsModel) Clear(t *rapid.T) {
	w := m.draw(t, "stream")
	m.space.give(w.data.clear())
	w.model = nil
}

// Copy copies as Handle.CopyFrom does, which clones where it can.
func (m *streamsModel) Copy(t *rapid.T) {
	src, dst := m.draw(t, "source"), m.draw(t, "target")
	srcOff, n := drawSpan(t, "source", 20*pageSize)
	dstOff, _ := drawSpan(t, "target", 0)
	if rapid.Bool().Draw(t, "alike") {
		dstOff = dstOff&^(pageSize-1) | srcOff&(pageSize-1)
	}
	n = min(n, spanEnd-dstOff)
	if src == dst && max(srcOff, dstOff)-min(srcOff, dstOff) < n {
		return
	}
	for done := int64(0); done < n; {
		moved, err := dst.data.copyStep(&m.space, &src.data, srcOff+done, dstOff+done, n-done)
		if !fits(t, err) || moved == 0 {
			break
		}
		dst.grow(dstOff + done + moved)
		copy(dst.model[dstOff+done:], src.model[srcOff+done:srcOff+done+moved])
		done += moved
	}
}

// Check compares contents, spans and the account.
func (m *streamsModel) Check(t *rapid.T) {
	seen := make(map[*pageData]bool)
	used := int64(0)
	for i := range m.twins {
		w := &m.twins[i]
		if w.data.size != int64(len(w.model)) {
			t.Fatalf("size %d, want %d", w.data.size, len(w.model))
		}
		got := m.buf[:len(w.model)+10]
		if n := w.data.read(got, 0); !bytes.Equal(got[:n], w.model) {
			t.Fatal("contents differ")
		}
		checkRanges(t, w)
		pages, cost := audit(t, &w.data)
		used += cost
		for _, p := range pages {
			if p == &unwritten || !seen[p] {
				used += pageSize
			}
			seen[p] = true
		}
	}
	if unwritten != (pageData{}) {
		t.Fatal("the unwritten page was written to")
	}
	if got := m.space.used.Load(); got != used || got > m.space.limit {
		t.Fatalf("%d bytes are paid, %d in use, limit %d", got, used, m.space.limit)
	}
}

// checkRanges checks that spans are in order, apart, and miss no data.
func checkRanges(t *rapid.T, w *twin) {
	buf := make([]vfs.Range, 200)
	end := int64(0)
	for _, r := range buf[:w.data.ranges(0, spanEnd, buf)] {
		if r.Off < end || r.Off == end && end > 0 || r.Len <= 0 || r.Off+r.Len > w.data.size {
			t.Fatalf("span %v after %d in %d bytes", r, end, w.data.size)
		}
		if gap := w.model[end:r.Off]; !allZero(gap) {
			t.Fatalf("data before %d is not in a span", r.Off)
		}
		end = r.Off + r.Len
	}
	if !allZero(w.model[end:]) {
		t.Fatalf("data after %d is not in a span", end)
	}
}

// allZero reports whether there is nothing but zeros.
func allZero(p []byte) bool { return bytes.Count(p, []byte{0}) == len(p) }

// audit counts the pages and branches of a stream and checks what the tree says
// of itself.
func audit(t *rapid.T, d *data) (all []*pageData, cost int64) {
	var visit func(b *branch, level int)
	visit = func(b *branch, level int) {
		used := 0
		if level == 1 {
			cost += leafCost
			for _, p := range b.pages {
				if p.data != nil {
					used++
					all = append(all, p.data)
				}
			}
		} else {
			cost += branchCost
			for _, kid := range b.kids {
				if kid != nil {
					used++
					visit(kid, level-1)
				}
			}
		}
		if used != b.used || used == 0 {
			t.Fatalf("a branch counts %d of %d", b.used, used)
		}
	}
	if d.tree.root != nil {
		visit(d.tree.root, d.tree.height)
	}
	if cost != d.tree.cost || int64(len(all)) != d.tree.count {
		t.Fatalf("the tree counts %d pages of %d, cost %d of %d", d.tree.count, len(all), d.tree.cost, cost)
	}
	return all, cost
}

func TestDataAgainstModel(t *testing.T) {
	for name, limit := range map[string]int64{"enough space": 1 << 30, "little space": 40 * pageSize} {
		t.Run(name, func(t *testing.T) {
			all := new(streamsModel)
			rapid.Check(t, func(t *rapid.T) {
				m := all
				m.space.limit, m.twins = limit, [3]twin{}
				m.space.used.Store(0)
				t.Repeat(rapid.StateMachineActions(m))
			})
		})
	}
}

func TestTreeCostIsAnUpperBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tree pages
		at := func(label string) int64 {
			return rapid.Int64Range(0, 1<<rapid.IntRange(0, 48).Draw(t, label+" bits")-1).Draw(t, label)
		}
		for range rapid.IntRange(0, 3).Draw(t, "before") {
			if i := at("page"); tree.get(i) == nil {
				tree.put(i, page{data: &unwritten})
			}
		}
		from, n := at("from"), rapid.Int64Range(1, 10_000).Draw(t, "span")
		from = min(from, 1<<48-n)
		before, most := tree.cost, int64(0)
		count := int64(0)
		for i := from; i < from+n; i += rapid.Int64Range(1, 500).Draw(t, "step") {
			if tree.get(i) == nil {
				tree.put(i, page{data: &unwritten})
				count++
			}
		}
		if most = treeCost(n, count); tree.cost-before > most {
			t.Fatalf("%d pages in %d cost %d, at most %d were expected", count, n, tree.cost-before, most)
		}
		if tree.drop(0, 1<<62); tree.cost != 0 || tree.count != 0 || tree.root != nil {
			t.Fatalf("left: %+v", tree)
		}
	})
}

// Zeroes that keep their storage in place of a shared page are paid anew.
func TestZeroesForASharedPageArePaid(t *testing.T) {
	sp := &space{limit: 1 << 20}
	var src, dst data
	if err := errors.Join(src.write(sp, make([]byte, 3*pageSize), 0), dst.clone(sp, &src, 0, 0, 3*pageSize)); err != nil {
		t.Fatal(err)
	}
	before := sp.used.Load()
	for range 2 {
		if err := dst.zero(sp, 0, 2*pageSize, false); err != nil {
			t.Fatal(err)
		}
		if got := sp.used.Load() - before; got != 2*pageSize {
			t.Errorf("%d bytes for two pages", got)
		}
	}
	sp.give(dst.clear() + src.clear())
	if got := sp.used.Load(); got != 0 {
		t.Errorf("%d bytes are left", got)
	}
}

// TestSharedPagesGoWithTheLast lets many write to one shared page at once: each
// must get its own, and the account must come out even.
func TestSharedPagesGoWithTheLast(t *testing.T) {
	for range 50 {
		sp := &space{limit: 1 << 20}
		var src data
		if err := src.write(sp, bytes.Repeat([]byte("x"), pageSize), 0); err != nil {
			t.Fatal(err)
		}
		const sharers = 8
		var all [sharers]data
		for i := range all {
			if err := all[i].clone(sp, &src, 0, 0, pageSize); err != nil {
				t.Fatal(err)
			}
		}
		sp.give(src.clear())
		done := make(chan error)
		for i := range all {
			go func() { done <- all[i].write(sp, []byte{byte(i)}, int64(i)) }()
		}
		for range all {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if got, want := sp.used.Load(), int64(sharers*(pageSize+leafCost)); got != want {
			t.Fatalf("%d bytes are paid for %d", got, want)
		}
		for i := range all {
			got := make([]byte, pageSize)
			all[i].read(got, 0)
			want := bytes.Repeat([]byte("x"), pageSize)
			want[i] = byte(i)
			if !bytes.Equal(got, want) {
				t.Fatalf("%d sees the writes of others", i)
			}
			sp.give(all[i].clear())
		}
		if got := sp.used.Load(); got != 0 {
			t.Fatalf("%d bytes are left", got)
		}
	}
}
