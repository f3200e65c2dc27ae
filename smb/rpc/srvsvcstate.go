package rpc

import (
	"math"
	"strings"
	"time"

	"lessor/smb/rpc/ndr"
)

// Sessions, tree connects and opens tell who does what, so all of this file is
// for administrators. Windows shows some levels to everybody, which makes it
// easy to find where somebody is logged on; its newer versions do not.

// connectionLevels are the arms of CONNECT_ENUM_UNION (MS-SRVS 2.2.3.1).
var connectionLevels = levels[ConnectionInfo]{
	0: func(e *ndr.Encoder, c *ConnectionInfo) { e.U32(c.ID) },
	1: func(e *ndr.Encoder, c *ConnectionInfo) {
		e.U32(c.ID)
		e.U32(c.Type)
		e.U32(c.Opens)
		e.U32(c.Users)
		e.U32(seconds(c.Age))
		e.StringPointer(c.User)
		e.StringPointer(c.Share)
	},
}

// fileLevels are the arms of FILE_ENUM_UNION and FILE_INFO (MS-SRVS 2.2.3.2,
// 2.2.3.3).
var fileLevels = levels[FileInfo]{
	2: func(e *ndr.Encoder, f *FileInfo) { e.U32(f.ID) },
	3: func(e *ndr.Encoder, f *FileInfo) {
		e.U32(f.ID)
		e.U32(f.Permissions)
		e.U32(f.Locks)
		e.StringPointer(f.Path)
		e.StringPointer(f.User)
	},
}

// sessionLevels are the arms of SESSION_ENUM_UNION (MS-SRVS 2.2.3.4).
var sessionLevels = levels[SessionInfo]{
	0: func(e *ndr.Encoder, s *SessionInfo) { e.StringPointer(s.Client) },
	1: putSession1,
	2: putSession2,
	10: func(e *ndr.Encoder, s *SessionInfo) {
		e.StringPointer(s.Client)
		e.StringPointer(s.User)
		e.U32(seconds(s.Age))
		e.U32(seconds(s.Idle))
	},
	502: func(e *ndr.Encoder, s *SessionInfo) {
		putSession2(e, s)
		e.StringPointer(s.Transport)
	},
}

// putSession1 writes a SESSION_INFO_1 (MS-SRVS 2.2.4.12).
func putSession1(e *ndr.Encoder, s *SessionInfo) {
	e.StringPointer(s.Client)
	e.StringPointer(s.User)
	e.U32(s.Opens)
	e.U32(seconds(s.Age))
	e.U32(seconds(s.Idle))
	e.U32(s.Flags)
}

// putSession2 writes a SESSION_INFO_2 (MS-SRVS 2.2.4.13).
func putSession2(e *ndr.Encoder, s *SessionInfo) {
	putSession1(e, s)
	e.StringPointer(s.ClientType)
}

func seconds(d time.Duration) uint32 {
	return uint32(min(max(int64(d/time.Second), 0), math.MaxUint32))
}

// cutUNC takes the backslashes off a computer name.
func cutUNC(name string) (string, bool) { return strings.CutPrefix(name, `\\`) }

