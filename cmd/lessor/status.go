package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"lessor/config"
	"lessor/smb"
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

// partNames are the lists of a status by their name in flags and requests.
var partNames = map[string]smb.Part{
	"sessions": smb.PartSessions,
	"opens":    smb.PartOpens,
	"leases":   smb.PartLeases,
	"locks":    smb.PartLocks,
	"durable":  smb.PartDurable,
	"waiting":  smb.PartWaiting,
	"all":      smb.PartAll,
}

// statusFlags say what "lessor status" shows.
type statusFlags struct {
	stateFlags
	json               bool
	parts              map[string]*bool
	user, client, path string
}

func statusCommand() *cobra.Command {
	f := statusFlags{parts: make(map[string]*bool)}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what clients do with a running server",
		Long: "Show who is connected to a running server, and what they have: open files, leases,\n" +
			"locks, durable handles, and requests that wait for somebody else. Without a list in\n" +
			"particular it shows the sessions, or with --path everything about files.",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.add(cmd)
	flags := cmd.Flags()
	for _, p := range []struct{ name, usage string }{
		{"sessions", "list sessions"},
		{"opens", "list open files"},
		{"leases", "list leases and oplocks"},
		{"locks", "list byte-range locks, and those that are waited for"},
		{"durable", "list open files whose client has lost its connection"},
		{"waiting", "list requests that wait"},
		{"all", "list everything"},
	} {
		f.parts[p.name] = flags.Bool(p.name, false, p.usage)
	}
	flags.StringVar(&f.user, "user", "", "only what the user with this `NAME` has")
	flags.StringVar(&f.client, "client", "", "only what the client with this `ADDRESS`, with or without port, or client GUID has")
	flags.StringVar(&f.path, "path", "", "only files whose path below the share begins with `PREFIX`")
	flags.BoolVar(&f.json, "json", false, "print JSON")
	return cmd
}

// wanted are the lists to show.
func (f *statusFlags) wanted() (names []string) {
	for name, on := range f.parts {
		if *on {
			names = append(names, name)
		}
	}
	switch {
	case len(names) > 0:
		return names
	case f.path != "":
		return []string{"opens", "leases", "locks", "durable", "waiting"}
	}
	return []string{"sessions"}
}

func (f *statusFlags) run(cmd *cobra.Command) error {
	c, err := f.settings()
	if err != nil {
		return err
	}
	q := url.Values{"part": f.wanted(), "user": {f.user}, "client": {f.client}, "path": {f.path}}
	reply, err := askControl(cmd.Context(), c.StateDir, http.MethodGet, "/status", q)
	if err != nil {
		return err
	}
	defer func() { _ = reply.Body.Close() }()
	if f.json {
		_, err := io.Copy(cmd.OutOrStdout(), reply.Body)
		return err
	}
	var r report
	if err := json.NewDecoder(reply.Body).Decode(&r); err != nil {
		return fmt.Errorf("cannot read the answer of the server: %w", err)
	}
	return r.print(cmd.OutOrStdout())
}
