package interop

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lessor/test/harness"
)

// mode is how the server protects the traffic, and what must be seen of it on
// the wire.
type mode struct {
	name     string
	settings string
	check    func(t *testing.T, direction string, f harness.Frames)
}

var modes = []mode{
	{"signed", "signing: required", func(t *testing.T, direction string, f harness.Frames) {
		if f.Bare > 0 || f.Sealed > 0 || f.Signed == 0 {
			t.Errorf("%s: %+v; want all signed and nothing sealed", direction, f)
		}
	}},
	{"sealed", "encryption: required", func(t *testing.T, direction string, f harness.Frames) {
		// Signed: the last SESSION_SETUP reply (MS-SMB2 3.3.5.5.3).
		if f.Bare > 0 || f.Sealed == 0 || f.Signed > f.Sealed {
			t.Errorf("%s: %+v; want all sealed", direction, f)
		}
	}},
	{"plain", "signing: enabled", func(t *testing.T, direction string, f harness.Frames) {
		if f.Sealed > 0 {
			t.Errorf("%s: %+v; want nothing sealed", direction, f)
		}
	}},
}

// fixture is where a case works: a directory of its own on the share, which is
// also at hand as a local directory.
type fixture struct {
	client client
	dir    string // on the share
	local  string
	// giant says whether a file of 1 GiB is worth its seconds here.
	giant bool
}

func (f fixture) name(elem ...string) string { return path.Join(append([]string{f.dir}, elem...)...) }
func (f fixture) path(elem ...string) string {
	return filepath.Join(append([]string{f.local}, elem...)...)
}

var cases = []struct {
	name string
	run  func(*testing.T, fixture)
}{
	{"sizes", testSizes},
	{"giant", testGiant},
	{"replace", testReplace},
	{"names", testNames},
	{"listing", testListing},
	{"rename", testRename},
	{"remove", testRemove},
	{"directories", testDirectories},
}

// TestFiles runs each case with each client in each mode and dialect.
func TestFiles(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			for _, m := range modes {
				t.Run(m.name, func(t *testing.T) {
					srv := harness.Run(t, harness.Options{Config: "server:\n  " + m.settings + "\n"})
					fillMany(t, srv.Path("share", "many"))
					for _, d := range dialects {
						if m.name == "sealed" && !d.seals {
							continue // refused: TestRefusals
						}
						t.Run(d.name, func(t *testing.T) {
							tap := harness.NewTap(t, srv.Addr)
							l := loginTo(srv, "share", d)
							l.addr = tap.Addr
							c, err := kind.open(t, l)
							wantNone(t, "connect", err)
							runCases(t, fixture{
								client: c,
								dir:    "dialect " + d.name,
								local:  srv.Path("share", "dialect "+d.name),
								// Without protection the dialects write the same bytes.
								giant: !testing.Short() && (m.name != "plain" || d == newest),
							})
							wantNone(t, "log off", c.close())
							up, down := tap.Counts()
							m.check(t, "from the client", up)
							m.check(t, "from the server", down)
						})
					}
				})
			}
		})
	}
}

// runCases runs each case in a directory of its own below that of parent.
func runCases(t *testing.T, parent fixture) {
	wantNone(t, "mkdir", parent.client.mkdir(parent.dir))
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			f := parent
			f.dir, f.local = parent.name(k.name), parent.path(k.name)
			wantNone(t, "mkdir", f.client.mkdir(f.dir))
			k.run(t, f)
		})
	}
}

// roundTrip writes n bytes through the client, looks for them in the share's
// directory, and reads them back through the client.
func roundTrip(t *testing.T, f fixture, name string, n int64) {
	t.Helper()
	seed := name
	wantNone(t, "put "+name, f.client.put(f.name(name), stream(seed, n)))
	wantStored(t, f, name, seed, n)
	got := newChecker(seed, n)
	wantNone(t, "get "+name, f.client.get(f.name(name), got))
	wantNone(t, "get "+name, got.end())
}

// wantStored compares a file in the share's directory with a stream.
func wantStored(t *testing.T, f fixture, name, seed string, n int64) {
	t.Helper()
	file, err := os.Open(f.path(name))
	wantNone(t, "open locally", err)
	defer func() { _ = file.Close() }()
	got := newChecker(seed, n)
	_, err = io.Copy(got, file)
	wantNone(t, "stored "+name, err)
	wantNone(t, "stored "+name, got.end())
}

func testSizes(t *testing.T, f fixture) {
	for _, n := range []int64{0, 1, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1 << 20} {
		roundTrip(t, f, fmt.Sprintf("of %d bytes", n), n)
	}
}

func testGiant(t *testing.T, f fixture) {
	if !f.giant {
		t.Skip("1 GiB takes some seconds")
	}
	roundTrip(t, f, "giant", 1<<30)
	wantNone(t, "del", f.client.remove(f.name("giant")))
}

// testReplace writes a shorter file over a longer one: the old tail must go.
func testReplace(t *testing.T, f fixture) {
	wantNone(t, "put", f.client.put(f.name("file"), stream("long", 100_000)))
	wantNone(t, "put again", f.client.put(f.name("file"), stream("short", 10)))
	wantStored(t, f, "file", "short", 10)
}

