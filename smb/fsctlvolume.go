package smb

import (
	"math"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// Control codes about the volume, and about how a file lies on it (MS-FSA 2.1.5.10.8,
// .22).

// recordSize is BytesPerFileRecordSegment of every NTFS volume.
const recordSize = 1024

// ntfsVolumeData carries out FSCTL_GET_NTFS_VOLUME_DATA, from which programs take the
// size of a cluster. There is no master file table, so all that is about it is 0.
func (r *request) ntfsVolumeData(o *open, c *control) error {
	if c.room < wire.NtfsVolumeDataSize {
		return ntstatus.BufferTooSmall
	}
	fs, err := o.share().FS.Info(r.ctx())
	if err != nil {
		return err
	}
	sectors, sector := units(&fs)
	c.answer(&wire.NtfsVolumeData{
		VolumeSerialNumber: o.share().volume,
		NumberSectors:      fs.Blocks * uint64(sectors),
		TotalClusters:      fs.Blocks, FreeClusters: fs.Avail,
		BytesPerSector: sector, BytesPerCluster: fs.BlockSize,
		BytesPerFileRecordSegment: recordSize,
	})
	return nil
}

// volumeOnly answers what can only be asked of the volume itself, which nobody can open
// over the network.
func (r *request) volumeOnly(*open, *control) error { return ntstatus.InvalidParameter }

// volumeMounted carries out FSCTL_IS_VOLUME_MOUNTED.
func (r *request) volumeMounted(*open, *control) error { return nil }

// fileRegions carries out FSCTL_QUERY_FILE_REGIONS: all of a file up to its end is valid
// data.
func (r *request) fileRegions(o *open, c *control) error {
	if o.grip.dir {
		return ntstatus.InvalidParameter
	}
	q := wire.FileRegionInput{Length: math.MaxInt64, DesiredUsage: wire.RegionValidCachedData}
	if len(c.in) > 0 {
		if err := q.Decode(c.in); err != nil {
			return ntstatus.BufferTooSmall
		}
	}
	const usages = wire.RegionValidCachedData | wire.RegionValidNoncachedData
	switch {
	case q.FileOffset < 0, q.Length < 0, len(c.in) > 0 && q.Length > math.MaxInt64-q.FileOffset, q.DesiredUsage&usages == 0:
		return ntstatus.InvalidParameter
	case c.room < wire.FileRegionOutputSize:
		return ntstatus.BufferTooSmall
	}
	at, err := o.attr(r.ctx())
	if err != nil {
		return err
	}
	n := max(min(q.Length, at.Size-q.FileOffset), 0)
	c.answer(&wire.FileRegionOutput{FileOffset: q.FileOffset, Length: n, Usage: q.DesiredUsage & usages})
	return nil
}
