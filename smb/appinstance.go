package smb

import (
	"sync"

	"lessor/smb/wire"
)

// appInstances finds opens by the application instance that made them (MS-SMB2
// 3.3.5.9.13): a virtual machine, say, that was moved to another host and must
// not wait for its own former self.
type appInstances struct {
	mu    sync.Mutex // leaf; guards opens
	opens map[wire.GUID]map[*open]struct{}
}

// add makes an open findable.
func (t *appInstances) add(o *open) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.opens == nil {
		t.opens = make(map[wire.GUID]map[*open]struct{})
	}
	set := t.opens[o.app.id]
	if set == nil {
		set = make(map[*open]struct{})
		t.opens[o.app.id] = set
	}
	set[o] = struct{}{}
}

// remove forgets an open.
func (t *appInstances) remove(o *open) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if set := t.opens[o.app.id]; set != nil {
		delete(set, o)
		if len(set) == 0 {
			delete(t.opens, o.app.id)
		}
	}
}

// moved puts the open of a reconnected client in the place of the former one.
func (t *appInstances) moved(from, to *open) {
	if to.app.id.IsZero() {
		return
	}
	t.remove(from)
	t.add(to)
}

// others returns the opens of an instance that are of another client.
func (t *appInstances) others(cl *client, id wire.GUID) []*open {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*open
	for o := range t.opens[id] {
		if o.sess.client != cl {
			list = append(list, o)
		}
	}
	return list
}

// appInstance is the application instance of an open.
type appInstance struct {
	id        wire.GUID
	version   wire.AppInstanceVersion
	versioned bool
}

// newer reports whether an instance of version v may push this one out (MS-SMB2
// 3.3.5.9.13): where both have a version, only a higher one.
func (a *appInstance) newer(v *wire.AppInstanceVersion) bool {
	if v == nil || !a.versioned {
		return true
	}
	if v.AppInstanceVersionHigh != a.version.AppInstanceVersionHigh {
		return v.AppInstanceVersionHigh > a.version.AppInstanceVersionHigh
	}
	return v.AppInstanceVersionLow > a.version.AppInstanceVersionLow
}
