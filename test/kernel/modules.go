package kernel

import (
	"bytes"
	"debug/elf"
	"fmt"
	"os/exec"
	"path"
	"strings"
)

// wanted are the modules that the guest needs. Those that a kernel does not have
// are part of it, or the cases will tell.
var wanted = []string{
	"virtio_pci", "virtio_net", "virtio_rng",
	"hmac", "md5", "sha256_generic", "sha512_generic", "cmac", "ccm", "gcm", "ctr", "ecb",
	"aes_generic", "aesni_intel", "ghash_generic", "nls_utf8", "cifs",
}

// modules are the kernel modules of a package by name, as they are in it: ELF, or
// ELF in xz.
type modules map[string][]byte

// moduleName is the name of a module by its file: cmac for kernel/crypto/cmac.ko.xz.
// It is empty for other files.
func moduleName(file string) string {
	name, found := strings.CutSuffix(strings.TrimSuffix(path.Base(file), ".xz"), ".ko")
	if !found {
		return ""
	}
	return strings.ReplaceAll(name, "-", "_")
}

// module is one module, ready to be loaded.
type module struct {
	name string
	elf  []byte
}

// inOrder returns the modules of that names and those that they depend on, which
// come first.
func (m modules) inOrder(names []string) ([]module, error) {
	var order []module
	seen := map[string]bool{}
	var visit func(name string) error
	visit = func(name string) error {
		raw, there := m[name]
		if !there || seen[name] {
			return nil
		}
		seen[name] = true
		image, err := unpacked(raw)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		needs, err := depends(image)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for _, n := range needs {
			if err := visit(n); err != nil {
				return err
			}
		}
		order = append(order, module{name, image})
		return nil
	}
	for _, name := range names {
		if err := visit(name); err != nil {
			return nil, err
		}
	}
	return order, nil
}

// unpacked undoes xz.
func unpacked(raw []byte) ([]byte, error) {
	if !bytes.HasPrefix(raw, []byte("\xfd7zXZ\x00")) {
		return raw, nil
	}
	cmd := exec.Command("xz", "-dc")
	cmd.Stdin = bytes.NewReader(raw)
	return cmd.Output()
}

// depends reads which modules a module needs, from its section .modinfo: strings
// key=value, each ended by NUL.
func depends(image []byte) ([]string, error) {
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return nil, err
	}
	section := file.Section(".modinfo")
	if section == nil {
		return nil, fmt.Errorf("no .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	return dependsOf(info), nil
}

func dependsOf(info []byte) []string {
	var names []string
	for field := range bytes.SplitSeq(info, []byte{0}) {
		list, found := bytes.CutPrefix(field, []byte("depends="))
		if !found {
			continue
		}
		for name := range strings.SplitSeq(string(list), ",") {
			if name != "" {
				names = append(names, strings.ReplaceAll(name, "-", "_"))
			}
		}
	}
	return names
}
