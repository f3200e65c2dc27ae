package wire

// PosixCreateRequest is the create context TagPosix as a client sends it: the
// permission bits of a new file, and the wish for POSIX semantics of the open.
// The POSIX extensions of SMB 3.1.1 are described by Samba's project, not by
// MS-SMB2.
type PosixCreateRequest struct {
	// Mode has the permission bits, with the numbers of POSIX.
	Mode uint32
}

// Decode reads the data of a context.
func (c *PosixCreateRequest) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Mode = r.U32()
	return r.end()
}

// Append appends the data of the context.
func (c *PosixCreateRequest) Append(dst []byte) []byte { return AppendU32(dst, c.Mode) }

// PosixCreateResponse is the create context TagPosix as the server sends it.
// The same layout ends the POSIX file information.
type PosixCreateResponse struct {
	Links      uint32
	ReparseTag uint32
	Mode       uint32
	// Owner and Group are SIDs in binary form (MS-DTYP 2.4.2.2), valid ones.
	Owner []byte
	Group []byte
}

// Decode reads the data of a context. The SIDs alias it.
func (c *PosixCreateResponse) Decode(data []byte) error {
	r := NewReader(data, 0)
	c.Links = r.U32()
	c.ReparseTag = r.U32()
	c.Mode = r.U32()
	c.Owner = r.SID()
	c.Group = r.SID()
	return r.end()
}

// Append appends the data of the context.
func (c *PosixCreateResponse) Append(dst []byte) []byte {
	dst = AppendU32(dst, c.Links)
	dst = AppendU32(dst, c.ReparseTag)
	dst = AppendU32(dst, c.Mode)
	dst = append(dst, c.Owner...)
	return append(dst, c.Group...)
}

// SID returns the bytes of the SID that comes next, aliasing the message. It
// checks revision and length only (MS-DTYP 2.4.2.2).
func (r *Reader) SID() []byte {
	const fixed, maxSubAuthorities = 8, 15
	rest := r.b[r.off:]
	if len(rest) < fixed {
		r.Fail(ErrTruncated)
		return nil
	}
	if rest[0] != 1 || rest[1] > maxSubAuthorities {
		r.Fail(ErrMalformed)
		return nil
	}
	return r.take(fixed + 4*int(rest[1]))
}
