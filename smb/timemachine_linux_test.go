package smb_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
)

// What looks like a sparse bundle and is none takes nothing and holds nobody up.
func TestTimeMachineStrangeBundles(t *testing.T) {
	s, dir := dirServer(t, func(sh *smb.Share) { sh.Mac.TimeMachine, sh.Mac.MaxSize = true, 1<<20 })
	const plist = "<key>band-size</key><integer>65536</integer>"
	outside := filepath.Join(t.TempDir(), "plist")
	if err := os.WriteFile(outside, []byte(plist), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"fifo", "link", "huge", "file", "dir"} {
		put(t, dir, name+".sparsebundle/bands/0", "x")
	}
	in := func(name string) string { return filepath.Join(dir, name+".sparsebundle", "Info.plist") }
	for what, err := range map[string]error{
		"fifo": syscall.Mkfifo(in("fifo"), 0o644), "link": os.Symlink(outside, in("link")), "dir": os.Mkdir(in("dir"), 0o755),
		"huge": os.WriteFile(in("huge"), []byte(strings.Repeat(" ", 1<<20)+plist), 0o644),
	} {
		if err != nil {
			t.Fatal(what, err)
		}
	}
	put(t, dir, "plain.backupbundle", "x")
	f := create(t, s.connect(t), client.CreateArgs{Directory: true})
	var size wire.FileFsSizeInformation
	if err := f.QueryFS(t.Context(), wire.FsInfoSize, &size); err != nil {
		t.Fatal(err)
	}
	if size.AvailableAllocationUnits != size.TotalAllocationUnits {
		t.Errorf("%d of %d are left", size.AvailableAllocationUnits, size.TotalAllocationUnits)
	}
}
