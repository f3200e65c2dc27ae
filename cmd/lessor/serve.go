package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"lessor/config"
)

// serveFlags are the flags of "lessor serve".
type serveFlags struct {
	file         string
	listen       []string
	shares       []string
	user         string
	passwordFile string
	state        string
	metrics      string
	metricsSet   bool
}

func serveCommand() *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server, by a configuration file (-c) or by flags alone.\n\n" +
			"Without a file the directory ./data is shared as \"public\" on 127.0.0.1:4450, what\n" +
			"the server keeps is in ./.lessor, and at the first start a user with a random\n" +
			"password is made. Flags override the file and the environment; the user of --user\n" +
			"may write to the shares of --share.\n\n" +
			"SIGTERM and SIGINT let running requests finish, a second one does not; SIGHUP reads\n" +
			"the configuration again and reopens the log file.",
		Example: "  lessor serve\n" +
			"  lessor serve --listen :445 --share docs=/srv/docs --user alice --password-file pw\n" +
			"  lessor serve -c /etc/lessor/lessor.yaml",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f.metricsSet = cmd.Flags().Changed("metrics")
			return serve(cmd, &f)
		},
	}
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "config", "c", "", "configuration `FILE`")
	fl.StringSliceVar(&f.listen, "listen", nil, "`ADDR:PORT` to listen on, where ADDR may be an interface; may be repeated")
	fl.StringArrayVar(&f.shares, "share", nil, "share a directory, as `NAME=PATH`; may be repeated")
	fl.StringVar(&f.user, "user", "", "`NAME` of the user who may use the shares of --share")
	fl.StringVar(&f.passwordFile, "password-file", "", "`FILE` with the password of --user in its first line, - for standard input")
	fl.StringVar(&f.state, "state", "", "`DIR`ectory for what the server keeps")
	fl.StringVar(&f.metrics, "metrics", "", "`ADDR:PORT` of metrics and health, \"\" for none")
	return cmd
}

// quick reports whether there is no configuration file.
func (f *serveFlags) quick() bool { return f.file == "" }

// settings puts the configuration together: defaults, file, environment, flags.
// It may be called again, for a reload.
func (f *serveFlags) settings() (*config.Config, error) {
	base := config.Default()
	if f.quick() {
		base = quickDefaults()
	}
	c, err := config.Read(f.file, base)
	if err != nil {
		return nil, err
	}
	if err := f.override(c); err != nil {
		return nil, err
	}
	if f.quick() && len(c.Shares) == 0 {
		if err := f.quickShare(c); err != nil {
			return nil, err
		}
	}
	if err := c.ValidateToServe(); err != nil {
		return nil, err
	}
	return c, nil
}

// override puts the flags over what the file and the environment say.
func (f *serveFlags) override(c *config.Config) error {
	if len(f.listen) > 0 {
		c.Server.Listen = f.listen
		c.SetOrigin("server.listen", "--listen")
	}
	if f.state != "" {
		c.StateDir = f.state
		c.SetOrigin("state_dir", "--state")
	}
	if f.metricsSet {
		c.Metrics.Listen = f.metrics
		c.SetOrigin("metrics.listen", "--metrics")
	}
	var err error
	if c.StateDir, err = filepath.Abs(c.StateDir); err != nil {
		return err
	}
	if f.user == "" && len(f.shares) > 0 && !f.quick() {
		return usageError{errors.New("--share with -c needs --user")}
	}
	for _, s := range f.shares {
		name, path, ok := strings.Cut(s, "=")
		if !ok || name == "" || path == "" {
			return usageError{fmt.Errorf("bad --share %q; want NAME=PATH", s)}
		}
		if err := f.addShare(c, name, path); err != nil {
			return err
		}
	}
	return nil
}

// addShare adds a share that the user of the flags may write to.
func (f *serveFlags) addShare(c *config.Config, name, path string) error {
	s := config.DefaultShare()
	s.Name = name
	s.Users = []config.ShareUser{{Name: f.userName(), Access: config.AccessWrite}}
	var err error
	if s.Path, err = filepath.Abs(path); err != nil {
		return err
	}
	c.SetOrigin(fmt.Sprintf("shares[%d]", len(c.Shares)), "--share")
	c.Shares = append(c.Shares, s)
	return nil
}

// serve is the whole life of a server.
func serve(cmd *cobra.Command, f *serveFlags) error {
	c, err := f.settings()
	if err != nil {
		return err
	}
	if err := checkCongestion(c); err != nil {
		return err
	}
	syscall.Umask(0) // create_mask and directory_mask mean what they say
	stop := watchSignals()
	defer stop.close()
	addrs, err := takeAddresses(c)
	if err != nil {
		return err
	}
	if err := becomeUser(c); err != nil {
		addrs.close()
		return err
	}
	password, err := f.prepareUser(c, cmd.InOrStdin())
	if err != nil {
		addrs.close()
		return err
	}
	d, err := newDaemon(c, f.file, f.settings, addrs)
	if err != nil {
		return errors.Join(err, f.forgetUser(c, password))
	}
	defer d.close()
	if err := d.start(); err != nil {
		return err
	}
	if f.quick() {
		if err := f.printWelcome(cmd.OutOrStdout(), c, password); err != nil && !errors.Is(err, os.ErrClosed) {
			return err
		}
	}
	return d.run(stop.c)
}
