package smb

import (
	"slices"
	"strings"
	"sync/atomic"

	"lessor/smb/secdesc"
	"lessor/vfs"
)

// What a user may do on a share at most: the level that the share gives to his
// name, his groups, or anybody. It is found at TREE_CONNECT, and again when the
// session has become somebody else's, and limits what every CREATE is granted.

// groupMark is what keys of groups begin with in Share.Access.
const groupMark = "@"

// names are the keys of a user in Share.Access: his own and those of his groups,
// which for a directory are their SIDs.
func (p *principal) names() []string {
	list := make([]string, 0, 1+len(p.Groups)+len(p.GroupSIDs))
	list = append(list, strings.ToLower(p.User))
	for _, g := range p.Groups {
		list = append(list, groupMark+strings.ToLower(g))
	}
	for _, g := range p.GroupSIDs {
		list = append(list, groupMark+strings.ToLower(g.String()))
	}
	return list
}

// access is what a user may do on the share.
func (s *Share) access(p *principal, groups *groupNames) Access {
	a := s.DefaultAccess
	switch {
	case p.Anonymous, p.Guest && !s.Guest:
		return AccessNone
	case p.Guest:
		// A name in the list is a name that was proved.
	default:
		a = s.listed(groups.keysOf(p))
		if a != AccessNone && groups.mayDeny(s, p) {
			a = AccessNone
		}
	}
	if s.ReadOnly && a == AccessWrite {
		return AccessRead
	}
	return a
}

// listed is the access of a user with these keys.
func (s *Share) listed(keys []string) Access {
	found, level := false, AccessNone
	for _, key := range keys {
		a, ok := s.Access[key]
		if ok && a == AccessNone {
			return AccessNone
		}
		found, level = found || ok, max(level, a)
	}
	if !found {
		return s.DefaultAccess
	}
	return level
}

// accessOf is Share.access, and for named pipes what makes sense there.
func (sh *share) accessOf(p *principal) Access {
	if sh.ipc {
		return AccessWrite
	}
	return sh.access(p, sh.groups)
}

// hidden reports whether lists leave the share out.
func (sh *share) hidden() bool { return sh.Hidden || strings.HasSuffix(sh.Name, "$") }

// treeAccess is what a tree allows a user.
type treeAccess struct {
	// Immutable.
	who  *principal
	mask uint32
	// token is who, for descriptors of files of the share.
	token *secdesc.Token
	// cred is for whom the file system is asked: nil is the server itself.
	cred *vfs.Cred
	// refused says why who is nobody on this share, if so; mask is 0 then.
	refused error
}

// grants finds what a tree of the share allows a user.
func (sh *share) grants(p *principal) *treeAccess {
	a := &treeAccess{who: p, mask: accessMasks[sh.accessOf(p)], token: p.token}
	if sh.Unix && !sh.ipc {
		sh.embody(a)
	}
	return a
}

// allows is the access mask that the tree gives to whom its session belongs to now:
// a session may be authenticated again as somebody else (MS-SMB2 3.3.5.5.3).
func (t *tree) allows() uint32 { return t.granted().mask }

// cred is for whom the file system is asked.
func (t *tree) cred() *vfs.Cred { return t.granted().cred }

// granted is what the tree gives to whom its session belongs to now.
func (t *tree) granted() *treeAccess {
	a := t.access.Load()
	if who := t.sess.user.Load(); who != a.who {
		a = t.share.grants(who)
		t.access.Store(a)
	}
	return a
}

// admins are the users and groups of Config.Admins, by key of Share.Access.
type admins struct {
	list atomic.Pointer[map[string]bool]
}

// SetAdmins replaces Config.Admins. The groups of a user are those of the last
// authentication of the session.
func (s *Server) SetAdmins(list []string) {
	m := make(map[string]bool, len(list))
	for _, name := range list {
		m[strings.ToLower(name)] = true
	}
	s.groups.wantForAdmins(m)
	s.admins.list.Store(&m)
}

// groupNotFound is told once of a name in lists that the directory does not know, or
// cannot be asked for.
func (s *Server) groupNotFound(name string) {
	s.log.Warn().Str("group", name).Msg("the directory has no such group, or does not answer: who is named by it in lists of shares gets nothing, " +
		"and where it is denied, nobody of the directory does; it is asked again")
}

// isAdmin reports whether a user may look at what others do, and end it.
func (s *Server) isAdmin(p *principal) bool {
	return p != nil && !p.Guest && !p.Anonymous && s.listsAdmin(s.groups.keysOf(p))
}

// listsAdmin reports whether one of these keys is that of an administrator.
func (s *Server) listsAdmin(keys []string) bool {
	list := s.admins.list.Load()
	return list != nil && slices.ContainsFunc(keys, func(key string) bool { return (*list)[key] })
}
