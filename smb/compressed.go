package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
	"lessor/vfs"
)

// Compression of files by the storage (MS-FSA 2.1.5.10.9, .35). Where there is none,
// nothing is compressed, and that can be asked and set.

// What NTFS says of the units of its compression, as powers of two, and its only format.
const (
	compressionUnitShift    = 16
	compressionChunkShift   = 12
	compressionClusterShift = 12
)

// compressionFormat is how a file is compressed, in the terms of NTFS.
func compressionFormat(at *vfs.Attr) uint16 {
	if at.Compressed {
		return wire.CompressionFormatLZNT1
	}
	return wire.CompressionFormatNone
}

// compression is FileCompressionInformation.
func compression(at *vfs.Attr) wire.FileCompressionInformation {
	info := wire.FileCompressionInformation{CompressedFileSize: allocationSize(at), CompressionFormat: compressionFormat(at)}
	if at.Compressed {
		info.CompressionUnitShift = compressionUnitShift
		info.ChunkShift, info.ClusterShift = compressionChunkShift, compressionClusterShift
	}
	return info
}

// getCompression carries out FSCTL_GET_COMPRESSION.
func (r *request) getCompression(o *open, c *control) error {
	if c.room < 2 {
		return ntstatus.InvalidParameter
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	c.answer(&wire.CompressionState{CompressionFormat: compressionFormat(&at)})
	return nil
}

// setCompression carries out FSCTL_SET_COMPRESSION. It is the file that is compressed,
// with all of its streams.
func (r *request) setCompression(o *open, c *control) error {
	if err := o.can(wire.AccessWriteData); err != nil {
		return err
	}
	var q wire.CompressionState
	if err := q.Decode(c.in); err != nil {
		return ntstatus.InvalidParameter
	}
	able := o.share().caps.Has(vfs.CapCompression)
	switch q.CompressionFormat {
	case wire.CompressionFormatNone:
		if !able {
			return nil // so it is already
		}
	case wire.CompressionFormatDefault, wire.CompressionFormatLZNT1:
		if !able {
			return ntstatus.NotSupported
		}
	default:
		return ntstatus.InvalidParameter
	}
	set := vfs.SetAttr{Mask: vfs.SetCompressed, Compressed: q.CompressionFormat != wire.CompressionFormatNone}
	if err := o.grip.base.SetAttr(r.ctx(), o.cred(), &set); err != nil {
		return err
	}
	o.touched(vfs.FilterAttributes)
	return nil
}

// keepPlain keeps a new file from being compressed like its directory, if the client
// wants that (FILE_NO_COMPRESSION, MS-FSA 2.1.5.1.1).
func (r *request) keepPlain(c *creation, res *created) error {
	if c.q.CreateOptions&wire.OptionNoCompression == 0 || !r.tree.share.caps.Has(vfs.CapCompression) {
		return nil
	}
	return res.base.SetAttr(r.ctx(), r.cred(), &vfs.SetAttr{Mask: vfs.SetCompressed})
}
