package smbtorture

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// imageSize is the size of the file that a file system is made in. It is sparse: what
// is not written takes no space. XFS wants 300 MB.
const imageSize = 400 << 20

// fileSystems are those that a test may ask for.
var fileSystems = map[string]bool{"btrfs": true, "xfs": true}

// mountImage makes a file system in a new file and mounts it. The error says whether
// this user or machine cannot do it (see notHere).
func mountImage(kind, image, at string) (unmount func() error, err error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("mounting %s: %w", kind, fs.ErrPermission)
	}
	mkfs := "mkfs." + kind
	for _, tool := range []string{mkfs, "mount", "umount"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: %w", errors.ErrUnsupported, err)
		}
	}
	f, err := os.Create(image)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(imageSize), f.Close()); err != nil {
		return nil, err
	}
	if out, err := exec.Command(mkfs, "-q", image).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", mkfs, err, out)
	}
	if out, err := exec.Command("mount", "-t", kind, "-o", "loop", image, at).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: mount of %s: %w: %s", errors.ErrUnsupported, kind, err, out)
	}
	return func() error {
		// Lazily: a server that was killed may not have let go yet.
		if out, err := exec.Command("umount", "--lazy", at).CombinedOutput(); err != nil {
			return fmt.Errorf("umount: %w\n%s", err, out)
		}
		return nil
	}, nil
}
