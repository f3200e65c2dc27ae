package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// control is an IOCTL at work.
type control struct {
	code uint32
	id   wire.FileID // of the reply
	in   []byte      // aliases the message
	// room is how many bytes of output the client takes.
	room int
	r    *request
}

// begin appends the part of the reply before the output, which the handler
// appends to r.out.b; finish must be called then. size is how many bytes are to
// be expected.
func (c *control) begin(size int) {
	o := c.r.out
	o.reserve(ioctlHeaderSize + size)
	o.b = wire.AppendIoctlResponseHeader(o.b, c.code, c.id)
}

// finish sets the length of the output.
func (c *control) finish() {
	body := c.r.out.body()
	wire.PatchIoctlResponse(body, len(body)-ioctlHeaderSize)
}

// out makes the reply of bytes.
func (c *control) out(b []byte) {
	c.begin(len(b))
	c.r.out.b = append(c.r.out.b, b...)
	c.finish()
}

// answer makes the reply of a structure.
func (c *control) answer(a wire.Appender) {
	c.begin(0)
	c.r.out.b = a.Append(c.r.out.b)
	c.finish()
}

// ioctlHeaderSize is the length of the body of a reply before its output.
const ioctlHeaderSize = 48

// target says what an FSCTL is applied to.
type target uint8

const (
	onNothing target = iota // no open: the FileId has all bits set
	onFile                  // a file, a stream or a directory
	onPipe                  // a named pipe
)

// fsctl is a row of the table of control codes.
type fsctl struct {
	on  target
	run func(*request, *open, *control) error
}

// fsctls is the table of control codes; what is not in it is not carried out.
var fsctls = map[uint32]fsctl{
	wire.FsctlDfsGetReferrals:           {onNothing, (*request).noReferrals},
	wire.FsctlDfsGetReferralsEx:         {onNothing, (*request).noReferrals},
	wire.FsctlValidateNegotiateInfo:     {onNothing, (*request).validateNegotiate},
	wire.FsctlQueryNetworkInterfaceInfo: {onNothing, (*request).networkInterfaces},

	wire.FsctlPipeWait:       {onNothing, (*request).pipeWait},
	wire.FsctlPipeTransceive: {onPipe, (*request).pipeTransceive},
	wire.FsctlPipePeek:       {onPipe, (*request).pipePeek},

	wire.FsctlSrvEnumerateSnapshots:    {onFile, (*request).snapshots},
	wire.FsctlSrvRequestResumeKey:      {onFile, (*request).requestResumeKey},
	wire.FsctlSrvCopychunk:             {onFile, (*request).copyChunkRead},
	wire.FsctlSrvCopychunkWrite:        {onFile, (*request).copyChunkWrite},
	wire.FsctlDuplicateExtentsToFile:   {onFile, (*request).duplicateExtents},
	wire.FsctlDuplicateExtentsToFileEx: {onFile, (*request).duplicateExtentsEx},
	wire.FsctlLmrRequestResiliency:     {onFile, (*request).requestResiliency},

	wire.FsctlGetCompression:       {onFile, (*request).getCompression},
	wire.FsctlSetCompression:       {onFile, (*request).setCompression},
	wire.FsctlSetSparse:            {onFile, (*request).setSparse},
	wire.FsctlSetZeroData:          {onFile, (*request).setZeroData},
	wire.FsctlQueryAllocatedRanges: {onFile, (*request).allocatedRanges},
	wire.FsctlFileLevelTrim:        {onFile, (*request).fileLevelTrim},
	wire.FsctlGetReparsePoint:      {onFile, (*request).getReparsePoint},
	wire.FsctlSetReparsePoint:      {onFile, (*request).setReparsePoint},
	wire.FsctlDeleteReparsePoint:   {onFile, (*request).deleteReparsePoint},
	wire.FsctlOffloadRead:          {onFile, (*request).offloadRead},
	wire.FsctlOffloadWrite:         {onFile, (*request).offloadWrite},
	wire.FsctlCreateOrGetObjectID:  {onFile, (*request).createOrGetObjectID},
	wire.FsctlGetObjectID:          {onFile, (*request).getObjectID},
	wire.FsctlSetObjectID:          {onFile, (*request).setObjectID},
	wire.FsctlSetObjectIDExtended:  {onFile, (*request).setObjectIDExtended},
	wire.FsctlDeleteObjectID:       {onFile, (*request).deleteObjectID},
	wire.FsctlGetNtfsVolumeData:    {onFile, (*request).ntfsVolumeData},
	wire.FsctlQueryFileRegions:     {onFile, (*request).fileRegions},
	wire.FsctlIsPathnameValid:      {onFile, (*request).isPathnameValid},
	wire.FsctlIsVolumeMounted:      {onFile, (*request).volumeMounted},
	wire.FsctlLockVolume:           {onFile, (*request).volumeOnly},
	wire.FsctlUnlockVolume:         {onFile, (*request).volumeOnly},
	wire.FsctlDismountVolume:       {onFile, (*request).volumeOnly},
	wire.FsctlMarkVolumeDirty:      {onFile, (*request).volumeOnly},
	wire.FsctlIsVolumeDirty:        {onFile, (*request).volumeOnly},
	wire.FsctlGetVolumeBitmap:      {onFile, (*request).volumeOnly},
	wire.FsctlAllowExtendedDasdIO:  {onFile, (*request).volumeOnly},
	wire.FsctlQueryUsnJournal:      {onFile, (*request).volumeOnly},
}

// ioctl carries out IOCTL (MS-SMB2 3.3.5.15).
func (r *request) ioctl(q *wire.IoctlRequest) error {
	if q.Flags != wire.IoctlIsFsctl {
		return ntstatus.NotSupported
	}
	limit := r.conn.neg.Load().maxTrans
	if uint32(len(q.Input)) > limit || q.MaxInputResponse > limit || q.MaxOutputResponse > limit {
		return ntstatus.InvalidParameter
	}
	if err := r.checkCharge(max(len(q.Input)+len(q.Output), int(q.MaxInputResponse)+int(q.MaxOutputResponse))); err != nil {
		return err
	}
	row, known := fsctls[q.CtlCode]
	c := &control{code: q.CtlCode, id: q.FileID, in: q.Input, room: int(q.MaxOutputResponse), r: r}
	var o *open
	if known && row.on == onNothing {
		if !q.FileID.IsRelated() {
			return ntstatus.InvalidParameter
		}
	} else {
		var err error
		if o, err = r.file(q.FileID); err != nil {
			return err
		}
		c.id = o.id
	}
	if !known || o != nil && o.isPipe() != (row.on == onPipe) {
		return ntstatus.InvalidDeviceRequest
	}
	if err := o.checkPastControl(q.CtlCode); err != nil {
		return err
	}
	if err := row.run(r, o, c); err != nil {
		return err
	}
	if len(r.out.body()) == 0 {
		c.out(nil)
	}
	return nil
}
