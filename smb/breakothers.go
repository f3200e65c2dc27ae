package smb

import (
	"errors"

	"lessor/locking"
)

// breakOthers ends the caching of others that does not go together with what
// cause says, and waits for it where that must be over first (MS-FSA 2.1.4.12).
// It is called before the change is made.
func (r *request) breakOthers(o *open, cause locking.Cause) error {
	for {
		err := o.lock.Break(cause)
		if err == nil {
			return nil
		}
		var b *locking.Blocked
		if !errors.As(err, &b) {
			return err
		}
		if err := r.awaitBreak(b); err != nil {
			return err
		}
	}
}
