package abuse

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"testing"
	"testing/synctest"

	"lessor/smb"
	"lessor/smb/wire"
	"lessor/test/client"
)

// middle is a man in the middle: a transport that flips bits in one frame of one
// direction. It belongs to one client, whose writes are whole frames.
type middle struct {
	net.Conn
	// The target: frame (from 0) of the requests, or of the replies, the byte behind its
	// prefix, and the bits.
	reply bool
	frame int
	at    int
	mask  byte

	sent, got int // frames so far
	rest      []byte
	sizes     [2][]int // of the frames that went by: requests, replies
}

func (m *middle) Write(b []byte) (int, error) {
	n := m.sent
	m.sent++
	m.sizes[0] = append(m.sizes[0], len(b)-4)
	if !m.reply && n == m.frame && m.at < len(b)-4 {
		own := append([]byte(nil), b...)
		own[4+m.at] ^= m.mask
		b = own
	}
	return m.Conn.Write(b)
}

func (m *middle) Read(b []byte) (int, error) {
	if len(m.rest) == 0 {
		var prefix [4]byte
		if _, err := io.ReadFull(m.Conn, prefix[:]); err != nil {
			return 0, err
		}
		frame := make([]byte, 4+binary.BigEndian.Uint32(prefix[:]))
		copy(frame, prefix[:])
		if _, err := io.ReadFull(m.Conn, frame[4:]); err != nil {
			return 0, err
		}
		n := m.got
		m.got++
		m.sizes[1] = append(m.sizes[1], len(frame)-4)
		if m.reply && n == m.frame && m.at < len(frame)-4 {
			frame[4+m.at] ^= m.mask
		}
		m.rest = frame
	}
	n := copy(b, m.rest)
	m.rest = m.rest[n:]
	return n, nil
}

// agreement is what client and server believe to have agreed upon: what a downgrade
// would change.
type agreement struct {
	Dialect                      wire.Dialect
	Cipher                       wire.Cipher
	Signing                      wire.SigningAlgorithm
	ClientGuid, ServerGuid       wire.GUID
	ClientMode, ServerMode       uint16
	ClientCaps, ServerCaps       uint32
	SessionFlags                 uint16
	User, StatusDialect          string
	MustSign, MustSeal, Channels bool
}

// handshake sets up a session through a man in the middle and sends what protects it:
// the validation of the negotiation, in 3.1.1 the signed TREE_CONNECT, and a signed
// ECHO. An error says that somebody has noticed.
func handshake(ctx context.Context, s *server, m *middle, o client.Options) (*agreement, error) {
	m.Conn = s.pipe()
	c, err := client.NewConn(ctx, m, o)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	session, err := c.SessionSetup(ctx)
	if err != nil {
		return nil, err
	}
	tree, err := session.TreeConnect(ctx, "share")
	if err != nil {
		return nil, err
	}
	// A client that offers 3.x validates whatever else comes out (MS-SMB2 3.2.5.5).
	if c.Dialect() < wire.Dialect311 {
		if err := tree.ValidateNegotiate(ctx); err != nil {
			return nil, err
		}
	}
	r := session.Request(&wire.EchoRequest{})
	r.Sign = client.On
	resp, err := c.Do(ctx, r)
	if err != nil {
		return nil, err
	}
	if err := resp.Err(); err != nil {
		return nil, err
	}
	n, st := c.Negotiated(), s.Status()
	if len(st.Sessions) != 1 {
		return nil, fmt.Errorf("%d sessions", len(st.Sessions))
	}
	their := st.Sessions[0]
	if session.ID != their.ID {
		return nil, errors.New("client and server think of different sessions")
	}
	return &agreement{
		Dialect: n.Dialect, Cipher: n.Cipher, Signing: n.Signing, ServerGuid: n.Response.ServerGuid,
		ServerMode: n.Response.SecurityMode, ServerCaps: n.Response.Capabilities, ClientGuid: n.Request.ClientGuid,
		SessionFlags: session.Flags, User: their.User, StatusDialect: their.Dialect + " " + their.ClientGUID,
		MustSign: their.Signed, MustSeal: their.Encrypted, Channels: their.Channels > 1,
	}, nil
}

// field is a part of a message that may be changed without harm, and why.
type field struct {
	from, to int // bytes, to excluded; a negative to is the end of the message
	why      string
}

func (f field) has(at int) bool { return at >= f.from && (f.to < 0 || at < f.to) }

// The frames of a handshake, requests and replies.
const (
	negotiate = iota
	setupFirst
	setupLast
)

// unsignedHeader is what neither side looks at in the header of a message that is not
// signed, or where a change costs no more than credits.
var unsignedHeader = []field{
	{6, 8, "CreditCharge: a message that moves little pays one whatever it says"},
	{14, 16, "credits: how many requests may be under way"},
	{16, 20, "flags that mean nothing here, such as the priority"},
	{32, 36, "Reserved, once the process id"},
	{36, 40, "TreeId, where there is no tree"},
	{48, 64, "Signature of a message that is not signed"},
}

// unsignedRequest is that of a request.
var unsignedRequest = append([]field{
	{8, 12, "ChannelSequence, which belongs to an open; in a reply it is the status, and looked at"},
}, unsignedHeader...)

