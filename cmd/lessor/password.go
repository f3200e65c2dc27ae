package main

import (
	"bufio"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// maxPassword is the longest password in bytes.
const maxPassword = 1024

// readPasswordFile returns the first line of a file; "-" is standard input.
func readPasswordFile(path string, in io.Reader) (string, error) {
	if path == "-" {
		return firstLine(in)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	return firstLine(f)
}

func firstLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(io.LimitReader(r, maxPassword+2)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	switch {
	case line == "":
		return "", errors.New("the password is empty")
	case len(line) > maxPassword:
		return "", fmt.Errorf("the password is longer than %d bytes", maxPassword)
	case !utf8.ValidString(line):
		return "", errors.New("the password is not UTF-8 text")
	}
	return line, nil
}

// askPassword reads a new password: twice from a terminal, without showing it,
// else the first line of standard input.
func askPassword(cmd *cobra.Command) (string, error) {
	in, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return firstLine(cmd.InOrStdin())
	}
	first, err := prompt(cmd, in, "New password: ")
	if err != nil {
		return "", err
	}
	second, err := prompt(cmd, in, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errors.New("the two passwords differ")
	}
	return first, nil
}

func prompt(cmd *cobra.Command, tty *os.File, text string) (string, error) {
	_, _ = fmt.Fprint(cmd.ErrOrStderr(), text)
	line, err := term.ReadPassword(int(tty.Fd()))
	_, _ = fmt.Fprintln(cmd.ErrOrStderr())
	if err != nil {
		return "", err
	}
	return firstLine(strings.NewReader(string(line)))
}

// randomPassword is 100 bits in four groups of five that are easy to type.
func randomPassword() string {
	t := strings.ToLower(rand.Text())
	return t[:5] + "-" + t[5:10] + "-" + t[10:15] + "-" + t[15:20]
}
