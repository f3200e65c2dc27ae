package rpc

import (
	"lessor/smb/rpc/ndr"
)

// platformNT is PLATFORM_ID_NT (MS-SRVS 2.2.2.6).
const platformNT = 500

// serverType is SV_TYPE_WORKSTATION, SERVER, NT and SERVER_NT (MS-SRVS 2.2.2.7).
const serverType = 0x00009003

// serverInfo is what the levels of NetrServerGetInfo are made of.
type serverInfo struct {
	name, comment string
	major, minor  uint32
}

// serverLevels are arms of SERVER_INFO (MS-SRVS 2.2.3.7). Those about tuning
// are not offered.
var serverLevels = levels[serverInfo]{
	100:  putServer100,
	101:  putServer101,
	102:  putServer102,
	103:  putServer103,
	502:  nil,
	503:  nil,
	599:  nil,
	1005: func(e *ndr.Encoder, s *serverInfo) { e.StringPointer(s.comment) },
}

// putServer100 writes a SERVER_INFO_100 (MS-DTYP 2.3.12).
func putServer100(e *ndr.Encoder, s *serverInfo) {
	e.U32(platformNT)
	e.StringPointer(s.name)
}

// putServer101 writes a SERVER_INFO_101 (MS-DTYP 2.3.13).
func putServer101(e *ndr.Encoder, s *serverInfo) {
	putServer100(e, s)
	e.U32(s.major)
	e.U32(s.minor)
	e.U32(serverType)
	e.StringPointer(s.comment)
}

// putServer102 writes a SERVER_INFO_102.
func putServer102(e *ndr.Encoder, s *serverInfo) {
	putServer101(e, s)
	e.U32(Unlimited) // users
	e.U32(15)        // disc: minutes until an idle session ends
	e.U32(0)         // hidden
	e.U32(240)       // announce, in seconds
	e.U32(3000)      // anndelta, in milliseconds
	e.U32(0)         // licenses
	e.StringPointer(`C:\`)
}

// putServer103 writes a SERVER_INFO_103.
func putServer103(e *ndr.Encoder, s *serverInfo) {
	putServer102(e, s)
	e.U32(0) // capabilities
}

type serverGetInfo struct{ level uint32 }

func decodeServerGetInfo(d *ndr.Decoder) serverGetInfo {
	d.UniqueString()
	return serverGetInfo{d.U32()}
}

// serverGetInfo is NetrServerGetInfo (MS-SRVS 3.1.4.17).
func (k *call) serverGetInfo(q serverGetInfo) werr {
	s := serverInfo{name: k.b.ServerName(), comment: k.b.Comment()}
	s.major, s.minor = k.b.Version()
	return infoReply(k, q.level, serverLevels, &s)
}

type diskEnum struct {
	level  uint32
	resume *uint32
}

func decodeDiskEnum(d *ndr.Decoder) diskEnum {
	d.UniqueString()
	q := diskEnum{level: d.U32()}
	if d.U32(); d.Pointer() {
		// An empty conformant varying array.
		if d.U32(); d.U32() != 0 || d.U32() != 0 {
			d.Fail()
		}
	}
	d.U32()
	q.resume = d.UniqueU32()
	return q
}

// diskEnum is NetrServerDiskEnum (MS-SRVS 3.1.4.19): the drives that paths of
// shares begin with.
func (k *call) diskEnum(q diskEnum) werr {
	status := werrOK
	switch {
	case !k.admin():
		status = werrAccessDenied
	case q.level != 0:
		status = werrInvalidLevel
	}
	e := &k.out
	n := uint32(0)
	if status == werrOK {
		n = 1
	}
	e.U32(n)
	e.Pointer(func() {
		e.U32(n) // maximum count
		e.U32(0) // offset
		e.U32(n) // actual count
		if n == 1 {
			e.U32(0)
			e.U32(3)
			e.Bytes([]byte{'C', 0, ':', 0, 0, 0})
		}
	})
	e.Flush()
	e.U32(n)
	e.UniqueU32(q.resume)
	return status
}

// transport is how clients reach the server.
type transport struct {
	sessions       uint32
	server, domain string
}

const (
	transportName    = `\Device\NetbiosSmb`
	transportAddress = "000000000000" // a MAC address; NetbiosSmb has none
)

// transportLevels are the arms of SERVER_XPORT_ENUM_UNION (MS-SRVS 2.2.3.8).
var transportLevels = levels[transport]{0: putTransport0, 1: putTransport1, 2: nil, 3: nil}

// putTransport0 writes a SERVER_TRANSPORT_INFO_0.
func putTransport0(e *ndr.Encoder, t *transport) {
	e.U32(t.sessions)
	e.StringPointer(transportName)
	name := []byte(t.server)
	e.Pointer(func() {
		e.U32(uint32(len(name)))
		e.Bytes(name)
	})
	e.U32(uint32(len(name)))
	e.StringPointer(transportAddress)
}

// putTransport1 writes a SERVER_TRANSPORT_INFO_1.
func putTransport1(e *ndr.Encoder, t *transport) {
	putTransport0(e, t)
	e.StringPointer(t.domain)
}

func decodeTransportEnum(d *ndr.Decoder) enumRequest {
	d.UniqueString()
	return decodeEnum(d, transportLevels)
}

// transportEnum is NetrServerTransportEnum (MS-SRVS 3.1.4.24).
func (k *call) transportEnum(q enumRequest) werr {
	if !k.admin() {
		return enumFailed(k, q, werrAccessDenied)
	}
	t := transport{uint32(len(k.b.Sessions())), k.b.ServerName(), k.b.Domain()}
	return enumerate(k, q, transportLevels, []transport{t})
}

// remoteTOD is NetrRemoteTOD (MS-SRVS 3.1.4.21): the time of day, in UTC, with
// the distance of the server's zone.
func (k *call) remoteTOD(nothing) werr {
	local := k.b.Now()
	_, east := local.Zone()
	t := local.UTC()
	e := &k.out
	e.Pointer(func() {
		e.U32(uint32(t.Unix()))
		e.U32(uint32(t.UnixMilli()))
		e.U32(uint32(t.Hour()))
		e.U32(uint32(t.Minute()))
		e.U32(uint32(t.Second()))
		e.U32(uint32(t.Nanosecond() / 10_000_000))
		e.U32(uint32(-east / 60)) // minutes west of UTC
		e.U32(310)                // a tick, in units of 0.1 ms
		e.U32(uint32(t.Day()))
		e.U32(uint32(t.Month()))
		e.U32(uint32(t.Year()))
		e.U32(uint32(t.Weekday()))
	})
	return werrOK
}
