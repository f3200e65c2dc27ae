package kdc

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the KDC when the test process is killed.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