// sameUser compares a user name with the one that a client asks for, with or
// without a domain.
func sameUser(user, wanted string) bool {
	if strings.EqualFold(user, wanted) {
		return true
	}
	_, plain, ok := strings.Cut(user, `\`)
	return ok && strings.EqualFold(plain, wanted)
}

func filter[T any](items []T, keep func(*T) bool) []T {
	var kept []T
	for i := range items {
		if keep(&items[i]) {
			kept = append(kept, items[i])
		}
	}
	return kept
}

type connectionEnum struct {
	enumRequest
	qualifier string
}

func decodeConnectionEnum(d *ndr.Decoder) connectionEnum {
	d.UniqueString()
	return connectionEnum{qualifier: d.UniqueString(), enumRequest: decodeEnum(d, connectionLevels)}
}

// connectionEnum is NetrConnectionEnum (MS-SRVS 3.1.4.1): the tree connects to
// a share or of a computer.
func (k *call) connectionEnum(q connectionEnum) werr {
	client, ofClient := cutUNC(q.qualifier)
	switch {
	case !k.admin():
		return enumFailed(k, q.enumRequest, werrAccessDenied)
	case q.qualifier == "":
		return enumFailed(k, q.enumRequest, werrInvalidParameter)
	case !ofClient:
		if _, ok := k.b.Share(q.qualifier); !ok {
			return enumFailed(k, q.enumRequest, werrNetNameNotFound)
		}
	}
	found := filter(k.b.Connections(), func(c *ConnectionInfo) bool {
		if ofClient {
			return strings.EqualFold(c.Client, client)
		}
		return strings.EqualFold(c.Share, q.qualifier)
	})
	if ofClient && len(found) == 0 {
		return enumFailed(k, q.enumRequest, werrClientNameNotFound)
	}
	return enumerate(k, q.enumRequest, connectionLevels, found)
}

type fileEnum struct {
	enumRequest
	basePath, user string
}

func decodeFileEnum(d *ndr.Decoder) fileEnum {
	d.UniqueString()
	q := fileEnum{basePath: d.UniqueString(), user: d.UniqueString()}
	q.enumRequest = decodeEnum(d, fileLevels)
	return q
}

// fileEnum is NetrFileEnum (MS-SRVS 3.1.4.2): the opens below a path, of a user
// or of a computer whose name begins with two backslashes.
func (k *call) fileEnum(q fileEnum) werr {
	if !k.admin() {
		return enumFailed(k, q.enumRequest, werrAccessDenied)
	}
	client, ofClient := cutUNC(q.user)
	found := filter(k.b.Files(), func(f *FileInfo) bool {
		switch {
		case len(f.Path) < len(q.basePath) || !strings.EqualFold(f.Path[:len(q.basePath)], q.basePath):
			return false
		case ofClient:
			return strings.EqualFold(f.Client, client)
		}
		return q.user == "" || sameUser(f.User, q.user)
	})
	return enumerate(k, q.enumRequest, fileLevels, found)
}

type fileGetInfo struct{ id, level uint32 }

func decodeFileGetInfo(d *ndr.Decoder) fileGetInfo {
	d.UniqueString()
	return fileGetInfo{id: d.U32(), level: d.U32()}
}

// fileGetInfo is NetrFileGetInfo (MS-SRVS 3.1.4.3).
func (k *call) fileGetInfo(q fileGetInfo) werr {
	if !k.admin() {
		return infoFailed(k, q.level, fileLevels, werrAccessDenied)
	}
	for _, f := range k.b.Files() {
		if f.ID == q.id {
			return infoReply(k, q.level, fileLevels, &f)
		}
	}
	return infoFailed(k, q.level, fileLevels, werrFileIDNotFound)
}

type fileClose struct{ id uint32 }

func decodeFileClose(d *ndr.Decoder) fileClose {
	d.UniqueString()
	return fileClose{d.U32()}
}

// fileClose is NetrFileClose (MS-SRVS 3.1.4.4).
func (k *call) fileClose(q fileClose) werr {
	if !k.admin() {
		return werrAccessDenied
	}
	return werrOf(k.b.CloseFile(q.id), werrFileIDNotFound)
}

type sessionEnum struct {
	enumRequest
	sessionDel
}

func decodeSessionEnum(d *ndr.Decoder) sessionEnum {
	return sessionEnum{sessionDel: decodeSessionDel(d), enumRequest: decodeEnum(d, sessionLevels)}
}

// sessionEnum is NetrSessionEnum (MS-SRVS 3.1.4.5).
func (k *call) sessionEnum(q sessionEnum) werr {
	if !k.admin() {
		return enumFailed(k, q.enumRequest, werrAccessDenied)
	}
	found, status := k.sessions(q.sessionDel)
	if status != werrOK {
		return enumFailed(k, q.enumRequest, status)
	}
	return enumerate(k, q.enumRequest, sessionLevels, found)
}

// sessionDel selects sessions by client and user; "" is any.
type sessionDel struct{ client, user string }

func decodeSessionDel(d *ndr.Decoder) sessionDel {
	d.UniqueString()
	return sessionDel{client: d.UniqueString(), user: d.UniqueString()}
}

// sessions are those that q selects. That none fits a criterion is an error.
func (k *call) sessions(q sessionDel) ([]SessionInfo, werr) {
	found := k.b.Sessions()
	if q.client != "" {
		client, _ := cutUNC(q.client)
		found = filter(found, func(s *SessionInfo) bool { return strings.EqualFold(s.Client, client) })
		if len(found) == 0 {
			return nil, werrClientNameNotFound
		}
	}
	if q.user != "" {
		found = filter(found, func(s *SessionInfo) bool { return sameUser(s.User, q.user) })
		if len(found) == 0 {
			return nil, werrUserNotFound
		}
	}
	return found, werrOK
}

// sessionDel is NetrSessionDel (MS-SRVS 3.1.4.6).
func (k *call) sessionDel(q sessionDel) werr {
	switch {
	case !k.admin():
		return werrAccessDenied
	case q.client == "" && q.user == "":
		return werrInvalidParameter
	}
	found, status := k.sessions(q)
	for _, s := range found {
		// One that has ended meanwhile is as good as closed.
		if got := werrOf(k.b.CloseSession(s.ID), werrOK); got != werrOK {
			status = got
		}
	}
	return status
}
