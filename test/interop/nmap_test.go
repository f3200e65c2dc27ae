package interop

import (
	"context"
	"os/exec"
	"testing"
	"time"

	"lessor/test/harness"
)

// What a scanner for weak servers says: that signing is required, which dialects there are
// (no SMB1), and what they can do.
func TestNmap(t *testing.T) {
	program, err := exec.LookPath("nmap")
	if err != nil {
		t.Skip("there is no nmap")
	}
	for _, c := range []struct {
		name, config string
		want         []string
	}{
		{"as delivered", "", []string{
			`311: *\n\|_? +Message signing enabled and required`,
			`dialects: *\n\| +210\n\| +300\n\| +302\n\|_? +311`,
			`311: *\n\| +Leasing\n\| +Multi-credit operations\n\| +Multiple Channel support\n\| +Persistent handles\n\|_? +Directory Leasing`,
		}},
		{"signing as the client wants", "server:\n  signing: enabled\n", []string{`311: *\n\|_? +Message signing enabled but not required`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := harness.Run(t, harness.Options{Config: c.config})
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			out, err := exec.CommandContext(ctx, program, "-Pn", "-n", "-p", srv.Port, "--script", "smb2-security-mode,smb2-capabilities,smb-protocols",
				"--script-args", "smbport="+srv.Port, srv.Host).CombinedOutput()
			wantNone(t, "nmap", err)
			for _, want := range c.want {
				wantText(t, "nmap", string(out), want)
			}
			if t.Failed() {
				t.Logf("%s", out)
			}
		})
	}
}
