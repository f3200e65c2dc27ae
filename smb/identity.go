package smb

import (
	"encoding/binary"
	"hash/fnv"
	"io"
	"strings"

	"lessor/smb/auth"
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
)

// userRID is the relative id of an account: made of its Unix user id if it has
// one, as Samba does, and else of its name, so that it needs no table and never
// changes.
func userRID(id *auth.Identity) uint32 {
	if id.HasUID && id.UID < (nameRIDs-firstRID)/2 {
		return firstRID + 2*id.UID
	}
	h := fnv.New32a()
	_, _ = io.WriteString(h, strings.ToLower(id.User))
	return nameRIDs | h.Sum32()&(nameRIDs-1)
}

// uidOfRID undoes userRID for accounts with a Unix user id.
func uidOfRID(rid uint32) (uint32, bool) {
	if rid < firstRID || rid >= nameRIDs || (rid-firstRID)%2 != 0 {
		return 0, false
	}
	return (rid - firstRID) / 2, true
}

// principalOf makes the principal of an identity.
func (s *Server) principalOf(id *auth.Identity) *principal {
	p := &principal{Identity: id}
	switch {
	case id.Anonymous:
		p.token = secdesc.NewToken(secdesc.Anonymous, 0)
	case id.Guest:
		p.token = secdesc.NewToken(s.machine.account(secdesc.RIDGuest), 0, s.machine.account(secdesc.RIDGuests), secdesc.BuiltinGuests)
	default:
		p.token = secdesc.NewToken(s.machine.account(userRID(id)), 0, s.machine.account(secdesc.RIDUsers), secdesc.BuiltinUsers)
		s.accounts.learn(p.token.User, id.User)
	}
	return p
}
