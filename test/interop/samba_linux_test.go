package interop

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/secdesc"
	"lessor/smb/wire"
	ourclient "lessor/test/client"
	"lessor/test/harness"
)

// What Samba's server has stored is read through ours and the other way round: both keep
// what a Unix file system has no room for in the same attributes.

// twoServers are our server and smbd on one directory.
type twoServers struct {
	dir         string
	ours, smbds *ourclient.Tree
}

func startTwo(t *testing.T, settings, smbd []string) *twoServers {
	t.Helper()
	s := harness.Run(t, harness.Options{
		Config: "server:\n  admins: [" + harness.User + "]\n",
		Shares: []harness.Share{{Name: "share", Settings: append([]string{"comment: both"}, settings...)}},
	})
	two := &twoServers{dir: s.Path("share")}
	peer := harness.RunSmbd(t, two.dir, smbd...)
	connect := func(addr, user, password string) *ourclient.Tree {
		tree, err := ourclient.Connect(t.Context(), addr, "share", ourclient.Options{User: user, Password: password, Timeout: 30 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tree.Session.Conn.Close() })
		return tree
	}
	two.ours = connect(s.Addr, s.User, s.Password)
	two.smbds = connect(peer.Addr, peer.User, peer.Password)
	return two
}

// item is a file or directory with all that a client can give it.
type item struct {
	name       string
	dir        bool
	attributes uint32
	streams    map[string]string
	eas        map[string]string
	sd         *secdesc.Descriptor
}

// items are what is written through one server and read through the other.
func items() []item {
	sid := secdesc.MachineSID(11, 22, 33)
	dacl := func(control uint16, aces ...secdesc.ACE) *secdesc.Descriptor {
		return &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent | control, DACL: secdesc.NewACL(aces...)}
	}
	all := secdesc.Allow(secdesc.World, secdesc.FileAllAccess, 0)
	const inherit = secdesc.ObjectInherit | secdesc.ContainerInherit
	out := []item{
		{name: "plain.txt"},
		{name: "folder", dir: true},
		{name: "folder-hidden", dir: true, attributes: wire.FileAttributeHidden | wire.FileAttributeSystem},
		{name: "streams", streams: map[string]string{
			"s": "one", "Zone.Identifier": "[ZoneTransfer]\r\nZoneId=3\r\n", "mit Leerzeichen": "x", "größe": "ü", "日本": "語",
			"zeros": strings.Repeat("\x00", 60), "empty": "", "a.b-c_d$e": "special", "com.apple.quarantine": "0081;",
			"large": strings.Repeat("0123456789abcdef", 90)}},
		{name: "folder-with-stream", dir: true, streams: map[string]string{"dirstream": "of a directory"}},
		{name: "eas", eas: map[string]string{"ONE": "1", "TWO": "some longer value", "BINARY": "\x00\x01\xff"}},
		{name: "owner-only", sd: dacl(0, all, secdesc.Allow(sid.WithRID(1001), secdesc.FileGenericRead, 0))},
		{name: "denied", sd: dacl(0, secdesc.Deny(sid.WithRID(1002), secdesc.FileWriteData|secdesc.Delete, 0), all)},
		{name: "protected", sd: dacl(secdesc.DACLProtected, all, secdesc.Allow(secdesc.UnixUser(4711), secdesc.FileGenericRead, 0))},
		{name: "folder-inherits", dir: true, sd: dacl(0, secdesc.Allow(secdesc.World, secdesc.FileAllAccess, inherit),
			secdesc.Allow(secdesc.CreatorOwner, secdesc.FileAllAccess, inherit|secdesc.InheritOnly),
			secdesc.Deny(sid.WithRID(1003), secdesc.FileWriteData, secdesc.ObjectInherit|secdesc.NoPropagateInherit))},
		{name: "names ünd 日本", attributes: wire.FileAttributeArchive},
	}
	for _, bit := range []uint32{wire.FileAttributeHidden, wire.FileAttributeSystem, wire.FileAttributeArchive,
		wire.FileAttributeReadonly, wire.FileAttributeHidden | wire.FileAttributeArchive, wire.FileAttributeReadonly | wire.FileAttributeSystem} {
		out = append(out, item{name: fmt.Sprintf("attributes-%x", bit), attributes: bit})
	}
	return out
}

