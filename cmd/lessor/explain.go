package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lessor/smb"
)

// explainCommand asks a running server why somebody may do something, or may not.
func explainCommand() *cobra.Command {
	var f stateFlags
	var asJSON bool
	var address string
	cmd := &cobra.Command{
		Use:   "explain ACCESS SHARE PATH USER",
		Short: "Say why a user may do something to a file, or may not",
		Long: "Ask a running server what it goes by when a user wants to do something to a file:\n" +
			"the rights on the share, the entries of the security descriptor, permission bits,\n" +
			"attributes. It looks at the file as it is now, and changes nothing.\n\n" +
			"ACCESS is one of " + strings.Join(smb.ExplainWords(), ", ") + ".",
		Example: "  lessor explain write data 'dir/file.txt' anna",
		Args:    exactArgs("ACCESS", "SHARE", "PATH", "USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if address != "" {
				if _, err := netip.ParseAddr(address); err != nil {
					return usageError{fmt.Errorf("--address: %w", err)}
				}
			}
			c, err := f.settings()
			if err != nil {
				return err
			}
			q := url.Values{"access": {args[0]}, "share": {args[1]}, "path": {args[2]}, "user": {args[3]}, "address": {address}}
			reply, err := askControl(cmd.Context(), c.StateDir, http.MethodGet, "/explain", q)
			if err != nil {
				return err
			}
			defer func() { _ = reply.Body.Close() }()
			if reply.StatusCode == http.StatusBadRequest {
				why, _ := io.ReadAll(io.LimitReader(reply.Body, 4096))
				return usageError{fmt.Errorf("%s", strings.TrimSpace(string(why)))}
			}
			if asJSON {
				_, err := io.Copy(cmd.OutOrStdout(), reply.Body)
				return err
			}
			var e smb.Explanation
			if err := json.NewDecoder(reply.Body).Decode(&e); err != nil {
				return fmt.Errorf("cannot read the answer of the server: %w", err)
			}
			return printExplanation(cmd.OutOrStdout(), &e)
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&address, "address", "", "`ADDRESS` of the client, to look at the addresses that the share admits")
	return cmd
}

func printExplanation(out io.Writer, e *smb.Explanation) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "RULE\tVERDICT\tWHY")
	for _, s := range e.Steps {
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", s.Rule, s.Verdict, s.Detail)
	}
	verdict := "may not"
	if e.Allowed {
		verdict = "may"
	}
	_, _ = fmt.Fprintf(w, "\n%s %s %s %s on %s\n", e.User, verdict, e.Access, e.Path, e.Share)
	return w.Flush()
}

// explain answers GET /explain.
func (c *control) explain(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	q := smb.ExplainQuery{Access: v.Get("access"), Share: v.Get("share"), Path: v.Get("path"), User: v.Get("user")}
	if a := v.Get("address"); a != "" {
		var err error
		if q.Address, err = netip.ParseAddr(a); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	e, err := c.srv.Explain(r.Context(), q)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, e)
}
