package smb

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"strings"

	"lessor/smb/auth"
	"lessor/smb/rpc"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
)

// machineSID is the SID of this server as an authority for accounts: S-1-5-21
// and three numbers that are made of the identity of the server, so that they
// stay the same as long as the store does.
type machineSID [3]uint32

func machineSIDOf(guid wire.GUID) machineSID {
	le := binary.LittleEndian
	return machineSID{le.Uint32(guid[0:]), le.Uint32(guid[4:]), le.Uint32(guid[8:]) ^ le.Uint32(guid[12:])}
}

// SID is the SID of the machine.
func (m machineSID) SID() secdesc.SID { return secdesc.NewSID(5, 21, m[0], m[1], m[2]) }

// account is the SID of an account of the machine.
func (m machineSID) account(rid uint32) secdesc.SID {
	return secdesc.NewSID(5, 21, m[0], m[1], m[2], rid)
}

const (
	// firstRID is the first relative id that is not reserved (MS-DTYP 2.4.2.4).
	firstRID = 1000
	// nameRIDs begins the range for accounts that have nothing but a name.
	nameRIDs = 1 << 30
	// groupRIDs begins the range for groups.
	groupRIDs = 1 << 31
)

// userRID is the relative id of an account: made of its Unix user id if it has
// one, as Samba does, and else of its name, so that it needs no table and never
// changes.
func userRID(id *auth.Identity) uint32 {
	if id.HasUID && id.UID < (nameRIDs-firstRID)/2 {
		return firstRID + 2*id.UID
	}
	return nameRIDs | nameHash(id.User)
}

// groupRID is the relative id of a group, which has nothing but a name.
func groupRID(name string) uint32 { return groupRIDs | nameHash(name) }

// nameHash is a number below nameRIDs that is made of a name.
func nameHash(name string) uint32 {
	h := fnv.New32a()
	_, _ = io.WriteString(h, strings.ToLower(name))
	return h.Sum32() & (nameRIDs - 1)
}

// uidOfRID undoes userRID for accounts with a Unix user id.
func uidOfRID(rid uint32) (uint32, bool) {
	if rid < firstRID || rid >= nameRIDs || (rid-firstRID)%2 != 0 {
		return 0, false
	}
	return (rid - firstRID) / 2, true
}

// groupsOf are the SIDs of the groups of a user.
func (s *Server) groupsOf(p *principal) []secdesc.SID {
	groups := make([]secdesc.SID, 0, 3+len(p.Groups)+len(p.GroupSIDs))
	groups = append(groups, p.GroupSIDs...)
	if p.SID.IsZero() {
		groups = append(groups, s.machine.account(secdesc.RIDUsers))
	}
	groups = append(groups, secdesc.BuiltinUsers)
	if s.isAdmin(p) {
		groups = append(groups, secdesc.BuiltinAdministrators)
	}
	for _, name := range p.Groups {
		sid := s.machine.account(groupRID(name))
		groups = append(groups, sid)
		s.accounts.learn(sid, name, rpc.AccountGroup)
	}
	return groups
}

// principalOf makes the principal of an identity.
func (s *Server) principalOf(id *auth.Identity) *principal {
	p := &principal{Identity: s.machine.trusting(id)}
	p.keys = p.names()
	switch {
	case id.Anonymous:
		p.token = secdesc.NewToken(secdesc.Anonymous, 0)
	case id.Guest:
		p.token = secdesc.NewToken(s.machine.account(secdesc.RIDGuest), 0, s.machine.account(secdesc.RIDGuests), secdesc.BuiltinGuests)
	default:
		user := p.SID
		if user.IsZero() {
			user = s.machine.account(userRID(id))
		}
		p.token = secdesc.NewToken(user, 0, s.groupsOf(p)...)
		s.accounts.learn(p.token.User, id.User, rpc.AccountUser)
	}
	return p
}