// harmless30 are the fields of 3.0 and 3.0.2 that may be changed, by direction and
// frame. Everything that a downgrade would want is in FSCTL_VALIDATE_NEGOTIATE_INFO
// (MS-SMB2 3.3.5.15.12): SecurityMode, Capabilities, the GUIDs and the dialects.
var harmless30 = [2][3][]field{
	{
		negotiate: append([]field{
			{40, 48, "SessionId, which NEGOTIATE does not have"},
			{70, 72, "Reserved"},
			{92, 100, "ClientStartTime, or the contexts of 3.1.1"},
		}, unsignedRequest...),
		setupFirst: append([]field{
			{66, 67, "Flags other than BINDING"},
			{67, 68, "SecurityMode: the one of NEGOTIATE is validated, and either is enough"},
			{68, 72, "Capabilities: DFS only, which no server looks at"},
			{72, 76, "Channel, which is reserved"},
			{80, 88, "PreviousSessionId: only a session of the same user may be ended"},
		}, unsignedRequest...),
		setupLast: append([]field{
			{66, 67, "Flags other than BINDING"},
			{67, 68, "SecurityMode, as above"},
			{68, 72, "Capabilities, as above"},
			{72, 76, "Channel, as above"},
			{80, 88, "PreviousSessionId, as above"},
		}, unsignedRequest...),
	},
	{
		negotiate: append([]field{
			{40, 48, "SessionId, which NEGOTIATE does not have"},
			{70, 72, "NegotiateContextCount of 3.1.1"},
			{92, 104, "MaxTransactSize, MaxReadSize, MaxWriteSize: who asks for more than the server allows is refused"},
			{104, 120, "SystemTime and ServerStartTime"},
			{120, 128, "place of the token, and NegotiateContextOffset of 3.1.1"},
			{128, -1, "token: hints about mechanisms; the client proves its own choice"},
		}, unsignedHeader...),
		setupFirst: append([]field{
			{66, 68, "SessionFlags, which count in the last response"},
			{82, 83, "negState of SPNEGO, where another message follows in any case"},
			{87, 97, "supportedMech of SPNEGO, of a client that has offered NTLM alone"},
		}, unsignedHeader...),
		// The last response is signed.
	},
}

// masks are the bits to flip: each one in NEGOTIATE, where each one means something, of
// those who offer everything up to 3.0.2 or to 3.1.1.
func masks(frame int, dialects []wire.Dialect) []byte {
	if frame == negotiate && len(dialects) > 2 {
		return []byte{0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}
	}
	return []byte{0x01, 0x80, 0xff}
}

// A man in the middle flips bits of every byte of NEGOTIATE and SESSION_SETUP. In 3.1.1
// nothing may be changed at all; before, only what is listed, and what was agreed
// upon is the same as without him. A field that is listed and was noticed is an error
// of the list.
func TestDowngrade(t *testing.T) {
	for _, d := range []struct {
		dialects []wire.Dialect
		harmless [2][3][]field
		// lax clients look at nothing: the server is to notice by itself. Of the last reply
		// it learns nothing.
		lax bool
		// optional servers leave signing to the client, who requires it.
		optional bool
	}{
		{dialects: []wire.Dialect{wire.Dialect210}, harmless: harmless30},
		{dialects: []wire.Dialect{wire.Dialect210, wire.Dialect300}, harmless: harmless30},
		{dialects: []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect302}, harmless: harmless30},
		{dialects: []wire.Dialect{wire.Dialect210, wire.Dialect300, wire.Dialect302, wire.Dialect311}},
		{dialects: []wire.Dialect{wire.Dialect311}, lax: true},
		{dialects: []wire.Dialect{wire.Dialect302}, harmless: harmless30, optional: true},
		{dialects: []wire.Dialect{wire.Dialect311}, optional: true},
	} {
		name := fmt.Sprint(d.dialects)
		if d.lax {
			name += " lax"
		}
		if d.optional {
			name += " signed by the client's wish"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, func(t *testing.T, s *server) {
				o := options(func(o *client.Options) { o.Dialects, o.NoVerify, o.SignRequired = d.dialects, d.lax, d.optional })
				o.ClientGuid = client.NewGUID()
				calm := &middle{frame: -1}
				want := must(handshake(t.Context(), s, calm, o))(t)
				synctest.Wait()
				flips, through := 0, make(map[string]int)
				for dir, reply := range []bool{false, true} {
					for frame := negotiate; frame <= setupLast; frame++ {
						if d.lax && reply && frame == setupLast {
							continue
						}
						for at := range calm.sizes[dir][frame] {
							bits := masks(frame, d.dialects)
							if d.optional {
								bits = []byte{wire.NegotiateSigningEnabled | wire.NegotiateSigningRequired}
							}
							for _, mask := range bits {
								flips++
								m := &middle{reply: reply, frame: frame, at: at, mask: mask}
								got, err := handshake(t.Context(), s, m, o)
								synctest.Wait()
								if err != nil {
									continue
								}
								where := fmt.Sprintf("reply %v, frame %d, byte %d of %d, mask %#x", reply, frame, at, calm.sizes[dir][frame], mask)
								if *got != *want {
									t.Errorf("%s: %+v, without it %+v", where, *got, *want)
								}
								why := ""
								for _, f := range d.harmless[dir][frame] {
									if f.has(at) {
										why = f.why
									}
								}
								if why == "" {
									t.Errorf("%s: nobody has noticed", where)
								}
								through[fmt.Sprint(dir, frame, why)]++
							}
						}
					}
				}
				t.Logf("%d flips, unnoticed: %v", flips, through)
				for dir := range d.harmless {
					for frame, list := range d.harmless[dir] {
						for _, f := range list {
							if through[fmt.Sprint(dir, frame, f.why)] == 0 && !d.optional {
								t.Errorf("direction %d, frame %d: %s: was noticed", dir, frame, f.why)
							}
						}
					}
				}
			}, func(c *smb.Config) { c.MinDialect, c.SigningOptional = wire.Dialect202, d.optional })
		})
	}
}
