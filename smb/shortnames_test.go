package smb_test

import (
	"testing"

	"lessor/smb"
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
	vfsnames "lessor/vfs/names"
)

// A file has an 8.3 name, by which it is found, unless the share does without.
func TestNoShortNames(t *testing.T) {
	const long = "a long name.text"
	short := vfsnames.ShortName(long, 0)
	for _, off := range []bool{false, true} {
		s := newTestServer(t, func(_ *smb.Config, sh *smb.Share) { sh.NoShortNames = off })
		ctx := t.Context()
		tree := s.connect(t)
		f := create(t, tree, client.CreateArgs{Name: long})
		status, shown := ntstatus.Success, short
		if off {
			status, shown = ntstatus.ObjectNameNotFound, ""
		}
		var name wire.FileNameInformation
		mustBe(t, "query", f.Query(ctx, wire.FileInfoAlternateName, &name), status)
		if name.FileName != shown {
			t.Errorf("off %v: name %q, want %q", off, name.FileName, shown)
		}
		root := create(t, tree, client.CreateArgs{Name: "", Directory: true, Access: client.ListDirectory, Disposition: client.Open})
		list, err := root.List(ctx, "a*")
		if err != nil || len(list) != 1 || list[0].ShortName != shown {
			t.Errorf("off %v: %+v, %v, want %q", off, list, err, shown)
		}
		_, err = tree.Create(ctx, client.CreateArgs{Name: short, Disposition: client.Open})
		mustBe(t, "open", err, status)
	}
}
