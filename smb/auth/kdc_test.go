package auth

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/oiweiwei/gokrb5.fork/v9/asn1tools"
	"github.com/oiweiwei/gokrb5.fork/v9/crypto"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/asnAppTag"
	"github.com/oiweiwei/gokrb5.fork/v9/iana/keyusage"
	"github.com/oiweiwei/gokrb5.fork/v9/keytab"
	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// Encryption types.
const (
	aes128     = 17
	aes256     = 18
	aes128sha2 = 19
	aes256sha2 = 20
	rc4hmac    = 23
)

// kdc issues tickets for "cifs/server".
type kdc struct {
	realm string
	keys  map[int32]types.EncryptionKey
}

func newKDC(t testing.TB) *kdc {
	t.Helper()
	k := &kdc{realm: "EXAMPLE.COM", keys: map[int32]types.EncryptionKey{}}
	for _, e := range encTypes {
		key, err := newKey(e.id)
		if err != nil {
			t.Fatal(err)
		}
		k.keys[e.id] = key
	}
	return k
}

// writeKeytab writes the keys of some types to a file.
func (k *kdc) writeKeytab(t testing.TB, path string, kvno uint32, encTypes ...int32) {
	t.Helper()
	kt := keytab.New()
	for _, e := range encTypes {
		entry := keytab.NewEntry()
		entry.Principal = keytab.Principal{NumComponents: 2, Realm: k.realm, Components: []string{"cifs", "server"}, NameType: 3}
		entry.Timestamp, entry.KVNO8, entry.KVNO, entry.Key = time.Now(), uint8(kvno), kvno, k.keys[e]
		kt.Entries = append(kt.Entries, entry)
	}
	data, err := kt.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	// As ktutil does not, but as everybody should: all at once.
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// keytab returns a keytab with all keys.
func (k *kdc) keytab(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keytab")
	k.writeKeytab(t, path, 2, aes256, aes128, aes256sha2, aes128sha2, rc4hmac)
	return path
}

// service returns the mechanism with all keys.
func (k *kdc) service(t testing.TB, change func(*KerberosConfig)) *Kerberos {
	t.Helper()
	cfg := KerberosConfig{Keytab: k.keytab(t)}
	if change != nil {
		change(&cfg)
	}
	m, err := NewKerberos(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// part is the inside of a ticket for alice that is valid now.
func (k *kdc) part(t testing.TB, keyType int32) *messages.EncTicketPart {
	t.Helper()
	key, err := newKey(keyType)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	return &messages.EncTicketPart{
		Flags: types.NewKrbFlags(), Key: key, CRealm: k.realm, CName: types.NewPrincipalName(1, "alice"),
		AuthTime: now.Add(-time.Minute), StartTime: now.Add(-time.Minute), EndTime: now.Add(time.Hour),
	}
}

// seal makes a ticket, encrypted with the key of the service of a type.
func (k *kdc) seal(t testing.TB, encType int32, part *messages.EncTicketPart) messages.Ticket {
	t.Helper()
	plain, err := asn1.Marshal(*part)
	if err != nil {
		t.Fatal(err)
	}
	return k.sealBytes(t, encType, asn1tools.AddASNAppTag(plain, asnAppTag.EncTicketPart))
}

func (k *kdc) sealBytes(t testing.TB, encType int32, plain []byte) messages.Ticket {
	t.Helper()
	enc, err := crypto.GetEncryptedData(plain, k.keys[encType], keyusage.KDC_REP_TICKET, 2)
	if err != nil {
		t.Fatal(err)
	}
	return messages.Ticket{TktVNO: 5, Realm: k.realm, SName: types.NewPrincipalName(3, "cifs/server"), EncPart: enc}
}

// initiator is a client with a ticket of the given types of encryption.
func (k *kdc) initiator(t testing.TB, encType, keyType int32, change func(*messages.EncTicketPart)) *KerberosInitiator {
	t.Helper()
	part := k.part(t, keyType)
	if change != nil {
		change(part)
	}
	return &KerberosInitiator{Client: "alice", Realm: k.realm, Ticket: k.seal(t, encType, part), Key: part.Key}
}

// talk carries an exchange through and returns what the server says.
func talk(t testing.TB, c *KerberosInitiator, x Exchange) (*Identity, error) {
	t.Helper()
	token, err := c.Step(nil)
	for err == nil {
		reply, id, refused := step(t, x, token)
		if refused != nil {
			return nil, refused
		}
		if token, err = c.Step(reply); err != nil {
			break
		}
		switch {
		case id != nil && token != nil:
			t.Fatal("the client goes on after the end")
		case id != nil:
			return id, nil
		case token == nil:
			t.Fatal("the client ends before the server")
		}
	}
	t.Fatalf("client: %v", err)
	return nil, nil
}

// pacBuffer is one buffer of a PAC.
type pacBuffer struct {
	kind uint32
	data []byte
}

// signPAC puts a PAC together and signs it for the service. The signature is in the
// buffer of kind 6.
func signPAC(t testing.TB, key types.EncryptionKey, buffers ...pacBuffer) []byte {
	t.Helper()
	var kind int32
	for _, e := range encTypes {
		if e.id == key.KeyType {
			kind = e.checksum
		}
	}
	signature := make([]byte, 4+signatureSize(kind))
	binary.LittleEndian.PutUint32(signature, uint32(kind))
	buffers = append(buffers, pacBuffer{pacServerSum, signature}, pacBuffer{pacKDCSum, signature})
	le := binary.LittleEndian
	out := le.AppendUint64(nil, uint64(len(buffers)))
	offset := pacHeaderSize + pacInfoSize*len(buffers)
	var body []byte
	var server int
	for _, b := range buffers {
		if b.kind == pacServerSum {
			server = offset + len(body)
		}
		out = le.AppendUint32(out, b.kind)
		out = le.AppendUint32(out, uint32(len(b.data)))
		out = le.AppendUint64(out, uint64(offset+len(body)))
		body = append(body, b.data...)
		body = append(body, make([]byte, -len(body)&7)...)
	}
	out = append(out, body...)
	et, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		t.Fatal(err)
	}
	sum, err := et.GetChecksumHash(key.KeyValue, out, keyusage.KERB_NON_KERB_CKSUM_SALT)
	if err != nil {
		t.Fatal(err)
	}
	copy(out[server+4:], sum)
	return out
}

// clientInfo is the buffer that names the client.
func clientInfo(name string, at time.Time) pacBuffer {
	text := encodeUTF16(name)
	b := binary.LittleEndian.AppendUint64(nil, fileTime(at))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return pacBuffer{pacClientInfo, append(b, text...)}
}

// withPAC puts a PAC where tickets have it.
func withPAC(t testing.TB, part *messages.EncTicketPart, pac []byte) {
	t.Helper()
	inner, err := asn1.Marshal(types.AuthorizationData{{ADType: 141, ADData: []byte("x")}, {ADType: adWin2kPAC, ADData: pac}})
	if err != nil {
		t.Fatal(err)
	}
	part.AuthorizationData = types.AuthorizationData{{ADType: 999, ADData: []byte{1}}, {ADType: adIfRelevant, ADData: inner}}
}
