package interop

import (
	"testing"

	"lessor/test/harness"
)

// TestWorkgroup: Samba's rpcclient hears of the workgroup that the configuration names.
func TestWorkgroup(t *testing.T) {
	srv := harness.Run(t, harness.Options{
		Config: "server:\n  name: FILES\n  discovery: {workgroup: Office}\n",
		Shares: []harness.Share{{Name: "share", Settings: []string{"default_access: write"}}},
	})
	wantText(t, "the primary domain", rpcclient(t, srv, srv.User, srv.Password, "lsaquery"), `Domain Name: OFFICE\n`)
	wantText(t, "the server", rpcclient(t, srv, srv.User, srv.Password, "srvinfo"), `FILES +Wk Sv`)
}
