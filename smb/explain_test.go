package smb_test

import (
	"testing"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
)

// What an explanation says is what a client meets.
func TestExplainSaysWhatClientsMeet(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Veto = []string{"private"} })
	ctx := t.Context()
	put(t, dir, "private/d/f", "x")
	put(t, dir, "plain", "x")
	put(t, dir, "fixed", "x")
	tree := s.connect(t)
	f := create(t, tree, client.CreateArgs{Name: "fixed", Access: wire.AccessAll, Disposition: client.Open})
	if err := f.Set(ctx, wire.FileInfoBasic, &wire.FileBasicInformation{FileAttributes: wire.FileAttributeReadonly}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(ctx); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		access, path string
		do           func() error
		rule         string // that refuses
	}{
		{"read", "plain", func() error { _, err := tree.ReadFile(ctx, "plain"); return err }, ""},
		{"read", "private", func() error { _, err := tree.ReadDir(ctx, "private"); return err }, "path"},
		{"read", "private/d/f", func() error { _, err := tree.ReadFile(ctx, `private\d\f`); return err }, "path"},
		{"read", "fixed", func() error { _, err := tree.ReadFile(ctx, "fixed"); return err }, ""},
		{"write", "fixed", func() error {
			_, err := tree.Create(ctx, client.CreateArgs{Name: "fixed", Access: wire.AccessWriteData, Disposition: client.Open})
			return err
		}, "attribute"},
		{"delete", "fixed", func() error { return tree.Remove(ctx, "fixed") }, "attribute"},
		{"delete", "plain", func() error { return tree.Remove(ctx, "plain") }, ""},
	} {
		e, err := s.Explain(ctx, smb.ExplainQuery{Access: c.access, Share: "data", Path: c.path, User: "alice"})
		if err != nil {
			t.Fatal(err)
		}
		refused := ""
		for _, step := range e.Steps {
			if step.Verdict == smb.VerdictRefused {
				refused = step.Rule
			}
		}
		met := c.do()
		if e.Allowed != (c.rule == "") || refused != c.rule || e.Allowed != (met == nil) {
			t.Errorf("%s %s: allowed %v, refused by %q, want %q; a client meets %v\n%v", c.access, c.path, e.Allowed, refused, c.rule, met, e.Steps)
		}
	}
}
