package smb

import (
	"lessor/locking"
	"lessor/smb/ntstatus"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
)

// createContexts are the create contexts of a request that the server knows
// (MS-SMB2 3.3.5.9, "handling the create contexts"). What it does not know is
// ignored, as the specification demands.
type createContexts struct {
	ea       []wire.EaEntry
	hasEA    bool
	sd       *secdesc.Descriptor
	alloc    uint64
	hasAlloc bool
	maximal  *wire.MaximalAccessRequest
	diskID   bool
	lease    *wire.LeaseContext

	durable     bool
	durableV2   *wire.DurableRequestV2
	reconnect   *wire.DurableReconnect
	reconnectV2 *wire.DurableReconnectV2

	appID      *wire.AppInstanceID
	appVersion *wire.AppInstanceVersion
	timewarp   *wire.TimewarpToken
	aapl       *wire.AAPLRequest
	posix      *wire.PosixCreateRequest
}

// contextReader takes one create context in.
type contextReader func(c *createContexts, data []byte) error

// contextReaders is the table of create contexts, by tag.
var contextReaders = map[string]contextReader{
	wire.TagExtA: func(c *createContexts, data []byte) error {
		var list wire.FileFullEaInformation
		if err := list.Decode(data); err != nil {
			return ntstatus.EaListInconsistent
		}
		c.ea, c.hasEA = list.Entries, true
		return nil
	},
	wire.TagSecD: func(c *createContexts, data []byte) (err error) {
		if len(data) > secdesc.MaxDescriptorSize {
			return ntstatus.InvalidParameter
		}
		c.sd, err = secdesc.Decode(data)
		return err
	},
	wire.TagAlSi: func(c *createContexts, data []byte) error {
		var v wire.AllocationSizeContext
		err := v.Decode(data)
		c.alloc, c.hasAlloc = v.AllocationSize, true
		return err
	},
	wire.TagMxAc: func(c *createContexts, data []byte) error {
		c.maximal = new(wire.MaximalAccessRequest)
		return c.maximal.Decode(data)
	},
	wire.TagQFid: func(c *createContexts, _ []byte) error {
		c.diskID = true
		return nil
	},
	wire.TagRqLs: func(c *createContexts, data []byte) error {
		c.lease = new(wire.LeaseContext)
		return c.lease.Decode(data)
	},
	wire.TagDHnQ: func(c *createContexts, data []byte) error {
		c.durable = true
		var v wire.DurableRequest
		return v.Decode(data)
	},
	wire.TagDHnC: func(c *createContexts, data []byte) error {
		c.reconnect = new(wire.DurableReconnect)
		return c.reconnect.Decode(data)
	},
	wire.TagDH2Q: func(c *createContexts, data []byte) error {
		c.durableV2 = new(wire.DurableRequestV2)
		return c.durableV2.Decode(data)
	},
	wire.TagDH2C: func(c *createContexts, data []byte) error {
		c.reconnectV2 = new(wire.DurableReconnectV2)
		return c.reconnectV2.Decode(data)
	},
	wire.TagAppInstanceID: func(c *createContexts, data []byte) error {
		c.appID = new(wire.AppInstanceID)
		return c.appID.Decode(data)
	},
	wire.TagAppInstanceVersion: func(c *createContexts, data []byte) error {
		c.appVersion = new(wire.AppInstanceVersion)
		return c.appVersion.Decode(data)
	},
	wire.TagTWrp: func(c *createContexts, data []byte) error {
		c.timewarp = new(wire.TimewarpToken)
		return c.timewarp.Decode(data)
	},
	wire.TagAAPL: func(c *createContexts, data []byte) error {
		c.aapl = new(wire.AAPLRequest)
		return c.aapl.Decode(data)
	},
	wire.TagPosix: func(c *createContexts, data []byte) error {
		c.posix = new(wire.PosixCreateRequest)
		return c.posix.Decode(data)
	},
}

// minTag is the length of the shortest name of a create context (MS-SMB2
// 2.2.13.2).
const minTag = 4

// parseContexts reads the contexts of a CREATE. Which of them exist depends on
// the dialect: those of a later one are ignored.
func (r *request) parseContexts(list []byte) (*createContexts, error) {
	c := new(createContexts)
	dialect := r.conn.dialect()
	it := wire.CreateContexts(list)
	for it.Next() {
		tag := string(it.Tag())
		if len(tag) < minTag {
			return nil, ntstatus.InvalidParameter
		}
		read := contextReaders[tag]
		switch tag {
		case wire.TagDH2Q, wire.TagDH2C, wire.TagAppInstanceID:
			if dialect < wire.Dialect300 {
				continue
			}
		case wire.TagAppInstanceVersion:
			if dialect < wire.Dialect311 {
				continue
			}
		case wire.TagRqLs:
			if dialect < wire.Dialect210 {
				continue
			}
		case wire.TagPosix:
			if !r.hasPosix() {
				continue
			}
		}
		if read == nil {
			continue
		}
		if err := read(c, it.Data()); err != nil {
			if st := statusOf(err); st == ntstatus.EaListInconsistent {
				return nil, st
			}
			return nil, ntstatus.InvalidParameter
		}
	}
	if it.Err() != nil {
		return nil, ntstatus.InvalidParameter
	}
	return c, nil
}

// leaseRequest translates the lease that a CREATE asks for, or returns nil. A
// lease of version 2 needs a dialect 3.x (MS-SMB2 3.3.5.9.11).
func (r *request) leaseRequest(q *wire.CreateRequest, c *createContexts) *locking.LeaseRequest {
	if q.RequestedOplockLevel != wire.OplockLease {
		return nil
	}
	return r.leaseOf(c)
}

// leaseOf is leaseRequest for a reconnect, in which the oplock level means
// nothing.
func (r *request) leaseOf(c *createContexts) *locking.LeaseRequest {
	l := c.lease
	if l == nil {
		return nil
	}
	req := &locking.LeaseRequest{
		Key:     locking.LeaseKey(l.LeaseKey),
		State:   locking.LeaseState(l.LeaseState) & locking.LeaseRWH,
		Version: l.Version,
	}
	if l.Version == 2 && r.conn.dialect() < wire.Dialect300 {
		req.Version = 1
	}
	if req.Version == 2 {
		req.Epoch = l.Epoch
		if l.LeaseFlags&wire.LeaseFlagParentLeaseKeySet != 0 {
			req.ParentKey, req.HasParent = locking.LeaseKey(l.ParentLeaseKey), true
		}
	}
	return req
}

// leaseResponse is the lease context of the reply (MS-SMB2 2.2.14.2.10, .11).
func leaseResponse(key locking.LeaseKey, g locking.Grant) *wire.LeaseContext {
	l := &wire.LeaseContext{
		Version:    max(1, g.Version),
		LeaseKey:   wire.GUID(key),
		LeaseState: wire.LeaseState(g.Lease),
	}
	if g.Breaking {
		l.LeaseFlags |= wire.LeaseFlagBreakInProgress
	}
	if l.Version == 2 {
		l.Epoch = g.Epoch
		if g.HasParent {
			l.LeaseFlags |= wire.LeaseFlagParentLeaseKeySet
			l.ParentLeaseKey = wire.GUID(g.ParentKey)
		}
	}
	return l
}
