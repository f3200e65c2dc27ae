package smb

import (
	"lessor/smb/auth"
	"lessor/smb/secdesc"
)

// SIDs that a directory gives to its users and groups come with the proof of who a
// client is. Which of them count is decided here.

// domainSIDs begins the SIDs of domains and machines below the authority of
// Windows NT (MS-DTYP 2.4.2.4).
const domainSIDs = 21

// trusts reports whether a directory may say that somebody has this SID. As in
// Windows, it speaks for domains and for the ways of authentication (S-1-18), not
// for the accounts and groups of this machine, among which are those that the
// machine trusts most (MS-PAC 4.1.2.2).
func (m machineSID) trusts(sid secdesc.SID) bool {
	switch sid.Authority() {
	case 5:
		return sid.Sub(0) == domainSIDs && sid.Count() > 4 && sid.Domain() != m.SID()
	case 18:
		return true
	}
	return false
}

// trusts reports whether the directory may say that somebody has this SID: machineSID.trusts,
// and where Config.DirectoryUnix says so, S-1-22-1-uid and S-1-22-2-gid, but not those of root.
func (s *Server) trusts(sid secdesc.SID) bool { return s.machine.trusts(sid) || s.unixOfDirectory(sid) }

// unixOfDirectory reports whether the directory speaks for a SID that is a uid or gid.
func (s *Server) unixOfDirectory(sid secdesc.SID) bool {
	if !s.cfg.DirectoryUnix {
		return false
	}
	uid, isUser := sid.UnixUID()
	gid, isGroup := sid.UnixGID()
	return isUser && uid != 0 || isGroup && gid != 0
}

// foreign reports whether a SID is that of another domain, or of an account there.
func (m machineSID) foreign(sid secdesc.SID) bool {
	return sid.Authority() == 5 && sid.Sub(0) == domainSIDs && sid.Count() >= 4 && sid != m.SID() && sid.Domain() != m.SID()
}

// trusting is an identity with those SIDs alone that count. Without a SID of its
// own that does, it has none of groups.
func (s *Server) trusting(id *auth.Identity) *auth.Identity {
	if id.SID.IsZero() && id.GroupSIDs == nil {
		return id
	}
	own := *id
	own.GroupSIDs = nil
	if !s.trusts(id.SID) {
		own.SID = secdesc.SID{}
		return &own
	}
	for _, sid := range id.GroupSIDs {
		if s.trusts(sid) {
			own.GroupSIDs = append(own.GroupSIDs, sid)
		}
	}
	return &own
}
