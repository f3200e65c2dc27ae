package transport

import "testing"

// What all connections share. "go test -cpu 1,2" says how it scales.

// BenchmarkBuffers takes and gives back buffers of the sizes of small and of large
// messages.
func BenchmarkBuffers(b *testing.B) {
	for name, n := range map[string]int{"4K": 4 << 10, "64K": 64 << 10, "1M": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					Get(n).Release()
				}
			})
		})
	}
}
