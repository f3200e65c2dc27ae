package wire

import (
	"bytes"
	"errors"
	"testing"
)

// The contexts that a Windows client sends with an ordinary open: durable
// handle, maximal access, on-disk id, lease.
const contextList = `
	38000000 1000 0400 0000 1800 20000000 44483251 00000000   # DH2Q
	00000000 00000000 0000000000000000 000102030405060708090a0b0c0d0e0f
	18000000 1000 0400 0000 0000 00000000 4d784163 00000000   # MxAc
	18000000 1000 0400 0000 0000 00000000 51466964 00000000   # QFid
	00000000 1000 0400 0000 1800 34000000 52714c73 00000000   # RqLs
	101112131415161718191a1b1c1d1e1f 07000000 04000000 0000000000000000
	202122232425262728292a2b2c2d2e2f 0100 0000`

func buildContextList(l *CreateContextList) {
	l.Put(TagDH2Q, &DurableRequestV2{CreateGuid: testKey(0)})
	l.Add(TagMxAc, nil)
	l.Add(TagQFid, nil)
	l.Put(TagRqLs, &LeaseContext{
		Version: 2, LeaseKey: testKey(0x10), LeaseState: LeaseRead | LeaseHandle | LeaseWrite,
		LeaseFlags: LeaseFlagParentLeaseKeySet, ParentLeaseKey: testKey(0x20), Epoch: 1,
	})
}

func TestCreateContextList(t *testing.T) {
	raw := unhex(t, contextList)
	var l CreateContextList
	buildContextList(&l)
	if diff := diffBytes(raw, l.Bytes); diff != "" {
		t.Errorf("the list is built otherwise (-want +got):\n%s", diff)
	}
	var tags []string
	var lengths []int
	it := CreateContexts(raw)
	for it.Next() {
		tags = append(tags, string(it.Tag()))
		lengths = append(lengths, len(it.Data()))
	}
	if it.Err() != nil || it.Next() || it.Tag() != nil {
		t.Errorf("the list ends with %v", it.Err())
	}
	if diff := diffValues([]string{TagDH2Q, TagMxAc, TagQFid, TagRqLs}, tags); diff != "" {
		t.Error(diff)
	}
	if diff := diffValues([]int{32, 0, 0, 52}, lengths); diff != "" {
		t.Error(diff)
	}
	data, ok := FindCreateContext(raw, TagRqLs)
	if !ok || len(data) != 52 || data[0] != 0x10 {
		t.Errorf("found %x, %v", data, ok)
	}
	if _, ok := FindCreateContext(raw, TagTWrp); ok {
		t.Error("found what is not there")
	}
}

func TestCreateContextLongTag(t *testing.T) {
	var l CreateContextList
	l.Put(TagPosix, &PosixCreateRequest{Mode: 0o644})
	l.Put(TagAppInstanceID, &AppInstanceID{})
	want := unhex(t, `
		28000000 1000 1000 0000 2000 04000000 93ad25509cb411e7b42383de968bcd7c a4010000 00000000
		00000000 1000 1000 0000 2000 14000000 45bca66aefa7f74a9008fa462e144d74
		1400 0000 00000000000000000000000000000000`)
	if diff := diffBytes(want, l.Bytes); diff != "" {
		t.Error(diff)
	}
	if data, ok := FindCreateContext(l.Bytes, TagPosix); !ok || len(data) != 4 {
		t.Errorf("found %x, %v", data, ok)
	}
}

func TestCreateContextsMalformed(t *testing.T) {
	for _, c := range []struct {
		name string
		at   int
		hex  string
		want error
	}{
		{"next is not aligned", 0, "34000000", ErrMalformed},
		{"next within its own header", 0, "08000000", ErrMalformed},
		{"next beyond the end", 0, "00010000", ErrTruncated},
		{"next is huge", 0, "f8ffffff", ErrTruncated},
		{"name within the header", 4, "0f00", ErrMalformed},
		{"name beyond the entry", 4, "3800", ErrTruncated},
		{"no name", 6, "0000", ErrMalformed},
		{"name too long", 6, "ffff", ErrTruncated},
		{"data over the name", 10, "1000", ErrMalformed},
		{"data beyond the entry", 10, "2000", ErrTruncated},
		{"data too long", 12, "21000000", ErrTruncated},
		{"data is huge", 12, "ffffffff", ErrTruncated},
	} {
		raw := unhex(t, contextList)
		copy(raw[c.at:], unhex(t, c.hex))
		it := CreateContexts(raw)
		for it.Next() {
			t.Errorf("%s: the entry is accepted", c.name)
		}
		if !errors.Is(it.Err(), c.want) {
			t.Errorf("%s: %v, want %v", c.name, it.Err(), c.want)
		}
	}
	raw := unhex(t, contextList)
	for n := 1; n < len(raw); n++ {
		it := CreateContexts(raw[:n:n])
		for it.Next() {
		}
		if it.Err() == nil {
			t.Errorf("%d of %d bytes are accepted", n, len(raw))
		}
	}
	if it := CreateContexts(nil); it.Next() || it.Err() != nil {
		t.Error("the empty list is refused")
	}
}

func TestCreateContextsDoNotAllocate(t *testing.T) {
	raw := unhex(t, contextList)
	buf := make([]byte, 0, 512)
	if n := testing.AllocsPerRun(100, func() {
		var lease LeaseContext
		for it := CreateContexts(raw); it.Next(); {
			if string(it.Tag()) == TagRqLs && lease.Decode(it.Data()) != nil {
				t.Fatal("refused")
			}
		}
		l := CreateContextList{Bytes: buf}
		l.Begin(TagRqLs)
		l.Bytes = lease.Append(l.Bytes)
		l.End()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCreateContexts(f *testing.F) {
	f.Add(unhex(f, contextList))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var l CreateContextList
		it := CreateContexts(raw)
		for it.Next() {
			l.Add(string(it.Tag()), it.Data())
		}
		again := CreateContexts(l.Bytes)
		for it = CreateContexts(raw); it.Next(); {
			if !again.Next() || !bytes.Equal(it.Tag(), again.Tag()) || !bytes.Equal(it.Data(), again.Data()) {
				t.Fatalf("%x: %q %x came back as %q %x, %v", raw, it.Tag(), it.Data(), again.Tag(), again.Data(), again.Err())
			}
		}
		if again.Next() || again.Err() != nil {
			t.Fatalf("%x: too much came back, %v", raw, again.Err())
		}
	})
}
