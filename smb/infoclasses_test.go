package smb_test

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/test/client"
)

// documentedClass is a row of docs/info-classes.md.
type documentedClass struct{ query, set ntstatus.Status }

// documentedStatus reads a cell of a table there.
func documentedStatus(t *testing.T, cell string) ntstatus.Status {
	t.Helper()
	for _, s := range []ntstatus.Status{
		ntstatus.InvalidInfoClass, ntstatus.NotSupported, ntstatus.InvalidParameter, ntstatus.AccessDenied, ntstatus.PrivilegeNotHeld,
	} {
		if s.Error() == cell || s.Error() == "STATUS_"+cell {
			return s
		}
	}
	if cell != "yes" {
		t.Fatalf("the table says %q", cell)
	}
	return ntstatus.Success
}

// documentedClasses reads the table below a heading; a class that is not in it does
// not exist.
func documentedClasses(t *testing.T, heading string) (table [256]documentedClass) {
	t.Helper()
	text, err := os.ReadFile("../docs/info-classes.md")
	if err != nil {
		t.Fatal(err)
	}
	_, part, ok := strings.Cut(string(text), "\n## "+heading)
	if !ok {
		t.Fatalf("no %q", heading)
	}
	part, _, _ = strings.Cut(part, "\n## ")
	for class := range table {
		table[class] = documentedClass{ntstatus.InvalidInfoClass, ntstatus.InvalidInfoClass}
	}
	rows := 0
	for line := range strings.Lines(part) {
		cells := strings.Split(line, "|")
		if len(cells) < 5 {
			continue
		}
		class, err := strconv.ParseUint(strings.TrimSpace(cells[1]), 10, 8)
		if err != nil {
			continue // the head
		}
		row := documentedClass{query: documentedStatus(t, strings.TrimSpace(cells[3]))}
		if len(cells) > 6 {
			row.set = documentedStatus(t, strings.TrimSpace(cells[4]))
		}
		table[class] = row
		rows++
	}
	if rows < 10 {
		t.Fatalf("%d rows below %q", rows, heading)
	}
	return table
}

// TestInfoClasses asks for every class there can be, and compares with what
// docs/info-classes.md says.
func TestInfoClasses(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	f := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll, EAs: []wire.EaEntry{{EaName: "EA", EaValue: []byte("x")}}})
	// A structure that is good enough where it is not all zeros.
	buffers := map[uint8][]byte{
		wire.FileInfoMode:        make([]byte, 4),
		wire.FileInfoRename:      (&wire.FileRenameInformation{FileName: "f"}).Append(nil),
		wire.FileInfoRenameEx:    (&wire.FileRenameInformation{FileName: "f"}).Append(nil),
		wire.FileInfoLink:        (&wire.FileRenameInformation{FileName: "l"}).Append(nil),
		wire.FileInfoLinkEx:      (&wire.FileRenameInformation{FileName: "m"}).Append(nil),
		wire.FileInfoFullEa:      (&wire.FileFullEaInformation{Entries: []wire.EaEntry{{EaName: "E", EaValue: []byte("y")}}}).Append(nil),
		wire.FileInfoDisposition: {0},
	}
	for infoType, heading := range map[uint8]string{wire.InfoTypeFile: "Files", wire.InfoTypeFileSystem: "File systems"} {
		for class, want := range documentedClasses(t, heading) {
			class := uint8(class)
			_, err := f.QueryInfo(ctx, infoType, class, 4096)
			if got, _ := client.StatusOf(err); got != want.query {
				t.Errorf("%s: query of %d: %v, want %v", heading, class, err, want.query)
			}
			b := buffers[class]
			if b == nil || infoType == wire.InfoTypeFileSystem {
				b = make([]byte, 64)
			}
			err = f.SetInfoWith(ctx, &wire.SetInfoRequest{InfoType: infoType, FileInfoClass: class, Buffer: b})
			if got, _ := client.StatusOf(err); got != want.set {
				t.Errorf("%s: set of %d: %v, want %v", heading, class, err, want.set)
			}
		}
	}
	dir := create(t, tree, client.CreateArgs{Name: "", Access: wire.AccessListDirectory, Disposition: client.Open, Directory: true})
	for class, want := range documentedClasses(t, "Directories") {
		q := wire.QueryDirectoryRequest{
			FileInformationClass: uint8(class), Flags: wire.QueryDirectoryRestartScans, FileID: dir.ID, OutputBufferLength: 4096, FileName: "*",
		}
		resp, err := tree.Session.Conn.Do(ctx, dir.Request(&q))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := client.StatusOf(resp.Err()); got != want.query {
			t.Errorf("directory class %d: %v, want %v", class, resp.Err(), want.query)
		}
	}
}

// A class of SET_INFO wants its right, and the fixed part of its structure.
func TestSetInfoClassesRightsAndSizes(t *testing.T) {
	srv := newTestServer(t)
	tree := srv.connect(t)
	ctx := t.Context()
	full := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll})
	for _, c := range []struct {
		class uint8
		right uint32 // 0: none
		least int    // MS-FSCC 2.4
	}{
		{wire.FileInfoBasic, wire.AccessWriteAttributes, 36},
		{wire.FileInfoRename, wire.AccessDelete, 20},
		{wire.FileInfoRenameEx, wire.AccessDelete, 20},
		{wire.FileInfoLink, 0, 20},
		{wire.FileInfoLinkEx, 0, 20},
		{wire.FileInfoDisposition, wire.AccessDelete, 1},
		{wire.FileInfoDispositionEx, wire.AccessDelete, 4},
		{wire.FileInfoPosition, 0, 8},
		{wire.FileInfoMode, 0, 4},
		{wire.FileInfoFullEa, wire.AccessWriteEA, 0},
		{wire.FileInfoEndOfFile, wire.AccessWriteData, 8},
		{wire.FileInfoAllocation, wire.AccessWriteData, 8},
		{wire.FileInfoValidDataLength, wire.AccessWriteData, 8},
	} {
		set := func(f *client.File, n int) error {
			return f.SetInfoWith(ctx, &wire.SetInfoRequest{InfoType: wire.InfoTypeFile, FileInfoClass: c.class, Buffer: make([]byte, n)})
		}
		if c.least > 0 {
			mustBe(t, "class "+strconv.Itoa(int(c.class))+" with too little", set(full, c.least-1), ntstatus.InfoLengthMismatch)
		}
		if c.right != 0 {
			other := create(t, tree, client.CreateArgs{Name: "f", Access: wire.AccessAll &^ c.right, Disposition: client.Open})
			mustBe(t, "class "+strconv.Itoa(int(c.class))+" without the right", set(other, 64), ntstatus.AccessDenied)
			mustBe(t, "close", other.Close(ctx), ntstatus.Success)
		}
	}
}
