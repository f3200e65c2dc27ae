package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// jail runs the program in testdata, built without cgo as the server is.
func jail(t *testing.T, env ...string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "jail")
	build := exec.Command("go", "build", "-o", bin, "./testdata/jail")
	build.Env = append(append(os.Environ(), "CGO_ENABLED=0"), env...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	dir, outside := t.TempDir(), t.TempDir()
	for _, d := range []string{"rw", "r", "a"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{dir + "/r/f", outside + "/f"} {
		if err := os.WriteFile(f, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(bin, dir, outside).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// landlocked reports whether the kernel has Landlock.
func landlocked() bool {
	n, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	return errno == 0 && n >= leastABI
}

func TestSandbox(t *testing.T) {
	out := jail(t)
	t.Log(out)
	results := make(map[string]string)
	for _, m := range regexp.MustCompile(`(?m)^(.*): (ok|no) \(`).FindAllStringSubmatch(out, -1) {
		results[m[1]] = m[2]
	}
	check := func(want string, attempts ...string) {
		t.Helper()
		for _, a := range attempts {
			if results[a] != want {
				t.Errorf("%s: %q, want %q", a, results[a], want)
			}
		}
	}
	check("ok", "write", "truncate", "mkdir", "move", "link", "symlink", "mkfifo", "own descriptor", "list own descriptors",
		"read", "append", "udp", "signal self", "old socket", "gc", "tcp connect to a port of the plan")
	check("no", "exec", "fork", "raw socket", "mount", "namespace", "signal parent", "code", "setuid")
	if !strings.Contains(out, "seccomp true capabilities true") {
		t.Error("not everything was given up")
	}
	if !landlocked() {
		t.Skip("the kernel has no Landlock")
	}
	check("no", "mknod", "change read-only", "read appended", "outside", "outside by symlink", "outside on all threads",
		"move out", "make outside")
	if !strings.Contains(out, "allows true false true false true false\n") || !strings.Contains(out, "missing []") {
		t.Error("the report is wrong")
	}
	if abi := regexp.MustCompile(`^landlock ([0-9]+)`).FindStringSubmatch(out)[1]; len(abi) > 1 || abi >= "4" {
		check("no", "tcp listen", "tcp connect")
	}
}

// interpret runs a filter on a call, as the kernel does.
func interpret(t *testing.T, p program, arch, nr uint32, args ...uint64) uint32 {
	t.Helper()
	data := make(map[uint32]uint32)
	data[offsetCall], data[offsetArch] = nr, arch
	for i, a := range args {
		data[offsetArg(uint32(i))] = uint32(a)
	}
	var acc uint32
	for pc := 0; pc < len(p); pc++ {
		in := p[pc]
		jump := func(yes bool) {
			if yes {
				pc += int(in.Jt)
			} else {
				pc += int(in.Jf)
			}
		}
		switch in.Code {
		case unix.BPF_LD | unix.BPF_W | unix.BPF_ABS:
			acc = data[in.K]
		case unix.BPF_ALU | unix.BPF_AND | unix.BPF_K:
			acc &= in.K
		case unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K:
			jump(acc == in.K)
		case unix.BPF_JMP | unix.BPF_JGE | unix.BPF_K:
			jump(acc >= in.K)
		case unix.BPF_RET | unix.BPF_K:
			return in.K
		default:
			t.Fatalf("instruction %d: code %#x", pc, in.Code)
		}
	}
	t.Fatal("the filter does not end")
	return 0
}

func TestFilter(t *testing.T) {
	p := filter(77)
	if len(p) > unix.BPF_MAXINSNS {
		t.Fatalf("%d instructions", len(p))
	}
	const allow = unix.SECCOMP_RET_ALLOW
	fail := func(e unix.Errno) uint32 { return unix.SECCOMP_RET_ERRNO | uint32(e) }
	runtimeClone := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD)
	tests := []struct {
		name string
		nr   uintptr
		args []uint64
		want uint32
	}{
		{"read", unix.SYS_READ, nil, allow},
		{"splice", unix.SYS_SPLICE, nil, allow},
		{"fanotify", unix.SYS_FANOTIFY_INIT, nil, allow},
		{"by handle", unix.SYS_OPEN_BY_HANDLE_AT, nil, allow},
		{"futex", unix.SYS_FUTEX, nil, allow},
		{"a call of the future", 0x3fff, nil, allow},
		{"execve", unix.SYS_EXECVE, nil, fail(unix.EPERM)},
		{"last of the list", refused[len(refused)-1], nil, fail(unix.EPERM)},
		{"thread", unix.SYS_CLONE, []uint64{runtimeClone}, allow},
		{"process", unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, fail(unix.EPERM)},
		{"thread in a namespace", unix.SYS_CLONE, []uint64{runtimeClone | unix.CLONE_NEWUSER}, fail(unix.EPERM)},
		{"clone3", unix.SYS_CLONE3, nil, fail(unix.ENOSYS)},
		{"signal self", unix.SYS_TGKILL, []uint64{77, 80, 23}, allow},
		{"signal other", unix.SYS_TGKILL, []uint64{78, 80, 23}, fail(unix.EPERM)},
		{"signal group", unix.SYS_KILL, []uint64{0, 9}, fail(unix.EPERM)},
		{"tcp", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM}, allow},
		{"unix", unix.SYS_SOCKET, []uint64{unix.AF_UNIX, unix.SOCK_STREAM}, allow},
		{"netlink", unix.SYS_SOCKET, []uint64{unix.AF_NETLINK, unix.SOCK_RAW}, allow},
		{"mptcp", unix.SYS_SOCKET, []uint64{unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP}, fail(unix.EPROTONOSUPPORT)},
		{"packet", unix.SYS_SOCKET, []uint64{unix.AF_PACKET, unix.SOCK_RAW}, fail(unix.EAFNOSUPPORT)},
		{"vsock", unix.SYS_SOCKET, []uint64{unix.AF_VSOCK, unix.SOCK_STREAM}, fail(unix.EAFNOSUPPORT)},
		{"memory", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_WRITE}, allow},
		{"a library", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, allow},
		{"writable code", unix.SYS_MMAP, []uint64{0, 4096, unix.PROT_WRITE | unix.PROT_EXEC}, fail(unix.EPERM)},
		{"protect", unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_READ}, allow},
		{"make code", unix.SYS_MPROTECT, []uint64{0, 4096, unix.PROT_READ | unix.PROT_EXEC}, fail(unix.EPERM)},
		{"ioctl", unix.SYS_IOCTL, []uint64{1, unix.FICLONERANGE}, allow},
		{"type into the terminal", unix.SYS_IOCTL, []uint64{1, unix.TIOCSTI}, fail(unix.EPERM)},
	}
	for _, tt := range tests {
		if got := interpret(t, p, auditArch, uint32(tt.nr), tt.args...); got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
	if got := interpret(t, p, unix.AUDIT_ARCH_I386, unix.SYS_READ); got != fail(unix.ENOSYS) {
		t.Errorf("32-bit call: %#x", got)
	}
	for _, nr := range foreign {
		if got := interpret(t, p, auditArch, nr|1); got != fail(unix.ENOSYS) {
			t.Errorf("call of another set: %#x", got)
		}
	}
}

// TestCgo has the parts that need all threads say why they are missing.
func TestCgo(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Skip("there is no C compiler")
	}
	bin := jail(t, "CGO_ENABLED=1", "GOFLAGS=-tags=netcgo")
	if !strings.Contains(bin, "built with cgo") || !strings.Contains(bin, "landlock 0 seccomp true capabilities false") {
		t.Errorf("reported:\n%s", bin)
	}
}
