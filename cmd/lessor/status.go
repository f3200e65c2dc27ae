package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"lessor/config"
)

// stateFlags say which server a command is about.
type stateFlags struct{ file, state string }

func (f *stateFlags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVarP(&f.file, "config", "c", "", "configuration `FILE` of the server")
	cmd.PersistentFlags().StringVar(&f.state, "state", "", "state `DIR`ectory of the server (default that of \"lessor serve\" in this directory)")
}

// settings returns the configuration as far as it tells where a server keeps
// its state and users.
func (f *stateFlags) settings() (*config.Config, error) {
	if f.file != "" && f.state != "" {
		return nil, usageError{fmt.Errorf("-c and --state exclude each other")}
	}
	base := config.Default()
	if f.file == "" {
		base.StateDir = quickStateDir
	}
	c, err := config.Read(f.file, base)
	if err != nil {
		return nil, err
	}
	if f.state != "" {
		c.StateDir, c.UsersFile = f.state, ""
		c.SetOrigin("state_dir", "--state")
	}
	return c, nil
}

func statusCommand() *cobra.Command {
	var f stateFlags
	var asJSON, opens bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who is connected to a running server",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := f.settings()
			if err != nil {
				return err
			}
			reply, err := askControl(cmd.Context(), c.StateDir, http.MethodGet, "/status")
			if err != nil {
				return err
			}
			defer func() { _ = reply.Body.Close() }()
			if asJSON {
				_, err := io.Copy(cmd.OutOrStdout(), reply.Body)
				return err
			}
			var r report
			if err := json.NewDecoder(reply.Body).Decode(&r); err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout(), opens)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print everything as JSON")
	cmd.Flags().BoolVar(&opens, "opens", false, "list open files too")
	return cmd
}

func closeCommand() *cobra.Command {
	var f stateFlags
	cmd := &cobra.Command{Use: "close", Short: "End a session, or close a file, of a running server", RunE: group}
	f.add(cmd)
	for _, what := range []struct{ name, path, short string }{
		{"session", "/sessions/", "End a session; its client logs on again if it wants to go on"},
		{"open", "/opens/", "Close a file that a client has open; data it has not written yet is lost"},
	} {
		cmd.AddCommand(&cobra.Command{
			Use:   what.name + " ID",
			Short: what.short,
			Args:  exactArgs("ID"),
			RunE: func(cmd *cobra.Command, args []string) error {
				id, err := strconv.ParseUint(args[0], 0, 64)
				if err != nil {
					return usageError{fmt.Errorf("bad id %q; want one that \"lessor status\" shows", args[0])}
				}
				c, err := f.settings()
				if err != nil {
					return err
				}
				reply, err := askControl(cmd.Context(), c.StateDir, http.MethodDelete, what.path+strconv.FormatUint(id, 10))
				if err != nil {
					return err
				}
				_ = reply.Body.Close()
				if reply.StatusCode != http.StatusNoContent {
					return fmt.Errorf("there is no %s %s; see \"lessor status --opens\"", what.name, args[0])
				}
				return nil
			},
		})
	}
	return cmd
}

// print writes the report for people.
func (r *report) print(w io.Writer, opens bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "lessor %s, process %d, up %v, listening on %s\n", r.Version, r.PID,
		time.Since(r.Started).Round(time.Second), strings.Join(r.Listen, ", "))
	l := &r.Locks
	leases := int64(0)
	for _, n := range l.Leases {
		leases += n
	}
	fmt.Fprintf(&b, "%d connections, %d sessions, %d opens, %d leases, %d oplocks, %d byte-range locks, %d breaks pending, %d disconnected handles\n",
		len(r.Connections), len(r.Sessions), len(r.Opens), leases,
		l.OplocksII+l.OplocksExclusive+l.OplocksBatch, l.Ranges, l.Breaking, l.DurableHeld)
	tab := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	if len(r.Sessions) > 0 {
		fmt.Fprintf(tab, "\nSESSION\tUSER\tCLIENT\tSINCE\tSEALED\tOPENS\tSHARES\n")
	}
	for _, s := range r.Sessions {
		fmt.Fprintf(tab, "%d\t%s\t%s\t%s\t%s\t%d\t%s\n", s.ID, printable(s.User), s.Client,
			s.Since.Local().Format(time.DateTime), yes(s.Encrypted), s.Opens, printable(strings.Join(s.Shares, ",")))
	}
	if opens && len(r.Opens) > 0 {
		fmt.Fprintf(tab, "\nOPEN\tSESSION\tUSER\tSHARE\tCACHING\tDURABLE\tPATH\n")
		for _, o := range r.Opens {
			fmt.Fprintf(tab, "%d\t%d\t%s\t%s\t%s\t%s\t%s\n", o.ID, o.Session, printable(o.User),
				printable(o.Share), o.Caching, yes(o.Durable), printable(o.Path))
		}
	}
	if err := tab.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(w, b.String())
	return err
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
