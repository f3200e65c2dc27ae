package interop

import (
	"errors"
	"io"
	"io/fs"
	"testing"

	"lessor/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

// client is what the cases need of a client on one share. Names are relative to
// the share, with slashes. Errors of the server are a statusError, or one of the
// errors of io/fs where a client gives no more than that.
type client interface {
	put(name string, r io.Reader) error
	get(name string, w io.Writer) error
	list(dir string) (map[string]entry, error)
	rename(from, to string) error
	remove(name string) error
	mkdir(name string) error
	rmdir(name string) error
	close() error
}

// entry is what a listing says of a name.
type entry struct {
	Size int64
	Dir  bool
}

// login is with whom and where to a client connects.
type login struct {
	addr           string // HOST:PORT
	user, password string
	share          string
	dialect        dialect
}

// kinds are the clients. open connects, and fails the test if that client is not
// installed here.
var kinds = []struct {
	name string
	open func(testing.TB, login) (client, error)
}{
	{"go-smb2", openGo},
	{"smbclient", openSmbclient},
}

// dialect is one dialect in the words of each client.
type dialect struct {
	name      string
	revision  uint16 // MS-SMB2 2.2.3
	smbclient string
	// seals says whether the dialect knows encryption.
	seals bool
}

var dialects = []dialect{
	{"2.1", 0x0210, "SMB2_10", false},
	{"3.0", 0x0300, "SMB3_00", true},
	{"3.0.2", 0x0302, "SMB3_02", true},
	{"3.1.1", 0x0311, "SMB3_11", true},
}

// newest is for tests in which the dialect does not matter.
var newest = dialects[len(dialects)-1]

// loginTo is the login of the server's user to a share.
func loginTo(srv *harness.Server, share string, d dialect) login {
	return login{addr: srv.Addr, user: srv.User, password: srv.Password, share: share, dialect: d}
}

// statusError is an NTSTATUS by its name, as in "NT_STATUS_LOGON_FAILURE".
type statusError string

func (e statusError) Error() string { return string(e) }

const (
	statusLogonFailure   statusError = "NT_STATUS_LOGON_FAILURE"
	statusBadNetworkName statusError = "NT_STATUS_BAD_NETWORK_NAME"
	statusNotEmpty       statusError = "NT_STATUS_DIRECTORY_NOT_EMPTY"
	statusNotSupported   statusError = "NT_STATUS_NOT_SUPPORTED"
)

// Is makes the usual statuses comparable with the errors of io/fs.
func (e statusError) Is(target error) bool {
	switch e {
	case "NT_STATUS_OBJECT_NAME_NOT_FOUND", "NT_STATUS_OBJECT_PATH_NOT_FOUND", "NT_STATUS_NO_SUCH_FILE":
		return target == fs.ErrNotExist
	case "NT_STATUS_OBJECT_NAME_COLLISION":
		return target == fs.ErrExist
	case "NT_STATUS_ACCESS_DENIED", "NT_STATUS_MEDIA_WRITE_PROTECTED":
		return target == fs.ErrPermission
	}
	return false
}

// wantError fails the test unless err is the refusal that is due.
func wantError(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v; want %v", what, err, want)
	}
}

// wantNone ends the test on an error.
func wantNone(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}
