package config

import (
	"errors"
	"path/filepath"
	"testing"
	"time"
)

func TestServicesOfAShare(t *testing.T) {
	path := write(t, `
shares:
  - name: s
    path: data
    default_access: write
    veto: ["*.mp3", .DS_Store]
    hide_dot_files: false
    size_limit: 2TiB
    recycle: {directory: .recycle/%U, retention: 7d, versions: false}
    audit: {operations: [open, delete], file: audit.log, success: false}
`)
	c, err := Load(path, Default())
	if err != nil {
		t.Fatal(err)
	}
	s := c.Shares[0]
	if r := s.Recycle; !r.KeepTree || r.Versions || r.Retention.String() != "7d" || r.OnFailure != FailureKeep {
		t.Errorf("recycle %+v", r)
	}
	if a := s.Audit; a.Success || !a.Failure || a.Overflow != OverflowWait || a.File != filepath.Join(filepath.Dir(path), "audit.log") {
		t.Errorf("audit %+v", a)
	}
	if s.HideDotFiles || len(s.Veto) != 2 || s.SizeLimit != 2<<40 || s.SizeLimit.String() != "2TiB" {
		t.Errorf("%+v", s)
	}
}

func TestBadServices(t *testing.T) {
	for text, key := range map[string]string{
		"veto: [a/b]":                                                "shares[0].veto[0]",
		"hide: ['*']":                                                "shares[0].hide[0]",
		"hide: ['']":                                                 "shares[0].hide[0]",
		"veto: ['a:b']":                                              "shares[0].veto[0]",
		"recycle: {directory: /bin}":                                 "shares[0].recycle.directory",
		"recycle: {directory: a/../b}":                               "shares[0].recycle.directory",
		"recycle: {directory: '%U/bin'}":                             "shares[0].recycle.directory",
		"recycle: {directory: 'bin/%D'}":                             "shares[0].recycle.directory",
		"recycle: {directory: bin, retention: 5s}":                   "shares[0].recycle.retention",
		"recycle: {directory: bin, retention: x}":                    "shares[0].recycle.retention",
		"recycle: {min_size: 2, max_size: 1}":                        "shares[0].recycle.max_size",
		"recycle: {exclude: [a/b]}":                                  "shares[0].recycle.exclude[0]",
		"recycle: {on_failure: panic}":                               "shares[0].recycle.on_failure",
		"audit: {operations: [open, read]}":                          "shares[0].audit.operations[1]",
		"audit: {operations: [all], success: false, failure: false}": "shares[0].audit",
		"audit: {file: data/log}":                                    "shares[0].audit.file",
		"audit: {overflow: block}":                                   "shares[0].audit.overflow",
	} {
		_, err := Load(write(t, "shares:\n  - {name: s, path: data, default_access: read, "+text+"}\n"), Default())
		p := firstProblem(err)
		if p == nil || p.Key != key || p.Remedy == "" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPeriod(t *testing.T) {
	for text, want := range map[string]time.Duration{"30d": 720 * time.Hour, "0d": 0, "0s": 0, "90m": 90 * time.Minute} {
		var p Period
		if err := p.UnmarshalText([]byte(text)); err != nil || time.Duration(p) != want {
			t.Errorf("%s: %v, %v", text, p, err)
		}
	}
	for _, text := range []string{"", "d", "-1d", "-1h", "30", "99999d"} {
		if err := new(Period).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}

// firstProblem is the first mistake of an error of Load, or nil.
func firstProblem(err error) *Problem {
	var p *Problem
	if !errors.As(err, &p) {
		return nil
	}
	return p
}
