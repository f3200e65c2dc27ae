//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "limits: runs on Linux alone, whose system calls it measures")
	os.Exit(1)
}
