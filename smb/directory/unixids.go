package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/go-ldap/ldap/v3"

	"lessor/smb/rpc"
)

// UnixIDs are the numbers that a user has on Unix (RFC 2307).
type UnixIDs struct {
	UID, GID uint32
	Groups   []uint32 // that of GID not among them unless the directory says so twice
}

// UnixIDs returns the numbers of a user: uidNumber, gidNumber, and the gidNumber of the
// groups that name him as a member. It is false if there is no such user, or one without
// the first two. Errors: ErrUnavailable, and those of the directory: then nobody knows.
func (d *Directory) UnixIDs(ctx context.Context, name string) (ids UnixIDs, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*d.cfg.Timeout) // for all questions together
	defer cancel()
	acc, _, err := d.find(ctx, d.schema.nameFilter(name))
	if err != nil || acc.Type != rpc.AccountUser {
		return UnixIDs{}, false, err
	}
	filter, err := d.schema.sidFilter(acc.SID)
	if err != nil {
		return UnixIDs{}, false, err
	}
	entries, err := d.search(ctx, d.cfg.Base, ldap.ScopeWholeSubtree, filter, []string{"uid", "uidNumber", "gidNumber"}, 2)
	if err != nil || len(entries) != 1 {
		return UnixIDs{}, false, err
	}
	e := entries[0]
	var hasUID, hasGID bool
	ids.UID, hasUID = idOf(e, "uidNumber")
	ids.GID, hasGID = idOf(e, "gidNumber")
	if !hasUID || !hasGID {
		return UnixIDs{}, false, nil
	}
	member := "(member=" + ldap.EscapeFilter(e.DN) + ")"
	for _, uid := range []string{e.GetEqualFoldAttributeValue("uid"), acc.Name} {
		if uid != "" {
			member += "(memberUid=" + ldap.EscapeFilter(uid) + ")"
		}
	}
	groups, err := d.search(ctx, d.cfg.Base, ldap.ScopeWholeSubtree, "(&(gidNumber=*)(|"+member+"))", []string{"gidNumber"}, maxGroups+1)
	if err != nil {
		return UnixIDs{}, false, err
	}
	if len(groups) > maxGroups {
		return UnixIDs{}, false, fmt.Errorf("directory: user %q is in %d groups", name, len(groups))
	}
	for _, g := range groups {
		if gid, ok := idOf(g, "gidNumber"); ok && !slices.Contains(ids.Groups, gid) {
			ids.Groups = append(ids.Groups, gid)
		}
	}
	slices.Sort(ids.Groups)
	return ids, true, nil
}

// idOf reads a number of a user or group.
func idOf(e *ldap.Entry, attribute string) (uint32, bool) {
	n, err := strconv.ParseUint(e.GetEqualFoldAttributeValue(attribute), 10, 32)
	return uint32(n), err == nil && n != 1<<32-1
}
