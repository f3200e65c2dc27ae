package kernel

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// kernelPackage depends on the newest kernel for virtual machines.
const kernelPackage = "linux-image-cloud-amd64"

//go:embed guest/init
var initScript []byte

// Image is what a guest boots from: files in one directory.
type Image struct {
	Kernel string // compressed kernel
	Initrd string // initramfs without the cases
	// Version is the kernel's, as in "6.1.0-56-cloud-amd64".
	Version string
}

// Build makes an image in a directory of its own below cache from Debian
// packages, or returns the one that is there. deb is the file of a kernel package;
// empty: the distribution's.
func Build(cache, deb string) (*Image, error) {
	dir := filepath.Join(cache, strings.TrimSuffix(filepath.Base(cmp.Or(deb, "stable")), ".deb"))
	img := &Image{Kernel: filepath.Join(dir, "vmlinuz"), Initrd: filepath.Join(dir, "initrd.gz")}
	versionFile := filepath.Join(dir, "version")
	if version, err := os.ReadFile(versionFile); err == nil {
		img.Version = string(version)
		return img, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	// The version is written last, so an image without it is not complete.
	_ = os.Remove(versionFile)
	var err error
	if deb == "" {
		if deb, err = downloadKernel(dir); err != nil {
			return nil, err
		}
		defer func() { _ = os.Remove(deb) }()
	}
	kernel, version, mods, err := readKernel(deb)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", deb, err)
	}
	busybox, err := readBusybox(dir)
	if err != nil {
		return nil, err
	}
	order, err := mods.inOrder(wanted)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(img.Kernel, kernel, 0o644); err != nil {
		return nil, err
	}
	if err := os.WriteFile(img.Initrd, compressed(initramfs(busybox, order)), 0o644); err != nil {
		return nil, err
	}
	img.Version = version
	return img, os.WriteFile(versionFile, []byte(version), 0o644)
}

// initramfs is the guest's file system, but for the cases.
func initramfs(busybox []byte, mods []module) []byte {
	var a archive
	for _, dir := range []string{"bin", "dev", "proc", "sys", "tmp", "mnt", "modules"} {
		a.add(dir, modeDir, nil)
	}
	a.device("dev/console", 5, 1)
	a.add("bin/busybox", modeProgram, busybox)
	a.add("bin/sh", modeLink, []byte("busybox"))
	a.add("init", modeProgram, initScript)
	var names strings.Builder
	for _, m := range mods {
		a.add("modules/"+m.name+".ko", modeFile, m.elf)
		fmt.Fprintln(&names, m.name)
	}
	a.add("modules/order", modeFile, []byte(names.String()))
	return a.bytes()
}

func compressed(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// readKernel takes the kernel and its modules out of a package.
func readKernel(deb string) (kernel []byte, version string, mods modules, err error) {
	mods = modules{}
	err = readDeb(deb, func(name string, r io.Reader) error {
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if v, found := strings.CutPrefix(name, "boot/vmlinuz-"); found {
			kernel, version = data, v
		} else if m := moduleName(name); m != "" {
			mods[m] = data
		}
		return nil
	})
	if err == nil && (kernel == nil || mods["cifs"] == nil) {
		err = errors.New("not a kernel with cifs")
	}
	return kernel, version, mods, err
}

// readBusybox returns the program from Debian's busybox-static.
func readBusybox(dir string) ([]byte, error) {
	deb, err := download(dir, "busybox-static")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(deb) }()
	var program []byte
	err = readDeb(deb, func(name string, r io.Reader) (err error) {
		if path.Base(name) == "busybox" && strings.Contains(name, "bin/") {
			program, err = io.ReadAll(r)
		}
		return err
	})
	if err == nil && program == nil {
		err = fmt.Errorf("%s holds no busybox", deb)
	}
	return program, err
}

// readDeb calls fn for each regular file of a package.
func readDeb(deb string, fn func(name string, r io.Reader) error) error {
	cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = eachFile(tar.NewReader(out), fn)
	_, _ = io.Copy(io.Discard, out)
	return errors.Join(err, cmd.Wait())
}

func eachFile(r *tar.Reader, fn func(name string, r io.Reader) error) error {
	for {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if err := fn(strings.TrimPrefix(path.Clean(h.Name), "/"), r); err != nil {
			return err
		}
	}
}

// downloadKernel fetches the package that kernelPackage depends on.
func downloadKernel(dir string) (deb string, err error) {
	name, err := kernelName()
	if err != nil || name == "" {
		// There may be no package lists yet.
		if out, err := exec.Command("apt-get", "update", "-qq").CombinedOutput(); err != nil {
			return "", fmt.Errorf("apt-get update: %w\n%s", err, out)
		}
		if name, err = kernelName(); err != nil {
			return "", err
		}
	}
	if name == "" {
		return "", fmt.Errorf("apt knows no %s", kernelPackage)
	}
	return download(dir, name)
}

func kernelName() (string, error) {
	out, err := exec.Command("apt-cache", "depends", kernelPackage).Output()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if name, found := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); found {
			return "linux-image-" + name, nil
		}
	}
	return "", nil
}

// download fetches a package into dir, without installing it, and returns its
// file.
func download(dir, name string) (string, error) {
	into, err := os.MkdirTemp(dir, "apt-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(into) }()
	cmd := exec.Command("apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", name)
	cmd.Dir = into
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("apt-get download %s: %w\n%s", name, err, out)
	}
	debs, err := filepath.Glob(filepath.Join(into, "*.deb"))
	if err != nil {
		return "", err
	}
	if len(debs) != 1 {
		return "", fmt.Errorf("apt-get download %s: got %v", name, debs)
	}
	file := filepath.Join(dir, filepath.Base(debs[0]))
	return file, os.Rename(debs[0], file)
}
