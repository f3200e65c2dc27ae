package rpc

import (
	"strings"

	"lessor/smb/rpc/ndr"
)

// shareLevels are the arms of SHARE_ENUM_UNION (MS-SRVS 2.2.4.38).
var shareLevels = levels[ShareInfo]{
	0:   putShare0,
	1:   putShare1,
	2:   putShare2,
	501: putShare501,
	502: putShare502,
	503: putShare503,
}

// stickyLevels are those that NetrShareEnumSticky offers of them (MS-SRVS
// 3.1.4.9).
var stickyLevels = levels[ShareInfo]{
	0:   putShare0,
	1:   putShare1,
	2:   putShare2,
	501: nil,
	502: putShare502,
	503: putShare503,
}

// shareInfoLevels are the arms of SHARE_INFO (MS-SRVS 2.2.3.6).
var shareInfoLevels = levels[ShareInfo]{
	0:    putShare0,
	1:    putShare1,
	2:    putShare2,
	501:  putShare501,
	502:  putShare502,
	503:  putShare503,
	1004: func(e *ndr.Encoder, s *ShareInfo) { e.StringPointer(s.Comment) },
	1005: func(e *ndr.Encoder, s *ShareInfo) { e.U32(s.Flags) },
	1006: func(e *ndr.Encoder, s *ShareInfo) { e.U32(s.maxUses()) },
	1501: putShareSecurity,
}

// shareLevelForAdmin reports whether a level tells what only administrators may
// know: paths, descriptors (MS-SRVS 3.1.4.8, 3.1.4.10).
func shareLevelForAdmin(level uint32) bool {
	return level == 2 || level == 502 || level == 503 || level == 1501
}

func (s *ShareInfo) maxUses() uint32 {
	if s.MaxUses == 0 {
		return Unlimited
	}
	return s.MaxUses
}

// putShare0 writes a SHARE_INFO_0 (MS-SRVS 2.2.4.22), and so on.
func putShare0(e *ndr.Encoder, s *ShareInfo) { e.StringPointer(s.Name) }

func putShare1(e *ndr.Encoder, s *ShareInfo) {
	e.StringPointer(s.Name)
	e.U32(s.Type)
	e.StringPointer(s.Comment)
}

func putShare2(e *ndr.Encoder, s *ShareInfo) {
	putShare1(e, s)
	e.U32(0) // permissions, of share-level security
	e.U32(s.maxUses())
	e.U32(s.CurrentUses)
	e.StringPointer(s.Path)
	e.Nil() // password
}

func putShare501(e *ndr.Encoder, s *ShareInfo) {
	putShare1(e, s)
	e.U32(s.Flags)
}

func putShare502(e *ndr.Encoder, s *ShareInfo) {
	putShare2(e, s)
	putShareSecurity(e, s)
}

func putShare503(e *ndr.Encoder, s *ShareInfo) {
	putShare2(e, s)
	e.StringPointer("*") // the share is there under every name of the server
	putShareSecurity(e, s)
}

// putShareSecurity writes a SHARE_INFO_1501_I (MS-SRVS 2.2.4.31), with which
// longer ones end.
func putShareSecurity(e *ndr.Encoder, s *ShareInfo) {
	n := uint32(len(s.Security))
	e.U32(n)
	if n == 0 {
		e.Nil()
		return
	}
	e.Pointer(func() {
		e.U32(n)
		e.Bytes(s.Security)
	})
}

func decodeShareEnum(d *ndr.Decoder) enumRequest {
	d.UniqueString()
	return decodeEnum(d, shareLevels)
}

// shareEnum is NetrShareEnum (MS-SRVS 3.1.4.8).
func (k *call) shareEnum(q enumRequest) werr { return k.listShares(q, shareLevels) }

func decodeShareEnumSticky(d *ndr.Decoder) enumRequest {
	d.UniqueString()
	return decodeEnum(d, stickyLevels)
}

// shareEnumSticky is NetrShareEnumSticky (MS-SRVS 3.1.4.9). All shares survive
// a restart here.
func (k *call) shareEnumSticky(q enumRequest) werr { return k.listShares(q, stickyLevels) }

func (k *call) listShares(q enumRequest, arms levels[ShareInfo]) werr {
	// Level 501 is for administrators in lists only (MS-SRVS 3.1.4.8).
	forAdmin := q.level == 501 || shareLevelForAdmin(q.level)
	if forAdmin && arms[q.level] != nil && !k.admin() {
		return enumFailed(k, q, werrAccessDenied)
	}
	var visible []ShareInfo
	for _, s := range k.b.Shares(k.user) {
		if !s.Hidden {
			visible = append(visible, s)
		}
	}
	return enumerate(k, q, arms, visible)
}

type shareGetInfo struct {
	name  string
	level uint32
}

func decodeShareGetInfo(d *ndr.Decoder) shareGetInfo {
	d.UniqueString()
	return shareGetInfo{name: d.String(), level: d.U32()}
}

// shareGetInfo is NetrShareGetInfo (MS-SRVS 3.1.4.10).
func (k *call) shareGetInfo(q shareGetInfo) werr {
	if shareLevelForAdmin(q.level) && !k.admin() {
		return infoFailed(k, q.level, shareInfoLevels, werrAccessDenied)
	}
	s, ok := k.b.Share(q.name)
	if !ok {
		return infoFailed(k, q.level, shareInfoLevels, werrNetNameNotFound)
	}
	return infoReply(k, q.level, shareInfoLevels, &s)
}

type shareCheck struct{ device string }

func decodeShareCheck(d *ndr.Decoder) shareCheck {
	d.UniqueString()
	return shareCheck{d.String()}
}

// shareCheck is NetrShareCheck (MS-SRVS 3.1.4.16): whether a path is shared,
// which only those learn who may know paths.
func (k *call) shareCheck(q shareCheck) werr {
	if !k.admin() {
		k.out.U32(0)
		return werrAccessDenied
	}
	for _, s := range k.b.Shares(k.user) {
		if strings.EqualFold(s.Path, q.device) {
			k.out.U32(s.Type)
			return werrOK
		}
	}
	k.out.U32(0)
	return werrDeviceNotShared
}
