package auth

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/oiweiwei/gokrb5.fork/v9/messages"
	"github.com/oiweiwei/gokrb5.fork/v9/types"
)

// KerberosInitiator is the client side of SPNEGO with Kerberos, for our own client
// and for tests: it has a ticket already. Fill in the exported fields, then call
// Step: first with nil, then with every token that the server sends. It is for one
// exchange and one goroutine.
type KerberosInitiator struct {
	// Client and Realm are the principal of the client, as "alice" and
	// "EXAMPLE.COM".
	Client, Realm string
	// Ticket is for the service, and Key its session key.
	Ticket messages.Ticket
	Key    types.EncryptionKey
	// Time is what the client's clock says; time.Now if zero.
	Time time.Time
	// NoMutual does not ask the server to prove itself, and NoSubkey proposes no
	// key of the client.
	NoMutual, NoSubkey bool
	// Mechs is the list to offer; both identifiers of Kerberos if nil. The token
	// goes with it only if the first is one of Kerberos.
	Mechs []string

	legs int
	init negTokenInit
	req  messages.APReq
	keys micKeys
	done bool // the server has proved itself
}

// SessionKey returns the key that both sides share, once Step has taken the
// server's answer.
func (c *KerberosInitiator) SessionKey() []byte { return bytes.Clone(c.keys.best().KeyValue) }

// Step takes the server's token and returns the next one to send; nothing is left
// to send when it is nil.
func (c *KerberosInitiator) Step(token []byte) ([]byte, error) {
	c.legs++
	if c.legs == 1 {
		return c.start()
	}
	resp, err := parseNegTokenResp(token)
	if err != nil {
		return nil, err
	}
	if resp.state == stateReject {
		return nil, ErrLogonFailure
	}
	if c.req.MsgType == 0 { // the server wants to begin anew
		token, err := c.apReq()
		if err != nil {
			return nil, err
		}
		return (&negTokenResp{state: stateAbsent, token: token}).append(), nil
	}
	if !c.done {
		if err := c.answer(resp.token); err != nil {
			return nil, err
		}
	}
	if resp.mic != nil && !c.keys.verify(c.init.mechList, resp.mic, false) {
		return nil, fmt.Errorf("%w: mechListMIC", ErrIntegrity)
	}
	if resp.state == stateAcceptCompleted {
		return nil, nil
	}
	return (&negTokenResp{state: stateAbsent, mic: c.keys.sign(c.init.mechList, false)}).append(), nil
}

func (c *KerberosInitiator) start() ([]byte, error) {
	c.init.mechs = c.Mechs
	if c.init.mechs == nil {
		c.init.mechs = []string{OIDMSKerberos, OIDKerberos}
	}
	if first := c.init.mechs[0]; first == OIDKerberos || first == OIDMSKerberos {
		var err error
		if c.init.mechToken, err = c.apReq(); err != nil {
			return nil, err
		}
	}
	return c.init.append(""), nil
}

// apReq makes the first token of Kerberos.
func (c *KerberosInitiator) apReq() ([]byte, error) {
	if c.Time.IsZero() {
		c.Time = time.Now()
	}
	a := types.Authenticator{
		AVNO: 5, CRealm: c.Realm, CName: types.NewPrincipalName(1, c.Client),
		CTime: c.Time.UTC().Truncate(time.Second), Cusec: c.Time.Nanosecond() / 1000,
	}
	var err error
	if a.SeqNumber, err = sequenceNumber(); err != nil {
		return nil, err
	}
	c.keys = micKeys{initiator: c.Key, sequence: uint64(a.SeqNumber)}
	if !c.NoSubkey {
		if a.SubKey, err = newKey(c.Key.KeyType); err != nil {
			return nil, err
		}
		c.keys.initiator = a.SubKey
	}
	flags := uint32(gssMutual)
	if c.NoMutual {
		flags, c.done = 0, true
	}
	sum := append(binary.LittleEndian.AppendUint32(nil, 16), make([]byte, 16)...)
	a.Cksum = types.Checksum{CksumType: gssChecksum, Checksum: binary.LittleEndian.AppendUint32(sum, flags)}
	if c.req, err = messages.NewAPReq(c.Ticket, c.Key, a); err != nil {
		return nil, fmt.Errorf("auth: AP-REQ: %w", err)
	}
	if !c.NoMutual {
		types.SetFlag(&c.req.APOptions, apMutualRequired)
	}
	c.req.Authenticator = a
	body, err := c.req.Marshal()
	if err != nil {
		return nil, fmt.Errorf("auth: AP-REQ: %w", err)
	}
	return frame(tokAPReq, body), nil
}

// answer checks the server's proof and takes its key.
func (c *KerberosInitiator) answer(token []byte) error {
	body, err := unframe(token, tokAPRep)
	if err != nil {
		return err
	}
	var rep messages.APRep
	if err := rep.Unmarshal(body); err != nil {
		return malformed("AP-REP: %v", err)
	}
	if err := decryptable("AP-REP", rep.EncPart); err != nil {
		return err
	}
	if err := rep.DecryptEncPart(c.Key); err != nil {
		return fmt.Errorf("%w: AP-REP", ErrIntegrity)
	}
	part := &rep.DecryptedEncPart
	if !part.CTime.Equal(c.req.Authenticator.CTime) || part.Cusec != c.req.Authenticator.Cusec {
		return fmt.Errorf("%w: AP-REP to something else", ErrIntegrity)
	}
	c.keys.acceptor, c.done = part.Subkey, true
	return nil
}
