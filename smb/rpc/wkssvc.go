package rpc

import (
	"lessor/smb/rpc/ndr"
)

// wkssvc is the Workstation Service, 6bffd098-a112-3610-9833-46c3f87e345a
// version 1.0 (MS-WKST 3.2.4), as far as it tells who the server is.
var wkssvc = &iface{
	name: "wkssvc",
	syntax: syntaxID{
		uuid:    [16]byte{0x98, 0xd0, 0xff, 0x6b, 0x12, 0xa1, 0x10, 0x36, 0x98, 0x33, 0x46, 0xc3, 0xf8, 0x7e, 0x34, 0x5a},
		version: 1,
	},
	methods: map[uint16]method{
		0:  on("NetrWkstaGetInfo", decodeWkstaGetInfo, (*call).wkstaGetInfo),
		1:  on("NetrWkstaSetInfo", decodeNothing, (*call).refuseWithParm),
		2:  on("NetrWkstaUserEnum", decodeWkstaUserEnum, (*call).wkstaUserEnum),
		5:  on("NetrWkstaTransportEnum", decodeWkstaTransportEnum, (*call).wkstaTransportEnum),
		20: on("NetrGetJoinInformation", decodeServerName, (*call).getJoinInformation),
	},
}

// wkstaInfo is what the levels of NetrWkstaGetInfo are made of.
type wkstaInfo struct {
	name, group  string
	major, minor uint32
}

// wkstaLevels are the arms of WKSTA_INFO (MS-WKST 2.2.4.1). Those that change one
// setting of level 502 are not offered.
var wkstaLevels = levels[wkstaInfo]{
	100:  putWksta100,
	101:  putWksta101,
	102:  putWksta102,
	502:  putWksta502,
	1013: nil,
	1018: nil,
	1046: nil,
}

// putWksta100 writes a WKSTA_INFO_100 (MS-WKST 2.2.5.1).
func putWksta100(e *ndr.Encoder, w *wkstaInfo) {
	e.U32(platformNT)
	e.StringPointer(w.name)
	e.StringPointer(w.group)
	e.U32(w.major)
	e.U32(w.minor)
}

// putWksta101 writes a WKSTA_INFO_101 (MS-WKST 2.2.5.2).
func putWksta101(e *ndr.Encoder, w *wkstaInfo) {
	putWksta100(e, w)
	e.StringPointer("") // lanroot
}

// putWksta102 writes a WKSTA_INFO_102 (MS-WKST 2.2.5.3).
func putWksta102(e *ndr.Encoder, w *wkstaInfo) {
	putWksta101(e, w)
	e.U32(0) // users that are logged on at the console
}

// putWksta502 writes a WKSTA_INFO_502 (MS-WKST 2.2.5.4). It is about the client of
// Windows, and a server has none: these are what Windows says by default.
func putWksta502(e *ndr.Encoder, _ *wkstaInfo) {
	for _, n := range [...]uint32{
		3600, 250, 16, // waits for devices
		600, 15, 45, 4096, 17, // keep_conn, max_cmds, sess_timeout, siz_char_buf, max_threads
		6144, 10, 500, 10, 500, // quotas of locks and pipes
		40, 20, 0xffffffff, 3, 20, 5, 3600, // caches, datagrams
		0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, // whether it does what
	} {
		e.U32(n)
	}
}

type wkstaGetInfo struct{ level uint32 }

func decodeWkstaGetInfo(d *ndr.Decoder) wkstaGetInfo {
	d.UniqueString()
	return wkstaGetInfo{d.U32()}
}

// wkstaGetInfo is NetrWkstaGetInfo (MS-WKST 3.2.4.1): level 100 for everybody,
// 101 for users, the rest for administrators.
func (k *call) wkstaGetInfo(q wkstaGetInfo) werr {
	if q.level > 100 && k.anonymous() || q.level > 101 && !k.admin() {
		return infoFailed(k, q.level, wkstaLevels, werrAccessDenied)
	}
	w := wkstaInfo{name: k.b.ServerName(), group: k.b.Domain()}
	w.major, w.minor = k.b.Version()
	return infoReply(k, q.level, wkstaLevels, &w)
}

// consoleUser is somebody who is logged on at the server itself.
type consoleUser struct{ name, domain, server string }

// wkstaUserLevels are the arms of WKSTA_USER_ENUM_UNION.
var wkstaUserLevels = levels[consoleUser]{
	0: func(e *ndr.Encoder, u *consoleUser) { e.StringPointer(u.name) },
	1: func(e *ndr.Encoder, u *consoleUser) {
		e.StringPointer(u.name)
		e.StringPointer(u.domain)
		e.StringPointer("") // other domains
		e.StringPointer(u.server)
	},
}

func decodeWkstaUserEnum(d *ndr.Decoder) enumRequest {
	d.UniqueString()
	return decodeEnum(d, wkstaUserLevels)
}

// wkstaUserEnum is NetrWkstaUserEnum (MS-WKST 3.2.4.3). Nobody can log on at
// the server but over the network, and those are sessions.
func (k *call) wkstaUserEnum(q enumRequest) werr {
	if !k.admin() {
		return enumFailed(k, q, werrAccessDenied)
	}
	return enumerate(k, q, wkstaUserLevels, nil)
}

// wkstaTransportLevels are the arms of WKSTA_TRANSPORT_ENUM_UNION.
var wkstaTransportLevels = levels[transport]{
	// WKSTA_TRANSPORT_INFO_0
	0: func(e *ndr.Encoder, t *transport) {
		e.U32(0) // quality of service
		e.U32(t.sessions)
		e.StringPointer(transportName)
		e.StringPointer(transportAddress)
		e.U32(1) // reaches beyond the local network
	},
}

func decodeWkstaTransportEnum(d *ndr.Decoder) enumRequest {
	d.UniqueString()
	return decodeEnum(d, wkstaTransportLevels)
}

// wkstaTransportEnum is NetrWkstaTransportEnum (MS-WKST 3.2.4.4).
func (k *call) wkstaTransportEnum(q enumRequest) werr {
	if k.anonymous() {
		return enumFailed(k, q, werrAccessDenied)
	}
	return enumerate(k, q, wkstaTransportLevels, []transport{{}})
}

// getJoinInformation is NetrGetJoinInformation.
func (k *call) getJoinInformation(nothing) werr {
	const workgroupName = 2 // NetSetupWorkgroupName
	e := &k.out
	if k.anonymous() {
		e.Nil()
		e.U16(0)
		return werrAccessDenied
	}
	e.StringPointer(k.b.Domain())
	e.Flush()
	e.U16(workgroupName)
	return werrOK
}
