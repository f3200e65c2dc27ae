package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a share does besides storing files: its recycle bin, its audit log, names that it
// treats in a way of their own.

// Recycle is a recycle bin.
type Recycle struct {
	// Directory is the bin, below the root of the share; %U stands for the name of the
	// user. Empty: there is none.
	Directory string `mapstructure:"directory"`
	KeepTree  bool   `mapstructure:"keep_tree"`
	Versions  bool   `mapstructure:"versions"`
	Touch     bool   `mapstructure:"touch"`
	// Replaced also saves what a rename replaces.
	Replaced bool `mapstructure:"replaced"`
	// MinSize and MaxSize bound what is saved; MaxSize 0: no bound.
	MinSize     Size     `mapstructure:"min_size"`
	MaxSize     Size     `mapstructure:"max_size"`
	Exclude     []string `mapstructure:"exclude"`
	ExcludeDirs []string `mapstructure:"exclude_dirs"`
	// Retention is how long files stay; 0: for ever.
	Retention Period    `mapstructure:"retention"`
	OnFailure OnFailure `mapstructure:"on_failure"`
}

// Audit says what is written about a share to a log of its own.
type Audit struct {
	// Operations are names of AuditOperations; none: nothing is written.
	Operations []string `mapstructure:"operations"`
	Success    bool     `mapstructure:"success"`
	Failure    bool     `mapstructure:"failure"`
	// File is appended to; empty: the log of the server.
	File string `mapstructure:"file"`
	// Overflow is what happens when events come faster than they can be written.
	Overflow Overflow `mapstructure:"overflow"`
}

// AuditOperations are the names of what can be written, in the order of the documentation.
func AuditOperations() []string {
	return []string{"all", "connect", "disconnect", "open", "create", "overwrite", "close", "delete", "rename", "link",
		"attributes", "size", "ea", "security", "reparse", "quota", "access"}
}

// OnFailure says what becomes of a file that cannot be moved to the recycle bin.
type OnFailure string

// The values of OnFailure.
const (
	FailureKeep   OnFailure = "keep"   // it stays where it is
	FailureDelete OnFailure = "delete" // it is deleted
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *OnFailure) UnmarshalText(text []byte) error {
	return parseWord(f, text, FailureKeep, FailureDelete)
}

// Overflow says what happens when an audit log cannot keep up.
type Overflow string

// The values of Overflow.
const (
	OverflowWait Overflow = "wait" // requests wait
	OverflowDrop Overflow = "drop" // events are left out, and counted
)

// UnmarshalText implements encoding.TextUnmarshaler.
func (o *Overflow) UnmarshalText(text []byte) error {
	return parseWord(o, text, OverflowWait, OverflowDrop)
}

// Period is a time that may be given in days.
type Period time.Duration

// String writes the period in days if it is a number of them.
func (p Period) String() string {
	const day = 24 * time.Hour
	if d := time.Duration(p); d != 0 && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	return time.Duration(p).String()
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Period) UnmarshalText(text []byte) error {
	if days, ok := strings.CutSuffix(string(text), "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n <= 36500 {
			*p = Period(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	d, err := time.ParseDuration(string(text))
	if err != nil || d < 0 {
		return fmt.Errorf("want a time such as 30d or 12h")
	}
	*p = Period(d)
	return nil
}

func defaultRecycle() Recycle {
	return Recycle{KeepTree: true, Versions: true, Touch: true, Replaced: true, Retention: Period(30 * 24 * time.Hour), OnFailure: FailureKeep}
}

func defaultAudit() Audit { return Audit{Success: true, Failure: true, Overflow: OverflowWait} }

func (r Recycle) clone() Recycle {
	r.Exclude, r.ExcludeDirs = slices.Clone(r.Exclude), slices.Clone(r.ExcludeDirs)
	return r
}

func (a Audit) clone() Audit {
	a.Operations = slices.Clone(a.Operations)
	return a
}

// listDefaults are what a group of settings in a list begins with, where the file gives some
// of its fields alone.
var listDefaults = map[reflect.Type]any{
	reflect.TypeFor[Share]():     DefaultShare(),
	reflect.TypeFor[Recycle]():   defaultRecycle(),
	reflect.TypeFor[Audit]():     defaultAudit(),
	reflect.TypeFor[Snapshots](): defaultSnapshots(),
	reflect.TypeFor[Macos]():     defaultMacos(),
}

func (v *validation) services(key string, s *Share) {
	if s.Removable && s.Type == ShareMemory {
		v.problem(key+".removable", "a share of type memory cannot be mounted", "remove the line")
	}
	v.patterns(key+".veto", s.Veto)
	v.patterns(key+".hide", s.Hide)
	v.recycle(key+".recycle", s)
	v.macos(key, s)
	v.snapshots(key+".snapshots", s)
	a := &s.Audit
	for i, name := range a.Operations {
		if all := AuditOperations(); !slices.Contains(all, name) {
			v.problem(fmt.Sprintf("%s.audit.operations[%d]", key, i), fmt.Sprintf("bad value %q", name), "want one of "+strings.Join(all, ", "))
		}
	}
	if len(a.Operations) > 0 && !a.Success && !a.Failure {
		v.problem(key+".audit", "neither success nor failure is written", "set one of them to true, or remove the operations")
	}
	if a.File != "" && s.Type == ShareLocal && s.Path != "" && inside(a.File, s.Path) {
		v.problem(key+".audit.file", a.File+" lies inside the share, whose users could change it", "move it out of "+s.Path)
	}
}

func (v *validation) recycle(key string, s *Share) {
	r := &s.Recycle
	v.patterns(key+".exclude", r.Exclude)
	v.patterns(key+".exclude_dirs", r.ExcludeDirs)
	if r.MaxSize != 0 && r.MaxSize < r.MinSize {
		v.problem(key+".max_size", fmt.Sprintf("%v is below min_size %v", r.MaxSize, r.MinSize), "raise it, or set it to 0 for no bound")
	}
	if p := time.Duration(r.Retention); p != 0 && p < time.Minute {
		v.problem(key+".retention", fmt.Sprintf("bad value %v", p), "want 1m or more, or 0s for ever")
	}
	if r.Directory == "" {
		return
	}
	first, _, _ := strings.Cut(r.Directory, "/")
	const remedy = "give a path below the root of the share such as .recycle/%U, with / and without %U in its first name"
	for name := range strings.SplitSeq(r.Directory, "/") {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `\:*?"<>|`) ||
			strings.Contains(strings.ReplaceAll(name, "%U", ""), "%") {
			v.problem(key+".directory", fmt.Sprintf("bad value %q", r.Directory), remedy)
			return
		}
	}
	if strings.Contains(first, "%") {
		v.problem(key+".directory", fmt.Sprintf("bad value %q", r.Directory), remedy)
	}
}

// patterns checks patterns of single names.
func (v *validation) patterns(key string, list []string) {
	for i, p := range list {
		if p == "" || p == "*" || p == "*.*" || strings.ContainsAny(p, `/\:`) {
			v.problem(fmt.Sprintf("%s[%d]", key, i), fmt.Sprintf("bad value %q", p), "want the pattern of a single name such as *.tmp")
		}
	}
}
