package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"lessor/smb"
	"lessor/smb/wire"
)

// print writes the report for people: a summary, and a table for each list that was
// asked for.
func (r *report) print(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "lessor %s, process %d, up %v, listening on %s\n", r.Version, r.PID,
		time.Since(r.Started).Round(time.Second), strings.Join(r.Listen, ", "))
	t := &r.Totals
	fmt.Fprintf(&b, "%d connections, %d sessions, %d opens of %d files, %d leases, %d oplocks, %d breaks pending, "+
		"%d locks, %d durable opens without client, %d requests waiting\n",
		t.Connections, t.Sessions, t.Opens, t.Files, t.Leases, t.Oplocks, t.Breaks, t.Locks, t.Durable, t.Waiting)
	now := time.Now()
	table(&b, "sessions", r.Sessions, "SESSION\tUSER\tCLIENT\tSINCE\tDIALECT\tSEALED\tOPENS\tSHARES", sessionRow)
	table(&b, "opens", r.Opens, "OPEN\tSESSION\tUSER\tCLIENT\tACCESS\tDENIES\tCACHING\tLOCKS\tDURABLE\tSHARE\tPATH", openRow)
	table(&b, "leases", r.Leases, "LEASE\tSTATE\tBREAKING\tOPENS\tEPOCH\tPARENT\tUSER\tCLIENT GUID\tSHARE\tPATH",
		func(l *smb.LeaseStatus) []any { return leaseRow(l, now) })
	table(&b, "locks", r.Ranges, "LOCK\tOFFSET\tLENGTH\tAGE\tOPEN\tUSER\tCLIENT\tSHARE\tPATH",
		func(l *smb.RangeStatus) []any { return rangeRow(l, now) })
	table(&b, "durable opens without client", r.Durable,
		"DURABLE\tLEFT\tPERSISTENT\tCACHING\tLOCKS\tCREATE GUID\tUSER\tCLIENT\tSHARE\tPATH",
		func(d *smb.DurableStatus) []any { return durableRow(d, now) })
	table(&b, "requests waiting", r.Waiting, "REQUEST\tFOR\tAGE\tUSER\tCLIENT\tSHARE\tPATH",
		func(q *smb.WaitingStatus) []any { return waitingRow(q, now) })
	_, err := io.WriteString(w, b.String())
	return err
}

// table writes a list, unless it was not asked for.
func table[T any](w io.Writer, what string, list []T, head string, row func(*T) []any) {
	switch {
	case list == nil:
		return
	case len(list) == 0:
		_, _ = fmt.Fprintf(w, "\nno %s\n", what)
		return
	}
	// The writer below cannot fail: it writes to memory.
	tab := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintf(tab, "\n%s\n", head)
	for i := range list {
		for j, cell := range row(&list[i]) {
			if j > 0 {
				_, _ = io.WriteString(tab, "\t")
			}
			if s, ok := cell.(string); ok {
				cell = printable(s)
			}
			_, _ = fmt.Fprint(tab, cell)
		}
		_, _ = io.WriteString(tab, "\n")
	}
	_ = tab.Flush()
}

func sessionRow(s *smb.SessionStatus) []any {
	return []any{s.ID, s.User, s.Client, s.Since.Local().Format(time.DateTime), s.Dialect, yes(s.Encrypted), s.Opens, strings.Join(s.Shares, ",")}
}

func openRow(o *smb.OpenStatus) []any {
	cache := o.Caching
	if o.Breaking {
		cache += ", breaking"
	}
	path := o.Path
	if o.Directory {
		path += "/"
	}
	if o.DeletePending {
		path += " (to be deleted)"
	}
	return []any{
		o.ID, o.Session, o.User, o.Client,
		letters(o.Access&(wire.AccessReadData|wire.AccessExecute), o.Access&(wire.AccessWriteData|wire.AccessAppendData), o.Access&wire.AccessDelete),
		letters(^o.ShareMode&1, ^o.ShareMode&2, ^o.ShareMode&4),
		cache, o.Locks, yes(o.Durable), o.Share, path,
	}
}

func leaseRow(l *smb.LeaseStatus, now time.Time) []any {
	key, state, breaking, epoch := l.Key, l.State, "-", "-"
	if l.Oplock != "" {
		key, state = "oplock", l.Oplock
	}
	if l.Breaking {
		breaking = fmt.Sprintf("to %s, %v", l.BreakTo, age(now, l.BreakSince))
	}
	if l.Version == 2 {
		epoch = strconv.Itoa(int(l.Epoch))
	}
	return []any{key, state, breaking, l.Opens, epoch, orDash(l.ParentKey), l.User, l.ClientGUID, l.Share, l.Path}
}

func rangeRow(l *smb.RangeStatus, now time.Time) []any {
	kind := "shared"
	if l.Exclusive {
		kind = "exclusive"
	}
	if l.Waiting {
		kind += ", waiting"
	}
	return []any{kind, l.Offset, l.Length, age(now, l.Since), l.Open, l.User, l.Client, l.Share, l.Path}
}

func durableRow(d *smb.DurableStatus, now time.Time) []any {
	return []any{
		d.ID, max(0, d.Expires.Sub(now)).Round(time.Second), yes(d.Persistent), d.Caching, d.Locks, orDash(d.CreateGUID),
		d.User, orDash(d.Client), d.Share, d.Path,
	}
}

func waitingRow(q *smb.WaitingStatus, now time.Time) []any {
	return []any{q.Command, q.For, age(now, q.Since), q.User, q.Client, q.Share, q.Path}
}

// age is how long something has lasted.
func age(now, since time.Time) time.Duration { return max(0, now.Sub(since)).Round(time.Second) }

// letters shows rights to read, write and delete.
func letters(read, write, del uint32) string {
	var s string
	for i, bits := range []uint32{read, write, del} {
		if bits != 0 {
			s += "RWD"[i : i+1]
		}
	}
	return orDash(s)
}

// at says where somebody is, if that is known.
func at(address string) string {
	if address == "" {
		return ""
	}
	return " at " + address
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "-"
}

// printable quotes text that could confuse a terminal or the columns.
func printable(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
