package interop

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lessor/test/harness"
)

// smbclient shows previous versions, lists and gets them, and cannot change them. The snapshots of
// one share lie in it, those of the other one outside of what the sandbox has for shares.
func TestPreviousVersions(t *testing.T) {
	harness.Tool(t, "smbclient", "smbclient")
	outside := t.TempDir()
	srv := harness.Run(t, harness.Options{Shares: []harness.Share{
		{Name: "names", Settings: []string{"snapshots: {layout: names, directory: .previous, format: '*-%Y-%m-%d-%H%M'}"}},
		{Name: "snapper", Settings: []string{"snapshots: {layout: snapper, directory: '" + outside + "', subdirectory: home}"}},
	}})
	for path, content := range map[string]string{
		filepath.Join(srv.Path("names"), "f"):                                "now",
		filepath.Join(srv.Path("names"), ".previous/auto-2026-11-24-1000/f"): "first",
		filepath.Join(srv.Path("names"), ".previous/auto-2026-11-25-1000/f"): "second",
		filepath.Join(srv.Path("snapper"), "f"):                              "now",
		filepath.Join(outside, "7/snapshot/home/f"):                          "first",
		filepath.Join(outside, "7/info.xml"):                                 "<snapshot><date>2026-11-24 10:00:00</date></snapshot>",
		filepath.Join(outside, "8/snapshot/home/f"):                          "second",
		filepath.Join(outside, "8/info.xml"):                                 "<snapshot><date>2026-11-25 10:00:00</date></snapshot>",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, share := range []string{"names", "snapper"} {
		t.Run(share, func(t *testing.T) {
			c := newSmbclient(t, loginTo(srv, share, newest))
			info, err := c.command("allinfo f", nil)
			if newer, older := strings.Index(info, "@GMT-2026.11.25-10.00.00"), strings.Index(info, "@GMT-2026.11.24-10.00.00"); err != nil || newer < 0 || older < newer {
				t.Errorf("%v\n%s", err, info)
			}
			for token, want := range map[string]string{"": "now", "@GMT-2026.11.24-10.00.00/": "first", "@GMT-2026.11.25-10.00.00/": "second"} {
				var got bytes.Buffer
				if err := c.get(token+"f", &got); err != nil || got.String() != want {
					t.Errorf("%sf: %q, %v", token, got.String(), err)
				}
			}
			list, err := c.list("@GMT-2026.11.25-10.00.00")
			if e := list["f"]; err != nil || len(list) != 1 || e.Size != int64(len("second")) {
				t.Errorf("%v, %v", list, err)
			}
			for _, cmd := range []string{`del "@GMT-2026.11.25-10.00.00\f"`, `rename "@GMT-2026.11.25-10.00.00\f" g`, `mkdir "@GMT-2026.11.25-10.00.00\d"`} {
				if _, err := c.command(cmd, nil); err == nil {
					t.Errorf("%s was carried out", cmd)
				}
			}
			if list, err = c.list(""); err != nil || len(list) != 1 {
				t.Errorf("the share lists %v, %v", list, err)
			}
		})
	}
}
