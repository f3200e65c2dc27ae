package protocol

import (
	"errors"
	"os"
	"slices"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// stopped is an expected Symbolic Link Error Response (MS-SMB2 2.2.2.2.1).
type stopped struct {
	target   string
	relative bool
	left     string // of the path, behind the link
}

// wantStopped fails unless a CREATE ends on a link as want says; nil stands for a
// CREATE that the server carries out.
func wantStopped(t *testing.T, tree *client.Tree, a client.CreateArgs, want *stopped) {
	t.Helper()
	p := tree.StartCreate(a)
	if want == nil {
		f := must(p.Wait(t.Context()))(t)
		check(t, f.Close(t.Context()))
		return
	}
	r := must(p.Pending.Wait(t.Context()))(t)
	if r.Status != ntstatus.StoppedOnSymlink {
		t.Fatalf("%q: %v", a.Name, r.Status)
	}
	var got wire.SymlinkErrorResponse
	check(t, got.Decode(must(r.ErrorData())(t)))
	flags := uint32(0)
	if want.relative {
		flags = wire.SymlinkFlagRelative
	}
	if got.SubstituteName != want.target || got.PrintName != want.target || got.Flags != flags ||
		int(got.UnparsedPathLength) != wire.UTF16Len(want.left) {
		t.Errorf("%q: stopped with %+v, want %+v", a.Name, got, *want)
	}
}

// A link that the server does not follow stops a CREATE, and the client learns
// where it leads: that is any where links are not followed, and else what leads
// nowhere or out of the share.
func TestSymlinkStopsCreate(t *testing.T) {
	for _, follow := range []string{"true", "false"} {
		s := start(t, "", "follow_symlinks: "+follow)
		share := func(elem ...string) string { return s.Path("share", elem...) }
		check(t, os.MkdirAll(share("dir", "sub"), 0o755))
		check(t, os.WriteFile(share("dir", "file"), []byte("content"), 0o644))
		for name, target := range map[string]string{
			"toFile": "dir/file", "toDir": "dir", "nowhere": "dir/none", "out": "../../secret", "root": "/etc/passwd",
			"dir/none2": "nein/\u00e4", "dir/up": "../dir/sub",
		} {
			check(t, os.Symlink(target, share(name)))
		}
		// What the server follows if it may.
		inside := func(target, left string) *stopped {
			if follow == "true" {
				return nil
			}
			return &stopped{target, true, left}
		}
		for _, d := range leaseDialects {
			s.run(t, "follow "+follow+", "+d.String(), func(t *testing.T) {
				tree := s.connect(t, speaks(d))
				for _, c := range []struct {
					name        string
					disposition client.Disposition
					options     uint32
					want        *stopped
				}{
					{"toFile", client.Open, 0, inside(`dir\file`, "")},
					{"TOFILE", client.Open, 0, inside(`dir\file`, "")},
					{"toFile", client.OpenIf, 0, inside(`dir\file`, "")},
					{"toFile", client.Open, wire.OptionOpenReparsePoint, nil},
					{"toDir", client.Open, 0, inside("dir", "")},
					{`toDir\file`, client.Open, 0, inside("dir", `\file`)},
					{`toDir\FILE`, client.Open, wire.OptionOpenReparsePoint, inside("dir", `\FILE`)},
					{`toDir\sub\`, client.Open, 0, inside("dir", `\sub\`)},
					{`dir\up`, client.Open, 0, inside(`..\dir\sub`, "")},
					{"nowhere", client.Open, 0, &stopped{`dir\none`, true, ""}},
					{"nowhere", client.OpenIf, 0, &stopped{`dir\none`, true, ""}},
					{"nowhere", client.OverwriteIf, 0, &stopped{`dir\none`, true, ""}},
					{"nowhere", client.Open, wire.OptionOpenReparsePoint, nil},
					{`nowhere\x\y`, client.Open, 0, &stopped{`dir\none`, true, `\x\y`}},
					{"dir\\NONE2\\\u00e4\U0001F600", client.Open, 0, &stopped{"nein\\\u00e4", true, "\\\u00e4\U0001F600"}},
					{"out", client.Open, 0, &stopped{`..\..\secret`, true, ""}},
					{`out\a`, client.OpenIf, 0, &stopped{`..\..\secret`, true, `\a`}},
					{"root", client.Open, 0, &stopped{`\etc\passwd`, false, ""}},
				} {
					wantStopped(t, tree, client.CreateArgs{
						Name: c.name, Access: wire.AccessReadAttributes, Disposition: c.disposition, Options: c.options,
					}, c.want)
				}
				for _, c := range []struct {
					name   string
					a      client.CreateArgs
					status ntstatus.Status
				}{
					{"nothing", client.CreateArgs{Name: "none", Disposition: client.Open}, ntstatus.ObjectNameNotFound},
					{"nothing, the link itself", client.CreateArgs{Name: "none", Disposition: client.Open, Options: wire.OptionOpenReparsePoint}, ntstatus.ObjectNameNotFound},
					{"below nothing", client.CreateArgs{Name: `none\x`, Disposition: client.Open}, ntstatus.ObjectPathNotFound},
					{"below a file", client.CreateArgs{Name: `dir\file\x`, Disposition: client.Open}, ntstatus.ObjectPathNotFound},
					{"a new file in the place of a link", client.CreateArgs{Name: "nowhere", Disposition: client.Create}, ntstatus.ObjectNameCollision},
					{"a new directory there", client.CreateArgs{Name: "nowhere", Disposition: client.Create, Directory: true}, ntstatus.ObjectNameCollision},
				} {
					c.a.Access = wire.AccessReadAttributes
					if _, err := tree.Create(t.Context(), c.a); !errors.Is(err, c.status) {
						t.Errorf("%s: %v, want %v", c.name, err, c.status)
					}
				}
			})
		}
		wantLinksListed(t, s, follow == "true")
	}
}

// wantLinksListed fails unless a listing shows as links what a CREATE stops on,
// and the rest as what they lead to.
func wantLinksListed(t *testing.T, s *server, follow bool) {
	t.Helper()
	ctx := t.Context()
	tree := s.connect(t)
	dir := open(t, tree, client.CreateArgs{Directory: true, Access: client.ReadAccess})
	var links []string
	for _, e := range must(dir.List(ctx, "*"))(t) {
		if e.ReparseTag == wire.ReparseTagSymlink {
			links = append(links, e.FileName)
		}
	}
	check(t, dir.Close(ctx))
	slices.Sort(links)
	want := []string{"nowhere", "out", "root"}
	if !follow {
		want = append(want, "toDir", "toFile")
	}
	if !slices.Equal(links, want) {
		t.Errorf("links in the listing: %q, want %q", links, want)
	}
}
