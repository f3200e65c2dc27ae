package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"lessor/config"
	"lessor/smb/auth"
	"lessor/smb/secdesc"
)

// userFlags say which user file a command is about.
type userFlags struct {
	stateFlags
	passwordFile string
	uid, gid     int64
	unixUser     string
	groups       []string
}

func userCommand() *cobra.Command {
	var f userFlags
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the users of the server",
		Long: "Manage the user file, which is that of the configuration file (-c), of a state\n" +
			"directory (--state), or of a server started by \"lessor serve\" in this directory.\n" +
			"A running server notices changes at once.",
		RunE: group,
	}
	f.add(cmd)
	cmd.AddCommand(f.addCommand(), f.passwdCommand(), f.groupsCommand(), f.listCommand(), f.renameCommand(), f.removeCommand())
	return cmd
}

func (f *userFlags) addCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user",
		Args:  exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(true)
			if err != nil {
				return err
			}
			if _, ok := users.Lookup(args[0]); ok {
				return fmt.Errorf("there is a user %q in %s already; change the password with \"lessor user passwd\"", args[0], path)
			}
			u := auth.User{Name: args[0], Groups: groupList(f.groups)}
			if f.uid >= 0 {
				u.UID, u.HasUID = uint32(f.uid), true
			}
			if f.gid >= 0 {
				u.Flags = append(u.Flags, flagGID+strconv.FormatInt(f.gid, 10))
			}
			if f.unixUser != "" {
				u.Flags = append(u.Flags, flagUnixUser+f.unixUser)
			}
			return f.setPassword(cmd, users, path, u, "added")
		},
		PreRunE: func(*cobra.Command, []string) error {
			if f.uid < -1 || f.uid >= 1<<32-1 {
				return usageError{fmt.Errorf("--uid %d is not a user id", f.uid)}
			}
			if f.gid < -1 || f.gid >= 1<<32-1 {
				return usageError{fmt.Errorf("--gid %d is not a group id", f.gid)}
			}
			if strings.ContainsAny(f.unixUser, ":,\n ") {
				return usageError{fmt.Errorf("--unix-user %q is no name of a Unix user", f.unixUser)}
			}
			if f.uid >= 0 && f.unixUser != "" {
				return usageError{errors.New("--uid and --unix-user exclude each other")}
			}
			return nil
		},
	}
	f.passwordFlag(cmd)
	cmd.Flags().StringSliceVar(&f.groups, "group", nil, "`GROUP` that the user belongs to; may be repeated")
	cmd.Flags().Int64Var(&f.uid, "uid", -1, "Unix user `ID` that the user's files belong to")
	cmd.Flags().Int64Var(&f.gid, "gid", -1, "Unix group `ID` of new files, on shares with identity: unix")
	cmd.Flags().StringVar(&f.unixUser, "unix-user", "", "`NAME` of the Unix user that the user is, on shares with identity: unix")
	return cmd
}

func (f *userFlags) passwdCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "passwd NAME",
		Short: "Change the password of a user",
		Args:  exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(false)
			if err != nil {
				return err
			}
			u, ok := users.Lookup(args[0])
			if !ok {
				return noUser(args[0], path)
			}
			return f.setPassword(cmd, users, path, u, "changed")
		},
	}
	f.passwordFlag(cmd)
	return cmd
}

func (f *userFlags) groupsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "groups NAME [GROUP...]",
		Short: "Set the groups of a user; none takes it out of all",
		Long: "Set the groups of a user. One that is not there yet is made; the configuration\n" +
			"names it with @ before it. A session keeps the groups that its user had when it\n" +
			"was set up.",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("want NAME and groups")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(false)
			if err != nil {
				return err
			}
			u, ok := users.Lookup(args[0])
			if !ok {
				return noUser(args[0], path)
			}
			u.Groups = groupList(args[1:])
			if err := users.Set(u); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is in %s\n", u.Name, listOf(u.Groups, "no group"))
			return err
		},
	}
}

// listOf joins words, or says what it means that there are none.
func listOf(words []string, none string) string {
	if len(words) == 0 {
		return none
	}
	return strings.Join(words, ",")
}

func (f *userFlags) passwordFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.passwordFile, "password-file", "",
		"`FILE` with the password in its first line, - for standard input (default: ask)")
}

