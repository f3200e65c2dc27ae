package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"

	"lessor/smb"
)

func closeFileCommand() *cobra.Command {
	var f stateFlags
	cmd := &cobra.Command{
		Use:   "close-file ID | SHARE PATH",
		Short: "Close a file that clients have open",
		Long: "Close one open by the ID that \"lessor status\" shows, or all opens of a file or directory.\n" +
			"What a client has not written yet is lost; a client that uses the file next is told that it\n" +
			"is closed. A handle that waits for its client is closed, too.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return nil
			}
			return exactArgs("ID, or SHARE and PATH,", "PATH")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				return f.closeOpen(cmd, args[0])
			}
			return f.closeFile(cmd, args[0], args[1])
		},
	}
	f.add(cmd)
	return cmd
}

// closeOpen closes one open.
func (f *stateFlags) closeOpen(cmd *cobra.Command, text string) error {
	id, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return usageError{fmt.Errorf("bad id %q; want one that \"lessor status --opens --durable\" shows, or a share and a path", text)}
	}
	var closed []smb.OpenStatus
	if _, err := f.end(cmd, "/close-file", url.Values{"id": {strconv.FormatUint(id, 10)}}, &closed); err != nil {
		return err
	}
	if len(closed) == 0 {
		return fmt.Errorf("there is no open %s; see \"lessor status --opens --durable\"", text)
	}
	return printClosed(cmd.OutOrStdout(), closed)
}

// closeFile closes all opens of a file.
func (f *stateFlags) closeFile(cmd *cobra.Command, share, path string) error {
	var closed []smb.OpenStatus
	known, err := f.end(cmd, "/close-file", url.Values{"share": {share}, "path": {path}}, &closed)
	switch {
	case err != nil:
		return err
	case !known:
		return fmt.Errorf("there is no share %q", share)
	case len(closed) == 0:
		return fmt.Errorf("nobody has %q of share %q open; see \"lessor status --opens --durable\"", path, share)
	}
	return printClosed(cmd.OutOrStdout(), closed)
}

func printClosed(w io.Writer, closed []smb.OpenStatus) error {
	for i := range closed {
		o := &closed[i]
		if _, err := fmt.Fprintf(w, "closed %s of share %s, open %d of %s%s\n",
			printable(o.Path), printable(o.Share), o.ID, printable(o.User), at(o.Client)); err != nil {
			return err
		}
	}
	return nil
}

func disconnectCommand() *cobra.Command {
	var f stateFlags
	cmd := &cobra.Command{
		Use:   "disconnect SESSION | DURABLE | CLIENT | USER",
		Short: "End what a client or user has",
		Long: "End a session or a durable handle by the id that \"lessor status\" shows, or everything of\n" +
			"a client, by its address (with or without port) or client GUID, or everything of a user.\n" +
			"What has not been written yet is lost. Who knows a password may come back at once: to\n" +
			"keep somebody out, remove the user or change the password first.",
		Args: exactArgs("SESSION, DURABLE, CLIENT or USER"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.disconnect(cmd, args[0]) },
	}
	f.add(cmd)
	return cmd
}

func (f *stateFlags) disconnect(cmd *cobra.Command, who string) error {
	var e smb.Ended
	if _, err := f.end(cmd, "/disconnect", url.Values{"who": {who}}, &e); err != nil {
		return err
	}
	if len(e.Sessions)+len(e.Connections)+len(e.Durable) == 0 {
		return fmt.Errorf("there is no session, durable handle, client or user %q; see \"lessor status --sessions --durable\"", who)
	}
	w := cmd.OutOrStdout()
	for i := range e.Sessions {
		s := &e.Sessions[i]
		if _, err := fmt.Fprintf(w, "ended session %d of %s%s, with %d opens\n", s.ID, printable(s.User), at(s.Client), s.Opens); err != nil {
			return err
		}
	}
	for i := range e.Connections {
		if _, err := fmt.Fprintf(w, "closed the connection from %s\n", e.Connections[i].Client); err != nil {
			return err
		}
	}
	for i := range e.Durable {
		d := &e.Durable[i]
		if _, err := fmt.Fprintf(w, "closed %s of share %s, durable open %d that %s left behind\n",
			printable(d.Path), printable(d.Share), d.ID, printable(d.User)); err != nil {
			return err
		}
	}
	return nil
}

// end asks the server to end something, and reads what it has ended. known is false
// if the server knows nothing of that kind.
func (f *stateFlags) end(cmd *cobra.Command, path string, what url.Values, ended any) (known bool, err error) {
	c, err := f.settings()
	if err != nil {
		return false, err
	}
	reply, err := askControl(cmd.Context(), c.StateDir, http.MethodPost, path, what)
	if err != nil {
		return false, err
	}
	defer func() { _ = reply.Body.Close() }()
	switch reply.StatusCode {
	case http.StatusNotFound:
		return false, nil
	case http.StatusOK:
	default:
		return false, fmt.Errorf("the server answers %s", reply.Status)
	}
	if err := json.NewDecoder(reply.Body).Decode(ended); err != nil {
		return false, fmt.Errorf("cannot read the answer of the server: %w", err)
	}
	return true, nil
}
