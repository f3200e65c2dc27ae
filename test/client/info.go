package client

import (
	"context"
	"fmt"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// infoSize is the room that QueryInfo offers by default.
const infoSize = 65536

func isEndOfFile(err error) bool { return err == ntstatus.EndOfFile }

// QueryInfo asks for information with at most size bytes of output. With
// BufferOverflow what was cut is returned with the error.
func (f *File) QueryInfo(ctx context.Context, infoType, class uint8, size int) ([]byte, error) {
	return f.QueryInfoWith(ctx, &wire.QueryInfoRequest{
		InfoType: infoType, FileInfoClass: class, OutputBufferLength: uint32(size),
	})
}

// QueryInfoWith is QueryInfo with every field of the request. The FileID is set.
func (f *File) QueryInfoWith(ctx context.Context, q *wire.QueryInfoRequest) ([]byte, error) {
	q.FileID = f.ID
	var m wire.QueryInfoResponse
	err := f.do(ctx, q, &m)
	if uint32(len(m.Buffer)) > q.OutputBufferLength {
		return nil, violation("QUERY_INFO answered with %d bytes of %d", len(m.Buffer), q.OutputBufferLength)
	}
	return m.Buffer, err
}

// Query asks for a file information class and decodes it into v.
func (f *File) Query(ctx context.Context, class uint8, v Decoder) error {
	return f.query(ctx, wire.InfoTypeFile, class, v)
}

// QueryFS asks for a file system information class and decodes it into v.
func (f *File) QueryFS(ctx context.Context, class uint8, v Decoder) error {
	return f.query(ctx, wire.InfoTypeFileSystem, class, v)
}

func (f *File) query(ctx context.Context, infoType, class uint8, v Decoder) error {
	b, err := f.QueryInfo(ctx, infoType, class, infoSize)
	if err != nil {
		return err
	}
	if err := v.Decode(b); err != nil {
		return fmt.Errorf("%w: information class %d of type %d: %w", ErrProtocol, class, infoType, err)
	}
	return nil
}

// Security reads the parts of the security descriptor that the bits of
// wire.OwnerSecurityInformation and its siblings name.
func (f *File) Security(ctx context.Context, parts uint32) ([]byte, error) {
	return f.QueryInfoWith(ctx, &wire.QueryInfoRequest{
		InfoType: wire.InfoTypeSecurity, OutputBufferLength: infoSize, AdditionalInformation: parts,
	})
}

// SetSecurity writes parts of the security descriptor.
func (f *File) SetSecurity(ctx context.Context, parts uint32, descriptor []byte) error {
	return f.SetInfoWith(ctx, &wire.SetInfoRequest{
		InfoType: wire.InfoTypeSecurity, AdditionalInformation: parts, Buffer: descriptor,
	})
}

// Set writes a file information class.
func (f *File) Set(ctx context.Context, class uint8, v wire.Appender) error {
	_, err := f.StartSet(class, v).Wait(ctx)
	return err
}

// StartSet is Set without waiting.
func (f *File) StartSet(class uint8, v wire.Appender) *Call[struct{}] {
	r := f.Request(&wire.SetInfoRequest{
		InfoType: wire.InfoTypeFile, FileInfoClass: class, Buffer: v.Append(nil), FileID: f.ID,
	})
	return call(f.Tree.Session, r, plain(&wire.SetInfoResponse{}))
}

// SetInfoWith sends a SET_INFO with every field of the request. The FileID is set.
func (f *File) SetInfoWith(ctx context.Context, m *wire.SetInfoRequest) error {
	m.FileID = f.ID
	return f.do(ctx, m, &wire.SetInfoResponse{})
}

// Basic and Standard are the two classes that tests want most.
func (f *File) Basic(ctx context.Context) (v wire.FileBasicInformation, err error) {
	err = f.Query(ctx, wire.FileInfoBasic, &v)
	return v, err
}

// Standard asks for FileStandardInformation.
func (f *File) Standard(ctx context.Context) (v wire.FileStandardInformation, err error) {
	err = f.Query(ctx, wire.FileInfoStandard, &v)
	return v, err
}

// Truncate sets the end of the file.
func (f *File) Truncate(ctx context.Context, size int64) error {
	return f.Set(ctx, wire.FileInfoEndOfFile, &wire.FileEndOfFileInformation{EndOfFile: size})
}

// SetDelete marks the file for deletion on its last close, or takes the mark away.
func (f *File) SetDelete(ctx context.Context, on bool) error {
	return f.Set(ctx, wire.FileInfoDisposition, &wire.FileDispositionInformation{DeletePending: on})
}

// Delete marks the file for deletion and closes it.
func (f *File) Delete(ctx context.Context) error {
	if err := f.SetDelete(ctx, true); err != nil {
		return err
	}
	return f.Close(ctx)
}

// Rename gives the file a new name, relative to the share.
func (f *File) Rename(ctx context.Context, to string, replace bool) error {
	return f.Set(ctx, wire.FileInfoRename, &wire.FileRenameInformation{ReplaceIfExists: replace, FileName: to})
}

// Link makes a hard link, relative to the share.
func (f *File) Link(ctx context.Context, to string, replace bool) error {
	return f.Set(ctx, wire.FileInfoLink, &wire.FileLinkInformation{ReplaceIfExists: replace, FileName: to})
}
