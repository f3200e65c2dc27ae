package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lessor/config"
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run carries out a command line and returns the exit status.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteC()
	if err == nil {
		return 0
	}
	var usage usageError
	if errors.As(err, &usage) {
		_, _ = fmt.Fprintf(errOut, "lessor: %v; see \"%s --help\"\n", err, cmd.CommandPath())
		return 1
	}
	printError(errOut, err)
	return 1
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "lessor",
		Short: "SMB file server",
		Long: "Lessor serves directories to Windows, macOS and Linux by SMB 2.1 to 3.1.1.\n\n" +
			"Try it with \"lessor serve\": it shares ./data and tells how to connect.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(serveCommand(), userCommand(), groupCommand(), configCommand(), statusCommand(), explainCommand(), closeFileCommand(), disconnectCommand(), versionCommand())
	return root
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

// noArgs and exactArgs are those of cobra with an error that points to the help.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected %q", args[0])}
	}
	return nil
}

func exactArgs(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usageError{fmt.Errorf("%s is missing", names[len(args)])}
		case len(args) > len(names):
			return usageError{fmt.Errorf("unexpected %q", args[len(names)])}
		}
		return nil
	}
}

// group is what a command does that only has further commands below it.
func group(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("there is no command %q", args[0])}
	}
	return cmd.Help()
}

// printError writes a line for each mistake. Those in settings begin with their
// place, so that an editor can jump there.
func printError(w io.Writer, err error) {
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			printError(w, e)
		}
		return
	}
	var p *config.Problem
	if errors.As(err, &p) && p.Origin != "" {
		_, _ = fmt.Fprintln(w, err)
		return
	}
	_, _ = fmt.Fprintf(w, "lessor: %v\n", err)
}
