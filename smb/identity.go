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
// and three numbers. They are those of Config.MachineSID, or made of the identity of
// the server, so that they stay the same as long as the store does.
type machineSID [3]uint32

// validMachineSID reports whether a SID can be that of a machine.
func validMachineSID(sid secdesc.SID) bool {
	return sid.Authority() == 5 && sid.Count() == 4 && sid.Sub(0) == domainSIDs
}

func machineSIDOf(guid wire.GUID) machineSID {
	le := binary.LittleEndian
	return machineSID{le.Uint32(guid[0:]), le.Uint32(guid[4:]), le.Uint32(guid[8:]) ^ le.Uint32(guid[12:])}
}

// MachineSIDOf is the SID that a server without Config.MachineSID makes of the
// identity of its store.
func MachineSIDOf(guid wire.GUID) secdesc.SID { return machineSIDOf(guid).SID() }

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

// numbered gives an identity a RID if it needs one and there is who keeps such. At
// the first logon of a user of a realm without SIDs this writes to the disk.
func (s *Server) numbered(id *auth.Identity) (*auth.Identity, error) {
	if s.cfg.Foreign == nil || id.RID != 0 || id.Guest || id.Anonymous || s.trusts(id.SID) {
		return id, nil
	}
	rid, err := s.cfg.Foreign.RID(id.User)
	if err != nil {
		return id, err
	}
	own := *id
	own.RID = rid
	return &own, nil
}

// userRID is the relative id of an account. Without Config.Accounts and Foreign it
// is made of its Unix user id if it has one, as Samba does, and else of its name.
func userRID(id *auth.Identity) uint32 {
	if id.RID != 0 {
		return id.RID
	}
	if id.HasUID && id.UID < (nameRIDs-firstRID)/2 {
		return firstRID + 2*id.UID
	}
	return nameRIDs | nameHash(id.User)
}

// groupRID is the relative id of a group. Without Config.Accounts, which keeps it,
// it is made of the name.
func (s *Server) groupRID(name string) uint32 {
	if s.cfg.Accounts != nil {
		if g, ok := s.cfg.Accounts.Group(name); ok {
			return g.RID
		}
	}
	return groupRIDs | nameHash(name)
}

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
	groups := make([]secdesc.SID, 0, 4+len(p.Groups)+len(p.GroupSIDs))
	groups = append(groups, p.GroupSIDs...)
	if p.SID.IsZero() {
		groups = append(groups, s.machine.account(secdesc.RIDUsers))
	}
	groups = append(groups, secdesc.BuiltinUsers)
	if p.HasUID {
		// By this name, too, descriptors mean the user: those that are made of the owner
		// of a file or its POSIX ACL, and those that Samba has stored.
		groups = append(groups, secdesc.UnixUser(p.UID))
	}
	if s.isAdmin(p) {
		groups = append(groups, secdesc.BuiltinAdministrators)
	}
	for _, name := range p.Groups {
		sid := s.machine.account(s.groupRID(name))
		groups = append(groups, sid)
		if s.cfg.Accounts == nil {
			s.accounts.learn(sid, "", name, rpc.AccountAlias)
		}
	}
	return groups
}

// principalOf makes the principal of an identity.
func (s *Server) principalOf(id *auth.Identity) *principal {
	p := &principal{Identity: s.trusting(id)}
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
		p.token.Privileges = s.privilegesOf(p)
		switch name, realm, _ := cutRealm(id.User); {
		case !p.SID.IsZero():
			s.accounts.learn(p.SID, realm, name, rpc.AccountUser)
		case id.RID == 0:
			s.accounts.learn(user, "", id.User, rpc.AccountUser)
		}
	}
	return p
}
