package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lessor/config"
	"lessor/locking"
	"lessor/smb"
	"lessor/smb/auth"
	"lessor/smb/privileges"
	"lessor/smb/secdesc"
	"lessor/smb/statefile"
)

// Files in the state directory that tell whose SIDs are whose, and what they may.
const (
	sidFile     = "sid"     // the SID of the machine
	foreignFile = "foreign" // numbers of users of realms that tell no SIDs
	// privilegesFile is who has which privilege, if somebody has changed that.
	privilegesFile = "privileges"
)

// machineSID reads the SID of the machine, under which its users and groups are. The
// first time it is made: of the identity of the store as in earlier versions, since
// there may be access lists with such SIDs.
func machineSID(c *config.Config, store locking.LockStore) (secdesc.SID, error) {
	path := filepath.Join(c.StateDir, sidFile)
	sid, err := readMachineSID(path)
	if !errors.Is(err, fs.ErrNotExist) {
		if err != nil {
			return sid, c.Problem("state_dir", err.Error(), "restore the file; without it nobody has the rights that access lists of files give him")
		}
		return sid, nil
	}
	guid, err := store.ServerGUID()
	if err != nil {
		return sid, fmt.Errorf("lock store: %w", err)
	}
	sid = smb.MachineSIDOf(guid)
	if err := writeMachineSID(path, sid); err != nil {
		return sid, c.Problem("state_dir", err.Error(), "give a directory that the server may write to")
	}
	return sid, nil
}

func readMachineSID(path string) (secdesc.SID, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return secdesc.SID{}, err
	}
	sid, err := secdesc.ParseSID(strings.TrimSpace(string(data)))
	if err != nil || sid.Authority() != 5 || sid.Count() != 4 || sid.Sub(0) != 21 {
		return secdesc.SID{}, fmt.Errorf("%s: this is no SID of a machine", path)
	}
	return sid, nil
}

// writeMachineSID makes the file, whole or not at all.
func writeMachineSID(path string, sid secdesc.SID) error {
	_, err := statefile.Replace(path, []byte(sid.String()+"\n"), nil)
	return err
}

// openAccounts opens what the SIDs of users come from.
func (d *daemon) openAccounts() (sid secdesc.SID, err error) {
	if sid, err = machineSID(d.cfg, d.store); err != nil {
		return sid, err
	}
	if err := d.users.Complete(); err != nil {
		d.log.Warn().Err(err).Msg("the user file lacks the numbers of some accounts, and cannot be written; run \"lessor user list\" as its owner")
	}
	d.foreign, err = auth.OpenForeign(filepath.Join(d.cfg.StateDir, foreignFile))
	if err != nil {
		return sid, d.cfg.Problem("state_dir", err.Error(), "restore the file; without it users of Kerberos lose the rights that access lists of files give them")
	}
	d.privileges, err = privileges.Open(filepath.Join(d.cfg.StateDir, privilegesFile))
	if err != nil {
		return sid, d.cfg.Problem("state_dir", err.Error(), "correct the file; without it administrators have all privileges, and others none")
	}
	return sid, nil
}

// sidOf shows the SID of an account of the machine, as far as it is known.
func sidOf(machine secdesc.SID, rid uint32) string {
	if machine.IsZero() {
		return fmt.Sprintf("*-%d", rid)
	}
	return machine.WithRID(rid).String()
}

// knownMachineSID is the SID of the machine for those who only look. A server that
// was never started has none yet: then it gets one here, unless it is an older one
// that has to make its own.
func knownMachineSID(c *config.Config) secdesc.SID {
	path := filepath.Join(c.StateDir, sidFile)
	sid, err := readMachineSID(path)
	if err == nil || !errors.Is(err, fs.ErrNotExist) || exists(storePath(c)) {
		return sid
	}
	var r [12]byte
	_, _ = rand.Read(r[:]) // never fails
	le := binary.LittleEndian
	sid = secdesc.MachineSID(le.Uint32(r[0:]), le.Uint32(r[4:]), le.Uint32(r[8:]))
	if writeMachineSID(path, sid) != nil || ownAs(path, c.StateDir) != nil {
		return secdesc.SID{}
	}
	return sid
}
