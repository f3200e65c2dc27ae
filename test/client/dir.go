package client

import (
	"context"
	"fmt"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// DirQuery says what to list. The zero value asks for everything from where the scan
// stands.
type DirQuery struct {
	// Pattern is "*" if empty.
	Pattern string
	// Class is FileInfoIDBothDirectory if 0.
	Class uint8
	// Flags are bits of wire.QueryDirectoryRestartScans and its siblings.
	Flags uint8
	// Size is the room for the reply in bytes, 64 KiB if 0.
	Size int
}

// QueryDirectory asks once. At the end of the scan the error is NoMoreFiles, and
// NoSuchFile if there was nothing from the start.
func (f *File) QueryDirectory(ctx context.Context, q DirQuery) ([]wire.DirEntry, error) {
	if q.Pattern == "" {
		q.Pattern = "*"
	}
	if q.Class == 0 {
		q.Class = wire.FileInfoIDBothDirectory
	}
	if q.Size == 0 {
		q.Size = infoSize
	}
	var m wire.QueryDirectoryResponse
	if err := f.do(ctx, &wire.QueryDirectoryRequest{
		FileInformationClass: q.Class,
		Flags:                q.Flags,
		FileID:               f.ID,
		FileName:             q.Pattern,
		OutputBufferLength:   uint32(q.Size),
	}, &m); err != nil {
		return nil, err
	}
	if len(m.Buffer) > q.Size {
		return nil, violation("QUERY_DIRECTORY answered with %d bytes of %d", len(m.Buffer), q.Size)
	}
	list, err := wire.DecodeDirEntries(m.Buffer, q.Class)
	if err != nil {
		return nil, fmt.Errorf("%w: QUERY_DIRECTORY: %w", ErrProtocol, err)
	}
	return list, nil
}

// List lists the directory from its beginning, "." and ".." left out. Nothing that
// matches is an empty list.
func (f *File) List(ctx context.Context, pattern string) ([]wire.DirEntry, error) {
	q := DirQuery{Pattern: pattern, Flags: wire.QueryDirectoryRestartScans}
	var all []wire.DirEntry
	for {
		list, err := f.QueryDirectory(ctx, q)
		if err == ntstatus.NoMoreFiles || err == ntstatus.NoSuchFile {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		for _, e := range list {
			if e.FileName != "." && e.FileName != ".." {
				all = append(all, e)
			}
		}
		q.Flags = 0
	}
}

// ChangeNotify waits for changes in the directory, and below it with tree. The error
// NotifyEnumDir says that there were too many to tell, NotifyCleanup that the
// directory was closed.
func (f *File) ChangeNotify(ctx context.Context, filter uint32, tree bool) ([]wire.FileNotifyInformation, error) {
	return f.StartChangeNotify(filter, tree).Wait(ctx)
}

// StartChangeNotify is ChangeNotify without waiting.
func (f *File) StartChangeNotify(filter uint32, tree bool) *Call[[]wire.FileNotifyInformation] {
	m := &wire.ChangeNotifyRequest{FileID: f.ID, CompletionFilter: filter, OutputBufferLength: infoSize}
	if tree {
		m.Flags = wire.ChangeNotifyWatchTree
	}
	return f.StartChangeNotifyWith(m)
}

// StartChangeNotifyWith is StartChangeNotify with every field of the request. The
// FileID is set.
func (f *File) StartChangeNotifyWith(m *wire.ChangeNotifyRequest) *Call[[]wire.FileNotifyInformation] {
	m.FileID = f.ID
	return call(f.Tree.Session, f.Request(m), func(resp *Response) ([]wire.FileNotifyInformation, error) {
		var out wire.ChangeNotifyResponse
		if err := resp.Decode(&out); err != nil {
			return nil, err
		}
		list, err := wire.DecodeNotify(out.Buffer)
		if err != nil {
			return nil, fmt.Errorf("%w: CHANGE_NOTIFY: %w", ErrProtocol, err)
		}
		return list, nil
	})
}
