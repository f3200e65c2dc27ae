package config

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// write puts text into a file of a fresh directory that also has a directory
// "data" and a file "plain".
func write(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "lessor.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var plain = cmp.Options{cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()}

func TestDefaultFileIsTheDefaults(t *testing.T) {
	got, err := Load(write(t, DefaultYAML), &Config{})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Default(), got, plain); d != "" {
		t.Errorf("default.yaml differs from Default (-struct +file):\n%s", d)
	}
}

func TestDefaultFileIsComplete(t *testing.T) {
	for _, key := range scalarKeys(reflect.TypeFor[Config](), "") {
		name := key[strings.LastIndexByte(key, '.')+1:]
		if !regexp.MustCompile(`(?m)^ *` + name + `:`).MatchString(DefaultYAML) {
			t.Errorf("default.yaml does not show %s", key)
		}
	}
}

// example is the commented example of a share in the default file.
func example(t *testing.T) string {
	t.Helper()
	_, text, ok := strings.Cut(DefaultYAML, "# shares:\n")
	text, _, end := strings.Cut(text, "\nshares: []")
	if !ok || !end {
		t.Fatal("no example in default.yaml")
	}
	return "shares:\n" + regexp.MustCompile(`(?m)^# ?`).ReplaceAllString(text, "") + "\n"
}

func TestDefaultFileExampleIsTheDefaultShare(t *testing.T) {
	text := strings.ReplaceAll(example(t), "/srv/projects", "data")
	for name := range fieldsOf(reflect.TypeFor[Share]()) {
		if !strings.Contains(text, name+":") {
			t.Errorf("the example does not show %s", name)
		}
	}
	path := write(t, text)
	got, err := Load(path, Default())
	if err != nil {
		t.Fatal(err)
	}
	want := DefaultShare()
	want.Name, want.Path = "projects", filepath.Join(filepath.Dir(path), "data")
	want.Users = []ShareUser{{"alice", AccessWrite}, {"bob", AccessRead}}
	if d := cmp.Diff([]Share{want}, got.Shares, plain); d != "" {
		t.Error(d)
	}
}

