package kdc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Realm is what all KDCs here are for.
const Realm = "EXAMPLE.TEST"

const (
	// startTimeout is for the KDC to listen; a machine under load is slow.
	startTimeout = 30 * time.Second
	// pollEvery is how often it is tried to connect.
	pollEvery = 10 * time.Millisecond
)

// KDC is a running KDC.
type KDC struct {
	// Immutable after Start.
	dir, addr string
	cmd       *exec.Cmd
	done      chan struct{} // closed when the process has ended
}

// Commands are the programs that are used, with the Debian packages that they are in.
var Commands = map[string]string{
	"krb5kdc": "krb5-kdc", "kdb5_util": "krb5-kdc", "kadmin.local": "krb5-admin-server", "kinit": "krb5-user", "kvno": "krb5-user",
}

// look finds a program, also where only root looks.
func look(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	path = filepath.Join("/usr/sbin", name)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%w (Debian package %s)", err, Commands[name])
}

// Missing returns an error if a program is not installed.
func Missing() error {
	var all error
	for name := range Commands {
		_, err := look(name)
		all = errors.Join(all, err)
	}
	return all
}

// Start makes a realm in dir and runs its KDC. Every encryption type that we know is
// in use, the weak one as well.
func Start(dir string) (*KDC, error) {
	for try := 0; ; try++ {
		k, err := start(dir)
		if err == nil || try == 5 || k == nil {
			return k, err
		}
		// Somebody else has taken the port meanwhile.
	}
}

// start returns a KDC that is not nil with the error that another port may mend.
func start(dir string) (*KDC, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	k := &KDC{dir: dir, addr: l.Addr().String(), done: make(chan struct{})}
	if err := l.Close(); err != nil {
		return nil, err
	}
	if err := k.configure(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(k.file("stash")); err != nil {
		if _, err := k.Run("", "kdb5_util", "create", "-s", "-r", Realm, "-P", "master"); err != nil {
			return nil, err
		}
	}
	path, err := look("krb5kdc")
	if err != nil {
		return nil, err
	}
	out, err := os.Create(k.file("kdc.out"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	k.cmd = exec.Command(path, "-n")
	k.cmd.Env = append(os.Environ(), k.Env("")...)
	k.cmd.Stdout, k.cmd.Stderr = out, out
	dieWithParent(k.cmd)
	if err := k.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = k.cmd.Wait()
		close(k.done)
	}()
	err = k.waitReady()
	return k, err
}

// waitReady tries to connect: the one thing that a KDC offers to wait for.
func (k *KDC) waitReady() error {
	limit := time.NewTimer(startTimeout)
	defer limit.Stop()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.done:
			return fmt.Errorf("the KDC ended: %s", k.Log())
		case <-limit.C:
			return errors.Join(fmt.Errorf("the KDC does not listen on %s: %s", k.addr, k.Log()), k.Stop())
		case <-tick.C:
		}
		if c, err := net.Dial("tcp", k.addr); err == nil {
			return c.Close()
		}
	}
}

func (k *KDC) file(name string) string { return filepath.Join(k.dir, name) }

// configure writes the two configuration files. No name is looked up in the network.
func (k *KDC) configure() error {
	krb5 := fmt.Sprintf(`[libdefaults]
  default_realm = %[1]s
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  rdns = false
  udp_preference_limit = 1
  allow_weak_crypto = true
  permitted_enctypes = aes256-cts aes128-cts aes256-sha2 aes128-sha2 arcfour-hmac
[realms]
  %[1]s = {
    kdc = tcp/%[2]s
    kdc = %[2]s
  }
[domain_realm]
  localhost = %[1]s
[logging]
  kdc = FILE:%[3]s/kdc.log
  default = FILE:%[3]s/kdc.log
`, Realm, k.addr, k.dir)
	profile := fmt.Sprintf(`[kdcdefaults]
  kdc_listen = %[2]s
  kdc_tcp_listen = %[2]s
[realms]
  %[1]s = {
    database_name = %[3]s/principal
    key_stash_file = %[3]s/stash
    acl_file = %[3]s/acl
    supported_enctypes = aes256-cts:normal aes128-cts:normal aes256-sha2:normal aes128-sha2:normal arcfour-hmac:normal
  }
`, Realm, k.addr, k.dir)
	return errors.Join(
		os.WriteFile(k.file("krb5.conf"), []byte(krb5), 0o600),
		os.WriteFile(k.file("kdc.conf"), []byte(profile), 0o600))
}

// Env is the variables by which programs find the KDC, and their tickets in the file
// cache, which may be empty.
func (k *KDC) Env(cache string) []string {
	env := []string{"KRB5_CONFIG=" + k.file("krb5.conf"), "KRB5_KDC_PROFILE=" + k.file("kdc.conf"), "LC_ALL=C.UTF-8"}
	if cache != "" {
		env = append(env, "KRB5CCNAME=FILE:"+cache)
	}
	return env
}

// Run runs one of Commands with stdin for this KDC and returns what it says.
func (k *KDC) Run(stdin, name string, args ...string) (string, error) {
	return k.runWith("", stdin, name, args...)
}

func (k *KDC) runWith(cache, stdin, name string, args ...string) (string, error) {
	path, err := look(name)
	if err != nil {
		return "", err
	}
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), k.Env(cache)...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// AddUser adds a principal with a password.
func (k *KDC) AddUser(name, password string) error {
	_, err := k.Run("", "kadmin.local", "addprinc", "-pw", password, name)
	return err
}

// AddService adds a principal with random keys, of some encryption types or of all.
func (k *KDC) AddService(name string, encTypes ...string) error {
	args := []string{"addprinc", "-randkey"}
	if len(encTypes) > 0 {
		args = append(args, "-e", salted(encTypes))
	}
	_, err := k.Run("", "kadmin.local", append(args, name)...)
	return err
}

// NewKeys gives a service new keys: tickets of the old ones are of no use any more.
func (k *KDC) NewKeys(name string, encTypes ...string) error {
	args := []string{"cpw", "-randkey"}
	if len(encTypes) > 0 {
		args = append(args, "-e", salted(encTypes))
	}
	_, err := k.Run("", "kadmin.local", append(args, name)...)
	return err
}

// salted is a list of encryption types as kadmin wants it.
func salted(encTypes []string) string { return strings.Join(encTypes, ":normal,") + ":normal" }

// Keytab writes the keys of a service to path, in place of what is there.
func (k *KDC) Keytab(path, name string) error {
	fresh := path + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if _, err := k.Run("", "kadmin.local", "ktadd", "-k", fresh, "-norandkey", name); err != nil {
		return err
	}
	return os.Rename(fresh, path)
}

// Login gets a ticket for a user into the file cache; args are more arguments of
// kinit.
func (k *KDC) Login(cache, name, password string, args ...string) error {
	_, err := k.runWith(cache, password+"\n", "kinit", append(args, name)...)
	return err
}

// Ticket gets a ticket for a service into the cache; args are more arguments of kvno.
func (k *KDC) Ticket(cache, service string, args ...string) error {
	_, err := k.runWith(cache, "", "kvno", append(args, service)...)
	return err
}

// Log is what the KDC has logged.
func (k *KDC) Log() string {
	out, _ := os.ReadFile(k.file("kdc.out"))
	log, _ := os.ReadFile(k.file("kdc.log"))
	return string(out) + string(log)
}

// Stop ends the KDC.
func (k *KDC) Stop() error {
	if err := k.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-k.done
	return nil
}
