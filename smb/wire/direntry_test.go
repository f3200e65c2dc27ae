package wire

import (
	"testing"

	"pgregory.net/rapid"
)

const (
	dirHead = "00000000 07000000" + times + "0500000000000000 0010000000000000 "
	dirID64 = " 8877665544332211 "
	dirID16 = " 01000000000000000000000000000002 "
	dirName = " 61006200 "
	// The short name AB~1 of four units in its 24 bytes.
	dirShortName = " 08 00 410042007e003100 00000000000000000000000000000000 "
)

func testDirEntry(t testing.TB) DirEntry {
	owner, group := testSIDs(t)
	b := testBasic()
	return DirEntry{
		FileIndex: 7, CreationTime: b.CreationTime, LastAccessTime: b.LastAccessTime,
		LastWriteTime: b.LastWriteTime, ChangeTime: b.ChangeTime, EndOfFile: 5, AllocationSize: 4096,
		FileAttributes: FileAttributeArchive, EaSize: 3, ReparseTag: ReparseTagLxFifo,
		FileID: 0x1122334455667788, FileID128: [16]byte{1, 15: 2}, ShortName: "AB~1", FileName: "ab",
		DeviceID: 0x01020304, Links: 2, Mode: 0o100644, Owner: owner, Group: group,
	}
}

var dirEntryGoldens = []struct {
	name  string
	class uint8
	size  int // without the name
	hex   string
}{
	{"Directory", FileInfoDirectory, 64, dirHead + "20000000 04000000" + dirName},
	{"FullDirectory", FileInfoFullDirectory, 68, dirHead + "20000000 04000000 03000000" + dirName},
	{"IdFullDirectory", FileInfoIDFullDirectory, 80, dirHead + "20000000 04000000 03000000 00000000" + dirID64 + dirName},
	{"BothDirectory", FileInfoBothDirectory, 94, dirHead + "20000000 04000000 03000000" + dirShortName + dirName},
	{"IdBothDirectory", FileInfoIDBothDirectory, 104, dirHead + "20000000 04000000 03000000" + dirShortName + "0000" + dirID64 + dirName},
	{"Names", FileInfoNames, 12, "00000000 07000000 04000000" + dirName},
	{"IdExtdDirectory", FileInfoIDExtdDirectory, 88, dirHead + "20000000 04000000 03000000 24000080" + dirID16 + dirName},
	{"IdExtdBothDirectory", FileInfoIDExtdBothDirectory, 114,
		dirHead + "20000000 04000000 03000000 24000080" + dirID16 + dirShortName + dirName},
	{"Id64ExtdDirectory", FileInfoID64ExtdDirectory, 80, dirHead + "20000000 04000000 03000000 24000080" + dirID64 + dirName},
	{"Id64ExtdBothDirectory", FileInfoID64ExtdBothDirectory, 106,
		dirHead + "20000000 04000000 03000000 24000080" + dirID64 + dirShortName + dirName},
	{"IdAllExtdDirectory", FileInfoIDAllExtdDirectory, 96,
		dirHead + "20000000 04000000 03000000 24000080" + dirID64 + dirID16 + dirName},
	{"IdAllExtdBothDirectory", FileInfoIDAllExtdBothDir, 122,
		dirHead + "20000000 04000000 03000000 24000080" + dirID64 + dirID16 + dirShortName + dirName},
	{"Posix", FileInfoPosix, 92,
		dirHead + "20000000" + dirID64 + "04030201 00000000 02000000 24000080 a4810000" + sid1 + sid2 + "04000000" + dirName},
}

func appendEntries(class uint8, list []DirEntry) []byte {
	l := NewEntryList(nil, unlimited, DirEntryAlign)
	for i := range list {
		l.AppendDirEntry(class, &list[i])
	}
	return l.Bytes
}

func TestDirEntryGolden(t *testing.T) {
	for _, c := range dirEntryGoldens {
		t.Run(c.name, func(t *testing.T) {
			raw := unhex(t, c.hex)
			e := testDirEntry(t)
			got := appendEntries(c.class, []DirEntry{e})
			if diff := diffBytes(raw, got); diff != "" {
				t.Fatal(diff)
			}
			if n := DirEntrySize(c.class, 4); n != c.size+4 {
				t.Errorf("its size is given as %d", n)
			}
			list, err := DecodeDirEntries(raw, c.class)
			if err != nil || len(list) != 1 {
				t.Fatalf("%d entries, %v", len(list), err)
			}
			if diff := diffBytes(raw, appendEntries(c.class, list)); diff != "" {
				t.Errorf("the decoded entry encodes otherwise:\n%s", diff)
			}
			testTruncations(t, raw, len(raw), refuseEmpty(func(b []byte) error {
				_, err := DecodeDirEntries(b, c.class)
				return err
			}))
		})
	}
}