func TestLoadMinimal(t *testing.T) {
	path := write(t, `
server: {listen: ["127.0.0.1:4450", "[::1]:4450"], dialects: {min: 3.0, max: 3.0.2}}
shares:
  - {name: Öffentlich, path: data, create_mask: 0640, default_access: read}
  - {name: scratch, type: memory, follow_symlinks: false, default_access: write}
`)
	got, err := Load(path, Default())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"127.0.0.1:4450", "[::1]:4450"}, got.Server.Listen); d != "" {
		t.Error(d)
	}
	if d := got.Server.Dialects; d.Min != Dialect300 || d.Max != Dialect302 {
		t.Errorf("dialects %v", d)
	}
	if s := got.Shares[0]; s.Name != "Öffentlich" || s.CreateMask != 0o640 || !s.FollowSymlinks || s.DirectoryMask != 0o755 {
		t.Errorf("share %+v", s)
	}
	if got.Shares[1].FollowSymlinks {
		t.Error("a false in the file did not override a true default")
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LESSOR_SERVER_LISTEN", "127.0.0.1:1, 127.0.0.1:2")
	t.Setenv("LESSOR_SERVER_SIGNING", "enabled")
	t.Setenv("LESSOR_SERVER_LIMITS_CONNECTIONS", "77")
	t.Setenv("LESSOR_SERVER_LIMITS_READ_SIZE", "1MiB")
	t.Setenv("LESSOR_SERVER_DIALECTS_MIN", "3.0")
	t.Setenv("LESSOR_LOCKING_BREAK_TIMEOUT", "2s")
	t.Setenv("LESSOR_METRICS_LISTEN", "")
	t.Setenv("LESSOR_SERVICE_HOST", "10.0.0.1") // set by Kubernetes, none of ours
	got, err := Load(write(t, "server: {listen: [':9'], signing: required}\n"), Default())
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Server.Listen = []string{"127.0.0.1:1", "127.0.0.1:2"}
	want.Server.Signing = SigningEnabled
	want.Server.Limits.Connections = 77
	want.Server.Limits.ReadSize = 1 << 20
	want.Server.Dialects.Min = Dialect300
	want.Locking.BreakTimeout = 2 * time.Second
	want.Metrics.Listen = ""
	if d := cmp.Diff(want, got, plain); d != "" {
		t.Error(d)
	}
	if got, err = Load("", Default()); err != nil || got.Server.Limits.Connections != 77 {
		t.Errorf("without a file: %v", err)
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	for _, tc := range []struct{ name, value, want string }{
		{"LESSOR_SERVER_SIGNING", "maybe", `LESSOR_SERVER_SIGNING: server.signing: bad value "maybe"; want one of enabled, required`},
		{"LESSOR_SERVER_LIMITS_CREDITS", "1", ""},
		{"LESSOR_SERVER_LIMITS_CONNECTIONS", "many", `LESSOR_SERVER_LIMITS_CONNECTIONS: server.limits.connections: bad value "many"; want a whole number`},
		{"LESSOR_SERVER_LIMITS_CONNECTIONS", "", `LESSOR_SERVER_LIMITS_CONNECTIONS: server.limits.connections: has no value; give one, or remove the line for the default`},
		{"LESSOR_SERVER_LIMITS_CONNECTIONS", "0", `LESSOR_SERVER_LIMITS_CONNECTIONS: server.limits.connections: bad value 0; want 1 to 1048576`},
		{"LESSOR_SERVER_TIMEOUTS_WRITE", "30", `LESSOR_SERVER_TIMEOUTS_WRITE: server.timeouts.write: bad value "30"; want a time with its unit such as 500ms, 30s or 5m`},
		{"LESSOR_SERVER_LISTEN", "445", `LESSOR_SERVER_LISTEN: server.listen[0]: bad address "445"; want HOST:PORT or :PORT, with an IPv6 address in brackets`},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			t.Setenv(tc.name, tc.value)
			_, err := Load(write(t, "server: {listen: [':1', ':2']}\n"), Default())
			if got := message(err); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestMistakes(t *testing.T) {
	share := "shares:\n- name: a\n  path: data\n  default_access: read\n"
	for _, tc := range []struct{ name, text, want string }{
		{"syntax", "server:\n  name: a: b\n", "F:2: mapping values are not allowed in this context; check indentation, colons and quotes near this line"},
		{"tab", "server:\n\tname: a\n", "F:2: found character that cannot start any token; check indentation, colons and quotes near this line"},
		{"not yaml", "\x00\x01", "F: control characters are not allowed; the file must be YAML"},
		{"scalar file", "hello\n", `F:1: has the value "hello" where a group of settings is wanted; indent or bracket it as in "lessor config default"`},
		{"two documents", "log: {}\n---\nlog: {}\n", `F: the file holds more than one document; remove the line "---" and merge them`},
		{"unknown key", "server:\n  nam: x\n", `F:2: server.nam: there is no such setting; did you mean "name"?`},
		{"unknown key, far", "\nflavour: x\n", `F:2: flavour: there is no such setting; see "lessor config default" for all settings`},
		{"unknown key in a share", share + "  pth: data\n", `F:5: shares[0].pth: there is no such setting; did you mean "path"?`},
		{"capital key", "Server: {}\n", `F:1: Server: there is no such setting; did you mean "server"?`},
		{"twice", "log: {level: info,\n level: debug}\n", `F:2: log.level: stands here and in line 1; remove one of them`},
		{"wrong type, list", "server: {listen: ':445'}\n", `F:1: server.listen: has the value ":445" where a list is wanted; indent or bracket it as in "lessor config default"`},
		{"wrong type, number", "server: {limits: {connections: 1.5}}\n", `F:1: server.limits.connections: bad value "1.5"; want a whole number`},
		{"wrong type, huge number", "server: {limits: {connections: 99999999999999999999}}\n", `F:1: server.limits.connections: bad value "99999999999999999999"; want a whole number`},
		{"wrong type, bool", share + "  read_only: sure\n", `F:5: shares[0].read_only: bad value "sure"; want true or false`},
		{"wrong type, text", "server: {name: 12}\n", `F:1: server.name: bad value "12"; put it in quotes to make it text`},
		{"wrong type, group", "log: [1]\n", `F:1: log: has a list where a group of settings is wanted; indent or bracket it as in "lessor config default"`},
		{"wrong type, scalar", "log: {level: [info]}\n", `F:1: log.level: has a list where a single value is wanted; write one value`},
		{"no value", "log:\n  level:\n", `F:2: log.level: has no value; give one, or remove the line for the default`},
		{"word", "server:\n  encryption: yes\n", `F:2: server.encryption: bad value "yes"; want one of off, enabled, required`},
		{"dialect", "server: {dialects: {min: 1.0}}\n", `F:1: server.dialects.min: bad value "1.0"; want one of 2.0.2, 2.1, 3.0, 3.0.2, 3.1.1`},
		{"dialect order", "server: {dialects: {min: 3.0, max: 2.1}}\n", `F:1: server.dialects.min: 3.0 is above dialects.max 2.1; lower one or raise the other`},
		{"encryption without dialect", "server:\n  dialects: {max: 2.1}\n  encryption: required\n", `F:3: server.encryption: dialect 2.1 has no encryption; raise server.dialects.max to 3.0 or more, or do not require encryption`},
		{"time", "locking: {break_timeout: 35}\n", `F:1: locking.break_timeout: bad value "35"; want a time with its unit such as 500ms, 30s or 5m`},
		{"time too long", "locking: {durable_timeout: 1h}\n", `F:1: locking.durable_timeout: bad value 1h0m0s; want more than 0s, up to 5m0s`},
		{"time negative", "server: {timeouts: {frame: -1s}}\n", `F:1: server.timeouts.frame: bad value -1s; want more than 0s, up to 1h0m0s`},
		{"size", "server: {limits: {read_size: 8MB}}\n", `F:1: server.limits.read_size: bad value "8MB"; want a size such as 1048576, 1024KiB or 1MiB`},
		{"size too large", "server: {limits: {read_size: 9MiB}}\n", `F:1: server.limits.read_size: bad value 9MiB; want 64KiB to 8MiB`},
		{"size overflow", "server: {limits: {read_size: 8589934592GiB}}\n", `F:1: server.limits.read_size: bad value "8589934592GiB"; want a size such as 1048576, 1024KiB or 1MiB`},
		{"buffer memory", "server: {limits: {buffer_memory: 63MiB}}\n", `F:1: server.limits.buffer_memory: bad value 63MiB; want 64MiB to 1024GiB`},
		{"host", "server: {hosts: {deny: [192.0.2.0/33]}}\n", `F:1: server.hosts.deny[0]: bad value "192.0.2.0/33"; want an address or a range such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`},
		{"host by name", share + "  hosts: {allow: [localhost]}\n", `F:5: shares[0].hosts.allow[0]: bad value "localhost"; want an address or a range such as 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32`},
		{"interface", "server: {multichannel: {exclude: ['eth[']}}\n", `F:1: server.multichannel.exclude[0]: bad value "eth["; want an interface such as eth0 or eth*, an address, or a range such as 192.0.2.0/24`},
		{"link by address", "server: {multichannel: {links: [{name: 192.0.2.1, speed: 1G}]}}\n", `F:1: server.multichannel.links[0].name: bad value "192.0.2.1"; want the name of an interface such as eth0 or eth*`},
		{"link speed", "server: {multichannel: {links: [{name: eth0, speed: 10Gbit}]}}\n", `F:1: server.multichannel.links[0].speed: bad value "10Gbit"; want bits per second such as 10G, 2.5G or 100M`},
		{"admin", "server: {admins: ['@']}\n", `F:1: server.admins[0]: bad value "@"; want the name of a user, or of a group behind @`},
		{"group of no directory", "server: {admins: ['@AD\\staff']}\n", `F:1: server.admins[0]: nobody knows the groups of "AD"; set up the directory, and name its domain as directory.domain does`},
		{"group of another domain", "directory: {urls: ['ldaps://dc'], base: 'dc=x', domain: AD}\n" + share + "  read: ['@XY\\staff', '@ad\\staff']\n", `F:6: shares[0].read[0]: nobody knows the groups of "XY"; set up the directory, and name its domain as directory.domain does`},
		{"throttle", "server: {logon: {throttle: {delay: 2m, max_delay: 1m}}}\n", `F:1: server.logon.throttle.delay: 2m0s is above max_delay 1m0s; lower one or raise the other`},
		{"guests with encryption", "server: {encryption: required, logon: {map_to_guest: bad_user}}\n", `F:1: server.logon.map_to_guest: guests cannot encrypt, and server.encryption is required; set it to never, or do not require encryption`},
		{"guests of nothing", "server: {logon: {map_to_guest: bad_user}}\nshares:\n- name: a\n  path: data\n  read: [u]\n  guest: true\n", `F:6: shares[0].guest: guests have the default_access, which is none; set default_access to read or write`},
		{"guests of nowhere", share + "  guest: true\n", `F:5: shares[0].guest: nobody can become a guest; set server.logon.map_to_guest to bad_user`},
		{"mode", share + "  create_mask: 0o999\n", `F:5: shares[0].create_mask: bad value "0o999"; want permission bits in octal such as 0644`},
		{"server name", "server: {name: 'a b'}\n", `F:1: server.name: bad value "a b"; want 1 to 15 letters, digits, '-' or '_'`},
		{"compression, unknown", "server: {compression: {algorithms: [lz4, zip]}}\n", `F:1: server.compression.algorithms[1]: bad value "zip"; want one of lz4, lz77, lz77+huffman, lznt1, pattern_v1`},
		{"compression, twice", "server: {compression: {algorithms: [lz4, lz4]}}\n", `F:1: server.compression.algorithms[1]: "lz4" is there twice; remove one of them`},
		{"compression, none", "server: {compression: {algorithms: []}}\n", `F:1: server.compression.algorithms: there is no algorithm; give one such as lz4, or set server.compression.enabled to false`},
		{"no listener", "server: {listen: []}\n", `F:1: server.listen: there is no address; give one such as ":445"`},
		{"port", "server:\n  listen: [':445', '[::1]:99999']\n", `F:2: server.listen[1]: bad port "99999"; want a number up to 65535; 445 is what clients expect`},
		{"metrics", "metrics: {listen: nine}\n", `F:1: metrics.listen: bad address "nine"; want HOST:PORT or :PORT, with an IPv6 address in brackets`},
		{"missing path", "shares:\n- name: a\n  default_access: read\n  path: gone\n", `F:4: shares[0].path: D/gone does not exist; create it or correct the path`},
		{"no path", "shares:\n- name: a\n  default_access: read\n", `F:2: shares[0].path: the share has no path; give the directory to share`},
		{"path of a file", "shares: [{name: a, default_access: read, path: plain}]\n", `F:1: shares[0].path: D/plain is not a directory; give a directory`},
		{"path below a file", "shares: [{name: a, default_access: read, path: plain/x}]\n", `F:1: shares[0].path: D/plain/x is not a directory; give a directory`},
		{"memory with path", share + "  type: memory\n", `F:3: shares[0].path: a share of type memory has no path; remove the path or the type`},
		{"watched memory", "shares:\n- name: a\n  type: memory\n  default_access: read\n  watch: inotify\n", `F:5: shares[0].watch: no program can change a share of type memory; remove the line`},
		{"bad execute", share + "  execute: always\n", `F:5: shares[0].execute: bad value "always"; want one of acl, with_read`},
		{"bad write time", share + "  write_time: late\n", `F:5: shares[0].write_time: bad value "late"; want one of immediate, delayed`},
		{"bad watch", share + "  watch: always\n", `F:5: shares[0].watch: bad value "always"; want one of auto, fanotify, inotify, off`},
		{"memory with locks", "shares:\n- name: a\n  type: memory\n  default_access: read\n  posix_locks: true\n", `F:5: shares[0].posix_locks: no program can see a share of type memory; set it to false`},
		{"memory with availability", "shares:\n- name: a\n  type: memory\n  default_access: read\n  continuous_availability: true\n", `F:5: shares[0].continuous_availability: a share of type memory does not survive a restart; set it to false`},
		{"share twice", share + "- {name: A, path: data, default_access: read}\n", `F:5: shares[1].name: "A" is also the name of shares[0]; choose another name; case does not count`},
		{"share name", "shares: [{name: a/b, path: data, default_access: read}]\n", `F:1: shares[0].name: bad value "a/b"; want 1 to 80 characters, none of "/\[]:|<>+=;,*?`},
		{"ipc", "shares: [{name: ipc$, path: data, default_access: read}]\n", `F:1: shares[0].name: IPC$ is the server's own; choose another name`},
		{"no users", "shares:\n- {name: a, path: data}\n", `F:2: shares[0].users: nobody has access to the share; list users, or set default_access to read or write`},
		{"bad user", "shares:\n- name: a\n  path: data\n  users:\n  - {access: read}\n", `F:5: shares[0].users[0].name: the user has no name; give the name of a user in the user file`},
		{"user twice", "shares:\n- name: a\n  path: data\n  users:\n  - {name: u, access: read}\n  - {name: U, access: none}\n", `F:6: shares[0].users[1].name: "U" is listed twice; remove one of the entries`},
		{"user without access", "shares:\n- name: a\n  path: data\n  users:\n  - {name: u}\n", `F:5: shares[0].users[0].access: the user has no access; give none, read or write`},
		{"state in a share", "state_dir: data/state\n" + share, `F:1: state_dir: D/data/state lies inside the share "a", whose users could read it; move it out of D/data`},
		{"users in a share", "users_file: data/users\n" + share, `F:1: users_file: D/data/users lies inside the share "a", whose users could read it; move it out of D/data`},
		{"share compression", "server: {compression: {enabled: false}}\n" + share + "  compression: true\n", `F:6: shares[0].compression: the server has compression off; set server.compression.enabled to true`},
		{"share encryption", "server: {encryption: off}\n" + share + "  encryption: required\n", `F:6: shares[0].encryption: the server has encryption off; set server.encryption to enabled`},
		{"two mistakes", "a: 1\nb: 2\n", "F:1: a: there is no such setting; see \"lessor config default\" for all settings\nF:2: b: there is no such setting; see \"lessor config default\" for all settings"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := write(t, tc.text)
			_, err := Load(path, Default())
			got := strings.ReplaceAll(message(err), path, "F")
			got = strings.ReplaceAll(got, filepath.Dir(path), "D")
			if got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestEmptyFilesAreFine(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}\n", "shares:\nserver:\n  limits:\n"} {
		got, err := Load(write(t, text), Default())
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if d := cmp.Diff(Default(), got, plain); d != "" {
			t.Errorf("%q: %s", text, d)
		}
	}
}

func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	gone := filepath.Join(dir, "gone.yaml")
	if _, err := Load(gone, Default()); message(err) != gone+`: no such file; create it with "lessor config default >`+gone+`"` {
		t.Error(err)
	}
	if _, err := Load(dir, Default()); message(err) != dir+": is a directory; give the path of a readable YAML file" {
		t.Error(err)
	}
}

func TestProblemOfFlag(t *testing.T) {
	c := Default()
	c.Shares = []Share{DefaultShare()}
	c.Shares[0].Name, c.Shares[0].Path, c.Shares[0].DefaultAccess = "x", "/does/not/exist", AccessRead
	c.SetOrigin("shares[0]", "--share")
	err := c.Validate()
	var p *Problem
	if !errors.As(err, &p) || p.Origin != "--share" || p.Key != "shares[0].path" {
		t.Errorf("%v", err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(DefaultYAML)
	f.Add("a: &a [*a]\n")
	f.Add("server: {<<: {name: x}}\n")
	f.Add("? {a: b}\n: c\n")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "f.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, Default())
		if (c == nil) == (err == nil) {
			t.Fatalf("config %v with error %v", c, err)
		}
	})
}

func TestHosts(t *testing.T) {
	c, err := Load(write(t, "server: {hosts: {allow: [192.0.2.77/24, '2001:db8::1', '::ffff:10.0.0.1'], deny: []}}\n"), Default())
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::1/128"), netip.MustParsePrefix("10.0.0.1/32"),
	}
	if got := Prefixes(c.Server.Hosts.Allow); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	t.Setenv("LESSOR_SERVER_HOSTS_DENY", "198.51.100.0/24, 203.0.113.9")
	if c, err = Load("", Default()); err != nil || len(Prefixes(c.Server.Hosts.Deny)) != 2 {
		t.Errorf("%v: %v", c, err)
	}
	t.Setenv("LESSOR_SERVER_HOSTS_DENY", "everybody")
	if _, err = Load("", Default()); err == nil {
		t.Error("a list that denies nobody was taken")
	}
}
