package transport

import (
	"testing"
	"unsafe"
)

func TestGetSizes(t *testing.T) {
	noLeak(t)
	tests := []struct{ n, capacity int }{
		{0, 4 << 10}, {1, 4 << 10}, {4 << 10, 4 << 10}, {4<<10 + 1, 8 << 10},
		{64 << 10, 64 << 10}, {64<<10 + 1, 128 << 10},
		{8<<20 + 4096, 16 << 20}, {16 << 20, 16 << 20}, {16<<20 + 1, 16<<20 + 1},
	}
	for _, tt := range tests {
		b := Get(tt.n)
		if len(b.B) != tt.n || cap(b.B) != tt.capacity {
			t.Errorf("Get(%d): len %d cap %d, want cap %d", tt.n, len(b.B), cap(b.B), tt.capacity)
		}
		if a := uintptr(unsafe.Pointer(unsafe.SliceData(b.B))); a%4096 != 0 {
			t.Errorf("Get(%d): at %#x, not at the start of a page", tt.n, a)
		}
		b.Release()
	}
}

func TestReleaseRestoresTheBuffer(t *testing.T) {
	noLeak(t)
	for range 100 {
		b := Get(100)
		if len(b.B) != 100 || b.shared {
			t.Fatalf("len %d, shared %v", len(b.B), b.shared)
		}
		b.B = b.B[50:60]
		b.shared = true
		b.Release()
	}
}

func TestReferenceCount(t *testing.T) {
	base := LiveBuffers()
	b := Get(5000)
	b.Retain()
	b.Release()
	if n := LiveBuffers() - base; n != 1 || len(b.B) != 5000 {
		t.Fatalf("%d buffers live, len %d; want one of 5000 bytes", n, len(b.B))
	}
	b.Release()
	if n := LiveBuffers() - base; n != 0 {
		t.Fatalf("%d buffers live after the last release", n)
	}
}

func TestMisuseOfReferencesPanics(t *testing.T) {
	// These buffers never went through the pool, nobody else can have got them.
	for name, use := range map[string]func(*Buffer){
		"Release": (*Buffer).Release,
		"Retain":  (*Buffer).Retain,
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s without a reference did not panic", name)
				}
			}()
			use(&Buffer{mem: make([]byte, 8)})
		}()
	}
}

func TestFrameReleaseIsIdempotent(t *testing.T) {
	noLeak(t)
	b := Get(10)
	b.Retain()
	f := NewFrame(b, b.B[2:5])
	if !f.Owned() {
		t.Error("a frame around a buffer of its own is not Owned")
	}
	f.Release()
	f.Release()
	if f.Data != nil || f.Owned() || !b.sole() {
		t.Errorf("after release: %+v, sole %v", f, b.sole())
	}
	b.Release()
}
