// Package kernel tests the server with the SMB client of the Linux kernel: it
// boots a Debian kernel in qemu, without root and without kvm if need be, and has
// it mount a share of this machine at every dialect, plain and sealed. It knows
// how to make a bootable image and how to talk to the guest; the cases themselves
// are the shell script guest/cases.
//
// # Objects
//
//	Image    a kernel and an initramfs: busybox and the modules of the client
//	         (cifs, its ciphers, the virtual network card), from Debian packages
//	Guest    one boot of an Image, with the cases and the share's address on top
//	Result   verdict, seconds and reason of one case
//
// # How host and guest talk
//
// The guest's second serial line is qemu's standard output. On it the guest
// writes lines, and nothing goes the other way:
//
//	START <TAB> case
//	RESULT <TAB> case <TAB> pass|fail <TAB> seconds <TAB> reason
//	DONE
//
// A guest that says nothing for too long is ended, and the case that it was in
// has failed. The first serial line is the kernel's console, kept as a file. The
// guest reaches 127.0.0.1 of this machine as 10.0.2.2, by qemu's own network.
//
// # Goroutines
//
// One reads the lines of a guest into a channel and ends with the guest.
//
// # Use
//
//	go run ./test/kernel/run              or: make test-kernel
//	go run ./test/kernel/run -deb linux-image-6.12.95+deb12-cloud-amd64_6.12.95-1_amd64.deb
package kernel