func (f *userFlags) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			users, machine, err := f.look()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 8, 2, ' ', 0)
			_, _ = fmt.Fprintln(w, "NAME\tUID\tGROUPS\tFLAGS\tSID")
			for _, u := range users.List() {
				uid, flags := "-", u.Flags
				if u.HasUID {
					uid = strconv.FormatUint(uint64(u.UID), 10)
				}
				if u.Disabled {
					flags = append([]string{"disabled"}, flags...)
				}
				_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", u.Name, uid, listOf(u.Groups, "-"), listOf(flags, "-"), sidOf(machine, u.RID))
			}
			return w.Flush()
		},
	}
}

// look opens the user file to show what is in it, complete with numbers.
func (f *userFlags) look() (*auth.Users, secdesc.SID, error) {
	users, _, err := f.open(false)
	if err != nil {
		return nil, secdesc.SID{}, err
	}
	c, err := f.settings()
	if err != nil {
		return nil, secdesc.SID{}, err
	}
	// Who may not write sees the numbers that the next one who may would write.
	if err := users.Complete(); err != nil && !errors.Is(err, fs.ErrPermission) {
		return nil, secdesc.SID{}, usersProblem(c, err)
	}
	return users, knownMachineSID(c), nil
}

func (f *userFlags) renameCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rename NAME NEW-NAME",
		Short: "Rename a user; rights to files, which go by the SID, stay",
		Long: "Rename a user. His password, groups and SID stay, and so do the rights that access\n" +
			"lists of files give him. Lists of users in the configuration go by the name.",
		Args: exactArgs("NAME", "NEW-NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(false)
			if err != nil {
				return err
			}
			err = users.Rename(args[0], args[1])
			if errors.Is(err, auth.ErrNoUser) {
				return noUser(args[0], path)
			}
			if err := accountProblem(err, args, path); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "renamed %s to %s in %s\n", args[0], args[1], path)
			return err
		},
	}
}

func (f *userFlags) removeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "remove NAME",
		Short: "Remove a user",
		Args:  exactArgs("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			users, path, err := f.open(false)
			if err != nil {
				return err
			}
			if err := users.Remove(args[0]); errors.Is(err, auth.ErrNoUser) {
				return noUser(args[0], path)
			} else if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "removed %s from %s\n", args[0], path)
			return err
		},
	}
}

func noUser(name, path string) error {
	return fmt.Errorf("there is no user %q in %s; see \"lessor user list\"", name, path)
}

// setPassword asks for the password of u and stores it.
func (f *userFlags) setPassword(cmd *cobra.Command, users *auth.Users, path string, u auth.User, done string) error {
	var password string
	var err error
	if f.passwordFile != "" {
		password, err = readPasswordFile(f.passwordFile, cmd.InOrStdin())
	} else {
		password, err = askPassword(cmd)
	}
	if err != nil {
		return err
	}
	u.NTHash = auth.NTHash(password)
	if err := users.Set(u); errors.Is(err, auth.ErrUserName) {
		return fmt.Errorf("bad user name %q; it may not contain : / \\ or begin with #", u.Name)
	} else if err != nil {
		return err
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s in %s\n", done, u.Name, path)
	return err
}

// open finds and opens the user file, and makes it if create is set.
func (f *userFlags) open(create bool) (*auth.Users, string, error) {
	c, err := f.settings()
	if err != nil {
		return nil, "", err
	}
	path := c.UsersPath()
	if create && (f.file != "" || f.state != "" || exists(filepath.Dir(path))) {
		users, err := createUsers(c)
		return users, path, err
	}
	users, err := auth.OpenUsers(path)
	if errors.Is(err, fs.ErrNotExist) && f.file == "" && f.state == "" {
		return nil, "", fmt.Errorf("there is no user file %s here; say which with -c FILE or --state DIR", path)
	}
	if err != nil {
		return nil, "", usersProblem(c, err)
	}
	return users, path, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// createUsers opens the user file, after making it and its directory if they are
// missing. What root makes belongs to the owner of the directory, so that an
// unprivileged server can read it.
func createUsers(c *config.Config) (*auth.Users, error) {
	path := c.UsersPath()
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, c.Problem("state_dir", err.Error(), "make the directory, or give another one")
	}
	isNew := !exists(path)
	users, err := auth.CreateUsers(path)
	if err != nil {
		return nil, usersProblem(c, err)
	}
	if isNew {
		if err := ownAs(path, dir); err != nil {
			return nil, usersProblem(c, err)
		}
	}
	return users, nil
}

// ownAs gives a file that root has made to the owner of a directory.
func ownAs(path, dir string) error {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // who has made the file can read it
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return os.Chown(path, int(st.Uid), int(st.Gid))
	}
	return nil
}