// birth and written are the times that every item gets.
var (
	birth   = wire.FiletimeOf(time.Date(2001, 2, 3, 4, 5, 6, 700_000_100, time.UTC))
	written = wire.FiletimeOf(time.Date(2011, 12, 13, 14, 15, 16, 0, time.UTC))
)

// write makes the item.
func (it *item) write(t *testing.T, tree *ourclient.Tree, path string) {
	t.Helper()
	ctx := t.Context()
	do := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %s: %v", path, what, err)
		}
	}
	f, err := tree.Create(ctx, ourclient.CreateArgs{Name: path, Directory: it.dir, Disposition: ourclient.Create,
		Access: wire.AccessWriteAttributes | wire.AccessReadAttributes | wire.AccessWriteEA | wire.AccessWriteDAC | wire.AccessReadControl})
	do("create", err)
	for name, data := range it.streams {
		s, err := tree.Create(ctx, ourclient.CreateArgs{Name: path + ":" + name})
		do("stream "+name, err)
		do("write "+name, s.WriteAll(ctx, 0, []byte(data)))
		do("close "+name, s.Close(ctx))
	}
	if len(it.eas) > 0 {
		var list wire.FileFullEaInformation
		for name, value := range it.eas {
			list.Entries = append(list.Entries, wire.EaEntry{EaName: name, EaValue: []byte(value)})
		}
		do("EAs", f.Set(ctx, wire.FileInfoFullEa, &list))
	}
	if it.sd != nil {
		b, err := it.sd.Append(nil)
		do("descriptor", err)
		do("descriptor", f.SetSecurity(ctx, secdesc.DACLInformation, b))
	}
	basic := wire.FileBasicInformation{CreationTime: birth, LastWriteTime: written, FileAttributes: it.attributes}
	if it.attributes != 0 && it.dir {
		basic.FileAttributes |= wire.FileAttributeDirectory
	}
	do("basic", f.Set(ctx, wire.FileInfoBasic, &basic))
	do("close", f.Close(ctx))
}

// seen is what a client sees of an item, in words.
type seen struct {
	Attributes, Birth, Written string
	Streams, EAs               []string
	SD                         string
}

// look reads all of it through a server.
func look(t *testing.T, tree *ourclient.Tree, path string, dir bool) (v seen) {
	t.Helper()
	ctx := t.Context()
	f, err := tree.Create(ctx, ourclient.CreateArgs{Name: path, Disposition: ourclient.Open, Directory: dir,
		Options: wire.OptionOpenForBackupIntent, Access: wire.AccessReadAttributes | wire.AccessReadEA | wire.AccessReadControl})
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer func() { _ = f.Close(context.WithoutCancel(ctx)) }()
	basic, err := f.Basic(ctx)
	if err != nil {
		t.Fatalf("%s: basic: %v", path, err)
	}
	v.Attributes = fmt.Sprintf("%#x", basic.FileAttributes)
	v.Birth, v.Written = basic.CreationTime.Time().UTC().String(), basic.LastWriteTime.Time().UTC().String()
	v.Streams, v.EAs = lookStreams(t, tree, f, path), lookEAs(t, f, path)
	b, err := f.Security(ctx, secdesc.OwnerInformation|secdesc.GroupInformation|secdesc.DACLInformation)
	if err != nil {
		t.Fatalf("%s: descriptor: %v", path, err)
	}
	d, err := secdesc.Decode(b)
	if err != nil {
		t.Fatalf("%s: descriptor: %v", path, err)
	}
	v.SD = describe(d)
	return v
}

