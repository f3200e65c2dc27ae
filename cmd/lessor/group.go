package main

import (
	"errors"
	"fmt"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lessor/smb/auth"
)

func groupCommand() *cobra.Command {
	var f userFlags
	cmd := &cobra.Command{
		Use:   "group",
		Short: "Manage the groups of the server",
		Long: "Manage the groups in the user file; see \"lessor user --help\" for which that is. Lists\n" +
			"of users in the configuration name a group with @ before it. A session keeps the\n" +
			"groups that its user had when it was set up.",
		RunE: group,
	}
	f.add(cmd)
	cmd.AddCommand(
		f.groupEdit("add NAME", "Add a group", "added", 1, func(u *auth.Users, args []string) error { return u.AddGroup(args[0]) }),
		f.groupEdit("remove NAME", "Remove a group; its members stay users", "removed", 1,
			func(u *auth.Users, args []string) error { return u.RemoveGroup(args[0]) }),
		f.groupEdit("rename NAME NEW-NAME", "Rename a group; rights to files, which go by its SID, stay", "renamed", 2,
			func(u *auth.Users, args []string) error { return u.RenameGroup(args[0], args[1]) }),
		f.membersCommand(), f.groupListCommand())
	return cmd
}

// groupEdit makes a command that changes a group.
func (f *userFlags) groupEdit(use, short, done string, n int, edit func(*auth.Users, []string) error) *cobra.Command {
	names := []string{"NAME", "NEW-NAME"}[:n]
	return &cobra.Command{
		Use: use, Short: short, Args: exactArgs(names...),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(true)
			if err != nil {
				return err
			}
			if err := accountProblem(edit(users, args), args, path); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s group %s in %s\n", done, args[0], path)
			return err
		},
	}
}

// accountProblem explains what a store of users refuses.
func accountProblem(err error, args []string, path string) error {
	last := args[len(args)-1]
	switch {
	case errors.Is(err, auth.ErrNoGroup):
		return fmt.Errorf("there is no group %q in %s; see \"lessor group list\"", args[0], path)
	case errors.Is(err, auth.ErrNameTaken):
		return fmt.Errorf("the name %q is taken in %s", last, path)
	case errors.Is(err, auth.ErrUserName):
		return fmt.Errorf("bad name %q; it may not contain : / \\ , or begin with # or @", last)
	}
	return err
}

func (f *userFlags) membersCommand() *cobra.Command {
	var none bool
	cmd := &cobra.Command{
		Use:   "members NAME [USER...]",
		Short: "List the members of a group, or set them",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 || none && len(args) > 1 {
				return usageError{errors.New("want NAME and users, or --none")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(false)
			if err != nil {
				return err
			}
			if none || len(args) > 1 {
				err = users.SetMembers(args[0], args[1:])
			} else if _, ok := users.Group(args[0]); !ok {
				err = auth.ErrNoGroup
			}
			if err := accountProblem(err, args[:1], path); err != nil {
				return err
			}
			for _, u := range users.Members(args[0]) {
				_, _ = fmt.Fprintln(cmd.OutOrStdout(), u.Name)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&none, "none", false, "take everybody out")
	return cmd
}

func (f *userFlags) groupListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the groups",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, machine, err := f.look()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "NAME\tMEMBERS\tSID")
			for _, g := range users.Groups() {
				var names []string
				for _, u := range users.Members(g.Name) {
					names = append(names, u.Name)
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\n", g.Name, listOf(names, "-"), sidOf(machine, g.RID))
			}
			return w.Flush()
		},
	}
}
