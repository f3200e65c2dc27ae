package smb

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strings"

	"lessor/smb/auth"
	"lessor/smb/secdesc"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Why somebody may do something to a file, or may not: the same checks that a client
// meets, one after the other, with what each says. The verdict is that of decideAccess,
// and of the kernel where that has a say; the steps take it apart.

// ExplainQuery is a question to Server.Explain.
type ExplainQuery struct {
	// Access is a word of ExplainWords.
	Access string
	Share  string
	// Path is that of a file below the root of the share, joined by '/' or '\'.
	Path string
	// User is a name of Config.Accounts, or that of somebody who has a session.
	User string
	// Address is where the client is, if that is to be looked at.
	Address netip.Addr
}

// The verdicts of a step.
const (
	VerdictAllowed = "allowed" // nothing against it here
	VerdictRefused = "refused" // this decides
	VerdictInfo    = "info"    // what the next steps go by
)

// ExplainStep is what one rule says.
type ExplainStep struct {
	// Rule is user, share, hosts, level, identity, path, attribute, descriptor, ace,
	// directory, execute or kernel.
	Rule    string `json:"rule"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
}

// Explanation is the answer to an ExplainQuery. The last refused step, if there is one,
// is why.
type Explanation struct {
	Share   string        `json:"share"`
	Path    string        `json:"path"`
	User    string        `json:"user"`
	Access  string        `json:"access"`
	Allowed bool          `json:"allowed"`
	Steps   []ExplainStep `json:"steps"`
}

// explainMasks are the rights behind the words of ExplainQuery.Access.
var explainMasks = []struct {
	word string
	mask uint32
}{
	{"read", wire.AccessReadData},
	{"write", wire.AccessWriteData},
	{"append", wire.AccessAppendData},
	{"execute", wire.AccessExecute},
	{"list", wire.AccessReadData},
	{"create", wire.AccessAddFile},
	{"mkdir", wire.AccessAddSubdirectory},
	{"delete", wire.AccessDelete},
	{"read-attributes", wire.AccessReadAttributes},
	{"write-attributes", wire.AccessWriteAttributes},
	{"read-permissions", wire.AccessReadControl},
	{"change-permissions", wire.AccessWriteDAC},
	{"take-ownership", wire.AccessWriteOwner},
}

// ExplainWords are the words that ExplainQuery.Access may be.
func ExplainWords() []string {
	var out []string
	for _, m := range explainMasks {
		out = append(out, m.word)
	}
	return out
}

// ErrExplain is a query that makes no sense.
var ErrExplain = errors.New("smb: no such access")

// explainer takes one question apart.
type explainer struct {
	s   *Server
	q   ExplainQuery
	out Explanation
}

func (x *explainer) step(rule, verdict, format string, args ...any) {
	x.out.Steps = append(x.out.Steps, ExplainStep{rule, verdict, fmt.Sprintf(format, args...)})
}

func (x *explainer) info(rule, format string, args ...any) {
	x.step(rule, VerdictInfo, format, args...)
}

// refuse ends the explanation.
func (x *explainer) refuse(rule, format string, args ...any) {
	x.step(rule, VerdictRefused, format, args...)
}

// Explain answers a question about access as things are now. Errors: ErrExplain.
func (s *Server) Explain(ctx context.Context, q ExplainQuery) (*Explanation, error) {
	i := slices.IndexFunc(explainMasks, func(m struct {
		word string
		mask uint32
	}) bool {
		return m.word == q.Access
	})
	if i < 0 {
		return nil, fmt.Errorf("%w: %q is none of %s", ErrExplain, q.Access, strings.Join(ExplainWords(), ", "))
	}
	q.Path = strings.Trim(strings.ReplaceAll(q.Path, `\`, "/"), "/")
	x := &explainer{s: s, q: q, out: Explanation{Share: q.Share, Path: q.Path, User: q.User, Access: q.Access}}
	if r := x.enter(ctx); r != nil {
		x.file(r, explainMasks[i].mask)
	}
	return &x.out, nil
}

// principal finds a user: as a session has it, or as the next session would.
func (x *explainer) principal() *principal {
	x.s.mu.Lock()
	var found *principal
	for _, sess := range x.s.sessions {
		if who := sess.user.Load(); sess.valid() && who != nil && strings.EqualFold(who.User, x.q.User) {
			found = who
			break
		}
	}
	x.s.mu.Unlock()
	if found != nil {
		x.info("user", "%s has a session, with the groups %s", found.User, strings.Join(groupList(found), ", "))
		return found
	}
	if x.s.cfg.Accounts != nil {
		if u, ok := x.s.cfg.Accounts.Lookup(x.q.User); ok {
			if u.Disabled {
				x.refuse("user", "%s is disabled", u.Name)
				return nil
			}
			p := x.s.principalOf(&auth.Identity{User: u.Name, UID: u.UID, HasUID: u.HasUID, RID: u.RID, Groups: u.Groups})
			x.info("user", "%s is in the user file, with the groups %s", u.Name, strings.Join(groupList(p), ", "))
			return p
		}
	}
	x.refuse("user", "%q is not in the user file, and has no session; of a user of a directory the groups are known while there is one", x.q.User)
	return nil
}

// groupList are the groups of a user by name.
func groupList(p *principal) []string {
	if len(p.keys) < 2 {
		return []string{"(none)"}
	}
	return p.keys[1:]
}

// enter goes as far as TREE_CONNECT would. It returns a request of the user on the share,
// or nil if that refuses.
func (x *explainer) enter(ctx context.Context) *request {
	who := x.principal()
	if who == nil {
		return nil
	}
	shares := x.s.shares.Load()
	sh := shares.lookup(x.q.Share)
	switch {
	case sh == nil && shares != nil && shares.offline[foldShare(x.q.Share)] != "":
		x.refuse("share", "the share is not available: %s", shares.offline[foldShare(x.q.Share)])
		return nil
	case sh == nil || sh.ipc:
		x.refuse("share", "there is no share %q", x.q.Share)
		return nil
	}
	if x.q.Address.IsValid() {
		if !sh.admitsHost(x.q.Address) {
			x.refuse("hosts", "the share does not admit %v", x.q.Address)
			return nil
		}
		x.step("hosts", VerdictAllowed, "the share admits %v", x.q.Address)
	} else {
		x.info("hosts", "not looked at; give an address")
	}
	grant := sh.grants(who)
	if !x.level(sh, who, grant) {
		return nil
	}
	sess := &session{srv: x.s}
	sess.user.Store(who)
	t := &tree{sess: sess, share: sh}
	t.access.Store(grant)
	return &request{conn: &conn{srv: x.s}, sess: sess, tree: t, life: ctx}
}

// level tells what the share gives to the user, and as whom he is served.
func (x *explainer) level(sh *share, who *principal, grant *treeAccess) bool {
	names := [...]string{AccessNone: "none", AccessRead: "read", AccessWrite: "write"}
	for _, key := range sh.groups.keysOf(who) {
		if a, ok := sh.Access[key]; ok {
			x.info("level", "the share gives %s to %s", names[a], key)
		}
	}
	level := sh.accessOf(who)
	switch {
	case level == AccessNone:
		x.refuse("level", "the share gives nothing to the user (default_access is %s)", names[sh.DefaultAccess])
		return false
	case sh.ReadOnly:
		x.info("level", "the share is read-only")
	}
	x.step("level", VerdictAllowed, "the share gives %s at most (default_access is %s)", names[level], names[sh.DefaultAccess])
	switch {
	case grant.refused != nil:
		x.refuse("identity", "the user has no Unix identity: %v", grant.refused)
		return false
	case grant.cred != nil:
		x.info("identity", "served as uid %d, gid %d, groups %v", grant.cred.UID, grant.cred.GID, grant.cred.Groups)
	default:
		x.info("identity", "served as the account of the server; permission bits do not count")
	}
	return true
}

// file looks at the file.
func (x *explainer) file(r *request, want uint32) {
	sh := r.tree.share
	if vetoed, _ := sh.vetoedPath(x.q.Path); vetoed {
		x.refuse("path", "the share has a pattern in veto for which a name in the path does not exist, or it is the directory of snapshots")
		return
	}
	root := sh.FS.Root()
	defer root.Release()
	n, actual, err := root.Lookup(r.ctx(), r.cred(), x.q.Path, sh.named(vfs.LookupOptions{}))
	if err != nil {
		x.lost(r, root, err)
		return
	}
	defer n.Release()
	x.out.Path = actual
	at, err := n.Attr(r.ctx(), r.cred())
	if err != nil {
		x.refuse("path", "%v", err)
		return
	}
	x.info("path", "%s of uid %d, gid %d, mode %04o", at.Type, at.UID, at.GID, at.Mode)
	if r.tree.allows()&want != want {
		x.refuse("level", "the share does not give %s to the user", x.q.Access)
		return
	}
	_, d, err := r.decideAccess(n, &at, actual, want, 0, 0)
	x.descriptor(r, d, &at, n, actual, want)
	if err != nil || x.refused() {
		if !x.refused() {
			x.refuse("descriptor", "%v", statusOf(err))
		}
		return
	}
	if !x.kernel(r, n, want) {
		return
	}
	x.out.Allowed = true
}

// refused reports whether a step has refused already.
func (x *explainer) refused() bool {
	return slices.ContainsFunc(x.out.Steps, func(s ExplainStep) bool { return s.Verdict == VerdictRefused })
}

// lost tells where the way to a file ends.
func (x *explainer) lost(r *request, root vfs.Node, err error) {
	parts := strings.Split(x.q.Path, "/")
	for i := range parts {
		path := strings.Join(parts[:i+1], "/")
		opts := r.tree.share.named(vfs.LookupOptions{})
		n, _, failed := root.Lookup(r.ctx(), r.cred(), path, opts)
		if failed == nil {
			n.Release()
			continue
		}
		if errors.Is(failed, fs.ErrPermission) {
			x.refuse("kernel", "the permission bits of %q, or its POSIX ACL, do not let the user pass (search)", strings.Join(parts[:i], "/"))
			return
		}
		x.refuse("path", "%q: %v", path, failed)
		return
	}
	x.refuse("path", "%v", err)
}

// descriptor takes the descriptor apart, entry by entry.
func (x *explainer) descriptor(r *request, d *secdesc.Descriptor, at *vfs.Attr, n vfs.Node, path string, want uint32) {
	if at.DOSSet && at.DOS&vfs.DOSReadOnly != 0 && n.Type() != vfs.TypeDirectory {
		verdict := VerdictInfo
		if want&(dataWriting|wire.AccessDelete) != 0 {
			verdict = VerdictRefused
		}
		x.step("attribute", verdict, "the file has the attribute READONLY: nobody writes to it or deletes it until that is taken away")
	}
	if d == nil {
		x.refuse("descriptor", "the security descriptor cannot be read")
		return
	}
	token := r.tree.granted().token
	stored, _ := n.Security(r.ctx(), nil)
	how := "made up, as none is stored (default_acl)"
	if stored != nil {
		how = "stored with the file"
	}
	x.info("descriptor", "%s; owner %s", how, x.name(d.Owner))
	if token.Has(d.Owner) {
		x.info("descriptor", "the user is the owner, who may read and change permissions")
	}
	if d.DACL == nil {
		x.step("descriptor", VerdictAllowed, "it has no list of entries: everybody may do everything")
	} else {
		x.entries(d, token, want)
	}
	granted, err := secdesc.CheckFile(d, token, want, 0)
	if err == nil && granted&want == want {
		x.step("descriptor", VerdictAllowed, "the descriptor grants it")
		return
	}
	if extra := r.parentRights(path, r.sess.user.Load()); extra&want == want && want != 0 {
		x.step("directory", VerdictAllowed, "the descriptor does not grant it, and that of the directory does")
		return
	}
	if r.tree.executeRights(n, d)&want == want && want != 0 {
		x.step("execute", VerdictAllowed, "the descriptor does not grant it, and the share lets execute what may be read (execute: with_read)")
		return
	}
	x.refuse("descriptor", "no entry grants it to the user, or one refuses it first")
}

// entries tells what each entry does. The check itself is that of package secdesc, of the
// list up to the entry: what it grants more than without the entry comes from that, and what
// it does not grant although everybody is let in behind it is refused by that.
func (x *explainer) entries(d *secdesc.Descriptor, token *secdesc.Token, want uint32) {
	upTo := func(count int, all bool) uint32 {
		c, list := *d, *d.DACL
		list.ACEs = slices.Clone(d.DACL.ACEs)
		for i := count; i < len(list.ACEs); i++ {
			list.ACEs[i].Mask = 0 // but there, as an entry for the owner limits him
		}
		if all {
			list.ACEs = append(list.ACEs, secdesc.Allow(token.User, secdesc.FileAllAccess, 0))
		}
		c.DACL = &list
		return secdesc.MaximumAllowed(&c, token)
	}
	for i := range d.DACL.ACEs {
		e := &d.DACL.ACEs[i]
		gives := upTo(i+1, false) &^ upTo(i, false)
		takes := upTo(i, true) &^ upTo(i+1, true)
		kind, from := "allows", "set on the file"
		if e.Type != secdesc.AccessAllowed && e.Type != secdesc.AccessAllowedObject {
			kind = "denies"
		}
		if e.Flags&secdesc.InheritedACE != 0 {
			from = "inherited"
		}
		if e.Flags&secdesc.InheritOnly != 0 {
			from += ", for what is made below only"
		}
		verdict, effect := VerdictInfo, "is not about the user, or says nothing new"
		switch {
		case takes&want != 0:
			verdict, effect = VerdictInfo, "denies what is asked for"
		case gives&want != 0:
			verdict, effect = VerdictAllowed, "grants what is asked for"
		case gives|takes != 0:
			effect = "is about the user, and not about what is asked for"
		}
		x.step("ace", verdict, "%d: %s %s %#08x (%s): %s", i+1, kind, x.name(e.SID), e.Mask, from, effect)
	}
}

// name shows a SID with its name, if it has one.
func (x *explainer) name(sid secdesc.SID) string {
	if a, ok := (rpcBackend{s: x.s}).LookupSID(sid); ok && a.Name != "" {
		return fmt.Sprintf("%s (%s)", a.Name, sid)
	}
	return sid.String()
}

// kernel asks it what opening the file would.
func (x *explainer) kernel(r *request, n vfs.Node, want uint32) bool {
	cred := r.cred()
	if cred == nil {
		return true
	}
	var access vfs.Access
	if want&wire.AccessReadData != 0 || want&wire.AccessExecute != 0 && n.Type() != vfs.TypeDirectory {
		access |= vfs.AccessRead
	}
	if want&dataWriting != 0 {
		access |= vfs.AccessWrite
	}
	if n.Type() == vfs.TypeDirectory && want&(dataWriting|wire.AccessExecute) != 0 {
		access |= vfs.AccessSearch
	}
	if err := n.Access(r.ctx(), cred, access); err != nil {
		x.refuse("kernel", "the permission bits, or the POSIX ACL, do not let uid %d do it: %v", cred.UID, err)
		return false
	}
	x.step("kernel", VerdictAllowed, "the permission bits and the POSIX ACL let uid %d do it", cred.UID)
	return true
}
