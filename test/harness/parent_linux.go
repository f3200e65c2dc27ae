package harness

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the server when the test process is killed,
// which leaves no time for clean-up.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