// In the classes without a reparse tag the size of the extended attributes
// makes room for it.
func TestDirEntryReparseTagInEaSize(t *testing.T) {
	e := testDirEntry(t)
	e.FileAttributes |= FileAttributeReparsePoint
	list, err := DecodeDirEntries(appendEntries(FileInfoIDBothDirectory, []DirEntry{e}), FileInfoIDBothDirectory)
	if err != nil || list[0].ReparseTag != ReparseTagLxFifo || list[0].EaSize != 0 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestDirEntryClasses(t *testing.T) {
	known := 0
	for class := range 256 {
		if DirEntrySize(uint8(class), 0) != 0 {
			known++
		}
	}
	if known != len(dirEntryGoldens) {
		t.Errorf("%d classes are known, %d tested", known, len(dirEntryGoldens))
	}
	l := NewEntryList(nil, unlimited, DirEntryAlign)
	if l.AppendDirEntry(FileInfoBasic, new(DirEntry)) {
		t.Error("an entry of no directory class is appended")
	}
	if _, err := DecodeDirEntries(nil, FileInfoBasic); err == nil {
		t.Error("a list of no directory class is decoded")
	}
}

func TestEntryListChain(t *testing.T) {
	prefix := []byte("odd")
	l := NewEntryList(prefix, 12+2+2+12+4, DirEntryAlign)
	if !l.AppendDirEntry(FileInfoNames, &DirEntry{FileName: "a"}) || !l.AppendDirEntry(FileInfoNames, &DirEntry{FileName: "bc"}) {
		t.Fatal("entries that fit exactly are refused")
	}
	before := string(l.Bytes)
	if l.AppendDirEntry(FileInfoNames, &DirEntry{}) || string(l.Bytes) != before {
		t.Error("an entry beyond the limit is appended or leaves a trace")
	}
	want := unhex(t, "6f6464 10000000 00000000 02000000 6100 0000 00000000 00000000 04000000 62006300")
	if diff := diffBytes(want, l.Bytes); diff != "" {
		t.Error(diff)
	}
	if l.Count() != 2 || l.Len() != 32 {
		t.Errorf("%d entries, %d bytes", l.Count(), l.Len())
	}
	small := NewEntryList(prefix, 31, DirEntryAlign)
	if !small.AppendDirEntry(FileInfoNames, &DirEntry{FileName: "a"}) || small.AppendDirEntry(FileInfoNames, &DirEntry{FileName: "bc"}) {
		t.Error("padding before an entry is not counted")
	}
}

func TestEntryListMalformed(t *testing.T) {
	for name, s := range map[string]string{
		"unaligned":      "0c000000 00000000 00000000 00000000 00000000 00000000",
		"behind the end": "18000000 00000000 00000000 00000000 00000000 00000000",
		"huge":           "f8ffffff 00000000 00000000 00000000",
		"onto itself":    "08000000 00000000 08000000 00000000",
	} {
		if list, err := DecodeDirEntries(unhex(t, s), FileInfoNames); err == nil {
			t.Errorf("%s: %+v", name, list)
		}
	}
}

func TestNotifyList(t *testing.T) {
	l := NewEntryList(nil, 64, NotifyAlign)
	l.AppendNotify(ActionRenamedOldName, "a")
	l.AppendNotify(ActionRenamedNewName, `b\c`)
	raw := unhex(t, "10000000 04000000 02000000 6100 0000 00000000 05000000 06000000 62005c006300")
	if diff := diffBytes(raw, l.Bytes); diff != "" {
		t.Error(diff)
	}
	got, err := DecodeNotify(raw)
	want := []FileNotifyInformation{{ActionRenamedOldName, "a"}, {ActionRenamedNewName, `b\c`}}
	if diff := diffValues(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for l.AppendNotify(ActionAdded, "more") {
	}
	if l.Len() > 64 {
		t.Errorf("%d bytes in the room of 64", l.Len())
	}
}

// Whatever entries go into a list come out of it, and the limit holds.
func TestDirEntryListRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom(dirEntryGoldens).Draw(t, "class").class
		limit := rapid.IntRange(0, 1024).Draw(t, "limit")
		names := rapid.SliceOf(rapid.String()).Draw(t, "names")
		list := NewEntryList(make([]byte, rapid.IntRange(0, 9).Draw(t, "before")), limit, DirEntryAlign)
		var want []string
		for i, name := range names {
			if list.AppendDirEntry(class, &DirEntry{FileIndex: uint32(i), FileName: name, Owner: testSID(), Group: testSID()}) {
				want = append(want, name)
			}
		}
		if list.Len() > limit || list.Count() != len(want) {
			t.Fatalf("%d entries in %d bytes, limit %d", list.Count(), list.Len(), limit)
		}
		entries, err := DecodeDirEntries(list.Bytes[len(list.Bytes)-list.Len():], class)
		if err != nil || len(entries) != len(want) {
			t.Fatalf("%d of %d entries: %v", len(entries), len(want), err)
		}
		for i := range entries {
			if entries[i].FileName != want[i] {
				t.Fatalf("name %q became %q", want[i], entries[i].FileName)
			}
		}
	})
}

// testSID is the SID of Everyone.
func testSID() []byte { return []byte{1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0} }

func TestAppendDirEntryDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	e := testDirEntry(t)
	if n := testing.AllocsPerRun(100, func() {
		l := NewEntryList(buf, 4096, DirEntryAlign)
		for l.AppendDirEntry(FileInfoIDBothDirectory, &e) {
		}
		if l.Count() == 0 {
			t.Fatal("nothing appended")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDirEntries(f *testing.F) {
	for _, c := range dirEntryGoldens {
		f.Add(c.class, unhex(f, c.hex))
	}
	f.Fuzz(func(t *testing.T, class uint8, raw []byte) {
		list, err := DecodeDirEntries(raw, class)
		if err != nil {
			return
		}
		again, err := DecodeDirEntries(appendEntries(class, list), class)
		if err != nil {
			t.Fatalf("own encoding is refused: %v", err)
		}
		if diff := diffValues(list, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzNotify(f *testing.F) {
	f.Add(unhex(f, "10000000 04000000 02000000 6100 0000 00000000 05000000 06000000 62005c006300"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := DecodeNotify(raw)
		if err != nil {
			return
		}
		l := NewEntryList(nil, unlimited, NotifyAlign)
		for _, e := range list {
			l.AppendNotify(e.Action, e.FileName)
		}
		if again, err := DecodeNotify(l.Bytes); err != nil || diffValues(list, again) != "" {
			t.Fatalf("%v\n%s", err, diffValues(list, again))
		}
	})
}