func testNames(t *testing.T, f fixture) {
	names := []string{
		"plain.txt",
		"with spaces in it.txt",
		"Grüße aus Köln",
		"日本語のファイル",
		"emoji \U0001F600",
		"e\u0301 decomposed",
		"[brackets] & #signs, 100%",
		strings.Repeat("n", 255),
	}
	want := map[string]entry{}
	for i, name := range names {
		roundTrip(t, f, name, int64(i))
		want[name] = entry{Size: int64(i)}
	}
	got, err := f.client.list(f.dir)
	wantNone(t, "ls", err)
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("listing (-want +got):\n%s", d)
	}
	folded := newChecker("with spaces in it.txt", 1)
	wantNone(t, "get by another case", f.client.get(f.name("WITH Spaces In It.TXT"), folded))
	wantNone(t, "get by another case", folded.end())
}

// fillMany makes the directory that testListing lists, with 5,000 files and 50
// directories, behind the server's back.
func fillMany(t *testing.T, dir string) {
	wantNone(t, "mkdir locally", os.Mkdir(dir, 0o755))
	for name, e := range many() {
		if e.Dir {
			wantNone(t, "mkdir locally", os.Mkdir(filepath.Join(dir, name), 0o755))
		} else {
			wantNone(t, "write locally", os.WriteFile(filepath.Join(dir, name), make([]byte, e.Size), 0o644))
		}
	}
}

func many() map[string]entry {
	all := map[string]entry{}
	for i := range 5000 {
		all[fmt.Sprintf("file number %04d", i)] = entry{Size: int64(i % 7)}
	}
	for i := range 50 {
		all[fmt.Sprintf("directory %02d", i)] = entry{Dir: true}
	}
	return all
}

func testListing(t *testing.T, f fixture) {
	got, err := f.client.list("many")
	wantNone(t, "ls", err)
	for name, e := range got {
		if e.Dir {
			got[name] = entry{Dir: true} // the size of a directory is the server's business
		}
	}
	if d := cmp.Diff(many(), got); d != "" {
		t.Errorf("listing (-want +got):\n%s", d)
	}
}

func testRename(t *testing.T, f fixture) {
	c := f.client
	wantNone(t, "put", c.put(f.name("a"), stream("a", 1000)))
	wantNone(t, "put", c.put(f.name("other"), stream("other", 5)))
	wantNone(t, "mkdir", c.mkdir(f.name("dir")))

	wantNone(t, "rename", c.rename(f.name("a"), f.name("b")))
	wantStored(t, f, "b", "a", 1000)
	wantError(t, "get by the old name", c.get(f.name("a"), io.Discard), fs.ErrNotExist)

	wantNone(t, "rename into a directory", c.rename(f.name("b"), f.name("dir", "b")))
	wantNone(t, "rename the directory", c.rename(f.name("dir"), f.name("new dir")))
	got := newChecker("a", 1000)
	wantNone(t, "get by the new path", c.get(f.name("new dir", "b"), got))
	wantNone(t, "get by the new path", got.end())

	wantError(t, "rename onto another file", c.rename(f.name("other"), f.name("new dir", "b")), fs.ErrExist)
	wantError(t, "rename what is not there", c.rename(f.name("nothing"), f.name("x")), fs.ErrNotExist)
	wantStored(t, f, "other", "other", 5)
	wantStored(t, f, "new dir/b", "a", 1000)

	// A change of case alone is a rename too.
	wantNone(t, "rename to another case", c.rename(f.name("other"), f.name("OTHER")))
	list, err := c.list(f.dir)
	wantNone(t, "ls", err)
	if _, there := list["OTHER"]; !there || len(list) != 2 {
		t.Errorf("after the change of case: %v; want OTHER and new dir", list)
	}
}

func testRemove(t *testing.T, f fixture) {
	wantNone(t, "put", f.client.put(f.name("a"), stream("a", 10)))
	wantNone(t, "del", f.client.remove(f.name("a")))
	if _, err := os.Lstat(f.path("a")); !os.IsNotExist(err) {
		t.Errorf("after the removal: %v; want it gone", err)
	}
	wantError(t, "del again", f.client.remove(f.name("a")), fs.ErrNotExist)
	wantError(t, "get what is not there", f.client.get(f.name("a"), io.Discard), fs.ErrNotExist)
}

func testDirectories(t *testing.T, f fixture) {
	c := f.client
	wantNone(t, "mkdir", c.mkdir(f.name("d")))
	if info, err := os.Stat(f.path("d")); err != nil || !info.IsDir() {
		t.Errorf("after mkdir: %v, %v; want a directory", info, err)
	}
	wantError(t, "mkdir again", c.mkdir(f.name("d")), fs.ErrExist)
	wantError(t, "mkdir below nothing", c.mkdir(f.name("x", "y")), fs.ErrNotExist)
	wantNone(t, "put", c.put(f.name("d", "file"), stream("file", 3)))
	wantError(t, "rmdir with a file inside", c.rmdir(f.name("d")), statusNotEmpty)
	wantNone(t, "del", c.remove(f.name("d", "file")))
	wantNone(t, "rmdir", c.rmdir(f.name("d")))
	if _, err := os.Lstat(f.path("d")); !os.IsNotExist(err) {
		t.Errorf("after rmdir: %v; want it gone", err)
	}
	wantError(t, "rmdir again", c.rmdir(f.name("d")), fs.ErrNotExist)
}
