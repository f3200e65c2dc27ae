package wire

import "time"

// Filetime counts intervals of 100 nanoseconds since 1601-01-01 UTC (MS-DTYP
// 2.3.3). Zero means "no time". In a request to set times, -1 and -2 have the
// meaning of MS-FSCC 2.4.7.
type Filetime int64

// unixEpoch is 1970-01-01 as a Filetime.
const unixEpoch Filetime = 116444736000000000

const ticksPerSecond = 10_000_000

// FiletimeOf converts t, cutting what is below 100 ns. The zero Time gives 0,
// and so does every time before 1601.
func FiletimeOf(t time.Time) Filetime {
	if t.IsZero() {
		return 0
	}
	return FiletimeOfUnix(t.Unix(), int64(t.Nanosecond()))
}

// FiletimeOfUnix converts seconds and nanoseconds since 1970. What a Filetime
// cannot hold comes out as the nearest value that it can, 0 at least.
func FiletimeOfUnix(sec, nsec int64) Filetime {
	const (
		least = -int64(unixEpoch) / ticksPerSecond
		most  = (1<<63 - 1 - int64(unixEpoch)) / ticksPerSecond
	)
	switch {
	case sec < least:
		return 0
	case sec >= most:
		return 1<<63 - 1
	}
	return Filetime(sec*ticksPerSecond+nsec/100) + unixEpoch
}

// Unix is the time as seconds and nanoseconds (0 to 999,999,999) since 1970.
func (f Filetime) Unix() (sec, nsec int64) {
	if f < 0 {
		// Negative values are special or relative and never a point in time;
		// the subtraction must not wrap around for them.
		f = 0
	}
	d := int64(f - unixEpoch)
	sec, nsec = d/ticksPerSecond, d%ticksPerSecond*100
	if nsec < 0 {
		sec, nsec = sec-1, nsec+1_000_000_000
	}
	return sec, nsec
}

// Time converts to a time in UTC; 0 gives the zero Time.
func (f Filetime) Time() time.Time {
	if f == 0 {
		return time.Time{}
	}
	return time.Unix(f.Unix()).UTC()
}

// Filetime reads eight bytes.
func (r *Reader) Filetime() Filetime { return Filetime(r.U64()) }

// AppendFiletime appends the eight bytes of f.
func AppendFiletime(b []byte, f Filetime) []byte { return AppendU64(b, uint64(f)) }
