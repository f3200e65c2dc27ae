package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"lessor/config"
	"lessor/smb/auth"
)

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check or print the configuration", RunE: group}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check FILE",
			Short: "Check a configuration file: one line for each mistake",
			Long: "Check a configuration file and the environment as \"lessor serve -c FILE\" would see them:\n" +
				"one line for each mistake, exit status 1 if there is one. The keys of the keytab that\n" +
				"count are listed.",
			Args: exactArgs("FILE"),
			RunE: func(cmd *cobra.Command, args []string) error {
				keys, err := checkConfig(args[0])
				if err != nil {
					return err
				}
				for _, key := range keys {
					_, _ = fmt.Fprintf(cmd.OutOrStdout(), "keytab: %s\n", key)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", args[0])
				return err
			},
		},
		&cobra.Command{
			Use:   "default",
			Short: "Print the complete default configuration with comments",
			Args:  noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				_, err := fmt.Fprint(cmd.OutOrStdout(), config.DefaultYAML)
				return err
			},
		})
	return cmd
}

// checkConfig checks what can be checked without starting a server. A user file
// that does not exist yet is fine if no share names a user. It returns what keys the
// keytab has, if there is one.
func checkConfig(path string) (keys []string, err error) {
	c, err := config.Load(path, config.Default())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(checkSnapshots(c), checkCongestion(c)); err != nil {
		return nil, err
	}
	users, err := auth.OpenUsers(c.UsersPath())
	if errors.Is(err, fs.ErrNotExist) {
		users, err = auth.NewUsers()
	}
	if err != nil {
		return nil, usersProblem(c, err)
	}
	dir, err := openDirectory(c, nil)
	if err != nil {
		return nil, err
	}
	kerberos, err := openKerberos(c, users, dir)
	if kerberos != nil {
		keys = kerberos.Keys()
	}
	return keys, errors.Join(err, checkUsers(c, users))
}

// usersProblem explains why the user file cannot be used.
func usersProblem(c *config.Config, err error) error {
	key := "users_file"
	if c.UsersFile == "" {
		key = "state_dir"
	}
	path := c.UsersPath()
	switch {
	case errors.Is(err, auth.ErrUserFileMode):
		return c.Problem(key, path+" can be read or written by others", "run \"chmod 600 "+path+"\"")
	case errors.Is(err, auth.ErrUserFile):
		return c.Problem(key, err.Error(), "correct the line, or remove it and use \"lessor user add\"")
	case errors.Is(err, fs.ErrPermission):
		return c.Problem(key, path+": permission denied", "make the file and its directory belong to the user that runs the server")
	case errors.Is(err, fs.ErrNotExist):
		return c.Problem(key, path+" does not exist", "make it with \"lessor user add\"")
	}
	return c.Problem(key, err.Error(), "correct the path")
}
