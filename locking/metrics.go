package locking

import "sync/atomic"

// Stats are the current counts of a manager.
type Stats struct {
	// Files and Opens count what is registered, disconnected opens included.
	Files, Opens int64
	// Leases by state, indexed by the LeaseState bits; index 0 counts leases
	// that lost everything.
	Leases [8]int64
	// OplocksII, OplocksExclusive and OplocksBatch count oplocks by level.
	OplocksII, OplocksExclusive, OplocksBatch int64
	// Ranges and RangeWaiters count byte-range locks, granted and awaited.
	Ranges, RangeWaiters int64
	// Breaking counts breaks that await an acknowledgement.
	Breaking int64
	// DurableHeld counts disconnected opens that are kept.
	DurableHeld int64
}

// counters are the Stats as atomics.
type counters struct {
	files, opens         atomic.Int64
	leases               [8]atomic.Int64
	oplocks              [4]atomic.Int64 // by OplockLevel
	ranges, rangeWaiters atomic.Int64
	breaking             atomic.Int64
	durable              atomic.Int64
	dirLeases            atomic.Int64 // with any right
}

func (c *counters) snapshot() Stats {
	s := Stats{
		Files:            c.files.Load(),
		Opens:            c.opens.Load(),
		OplocksII:        c.oplocks[OplockII].Load(),
		OplocksExclusive: c.oplocks[OplockExclusive].Load(),
		OplocksBatch:     c.oplocks[OplockBatch].Load(),
		Ranges:           c.ranges.Load(),
		RangeWaiters:     c.rangeWaiters.Load(),
		Breaking:         c.breaking.Load(),
		DurableHeld:      c.durable.Load(),
	}
	for i := range c.leases {
		s.Leases[i] = c.leases[i].Load()
	}
	return s
}
