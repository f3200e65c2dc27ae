package client

import (
	"context"

	"lessor/smb/ntstatus"
	"lessor/smb/wire"
)

// WriteFile creates or replaces a file.
func (t *Tree) WriteFile(ctx context.Context, name string, data []byte) error {
	f, err := t.Create(ctx, CreateArgs{
		Name: name, Access: ReadWrite, Disposition: OverwriteIf, Options: wire.OptionNonDirectoryFile,
	})
	if err != nil {
		return err
	}
	if err := f.WriteAll(ctx, 0, data); err != nil {
		_ = f.Close(ctx)
		return err
	}
	return f.Close(ctx)
}

// ReadFile reads a whole file.
func (t *Tree) ReadFile(ctx context.Context, name string) ([]byte, error) {
	f, err := t.Create(ctx, CreateArgs{
		Name: name, Access: ReadAccess, Disposition: Open, Options: wire.OptionNonDirectoryFile,
	})
	if err != nil {
		return nil, err
	}
	data, err := f.ReadAll(ctx)
	if err != nil {
		_ = f.Close(ctx)
		return nil, err
	}
	return data, f.Close(ctx)
}

// Mkdir makes a directory, which must not exist.
func (t *Tree) Mkdir(ctx context.Context, name string) error {
	f, err := t.Create(ctx, CreateArgs{Name: name, Directory: true, Disposition: Create})
	if err != nil {
		return err
	}
	return f.Close(ctx)
}

// ReadDir lists a directory.
func (t *Tree) ReadDir(ctx context.Context, name string) ([]wire.DirEntry, error) {
	f, err := t.Create(ctx, CreateArgs{Name: name, Directory: true, Access: ListDirectory, Disposition: Open})
	if err != nil {
		return nil, err
	}
	list, err := f.List(ctx, "*")
	if err != nil {
		_ = f.Close(ctx)
		return nil, err
	}
	return list, f.Close(ctx)
}

// Remove deletes a file or an empty directory.
func (t *Tree) Remove(ctx context.Context, name string) error {
	f, err := t.Create(ctx, CreateArgs{
		Name: name, Access: DeleteAccess, Disposition: Open, Options: wire.OptionOpenReparsePoint,
	})
	if err != nil {
		return err
	}
	if err := f.SetDelete(ctx, true); err != nil {
		_ = f.Close(ctx)
		return err
	}
	return f.Close(ctx)
}

// RemoveAll deletes name and what is below it. What does not exist is no error.
func (t *Tree) RemoveAll(ctx context.Context, name string) error {
	err := t.Remove(ctx, name)
	if err == ntstatus.DirectoryNotEmpty {
		list, err := t.ReadDir(ctx, name)
		if err != nil {
			return err
		}
		for _, e := range list {
			if err := t.RemoveAll(ctx, name+`\`+e.FileName); err != nil {
				return err
			}
		}
		return t.Remove(ctx, name)
	}
	if err == ntstatus.ObjectNameNotFound || err == ntstatus.ObjectPathNotFound {
		return nil
	}
	return err
}

// RenameFile gives a file or directory a new name.
func (t *Tree) RenameFile(ctx context.Context, from, to string, replace bool) error {
	f, err := t.Create(ctx, CreateArgs{Name: from, Access: DeleteAccess, Disposition: Open})
	if err != nil {
		return err
	}
	if err := f.Rename(ctx, to, replace); err != nil {
		_ = f.Close(ctx)
		return err
	}
	return f.Close(ctx)
}

// Stat asks for the attributes of a file with one compound: CREATE, QUERY_INFO and
// CLOSE.
func (t *Tree) Stat(ctx context.Context, name string) (wire.FileNetworkOpenInformation, error) {
	var v wire.FileNetworkOpenInformation
	a := CreateArgs{Name: name, Access: AttributesOnly, Disposition: Open}
	resps, err := t.Session.Conn.DoCompound(ctx, true,
		t.Request(a.Body(t.Session.Conn.Dialect())),
		t.Request(&wire.QueryInfoRequest{
			InfoType:           wire.InfoTypeFile,
			FileInfoClass:      wire.FileInfoNetworkOpen,
			OutputBufferLength: 56,
			FileID:             wire.RelatedFileID,
		}),
		t.Request(&wire.CloseRequest{FileID: wire.RelatedFileID}))
	if err != nil {
		return v, err
	}
	if _, err := t.Opened(a, resps[0]); err != nil {
		return v, err
	}
	var m wire.QueryInfoResponse
	if err := resps[1].Decode(&m); err != nil {
		return v, err
	}
	if err := v.Decode(m.Buffer); err != nil {
		return v, violation("FileNetworkOpenInformation of %d bytes", len(m.Buffer))
	}
	return v, resps[2].Decode(&wire.CloseResponse{})
}
