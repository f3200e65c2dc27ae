package smb

import (
	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// infoClass is a row of a table of classes of QUERY_INFO.
type infoClass struct {
	// access is what the open must have been granted, all of it (MS-SMB2
	// 3.3.5.20.1).
	access uint32
	// least is the shortest buffer that the fixed part of the structure needs,
	// padding included; below it the answer is STATUS_INFO_LENGTH_MISMATCH.
	least int
	// answer appends the structure to the reply. What exceeds the client's buffer
	// is cut afterwards, with STATUS_BUFFER_OVERFLOW. It may return a status
	// through withBody.
	answer func(*request, *open, *wire.QueryInfoRequest) error
	// file and pipe say to what kind of open the class applies.
	file, pipe bool
}

// infoTable is the classes of one InfoType. What it lacks does not exist, or not
// in this direction.
type infoTable [256]*infoClass

// tableOf makes a table that can be looked up by class.
func tableOf(rows map[uint8]infoClass) *infoTable {
	var t infoTable
	for class, row := range rows {
		t[class] = &row
	}
	return &t
}

// queryInfo carries out QUERY_INFO (MS-SMB2 3.3.5.20).
func (r *request) queryInfo(q *wire.QueryInfoRequest) error {
	most := r.conn.neg.Load().maxTrans
	if q.OutputBufferLength > most || uint64(len(q.Input)) > uint64(most) {
		return ntstatus.InvalidParameter
	}
	if err := r.checkCharge(max(int(q.OutputBufferLength), len(q.Input))); err != nil {
		return err
	}
	o, err := r.file(q.FileID)
	if err != nil {
		return err
	}
	r.out.b = wire.AppendBufferResponseHeader(r.out.b)
	switch q.InfoType {
	case wire.InfoTypeFile:
		return r.answerInfo(fileClasses, o, q)
	case wire.InfoTypeFileSystem:
		return r.answerInfo(fsClasses, o, q)
	case wire.InfoTypeSecurity:
		return r.querySecurity(o, q)
	case wire.InfoTypeQuota:
		return r.queryQuota(o, q)
	default:
		return ntstatus.InvalidParameter
	}
}

// answerInfo does what all classes of a table have in common.
func (r *request) answerInfo(table *infoTable, o *open, q *wire.QueryInfoRequest) error {
	row := table[q.FileInfoClass]
	switch {
	case row == nil:
		return ntstatus.InvalidInfoClass
	case row.answer == nil:
		return ntstatus.NotSupported
	case o.isPipe() && !row.pipe || !o.isPipe() && !row.file:
		return ntstatus.InvalidParameter
	case int(q.OutputBufferLength) < row.least:
		return ntstatus.InfoLengthMismatch
	}
	if err := o.can(row.access); err != nil {
		return err
	}
	start := len(r.out.b)
	err := row.answer(r, o, q)
	if err != nil && !r.keepBody {
		return err
	}
	if most := start + int(q.OutputBufferLength); len(r.out.b) > most {
		r.out.b = r.out.b[:most]
		err = r.withBody(ntstatus.BufferOverflow)
	}
	wire.PatchBufferResponse(r.out.body(), len(r.out.b)-start)
	return err
}
