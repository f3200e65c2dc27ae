package directory

import (
	"fmt"
	"testing"
	"time"

	"lessor/smb/rpc"
)

// TestCache: it is bounded, and who was asked for longest ago goes first.
func TestCache(t *testing.T) {
	c, now := newCache(), time.Now()
	for i := range maxCached + 10 {
		c.put(fmt.Sprint(i), rpc.Account{Name: fmt.Sprint(i)}, now.Add(time.Second))
		_, _, _ = c.get("0", now)
	}
	if len(c.byKey) != maxCached || c.order.Len() != maxCached {
		t.Errorf("%d and %d entries", len(c.byKey), c.order.Len())
	}
	for key, want := range map[string]bool{"0": true, "1": false, "10": false, "11": true, fmt.Sprint(maxCached + 9): true} {
		if acc, found, fresh := c.get(key, now); found != want || fresh != want || found && acc.Name != key {
			t.Errorf("%s: %+v, %v, %v", key, acc, found, fresh)
		}
	}
	if _, found, fresh := c.get("0", now.Add(time.Second)); !found || fresh {
		t.Errorf("after its time: found %v, fresh %v", found, fresh)
	}
	c.put("0", rpc.Account{Name: "new"}, now.Add(time.Hour))
	if acc, _, fresh := c.get("0", now.Add(time.Minute)); !fresh || acc.Name != "new" || len(c.byKey) != maxCached {
		t.Errorf("replaced: %+v, %v", acc, fresh)
	}
}
