package config

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestDiff(t *testing.T) {
	share := func(name string, change func(*Share)) Share {
		s := DefaultShare()
		s.Name = name
		if change != nil {
			change(&s)
		}
		return s
	}
	from, to := Default(), Default()
	from.Shares = []Share{share("a", nil), share("b", nil), share("c", nil)}
	to.Shares = []Share{share("B", func(s *Share) { s.Users, s.ReadOnly = []ShareUser{{"u", AccessRead}}, true }), share("d", nil), share("a", nil)}
	to.Server.Listen = []string{":1"}
	to.Locking.BreakTimeout = time.Second
	to.Log.Level = LevelDebug
	want := Changes{
		Live:    []string{"log.level", "share B (name, read_only, users)", "share d (added)", "share c (removed)"},
		Restart: []string{"server.listen", "locking.break_timeout"},
	}
	if d := cmp.Diff(want, Diff(from, to)); d != "" {
		t.Error(d)
	}
	if d := Diff(from, from.clone()); d.Live != nil || d.Restart != nil {
		t.Errorf("no change, yet %+v", d)
	}
}
