package smb

import (
	"context"

	"lessor/vfs"
)

// keepTimes returns the change that gives a file its times back after data was
// changed through this open: those that the client has taken over, so that they
// do not move by themselves any more (MS-FSA 2.1.4.17, Open.UserSet...Time). Its
// Mask is 0 if there are none, which costs no look at the file.
func (o *open) keepTimes(ctx context.Context) (vfs.SetAttr, error) {
	o.mu.Lock()
	frozen := o.frozen
	o.mu.Unlock()
	frozen &= vfs.SetAccess | vfs.SetModify | vfs.SetChange
	if frozen == 0 {
		return vfs.SetAttr{}, nil
	}
	o.hidesChanges()
	at, err := o.attr(ctx)
	if err != nil {
		return vfs.SetAttr{}, err
	}
	return vfs.SetAttr{Mask: frozen, Access: at.Access, Modify: at.Modify, Change: at.Change}, nil
}

// restoreTimes carries out what keepTimes has returned.
func (o *open) restoreTimes(ctx context.Context, keep vfs.SetAttr) error {
	defer o.hidesChanges()
	return o.grip.node.SetAttr(ctx, o.cred(), &keep)
}
