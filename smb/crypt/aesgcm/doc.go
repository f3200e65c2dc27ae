// Package aesgcm is AES-GCM (NIST SP 800-38D) with nonces of 12 bytes and tags
// of 16, for processors with AVX-512, VAES and VPCLMULQDQ.
//
// # Theory
//
// The standard library's GCM works on one block of 16 bytes in each
// instruction. Processors since Ice Lake and Zen 4 take four, and messages of SMB
// are up to a megabyte long, so that signing by GMAC is what a signed READ costs
// most. This package has what makes the difference and nothing else: counter mode
// and GHASH over groups of 256 bytes in assembly, the rest of GCM around them in Go.
// [New] says whether the processor can do it; who gets nil uses the standard library,
// whose results are the same, byte for byte.
//
// Counter mode encrypts 16 blocks at a time. GHASH multiplies 16 blocks with the
// powers H^16 to H^1 and reduces the sum once. What is left at the end is padded
// to a group: with zeros in front for GHASH (they add nothing, as what was hashed
// so far is added to the first block that is not one of them), with zeros behind for
// counter mode.
// Both go through a message in pieces that stay in the first-level cache.
//
// No branch and no address depends on a secret: the AES instructions have no
// tables, key expansion uses them too, and tags are compared in constant time. A
// message whose tag is wrong is cleared, not returned.
//
// # What it must not know
//
// SMB. Nonces are the caller's business.
package aesgcm
