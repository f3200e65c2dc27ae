package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"lessor/config"
	"lessor/smb/transport"
)

// allowedCongestion is the file with the congestion controls that the system lets everybody use.
const allowedCongestion = "/proc/sys/net/ipv4/tcp_allowed_congestion_control"

// checkCongestion checks that connections can have the congestion control of the settings. The
// process must not be in the sandbox, where the list is out of reach.
func checkCongestion(c *config.Config) error {
	name := c.Server.TCP.Congestion
	if !name.Named() {
		return nil
	}
	err := transport.TryCongestion(string(name)) // before the list, which then has what was loaded for it
	list, _ := os.ReadFile(allowedCongestion)    // there may be none
	return congestionProblem(c, err, strings.Fields(string(list)))
}

// congestionProblem says what err, of transport.TryCongestion, means for somebody who has to do with
// those that are allowed. Root may use others as long as it has all of its rights, which a server
// gives up: that must not be found out with the first client.
func congestionProblem(c *config.Config, err error, allowed []string) error {
	const key = "server.tcp.congestion"
	name := string(c.Server.TCP.Congestion)
	if err == nil && len(allowed) > 0 && !slices.Contains(allowed, name) {
		err = fs.ErrPermission
	}
	these := "see " + allowedCongestion
	if len(allowed) > 0 {
		these = "choose one of " + strings.Join(allowed, ", ")
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errors.ErrUnsupported):
		return c.Problem(key, "this system does not let programs choose", "set it to auto or system")
	case errors.Is(err, fs.ErrNotExist):
		return c.Problem(key, fmt.Sprintf("the system has no %q", name), these+", or load the module tcp_"+name)
	case errors.Is(err, fs.ErrPermission):
		return c.Problem(key, fmt.Sprintf("the system does not let everybody use %q", name), these+", or add it to the sysctl net.ipv4.tcp_allowed_congestion_control")
	}
	return c.Problem(key, fmt.Sprintf("%q cannot be used: %v", name, err), these)
}
