package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

var (
	// built is the outcome of the one build of this process.
	built = sync.OnceValues(build)
	// binDir is the directory of what was built, for Cleanup.
	binDir atomic.Pointer[string]
)

// Binary returns the path of the program under test: $LESSOR_BIN if it is set,
// else the result of building lessor/cmd/lessor, once for each process.
// The error holds what the compiler said.
func Binary() (string, error) {
	if bin := os.Getenv("LESSOR_BIN"); bin != "" {
		return filepath.Abs(bin)
	}
	return built()
}

func build() (string, error) {
	dir, err := os.MkdirTemp("", "lessor-bin-")
	if err != nil {
		return "", err
	}
	binDir.Store(&dir)
	bin := filepath.Join(dir, "lessor")
	args := []string{"build", "-o", bin}
	args = append(args, strings.Fields(os.Getenv("LESSOR_BUILD_FLAGS"))...)
	args = append(args, "lessor/cmd/lessor")
	cmd := exec.Command("go", args...)
	if cmd.Env = os.Environ(); !slices.Contains(args, "-race") {
		cmd.Env = append(cmd.Env, "CGO_ENABLED=0") // as it is released
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the server does not build: go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return bin, nil
}

// Cleanup removes what Binary built, if it did. Nothing may be started afterwards.
func Cleanup() {
	if dir := binDir.Load(); dir != nil {
		_ = os.RemoveAll(*dir)
	}
}

// Main is the body of TestMain in packages that run the server.
func Main(m *testing.M) {
	code := m.Run()
	Cleanup()
	os.Exit(code)
}

// Tool returns the path of a program that a test needs. When it is missing, the
// test is skipped, or fails if $LESSOR_TEST_REQUIRE_TOOLS is 1. pkg is the Debian
// package that has it.
func Tool(t testing.TB, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err == nil {
		return path
	}
	msg := fmt.Sprintf("%s is not installed (Debian package %s)", name, pkg)
	if os.Getenv("LESSOR_TEST_REQUIRE_TOOLS") == "1" {
		t.Fatalf("%s, and LESSOR_TEST_REQUIRE_TOOLS=1 asks for it", msg)
	}
	t.Skipf("%s; set LESSOR_TEST_REQUIRE_TOOLS=1 to make this a failure", msg)
	return ""
}
