package slapd

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lessor/smb/secdesc"
	"lessor/test/certs"
	"lessor/test/harness"
)

// What is in the directory.
const (
	ADBase    = "dc=ad,dc=test"
	SambaBase = "dc=samba,dc=test"
	BindDN    = "cn=reader," + ADBase
	Password  = "Correct-Horse-7"
)

// SID is that of an account of AD (domain 1) or of Samba (domain 2).
func SID(domain, rid uint32) secdesc.SID { return secdesc.MachineSID(111, 222, domain).WithRID(rid) }

// Server is a running slapd.
type Server struct {
	// Plain and Secure are ldap: and ldaps: URLs.
	Plain, Secure string
	// CAFile and PasswordFile are for its clients.
	CAFile, PasswordFile string

	t    testing.TB
	dir  string
	tool string
	cmd  *exec.Cmd
	addr string
}

// Start starts a server with what the package comment says. Without slapd the test is
// skipped, or fails, as with all tools.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, dir: t.TempDir(), tool: harness.Tool(t, "slapd", "slapd")}
	authority := certs.NewAuthority(t, "slapd")
	s.CAFile = s.write("ca.pem", string(authority.PEM()))
	s.PasswordFile = s.write("password", Password+"\n")
	cert, key := authority.Issue("localhost").Write(t, s.dir, "server")
	var dbs strings.Builder
	for i, base := range []string{ADBase, SambaBase} {
		dir := filepath.Join(s.dir, fmt.Sprint("db", i))
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		who := "users read by anonymous auth"
		if base == SambaBase {
			who = "* read"
		}
		fmt.Fprintf(&dbs, "database mdb\nmaxsize 16777216\nsuffix \"%s\"\ndirectory %s\nindex objectClass eq\naccess to * by %s\n", base, dir, who)
	}
	conf := s.write("slapd.conf", fmt.Sprintf(config, filepath.Join(s.dir, "args"), cert, key)+schema+dbs.String())
	for i, ldif := range []string{adEntries(), sambaEntries()} {
		cmd := exec.CommandContext(t.Context(), s.tool, "-T", "add", "-f", conf, "-n", fmt.Sprint(i+1))
		cmd.Stdin = strings.NewReader(ldif)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("slapadd: %v\n%s", err, out)
		}
	}
	s.addr = freeAddr(t)
	_, port, _ := net.SplitHostPort(s.addr)
	secure := freeAddr(t)
	_, securePort, _ := net.SplitHostPort(secure)
	s.Plain, s.Secure = "ldap://localhost:"+port, "ldaps://localhost:"+securePort
	s.Run()
	t.Cleanup(s.Stop)
	return s
}

func freeAddr(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (s *Server) write(name, text string) string {
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// Run starts the server again after Stop.
func (s *Server) Run() {
	s.t.Helper()
	local := func(u string) string { return strings.Replace(u, "localhost", "127.0.0.1", 1) }
	s.cmd = exec.Command(s.tool, "-d", "0", "-f", filepath.Join(s.dir, "slapd.conf"), "-h", local(s.Plain)+" "+local(s.Secure)) //nolint:noctx // Stop ends it
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	s.cmd.Stdout, s.cmd.Stderr = &out, &out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		c, err := net.Dial("tcp", s.addr)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) || s.cmd.ProcessState != nil {
			s.t.Fatalf("slapd does not listen: %v\n%s", err, out.String())
		}
	}
}

// Stop ends the server, if it runs.
func (s *Server) Stop() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Pause stops the server from answering, without a word to its clients; Resume
// undoes it. It returns when all threads stand: the signal alone is but a promise, and
// one of them may answer meanwhile.
func (s *Server) Pause() {
	_ = s.cmd.Process.Signal(syscall.SIGSTOP)
	for {
		_, err := syscall.Wait4(s.cmd.Process.Pid, nil, syscall.WUNTRACED, nil)
		if !errors.Is(err, syscall.EINTR) {
			return
		}
	}
}

// Resume undoes Pause.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

const config = `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
modulepath /usr/lib/ldap
moduleload back_mdb
argsfile %s
TLSCertificateFile %s
TLSCertificateKeyFile %s
`

