package protocol

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// Files that lie on the disk in the form of a Mac are opened by the name that a Mac sends,
// and listed as the share has it; what a client makes is stored as the share has it.
func TestNormalizeNames(t *testing.T) {
	const formC, formD = "caf\u00e9", "cafe\u0301"
	for _, c := range []struct{ setting, shown, made string }{
		{"match", formD, formD},
		{"nfc", formC, formC},
		{"off", formD, formD},
	} {
		s := start(t, "", "normalize_names: "+c.setting)
		s.run(t, c.setting, func(t *testing.T) {
			ctx := t.Context()
			top := filepath.Join(s.Dir, "shares", "share")
			check(t, os.MkdirAll(filepath.Join(top, "Ame\u0301lie"), 0o700))
			check(t, os.WriteFile(filepath.Join(top, "Ame\u0301lie", formD), []byte("from a Mac"), 0o600))
			tree := s.connect(t)
			list := must(tree.ReadDir(ctx, "Ame\u0301lie"))(t)
			if len(list) != 1 || list[0].FileName != c.shown {
				t.Errorf("%+v", list)
			}
			b, err := tree.ReadFile(ctx, "Am\u00e9lie\\"+formC)
			if c.setting == "off" {
				wantStatus(t, err, ntstatus.ObjectPathNotFound)
			} else if err != nil || string(b) != "from a Mac" {
				t.Errorf("%q, %v", b, err)
			}
			check(t, tree.WriteFile(ctx, "Ame\u0301lie\\x"+formD, nil))
			var stored []string
			for _, e := range must(os.ReadDir(filepath.Join(top, "Ame\u0301lie")))(t) {
				stored = append(stored, e.Name())
			}
			if want := []string{formD, "x" + c.made}; !slices.Equal(stored, want) {
				t.Errorf("stored: %+q, want %+q", stored, want)
			}
		})
	}
}

// That a file cannot be understood without an extended attribute is stored with it
// (MS-FSCC 2.4.15).
func TestNeedEaIsKept(t *testing.T) {
	s := start(t, "")
	ctx := t.Context()
	set := func() {
		tree := s.connect(t)
		defer func() { tree.Session.Conn.Close() }()
		f := open(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll,
			EAs: []wire.EaEntry{{EaName: "VITAL", EaValue: []byte("v"), Flags: wire.EaNeed}}})
		check(t, f.Close(ctx))
	}
	set()
	check(t, s.Stop())
	check(t, s.Start())
	tree := s.connect(t)
	_, err := tree.Create(ctx, client.CreateArgs{Name: "f", Disposition: client.Open, Options: wire.OptionNoEAKnowledge})
	wantStatus(t, err, ntstatus.AccessDenied)
	check(t, open(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open}).Close(ctx))
}
