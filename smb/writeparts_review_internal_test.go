package smb

import (
	"testing"
	"testing/synctest"

	"lessor/smb/transport"
)

// TestWritePartsBehindASleeper: the rest of a WRITE is not counted while the part before it
// waits for another client, whichever comes first, and is counted for the part after that.
func TestWritePartsBehindASleeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memoryServer(minBufferMemory)
		c := s.memoryConn(t)
		counted := func(when string, want int64) {
			t.Helper()
			if n := s.memory.used(); n != want || int64(c.bulk.frames) != want {
				t.Errorf("%s: %d and %d bytes are counted, not %d", when, n, c.bulk.frames, want)
			}
		}
		const part, rest = 1 << 20, 8 << 20
		r := &request{conn: c, frame: transport.NewFrame(transport.Get(part), make([]byte, part))}
		defer r.frame.Release()
		r.parts.begun = true
		r.chargeFrame()
		counted("at work", part)
		r.chargeBehind(rest)
		counted("with the rest behind it", part+rest)
		over := make(chan struct{})
		close(over)
		if err := r.sleep(over, nil); err != nil {
			t.Fatal(err)
		}
		counted("asleep", 0)
		r.chargeBehind(rest)
		counted("the rest behind a sleeper", 0)
		r.unchargeBehind(false)
		r.chargeFrame()
		counted("the next part", part)
		r.chargeBehind(rest)
		counted("the rest behind that", part+rest)
		r.unchargeBehind(false)
		r.unchargeFrame()
		counted("done", 0)
		r.chargeBehind(1)
		counted("a short rest", 0)
	})
}