// schema is what is needed of those of Active Directory and Samba.
const schema = `
attributetype ( 1.2.840.113556.1.4.146 NAME 'objectSid' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.1301 NAME 'tokenGroups' EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
attributetype ( 1.2.840.113556.1.4.750 NAME 'groupType' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.98 NAME 'primaryGroupID' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.102 NAME 'memberOf' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP top STRUCTURAL MUST ( cn $ sAMAccountName $ objectSid ) MAY ( tokenGroups $ memberOf $ primaryGroupID ) )
objectclass ( 1.2.840.113556.1.5.8 NAME 'group' SUP top STRUCTURAL MUST ( cn $ sAMAccountName $ objectSid ) MAY groupType )
objectclass ( 1.2.840.113556.1.3.30 NAME 'computer' SUP user STRUCTURAL )
attributetype ( 1.3.6.1.4.1.7165.2.1.20 NAME 'sambaSID' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{64} SINGLE-VALUE )
attributetype ( 1.3.6.1.4.1.7165.2.1.23 NAME 'sambaPrimaryGroupSID' EQUALITY caseIgnoreIA5Match SYNTAX 1.3.6.1.4.1.1466.115.121.1.26{64} SINGLE-VALUE )
objectclass ( 1.3.6.1.4.1.7165.2.2.6 NAME 'sambaSamAccount' SUP top AUXILIARY MUST ( uid $ sambaSID ) MAY sambaPrimaryGroupSID )
objectclass ( 1.3.6.1.4.1.7165.2.2.4 NAME 'sambaGroupMapping' SUP top AUXILIARY MUST ( gidNumber $ sambaSID ) )
`

// adEntries are the users alice (tokenGroups) and bob (memberOf), the computer PC1$,
// the groups Staff and Local, two of the name twin, and a name that filters would
// take for a pattern.
func adEntries() string {
	b64 := func(rid uint32) string { return base64.StdEncoding.EncodeToString(SID(1, rid).Append(nil)) }
	var b strings.Builder
	fmt.Fprintf(&b, "dn: %s\nobjectClass: dcObject\nobjectClass: organization\ndc: ad\no: test\n\n", ADBase)
	fmt.Fprintf(&b, "dn: %s\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\nuserPassword: %s\n\n", BindDN, Password)
	entry := func(class, cn, name string, rid uint32, more ...string) {
		fmt.Fprintf(&b, "dn: cn=%s,%s\nobjectClass: %s\ncn: %s\nsAMAccountName: %s\nobjectSid:: %s\n", cn, ADBase, class, cn, name, b64(rid))
		for _, m := range more {
			b.WriteString(m + "\n")
		}
		b.WriteString("\n")
	}
	entry("user", "Alice A", "alice", 1104, "primaryGroupID: 513", "tokenGroups:: "+b64(513), "tokenGroups:: "+b64(1200), "tokenGroups:: "+b64(1201))
	entry("user", "Bob B", "bob", 1105, "primaryGroupID: 513", "memberOf: cn=Staff,"+ADBase, "memberOf: cn=gone,"+ADBase)
	entry("user", "Star", "*", 1106)
	entry("computer", "PC1", "PC1$", 1107)
	entry("group", "Staff", "Staff", 1200, "groupType: -2147483646")
	entry("group", "Local", "Local", 1201, "groupType: -2147483644")
	entry("user", "Twin one", "twin", 1300)
	entry("user", "Twin two", "twin", 1301)
	return b.String()
}

// sambaEntries are the user carol, in the groups crew (by gidNumber) and heads (by
// memberUid), and dave, who has no SID.
func sambaEntries() string {
	return fmt.Sprintf(`dn: %[1]s
objectClass: dcObject
objectClass: organization
dc: samba
o: test

dn: uid=carol,%[1]s
objectClass: account
objectClass: posixAccount
objectClass: sambaSamAccount
uid: carol
cn: Carol C
uidNumber: 5000
gidNumber: 6000
homeDirectory: /nowhere
sambaSID: %[2]s

dn: uid=dave,%[1]s
objectClass: account
objectClass: posixAccount
uid: dave
cn: Dave D
uidNumber: 5001
gidNumber: 6000
homeDirectory: /nowhere

dn: cn=crew,%[1]s
objectClass: posixGroup
objectClass: sambaGroupMapping
cn: crew
gidNumber: 6000
sambaSID: %[3]s

dn: cn=heads,%[1]s
objectClass: posixGroup
objectClass: sambaGroupMapping
cn: heads
gidNumber: 6001
memberUid: carol
sambaSID: %[4]s
`, SambaBase, SID(2, 11000), SID(2, 13000), SID(2, 13001))
}
