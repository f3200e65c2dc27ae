package smb

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"lessor/vfs"
)

func TestFaultsBeginAndEndOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f faults
		k, ok := storageFault(fmt.Errorf("write: %w", vfs.ErrNoSpace))
		if !ok || k != faultFull {
			t.Fatal(k, ok)
		}
		if !f.met(k) || f.met(k) || !f.any.Load() {
			t.Error("it begins with the first request that meets it")
		}
		time.Sleep(faultOver / 2)
		if _, over := f.worked(k); over {
			t.Error("a write that succeeds now and then ends nothing")
		}
		if f.met(k) {
			t.Error("it is still the same")
		}
		time.Sleep(faultOver)
		was, over := f.worked(k)
		if !over || was.count != 3 || was.last.Sub(was.began) != faultOver/2 || f.any.Load() {
			t.Errorf("%v %+v", over, was)
		}
		if _, over := f.worked(k); over {
			t.Error("it ends twice")
		}
		if !f.met(k) {
			t.Error("it does not begin again")
		}
	})
}