func lookStreams(t *testing.T, tree *ourclient.Tree, f *ourclient.File, path string) (out []string) {
	t.Helper()
	var list wire.FileStreamInformation
	if err := f.Query(t.Context(), wire.FileInfoStream, &list); err != nil {
		t.Fatalf("%s: streams: %v", path, err)
	}
	for _, e := range list.Streams {
		name := strings.TrimSuffix(strings.TrimPrefix(e.StreamName, ":"), ":$DATA")
		if name == "" {
			continue
		}
		s, err := tree.Create(t.Context(), ourclient.CreateArgs{Name: path + ":" + name, Disposition: ourclient.Open,
			Access: wire.AccessReadData, Options: wire.OptionOpenForBackupIntent})
		if err != nil {
			t.Fatalf("%s:%s: %v", path, name, err)
		}
		data, err := s.ReadAll(t.Context())
		if err != nil {
			t.Fatalf("%s:%s: %v", path, name, err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s %d %q", name, e.StreamSize, data))
	}
	slices.Sort(out)
	return out
}

func lookEAs(t *testing.T, f *ourclient.File, path string) (out []string) {
	t.Helper()
	b, err := f.QueryInfo(t.Context(), wire.InfoTypeFile, wire.FileInfoFullEa, 64<<10)
	if s, _ := ourclient.StatusOf(err); err != nil && s.String() == "STATUS_NO_EAS_ON_FILE" {
		return nil
	}
	if err != nil {
		t.Fatalf("%s: EAs: %v", path, err)
	}
	var list wire.FileFullEaInformation
	if err := list.Decode(b); err != nil {
		t.Fatalf("%s: EAs: %v", path, err)
	}
	for _, e := range list.Entries {
		out = append(out, fmt.Sprintf("%s %q", strings.ToUpper(e.EaName), e.EaValue))
	}
	slices.Sort(out)
	return out
}

// describe writes a descriptor; the order of its parts in memory does not count.
func describe(d *secdesc.Descriptor) string {
	var b strings.Builder
	fmt.Fprintf(&b, "control %#x owner %v group %v", d.Control, d.Owner, d.Group)
	if d.DACL == nil {
		return b.String() + " no list"
	}
	for _, e := range d.DACL.ACEs {
		fmt.Fprintf(&b, "\n  type %d flags %#x mask %#x %v %s", e.Type, e.Flags, e.Mask, e.SID, hex.EncodeToString(e.Data))
	}
	return b.String()
}

func TestSambaReadsWhatWeWrite(t *testing.T) {
	exchange(t, func(two *twoServers) (from, to *ourclient.Tree) { return two.ours, two.smbds })
}

func TestWeReadWhatSambaWrites(t *testing.T) {
	exchange(t, func(two *twoServers) (from, to *ourclient.Tree) { return two.smbds, two.ours })
}

// exchange writes everything through one server and compares what both show.
func exchange(t *testing.T, which func(*twoServers) (from, to *ourclient.Tree)) {
	for _, style := range []string{"everyone", "posix"} {
		t.Run(style, func(t *testing.T) {
			two := startTwo(t, []string{"default_acl: " + style}, nil)
			from, to := which(two)
			if err := from.Mkdir(t.Context(), "tree"); err != nil {
				t.Fatal(err)
			}
			for _, it := range items() {
				path := `tree\` + it.name
				it.write(t, from, path)
				here, there := look(t, from, path, it.dir), look(t, to, path, it.dir)
				if it.sd == nil {
					// Who made it has stored none, and each makes up his own.
					here.SD, there.SD = "", ""
				}
				if d := cmp.Diff(here, there); d != "" {
					t.Errorf("%s: -written +read\n%s", it.name, d)
				}
				if here.Birth != birth.Time().UTC().String() || here.Written != written.Time().UTC().String() ||
					len(here.Streams) != len(it.streams) || len(here.EAs) != len(it.eas) {
					t.Errorf("%s: %+v", it.name, here)
				}
			}
		})
	}
}

// TestChmodEndsDescriptor: with default_acl: posix a chmod by somebody else ends what a
// client has stored, whichever server had stored it and whichever is asked.
func TestChmodEndsDescriptor(t *testing.T) {
	two := startTwo(t, []string{"default_acl: posix"}, nil)
	unknown := secdesc.MachineSID(11, 22, 33).WithRID(1001) // nothing that a POSIX ACL could tell of
	it := item{name: "file", sd: &secdesc.Descriptor{Control: secdesc.SelfRelative | secdesc.DACLPresent,
		DACL: secdesc.NewACL(secdesc.Allow(secdesc.World, secdesc.FileAllAccess, 0),
			secdesc.Allow(unknown, secdesc.FileGenericRead, 0))}}
	for name, tree := range map[string]*ourclient.Tree{"ours": two.ours, "smbd's": two.smbds} {
		it.write(t, tree, name)
		if err := os.Chmod(filepath.Join(two.dir, name), 0o604); err != nil {
			t.Fatal(err)
		}
		for by, reader := range map[string]*ourclient.Tree{"us": two.ours, "smbd": two.smbds} {
			if sd := look(t, reader, name, false).SD; strings.Contains(sd, unknown.String()) {
				t.Errorf("%s file, read by %s: what was stored still counts: %s", name, by, sd)
			}
		}
	}
}
