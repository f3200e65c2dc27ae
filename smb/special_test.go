package smb_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// Special files are made by reparse points, are shown as such, and are nothing but
// that: who opens one without meaning the reparse point learns that it is one.
func TestSpecialFiles(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t, wantsPosix)
	nfs := func(m wire.NfsReparse) []byte { return m.Append(nil) }
	tagged := func(tag uint32, data string) []byte {
		return (&wire.ReparsePoint{Tag: tag, Data: []byte(data)}).Append(nil)
	}
	const regular, chr, blk, fifo, socket = 0, 0o30000, 0o40000, 0o50000, 0o60000
	cases := map[string]struct {
		point []byte
		tag   uint32
		kind  uint32
	}{
		"fifo":        {nfs(wire.NfsReparse{Type: wire.NfsSpecialFifo}), wire.ReparseTagNFS, fifo},
		"chr":         {nfs(wire.NfsReparse{Type: wire.NfsSpecialChr, Major: 1, Minor: 3}), wire.ReparseTagNFS, chr},
		"blk":         {nfs(wire.NfsReparse{Type: wire.NfsSpecialBlk, Major: 8, Minor: 1}), wire.ReparseTagNFS, blk},
		"socket":      {nfs(wire.NfsReparse{Type: wire.NfsSpecialSock}), wire.ReparseTagNFS, socket},
		"nfs unknown": {tagged(wire.ReparseTagNFS, "whatever"), wire.ReparseTagNFS, regular},
		"wsl fifo":    {tagged(wire.ReparseTagLxFifo, ""), wire.ReparseTagLxFifo, fifo},
		"wsl chr":     {tagged(wire.ReparseTagLxChr, ""), wire.ReparseTagLxChr, chr},
		"wsl blk":     {tagged(wire.ReparseTagLxBlk, ""), wire.ReparseTagLxBlk, blk},
		"wsl socket":  {tagged(wire.ReparseTagAFUnix, ""), wire.ReparseTagAFUnix, socket},
		"other":       {tagged(wire.ReparseTagDedup, "data"), wire.ReparseTagDedup, regular},
	}
	for name, c := range cases {
		f := create(t, tree, posix(0xffff, client.CreateArgs{
			Name: name, Access: client.AttributesOnly | wire.AccessWriteAttributes, Disposition: client.Create,
			Options: wire.OptionOpenReparsePoint, EAs: []wire.EaEntry{{EaName: "$LXMOD", EaValue: []byte("1234")}},
		}))
		_, err := f.Ioctl(ctx, wire.FsctlSetReparsePoint, c.point, 0)
		mustBe(t, name, err, ntstatus.Success)
		if info := posixInfo(t, f); info.Posix.ReparseTag != c.tag || info.Posix.Mode&0o70000 != c.kind ||
			info.FileAttributes&wire.FileAttributeReparsePoint == 0 {
			t.Errorf("%s is %+v", name, info)
		}
		mustBe(t, "close", f.Close(ctx), ntstatus.Success)

		plain := client.CreateArgs{Name: name, Disposition: client.Open}
		for _, a := range []client.CreateArgs{plain, posix(0, plain)} {
			_, err = tree.Create(ctx, a)
			mustBe(t, "open "+name, err, ntstatus.IoReparseTagNotHandled)
			a.Options, a.Access = wire.OptionOpenReparsePoint, wire.AccessReadAttributes|wire.AccessReadEA
			f = create(t, tree, a)
			if f.Response.Flags&wire.CreateFlagReparsePoint == 0 {
				t.Errorf("%s: the reply says nothing of a reparse point", name)
			}
			got := must(f.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096))(t)
			if diff := cmp.Diff(c.point, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
			var tag wire.FileAttributeTagInformation
			mustBe(t, "tag", f.Query(ctx, wire.FileInfoAttributeTag, &tag), ntstatus.Success)
			if tag.ReparseTag != c.tag {
				t.Errorf("%s: tag %x", name, tag.ReparseTag)
			}
			mustBe(t, "close", f.Close(ctx), ntstatus.Success)
		}
	}
	for _, a := range []client.CreateArgs{{Directory: true, Disposition: client.Open}} {
		for _, class := range []uint8{wire.FileInfoPosix, wire.FileInfoIDFullDirectory, wire.FileInfoIDExtdDirectory} {
			root := create(t, tree, posix(0, a))
			seen := 0
			for _, e := range must(root.QueryDirectory(ctx, client.DirQuery{Class: class}))(t) {
				c, ok := cases[e.FileName]
				if !ok {
					continue
				}
				seen++
				if e.ReparseTag != c.tag || class == wire.FileInfoPosix && e.Mode&0o70000 != c.kind {
					t.Errorf("class %d: %+v", class, e)
				}
			}
			if seen != len(cases) {
				t.Errorf("class %d: %d of %d", class, seen, len(cases))
			}
			mustBe(t, "close", root.Close(ctx), ntstatus.Success)
		}
	}
}

// A reparse point can be changed and taken away by who names its tag (MS-FSA
// 2.1.5.10.6, .37).
func TestStoredReparsePoint(t *testing.T) {
	s := newTestServer(t)
	ctx := t.Context()
	tree := s.connect(t)
	point := func(tag uint32, data string) []byte {
		return (&wire.ReparsePoint{Tag: tag, Data: []byte(data)}).Append(nil)
	}
	f := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll, Options: wire.OptionOpenReparsePoint})
	if _, err := f.Write(ctx, 0, []byte("content")); err != nil {
		t.Fatal(err)
	}
	set := func(b []byte) error { _, err := f.Ioctl(ctx, wire.FsctlSetReparsePoint, b, 0); return err }
	del := func(b []byte) error { _, err := f.Ioctl(ctx, wire.FsctlDeleteReparsePoint, b, 0); return err }
	mustBe(t, "delete before", del(point(wire.ReparseTagDedup, "")), ntstatus.NotAReparsePoint)
	mustBe(t, "set", set(point(wire.ReparseTagDedup, "one")), ntstatus.Success)
	mustBe(t, "change", set(point(wire.ReparseTagDedup, "two")), ntstatus.Success)
	mustBe(t, "another tag", set(point(wire.ReparseTagLxFifo, "")), ntstatus.IoReparseTagMismatch)
	mustBe(t, "too long", set(point(wire.ReparseTagDedup, string(pattern(wire.MaxReparseDataSize)))), ntstatus.IoReparseDataInvalid)
	if got := must(f.Ioctl(ctx, wire.FsctlGetReparsePoint, nil, 4096))(t); !cmp.Equal(got, point(wire.ReparseTagDedup, "two")) {
		t.Errorf("%x", got)
	}
	if got, err := f.ReadAll(ctx); err != nil || string(got) != "content" {
		t.Errorf("data: %q, %v", got, err)
	}
	mustBe(t, "delete another tag", del(point(wire.ReparseTagLxFifo, "")), ntstatus.IoReparseTagMismatch)
	mustBe(t, "delete with data", del(point(wire.ReparseTagDedup, "two")), ntstatus.IoReparseDataInvalid)
	mustBe(t, "delete", del(point(wire.ReparseTagDedup, "")), ntstatus.Success)
	mustBe(t, "close", f.Close(ctx), ntstatus.Success)
	f = create(t, tree, client.CreateArgs{Name: "f", Disposition: client.Open})
	if got, err := f.ReadAll(ctx); err != nil || string(got) != "content" {
		t.Errorf("a file again: %q, %v", got, err)
	}
}
