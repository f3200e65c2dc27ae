package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/types"

	"lessor/smb/statefile"
)

var (
	// ErrKeytab is a keytab that cannot be parsed, or holds no key of use.
	ErrKeytab = errors.New("auth: bad keytab")
	// ErrKeytabMode is a keytab that others may read, or group write.
	ErrKeytabMode = errors.New("auth: keytab is readable for others")
)

// maxKeytab is the largest keytab in bytes.
const maxKeytab = 1 << 20

// maxTries is how many keys are tried on a ticket. Keytabs name the same key under
// many principals; those count once.
const maxTries = 32

// serviceKey is one entry of the keytab.
type serviceKey struct {
	principal, realm string
	kvno             uint32
	key              types.EncryptionKey
}

// String describes the entry without the key.
func (s serviceKey) String() string {
	return fmt.Sprintf("%s@%s kvno %d %s", s.principal, s.realm, s.kvno, encTypeName(s.key.KeyType))
}

// GoString is String, so that %#v shows no key either.
func (s serviceKey) GoString() string { return s.String() }

// keytabFile is a keytab that is read again when it has changed. If it can then
// not be read, the keys known before stay in use.
type keytabFile struct {
	// Immutable.
	path       string
	principals []string
	allowRC4   bool

	// mu serialises reading the file. It is a leaf.
	mu sync.Mutex

	// state is replaced as a whole, under mu, and read without it.
	state atomic.Pointer[keytabState]
	err   atomic.Pointer[error]
}

// keytabState is what one version of the file said. It is immutable.
type keytabState struct {
	info fs.FileInfo
	keys []serviceKey
}

func openKeytab(path string, principals []string, allowRC4 bool) (*keytabFile, error) {
	f := &keytabFile{path: path, principals: principals, allowRC4: allowRC4}
	st, err := f.read()
	if err != nil {
		return nil, err
	}
	f.state.Store(st)
	return f, nil
}

// current returns the newest keys that can be had. It costs one stat.
func (f *keytabFile) current() []serviceKey {
	st := f.state.Load()
	if info, err := os.Stat(f.path); err == nil && statefile.SameVersion(st.info, info) {
		if f.err.Load() != nil {
			f.err.Store(nil)
		}
		return st.keys
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	st = f.state.Load()
	if info, err := os.Stat(f.path); err == nil && statefile.SameVersion(st.info, info) {
		return st.keys
	}
	fresh, err := f.read()
	if err != nil {
		f.err.Store(&err)
		return st.keys
	}
	f.state.Store(fresh)
	f.err.Store(nil)
	return fresh.keys
}

// read parses the file and keeps the entries that count.
func (f *keytabFile) read() (*keytabState, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, fmt.Errorf("auth: keytab: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("auth: keytab: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a file", ErrKeytab)
	}
	if info.Mode().Perm()&0o027 != 0 {
		return nil, ErrKeytabMode
	}
	data, err := io.ReadAll(io.LimitReader(file, maxKeytab+1))
	if err != nil {
		return nil, fmt.Errorf("auth: keytab: %w", err)
	}
	if len(data) > maxKeytab {
		return nil, fmt.Errorf("%w: larger than 1 MiB", ErrKeytab)
	}
	keys, err := f.parse(data)
	if err != nil {
		return nil, err
	}
	return &keytabState{info: info, keys: keys}, nil
}

// parse reads the entries. The errors of the library quote the file, keys and all,
// and are therefore kept back.
func (f *keytabFile) parse(data []byte) (keys []serviceKey, err error) {
	defer func() {
		if recover() != nil {
			keys, err = nil, fmt.Errorf("%w: not a keytab", ErrKeytab)
		}
	}()
	var kt keytab.Keytab
	if kt.Unmarshal(data) != nil {
		return nil, fmt.Errorf("%w: not a keytab", ErrKeytab)
	}
	var weak, others int
	for _, e := range kt.Entries {
		s := serviceKey{principal: strings.Join(e.Principal.Components, "/"), realm: e.Principal.Realm, kvno: e.KVNO, key: e.Key}
		switch {
		case !knownEncType(e.Key.KeyType, f.allowRC4), len(e.Key.KeyValue) != keySize(e.Key.KeyType):
			weak++
		case !f.wants(s):
			others++
		default:
			keys = append(keys, s)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("%w: no key of use among %d: %d of types that are not accepted, %d of other principals",
			ErrKeytab, len(kt.Entries), weak, others)
	}
	return keys, nil
}

// wants reports whether an entry is of a principal that counts.
func (f *keytabFile) wants(s serviceKey) bool {
	if len(f.principals) == 0 {
		return true
	}
	return slices.ContainsFunc(f.principals, func(p string) bool {
		return strings.EqualFold(p, s.principal) || strings.EqualFold(p, s.principal+"@"+s.realm)
	})
}

// candidates returns the keys to try on a ticket: those of its version first, then
// the others, as versions in keytabs made by hand are often wrong. In a ticket of
// a read-only domain controller the number of the controller stands in the upper
// half of the version (MS-KILE 3.1.5.8).
func candidates(keys []serviceKey, encType int32, kvno uint32) []serviceKey {
	var fit, rest []serviceKey
	known := func(k serviceKey) bool {
		same := func(o serviceKey) bool { return bytes.Equal(o.key.KeyValue, k.key.KeyValue) }
		return slices.ContainsFunc(fit, same) || slices.ContainsFunc(rest, same)
	}
	for _, k := range keys {
		switch {
		case k.key.KeyType != encType || known(k):
		case k.kvno == kvno || k.kvno == kvno&0xffff:
			fit = append(fit, k)
		default:
			rest = append(rest, k)
		}
	}
	all := append(fit, rest...)
	return all[:min(len(all), maxTries)]
}

// explain says why no key fits a ticket.
func (f *keytabFile) explain(keys []serviceKey, name string, encType int32, kvno uint32) error {
	var note string
	if p := f.err.Load(); p != nil {
		note = fmt.Sprintf(" (it has changed, but cannot be read: %v)", *p)
	}
	has := func(fits func(serviceKey) bool) bool { return slices.ContainsFunc(keys, fits) }
	switch {
	case !has(func(k serviceKey) bool { return k.key.KeyType == encType }):
		return fmt.Errorf("%w: the ticket for %q is of %s, and the keytab has no such key%s", ErrNoKey, name, encTypeName(encType), note)
	case !has(func(k serviceKey) bool { return k.key.KeyType == encType && k.kvno == kvno }):
		return fmt.Errorf("%w: the ticket for %q is of key version %d, which is not in the keytab%s; is the keytab out of date?", ErrNoKey, name, kvno, note)
	}
	return fmt.Errorf("%w: no key of the keytab opens the ticket for %q (version %d, %s)%s", ErrNoKey, name, kvno, encTypeName(encType), note)
}
